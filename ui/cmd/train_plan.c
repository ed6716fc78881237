#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "engine/merge.h"
#include "repo/resolve.h"
#include "training/speed.h"
#include "ui/app/adapters.h"
#include "ui/app/model_source.h"
#include "ui/app/runs/setup.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/train.h"

enum { NAME_MAX_SIZE = 40, NUMBER_DIGITS_MAX = 6 };

void ui_train_plan_free(ui_train_plan *p)
{
    ui_run_plan_free(&p->plan);
    free(p->changes);
    bytes_free(&p->advice);
    *p = (ui_train_plan){0};
}

static void set_text(char **to, const char *text)
{
    char *copy = memory_text(text);
    free(*to);
    *to = copy;
}

/* -- where
 * ---------------------------------------------------------------------------------------------------- */

static err branch_of(repo_handle *r, const ui_arguments *a, const repo_ref *ref, ui_run_plan *plan)
{
    const char *given = ui_arguments_text(a, "branch");
    repo_ref head = {0};
    err e = ERR_OK;

    if (given) {
        set_text(&plan->branch, given);
        return e;
    }
    if (ref->kind == REPO_REF_BRANCH) {
        set_text(&plan->branch, ref->name + strlen("refs/heads/"));
        return e;
    }
    e = repo_resolve(r, "", &head);
    if (!e.code && head.kind == REPO_REF_BRANCH)
        set_text(&plan->branch, head.name + strlen("refs/heads/"));
    else if (!e.code)
        e = err_make(ERR_USAGE,
                     "no branch is checked out: --branch NAME says where the adapter is committed");
    repo_ref_free(&head);
    return e;
}

static err find_repository(ui_cli *cli, const ui_arguments *a, ui_run_plan *plan)
{
    CLEANUP(ui_model_word_free) ui_model_word word = {0};
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    repo_handle *r = NULL;

    err e = ui_model_word_read(cli, a->words[0], &word);
    if (!e.code && word.said.adapter_count)
        e = err_make(ERR_USAGE, "%s names an adapter: --init-adapter PATH begins with one", a->words[0]);
    if (e.code) return e;
    ui_repo_begin(cli, &repo);
    e = repo_start(&repo.context);
    if (!e.code) e = repo_open(&repo.context, word.folder, &r);
    if (e.code == ERR_NOT_FOUND)
        e = err_make(ERR_NOT_FOUND,
                     "%s is no repository, where a run keeps its adapter: hyprstream adopt makes one",
                     word.folder);
    if (!e.code) e = repo_resolve(r, *plan->base_commit ? plan->base_commit : word.said.ref, &ref);
    if (!e.code) {
        char *folder = realpath(word.folder, NULL);
        set_text(&plan->folder, folder ? folder : word.folder);
        free(folder);
        set_text(&plan->model, word.said.is_path ? file_name(plan->folder) : word.said.model);
        set_text(&plan->base_commit, ref.commit.hex);
        e = branch_of(r, a, &ref, plan);
    }
    repo_close(r);
    return e;
}

err ui_train_check_author(ui_cli *cli, const ui_run_plan *plan)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    repo_handle *r = NULL;

    ui_repo_begin(cli, &repo);
    err e = repo_start(&repo.context);
    if (!e.code) e = repo_open(&repo.context, plan->folder, &r);
    if (!e.code) e = repo_commit_identity_check(r);
    repo_close(r);
    return e;
}

/* -- names
 * ---------------------------------------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    size_t size = strlen(text);
    return size > 0 && size <= NAME_MAX_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == size;
}

/* "polite" of ".../Polite.jsonl". */
static char *name_of_file(const char *path)
{
    char *name = memory_text_n(file_name(path), strcspn(file_name(path), "."));
    for (char *c = name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", *c)) *c = '-';
    }
    if (strlen(name) > NAME_MAX_SIZE) name[NAME_MAX_SIZE] = 0;
    if (!*name) {
        free(name);
        name = memory_text("adapter");
    }
    return name;
}

static void list_at(ui_cli *cli, const ui_run_plan *plan, ui_adapter_list *out)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    engine_files *files = NULL;
    char *warning = NULL;

    *out = (ui_adapter_list){0};
    ui_repo_begin(cli, &repo);
    err e = ui_model_source_open(&repo.context, plan->folder, plan->branch, plan->model, &files, &warning);
    if (e.code)
        e = ui_model_source_open(&repo.context, plan->folder, plan->base_commit, plan->model, &files,
                                 &warning);
    if (!e.code) ui_adapters_list(files, out);
    engine_files_free(files);
    free(warning);
}

/* A run of a name that is there goes over its files, a new name gets the next number. */
static err choose_adapter(ui_cli *cli, const ui_arguments *a, ui_run_plan *plan)
{
    const char *given = ui_arguments_text(a, "adapter");
    ui_adapter_list list = {0};
    ui_adapter_row *row = NULL;
    unsigned long next = 1;
    err e = ERR_OK;

    if (*plan->adapter) return e; /* --from knows it */
    if (plan->settings.full) {
        set_text(&plan->adapter, UI_RUN_WEIGHTS);
        return e;
    }
    char *name = given ? memory_text(given) : name_of_file(plan->data[0]);
    list_at(cli, plan, &list);
    size_t digits = strspn(name, "0123456789");
    bool numbered = digits > 0 && digits <= NUMBER_DIGITS_MAX && name[digits] == '_';
    if (!is_name(numbered ? name + digits + 1 : name)) {
        e = err_make(ERR_USAGE, "--adapter '%.60s': expected 1 to %d of a-z, 0-9, _ and -", name,
                     NAME_MAX_SIZE);
    } else if (numbered) {
        set_text(&plan->adapter, name);
    } else if (!ui_adapters_find(&list, name, plan->model, &row).code) {
        set_text(&plan->adapter, row->name);
    } else {
        CLEANUP(bytes_free) bytes full = {0};
        for (size_t i = 0; i < list.count; i++) {
            unsigned long number = strtoul(list.rows[i].name, NULL, 10);
            if (number >= next && number < 1000000) next = number + 1;
        }
        bytes_printf(&full, "%02lu_%s", next, name);
        set_text(&plan->adapter, bytes_text(&full));
    }
    ui_adapters_free(&list);
    free(name);
    return e;
}

/* -- what is said on the command line
 * ------------------------------------------------------------------------- */

static err read_settings(const ui_arguments *a, training_settings *s)
{
    for (size_t i = 0; i < a->given_count; i++) {
        const training_setting *row = training_setting_find(a->given[i].name);
        if (!row) continue;
        err e = training_settings_set(s, row->flag, a->given[i].value ? a->given[i].value : "on");
        if (e.code) return e;
    }
    return ERR_OK;
}

/* What --full would not look at. */
static err check_full(const ui_arguments *a, const ui_run_plan *plan)
{
    static const char *const of_adapters[] = {"adapter", "init-adapter", "rank",         "alpha",
                                              "targets", "layers",       "rank-pattern", "alpha-pattern",
                                              "init",    "lora-plus",    "adapter-dtype"};
    if (!plan->settings.full) return ERR_OK;
    for (size_t i = 0; i < COUNT_OF(of_adapters); i++)
        if (ui_arguments_has(a, of_adapters[i]) && !(i == 0 && ui_arguments_has(a, "from")))
            return err_make(ERR_USAGE, "--full trains the weights themselves: --%s belongs to adapters",
                            of_adapters[i]);
    if (strcmp(plan->dtype, "int8") == 0 || strcmp(plan->dtype, "nf4") == 0)
        return err_make(
            ERR_USAGE,
            "--full trains the weights themselves, and --dtype %s packs them: take auto, f32 or bf16",
            plan->dtype);
    return ERR_OK;
}

static err absolute(const char *option, const char *path, char **out)
{
    char *real = realpath(path, NULL);
    if (!real) return err_errno("--%s %s", option, path);
    free(*out);
    *out = real;
    return ERR_OK;
}

static err read_paths(const ui_arguments *a, ui_run_plan *plan)
{
    const char *path;
    err e = ERR_OK;

    for (size_t i = 0; !e.code && (path = ui_arguments_each(a, "data", i)); i++) {
        plan->data = memory_resize_array(plan->data, plan->data_count + 1, sizeof *plan->data);
        plan->data[plan->data_count++] = NULL;
        e = absolute("data", path, &plan->data[plan->data_count - 1]);
    }
    if (!e.code && !plan->data_count) e = err_make(ERR_USAGE, "what to learn from: --data FILE");
    if (!e.code && (path = ui_arguments_text(a, "eval-file")))
        e = absolute("eval-file", path, &plan->eval_file);
    if (!e.code && (path = ui_arguments_text(a, "init-adapter")))
        e = absolute("init-adapter", path, &plan->init_adapter);
    for (size_t i = 0; !e.code && (path = ui_arguments_each(a, "sample", i)); i++) {
        if (i == UI_RUN_PROMPTS_MAX)
            return err_make(ERR_USAGE, "more than %d --sample texts", UI_RUN_PROMPTS_MAX);
        plan->prompts[plan->prompt_count++] = memory_text(path);
    }
    if (!e.code && (path = ui_arguments_text(a, "log-jsonl"))) {
        char *here = realpath(".", NULL);
        free(plan->jsonl);
        plan->jsonl = file_join(here ? here : ".", path);
        free(here);
    }
    return e;
}

static err read_device(ui_cli *cli, const ui_arguments *a, ui_run_plan *plan)
{
    engine_model_options how;
    bool known = *plan->device != 0; /* of --from, which wants the same */
    err e = ui_model_run_options(cli, a, &how);
    if (e.code) return e;
    if (!known || ui_arguments_has(a, "device")) set_text(&plan->device, how.device);
    if (!known || ui_arguments_has(a, "dtype")) set_text(&plan->dtype, how.dtype);
    if (!known || ui_arguments_has(a, "threads")) plan->threads = how.threads;
    return ERR_OK;
}

/* -- what follows from it
 * ------------------------------------------------------------------------------------- */

/* Memory and time. On a device of its own only the run knows the speed, and a run that does not fit has none.
 */
static err estimate_run(const engine_model *model, const training_ranks *ranks,
                        const engine_trainable_options *trained, ui_train_plan *out)
{
    ui_run_plan *plan = &out->plan;
    training_speed speed = {0};
    tensor_device device;

    err e = tensor_door_open();
    if (!e.code) e = tensor_device_parse(plan->device, &device);
    if (e.code) return e;
    training_estimate *m = &out->estimate;
    *m = training_estimate_make(model, out->parameters, &plan->settings, &out->extent,
                                training_room_look(device, strcmp(plan->device, "auto") == 0, ranks));
    plan->estimate = (ui_run_estimate){.memory = (double)m->total, .flop_per_step = m->flop_per_step};
    if (device.cuda || (m->room.free && m->together > m->room.free)) return e;
    tensor_threads_set(plan->threads);
    e = training_speed_measure(model, trained, &plan->settings, &out->extent, m, training_ranks_count(ranks),
                               &speed);
    plan->estimate.product_flop_per_s = speed.product_flop_per_s;
    plan->estimate.step_seconds = speed.step_seconds;
    return e;
}

static err plan_of_data(const training_data *data, const engine_model *model, const char *digest,
                        const training_ranks *ranks, ui_train_plan *out)
{
    training_settings *s = &out->plan.settings;
    err e = ERR_OK;

    if (digest && strcmp(digest, training_data_borrow_digest(data)) != 0)
        e = err_make(ERR_CONFLICT, "the data is not that of the commit: its digest is %.12s, expected %.12s",
                     training_data_borrow_digest(data), digest);
    if (!e.code) e = training_settings_settle(s, training_data_is_preference(data));
    if (e.code) return e;
    engine_trainable_options how = run_trainable_options(s);
    const engine_spec *spec = engine_model_borrow_spec(model);
    e = engine_trainable_check(spec, &how, &out->parameters);
    if (!e.code && s->full)
        e = err_note(engine_merge_check_whole(spec, engine_model_borrow_weights(model)), "--full");
    if (!e.code) e = training_extent_of(data, s, &out->extent);
    if (e.code) return e;
    out->steps = s->steps ? (uint64_t)s->steps : (uint64_t)s->epochs * out->extent.windows;
    for (size_t i = 0; i < out->change_count; i++)
        if (out->changes[i].steps) out->steps = out->changes[i].steps;
    set_text(&out->plan.data_digest, training_data_borrow_digest(data));
    out->held_out = training_data_held_out_count(data);
    out->advice_count =
        training_settings_advise(s, out->extent.targets, out->parameters, out->steps, &out->advice);
    return estimate_run(model, ranks, &how, out);
}

err ui_train_open_data(ui_cli *cli, const ui_run_plan *plan, engine_model **model, training_data **data)
{
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    engine_files *files = NULL;
    char *warning = NULL;
    engine_model_options without = {.weights = false, .dtype = plan->dtype};

    ui_repo_begin(cli, &repo);
    err e =
        ui_model_source_open(&repo.context, plan->folder, plan->base_commit, plan->model, &files, &warning);
    free(warning);
    if (!e.code) e = engine_model_open(files, &without, model);
    if (e.code) return e;
    training_data_options how = training_settings_data(&plan->settings);
    if (*plan->eval_file) how.held_out = 0;
    e = training_data_open((const char *const *)plan->data, plan->data_count, *model, &how, data);
    if (e.code) {
        engine_model_free(*model);
        *model = NULL;
    }
    return e;
}

/* Read once before the run does, so that what is wrong with it is said now. */
static err read_eval_file(const engine_model *model, ui_run_plan *plan)
{
    training_data *data = NULL;

    if (!*plan->eval_file) return ERR_OK;
    err e = run_open_eval_file(plan, model, &data);
    if (!e.code) set_text(&plan->eval_digest, training_data_borrow_digest(data));
    training_data_free(data);
    return e.code ? err_note(e, "--eval-file") : e;
}

static err read_data(ui_cli *cli, const char *digest, const training_ranks *ranks, ui_train_plan *out)
{
    engine_model *model = NULL;
    training_data *data = NULL;
    err e = ui_train_open_data(cli, &out->plan, &model, &data);
    if (!e.code) e = read_eval_file(model, &out->plan);
    if (!e.code) e = plan_of_data(data, model, digest, ranks, out);
    training_data_free(data);
    engine_model_free(model);
    return e;
}

const char *ui_train_room_name(const training_estimate *m)
{
    return m->room.cuda ? "on this GPU" : "on this machine";
}

static err check_memory(const training_estimate *m)
{
    char total[32], available[32], who[64] = "run";
    if (!m->room.free || m->together <= m->room.free) return ERR_OK;
    text_human_size(m->together, total, sizeof total);
    text_human_size(m->room.free, available, sizeof available);
    if (m->room.ranks > 1) snprintf(who, sizeof who, "%zu ranks %s", m->room.ranks, ui_train_room_name(m));
    return err_make(
        ERR_MEMORY,
        "the %s would take about %s, and %s are free: %sa smaller --max-length or --micro-batch, or "
        "--checkpointing layers, takes less",
        who, total, available, m->room.ranks > 1 ? "fewer ranks, " : "");
}

err ui_train_plan_make(ui_cli *cli, const ui_arguments *a, const training_ranks *ranks, ui_train_plan *out)
{
    CLEANUP(ui_train_sources_free) ui_train_sources from = {0};

    *out = (ui_train_plan){0};
    ui_run_plan_init(&out->plan);
    if (!a->word_count) return err_make(ERR_USAGE, "which model: hyprstream train MODEL --data FILE");
    err e = ui_arguments_has(a, "from") ? ui_train_from(cli, a, out, &from) : ERR_OK;
    if (!e.code) e = read_settings(a, &out->plan.settings);
    if (!e.code) e = read_paths(a, &out->plan);
    if (!e.code) e = read_device(cli, a, &out->plan);
    if (!e.code) e = check_full(a, &out->plan);
    if (!e.code) e = find_repository(cli, a, &out->plan);
    if (!e.code) e = read_data(cli, from.data, ranks, out);
    if (!e.code && ui_arguments_has(a, "from")) e = ui_train_sources_check(&from, &out->plan);
    if (!e.code) e = choose_adapter(cli, a, &out->plan);
    if (!e.code) e = check_memory(&out->estimate);
    return e;
}
