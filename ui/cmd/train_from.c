/* ui/cmd/train_from.c: the plan that a commit of training holds. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "engine/weights.h"
#include "repo/resolve.h"
#include "ui/app/model_source.h"
#include "ui/app/runs/setup.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/train.h"

#define ENDING ".train.json"

enum { TRAIN_JSON_BYTES_MAX = 4 << 20, TRAIN_JSON_DEPTH = 16 };

static bool is_train_json(const char *name)
{
    size_t size = strlen(name), end = strlen(ENDING);
    if (strcmp(name, UI_RUN_WEIGHTS ENDING) == 0) return true;
    return text_starts_with(name, "adapters/") && size > end && strcmp(name + size - end, ENDING) == 0;
}

static bool is_same_file(engine_files *now, engine_files *before, const char *name)
{
    CLEANUP(bytes_free) bytes new = {0}, old = {0};
    if (!engine_files_has(now, name) || !engine_files_has(before, name)) return false;
    bool read =
        !engine_files_content_id(now, name, &new).code && !engine_files_content_id(before, name, &old).code;
    return read && bytes_view_equal(bytes_borrow(&new), bytes_borrow(&old));
}

/* The plan or what it made: a run's second commit has the same plan. */
static bool is_changed(engine_files *now, engine_files *before, const char *plan)
{
    CLEANUP(bytes_free) bytes names = {0};
    size_t count = 0;

    if (!before || !is_same_file(now, before, plan)) return true;
    if (strchr(plan, '/')) {
        bytes_append(&names, plan, strlen(plan) - strlen(ENDING));
        bytes_append_text(&names, ".safetensors");
        return !is_same_file(now, before, bytes_text(&names));
    }
    if (engine_weights_list_files(now, &names, &count).code) return false;
    const char *name = bytes_text(&names);
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1)
        if (!is_same_file(now, before, name)) return true;
    return false;
}

/* The one that the commit changed; *name is borrowed from `now`. */
static err find_changed(engine_files *now, engine_files *before, const char *wanted, const char **name,
                        bytes *json)
{
    size_t found = 0;
    for (size_t i = 0; i < engine_files_count(now); i++) {
        const char *file = engine_files_borrow_name(now, i);
        if (!is_train_json(file)) continue;
        if (wanted ? !strstr(file, wanted) : !is_changed(now, before, file)) continue;
        bytes_clear(json);
        err e = engine_files_read(now, file, TRAIN_JSON_BYTES_MAX, json);
        if (e.code) return e;
        *name = file;
        found++;
    }
    if (found == 1) return ERR_OK;
    return err_make(ERR_USAGE, "the commit %s: --adapter NAME says which run is meant",
                    found ? "changed more than one plan" : "changed nothing that was trained here");
}

/* --data says where one set of data lies. */
static err check_one_data(const ui_train_plan *p)
{
    const ui_run_change *c = ui_run_changes_borrow_data(p->changes, p->change_count, UINT64_MAX);
    if (!c) return ERR_OK;
    return err_make(ERR_UNSUPPORTED,
                    "the run went on with other data at step %llu, and a plan is run again from one set: a "
                    "commit from before that can be, and --init-adapter begins with this one's adapter",
                    (unsigned long long)c->step);
}

static char *digest_of(const json_node *root, const char *of, const char *key)
{
    bytes_view hex = json_text(json_get(json_get(root, of), key));
    return hex.size ? memory_text_n(hex.data, hex.size) : NULL;
}

static err read_plan(bytes_view json, ui_train_plan *out, ui_train_sources *sources)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    err e = json_parse(json, TRAIN_JSON_DEPTH, &a, &root);
    if (e.code) return e;
    if (json_int(json_get(root, "format"), 0) != 1) return err_make(ERR_UNSUPPORTED, "format: expected 1");
    bytes_view commit = json_text(json_get(json_get(root, "base"), "commit"));
    bytes_view data = json_text(json_get(json_get(root, "data"), "digest"));
    bytes_view device = json_text(json_get(root, "device")), dtype = json_text(json_get(root, "dtype"));
    if (commit.size != 40 || data.size != 64 || !device.size || !dtype.size)
        return err_make(ERR_FORMAT, "base.commit, data.digest, device or dtype is not there");
    e = training_settings_read(&out->plan.settings, root);
    if (!e.code) e = ui_run_changes_read(json_get(root, "changes"), &out->changes, &out->change_count);
    if (!e.code) e = check_one_data(out);
    if (e.code) return e;
    char **texts[] = {&out->plan.base_commit, &out->plan.device, &out->plan.dtype};
    bytes_view values[] = {commit, device, dtype};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        free(*texts[i]);
        *texts[i] = memory_text_n(values[i].data, values[i].size);
    }
    out->plan.threads = (int)json_int(json_get(root, "threads"), 0);
    int64_t world = json_int(json_get(root, "world_size"), 1);
    if (world < 1 || world > UI_RUN_WORLD_MAX)
        return err_make(ERR_FORMAT, "world_size: expected a number from 1 to %d", UI_RUN_WORLD_MAX);
    out->plan.world_size = (int)world;
    sources->data = digest_of(root, "data", "digest");
    sources->eval = digest_of(root, "eval_data", "digest");
    sources->init = digest_of(root, "init_adapter", "sha256");
    return ERR_OK;
}

err ui_train_from(ui_cli *cli, const ui_arguments *a, ui_train_plan *out, ui_train_sources *sources)
{
    CLEANUP(ui_model_word_free) ui_model_word word = {0};
    CLEANUP(ui_repo_end) ui_repo repo = {0};
    CLEANUP(bytes_free) bytes json = {0}, parent = {0};
    engine_files *now = NULL, *before = NULL;
    const char *commit = ui_arguments_text(a, "from"), *name = NULL;
    char *warning = NULL;

    err e = ui_model_word_read(cli, a->words[0], &word);
    if (e.code) return e;
    ui_repo_begin(cli, &repo);
    bytes_printf(&parent, "%s^", commit);
    e = ui_model_source_open(&repo.context, word.folder, commit, word.title, &now, &warning);
    free(warning);
    warning = NULL;
    if (!e.code)
        (void)ui_model_source_open(&repo.context, word.folder, bytes_text(&parent), word.title, &before,
                                   &warning);
    free(warning);
    if (!e.code) e = find_changed(now, before, ui_arguments_text(a, "adapter"), &name, &json);
    if (!e.code) {
        const char *file = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
        free(out->plan.adapter);
        out->plan.adapter = memory_text_n(file, strlen(file) - strlen(ENDING));
        e = read_plan(bytes_borrow(&json), out, sources);
        if (e.code) e = err_note(e, "%s of %s", name, commit);
    }
    engine_files_free(now);
    engine_files_free(before);
    return e;
}

/* -- what lies outside -------------------------------------------------------------------------------------
 */

void ui_train_sources_free(ui_train_sources *sources)
{
    free(sources->data);
    free(sources->eval);
    free(sources->init);
    *sources = (ui_train_sources){0};
}

/* wanted, there: NULL where there is none. */
static err check_source(const char *option, const char *wanted, const char *path, const char *there)
{
    if (!wanted && !*path) return ERR_OK;
    if (!wanted) return err_make(ERR_USAGE, "the run of the commit had no --%s: leave it out", option);
    if (!*path)
        return err_make(
            ERR_USAGE,
            "the run of the commit had a file for --%s (sha256 %.12s): --%s PATH says where it lies", option,
            wanted, option);
    if (strcmp(wanted, there) == 0) return ERR_OK;
    return err_make(ERR_CONFLICT, "--%s %s is not that of the commit: its sha256 is %.12s, expected %.12s",
                    option, path, there, wanted);
}

err ui_train_sources_check(const ui_train_sources *sources, const ui_run_plan *plan)
{
    char *init = NULL;
    err e = *plan->init_adapter ? run_init_sha256(plan->init_adapter, &init) : ERR_OK;
    if (!e.code) e = check_source("init-adapter", sources->init, plan->init_adapter, init);
    if (!e.code) e = check_source("eval-file", sources->eval, plan->eval_file, plan->eval_digest);
    free(init);
    return e;
}
