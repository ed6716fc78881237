#define _GNU_SOURCE
#include "ui/cmd/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "training/state.h"
#include "ui/app/runs/session.h"
#include "ui/app/runs/session_internal.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"
#include "ui/cmd/train_ranks.h"
#include "ui/cmd/train_watch.h"

/* -- the plan, shown
 * ------------------------------------------------------------------------------------------ */

static double known(double value) { return value > 0 ? value : NAN; }

static void plan_json(const ui_train_plan *p, FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    const training_estimate *m = &p->estimate;
    const training_extent *x = &p->extent;
    const ui_run_estimate *time = &p->plan.estimate;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"steps", (double)p->steps},          {"windows", (double)x->windows},
                   {"examples", (double)x->examples},    {"held_out", (double)p->held_out},
                   {"tokens", (double)x->tokens},        {"targets", (double)x->targets},
                   {"parameters", (double)p->parameters}};
    const struct {
        const char *key;
        uint64_t value;
    } bytes_of[] = {{"base", m->base},        {"adapter", m->adapter},   {"graph", m->graph},
                    {"loss", m->loss},        {"fixed", m->fixed},       {"total", m->total},
                    {"ranks", m->room.ranks}, {"together", m->together}, {"free", m->room.free}};

    cJSON_AddStringToObject(o, "event", "plan");
    cJSON_AddStringToObject(o, "run", p->plan.id);
    ui_json_add_text(o, "model", bytes_view_of(p->plan.model));
    cJSON_AddStringToObject(o, "base_commit", p->plan.base_commit);
    cJSON_AddStringToObject(o, "branch", p->plan.branch);
    cJSON_AddStringToObject(o, "adapter", p->plan.adapter);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        cJSON_AddNumberToObject(o, numbers[i].key, numbers[i].value);
    cJSON *memory = cJSON_AddObjectToObject(o, "memory");
    for (size_t i = 0; i < COUNT_OF(bytes_of); i++)
        cJSON_AddNumberToObject(memory, bytes_of[i].key, (double)bytes_of[i].value);
    cJSON *seconds = cJSON_AddObjectToObject(o, "time");
    ui_json_add_number(seconds, "step_seconds", known(time->step_seconds));
    ui_json_add_number(seconds, "run_seconds", known(time->step_seconds * (double)p->steps));
    ui_json_add_number(seconds, "product_flop_per_s", known(time->product_flop_per_s));
    cJSON_AddNumberToObject(o, "flop_per_token", m->flop_per_token);
    cJSON_AddNumberToObject(o, "checkpoint_layers", (double)m->checkpoint_layers);
    CLEANUP(bytes_free) bytes config = {0};
    training_settings_write(&p->plan.settings, &config);
    cJSON_AddRawToObject(o, "settings", bytes_text(&config));
    cJSON *advice = cJSON_AddArrayToObject(o, "advice");
    const char *text = bytes_text(&p->advice);
    for (size_t i = 0; i < p->advice_count; i++, text += strlen(text) + 1)
        cJSON_AddItemToArray(advice, cJSON_CreateString(text));
    ui_json_print(o, out);
}

static void plan_time(const ui_train_plan *p, FILE *out)
{
    const ui_run_estimate *e = &p->plan.estimate;
    char run[32];

    if (e->step_seconds > 0) {
        text_human_seconds(e->step_seconds * (double)p->steps, run, sizeof run);
        fprintf(out, "time, estimated: %.3g s a step by the first layers, %s in all without evaluations; ",
                e->step_seconds, run);
    } else {
        fputs("time: only the run itself will know; ", out);
    }
    fprintf(out, "%.3g FLOP a step", e->flop_per_step);
    if (e->product_flop_per_s > 0)
        fprintf(out, ", of which a bare product does %.3g a second", e->product_flop_per_s);
    fputc('\n', out);
}

static void plan_text(const ui_train_plan *p, FILE *out)
{
    const training_estimate *m = &p->estimate;
    const uint64_t sizes[] = {m->base,  m->adapter, m->graph,    m->loss,
                              m->fixed, m->total,   m->together, m->room.free};
    char text[COUNT_OF(sizes)][32], parameters[32];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) text_human_size(sizes[i], text[i], sizeof text[i]);
    text_human_count(p->parameters, parameters, sizeof parameters);
    fprintf(out, "run %s\n", p->plan.id);
    fprintf(out, "model %s at %.8s, adapter %s on branch %s, %s parameters\n", p->plan.model,
            p->plan.base_commit, p->plan.adapter, p->plan.branch, parameters);
    fprintf(out, "data %llu examples, %llu held out, %llu tokens, %llu to learn; %llu steps of %lld\n",
            (unsigned long long)p->extent.examples, (unsigned long long)p->held_out,
            (unsigned long long)p->extent.tokens, (unsigned long long)p->extent.targets,
            (unsigned long long)p->steps, (long long)p->plan.settings.window);
    fprintf(out, "memory, estimated: base %s, adapter %s, layers %s, loss %s, rest %s: %s", text[0], text[1],
            text[2], text[3], text[4], text[5]);
    if (m->room.ranks > 1)
        fprintf(out, "; the %zu ranks %s: %s", m->room.ranks, ui_train_room_name(m), text[6]);
    fprintf(out, " of %s free\n", text[7]);
    plan_time(p, out);
    const char *advice = bytes_text(&p->advice);
    for (size_t i = 0; i < p->advice_count; i++, advice += strlen(advice) + 1)
        fprintf(out, "hint: %s\n", advice);
    fflush(out);
}

/* -- starting
 * ------------------------------------------------------------------------------------------------- */

err ui_train_add_row(ui_cli *cli, const ui_run_plan *plan, uint64_t steps)
{
    CLEANUP(bytes_free) bytes config = {0};
    ui_run_store *store = NULL;
    int64_t run = 0;

    training_settings_write(&plan->settings, &config);
    ui_run_row row = {.model = plan->model,
                      .base_commit = plan->base_commit,
                      .adapter = plan->adapter,
                      .branch = plan->branch,
                      .kind = plan->settings.kind > TRAINING_RUN_SFT ? "dpo" : "sft",
                      .state = "planned",
                      .config = (char *)(uintptr_t)bytes_text(&config),
                      .data_digest = plan->data_digest,
                      .steps_total = steps,
                      .parent = plan->parent,
                      .world_size = (uint32_t)plan->world_size,
                      .started_ms = run_now_ms()};
    memcpy(row.id, plan->id, sizeof row.id);
    err e = ui_run_store_open(settings_borrow_folders(cli->settings)->state, &store);
    if (!e.code) e = ui_run_store_add(store, &row, &run);
    ui_run_store_free(store);
    return e;
}

err ui_train_start(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together, const char *id)
{
    ui_watch_options how = {.json = ui_arguments_has(a, "json"), .owns = true, .starts = true};

    if (together->ranks) return ui_train_lead(cli, together, id, how.json);
    err e = ui_run_start(id);
    if (e.code || !ui_arguments_has(a, "detach")) return e.code ? e : ui_watch(cli, id, &how);
    e = ui_watch_started(cli, id);
    if (e.code) return e;
    if (how.json) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "event", "detached");
        cJSON_AddStringToObject(o, "run", id);
        ui_json_print(o, cli->out);
    } else {
        fprintf(cli->out, "run %s trains; hyprstream attach %s watches it\n", id, id);
    }
    return ERR_OK;
}

static err begin(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together, ui_train_plan *p)
{
    char *folder = ui_run_folder(settings_borrow_folders(cli->settings)->state, p->plan.id);
    err e = ui_train_check_author(cli, &p->plan);
    if (!e.code) e = ui_run_plan_save(&p->plan, folder);
    if (!e.code && p->change_count) e = ui_run_changes_save(folder, p->changes, p->change_count);
    if (!e.code) e = ui_train_add_row(cli, &p->plan, p->steps);
    free(folder);
    return e.code ? e : ui_train_start(cli, a, together, p->plan.id);
}

/* A commit's experiment is that of so many ranks; another has as many as there are. */
static err set_world(const ui_arguments *a, size_t there, ui_run_plan *plan)
{
    if (ui_arguments_has(a, "from") && (size_t)plan->world_size != there)
        return err_make(
            ERR_CONFLICT,
            "the commit was trained by %d process%s, here %s %zu: mpirun -np %d gives the same adapter",
            plan->world_size, plan->world_size == 1 ? "" : "es", there == 1 ? "is" : "are", there,
            plan->world_size);
    plan->world_size = (int)there;
    return ERR_OK;
}

static err train(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together)
{
    CLEANUP(ui_train_plan_free) ui_train_plan plan = {0};

    if (together->ranks && ui_arguments_has(a, "detach"))
        return err_make(ERR_UNSUPPORTED,
                        "--detach: the processes are the launcher's: leave that to itself (mpirun ... &, "
                        "sbatch); hyprstream attach watches the run");
    if (ui_arguments_has(a, "resume")) return ui_train_resume(cli, a, together);
    if (ui_arguments_has(a, "extend"))
        return err_make(ERR_USAGE, "--extend STEPS goes with --resume RUN: which run is to go on");
    if (ui_arguments_has(a, "allow-data-change"))
        return err_make(ERR_USAGE, "--allow-data-change goes with --resume RUN: which run is to go on");
    err e = ui_train_plan_make(cli, a, together->ranks, &plan);
    if (!e.code) e = set_world(a, training_ranks_count(together->ranks), &plan.plan);
    if (e.code) return e;
    ui_run_id_make(run_now_ms(), plan.plan.id);
    if (ui_arguments_has(a, "json"))
        plan_json(&plan, cli->out);
    else
        plan_text(&plan, cli->out);
    fflush(cli->out);
    return ui_arguments_has(a, "dry-run") ? ERR_OK : begin(cli, a, together, &plan);
}

static err train_run(ui_cli *cli, const ui_arguments *a)
{
    ui_train_ranks together = {0};
    bool follows = false;

    err e = ui_train_join(cli, &together, &follows);
    if (!e.code && !follows) e = train(cli, a, &together);
    ui_train_leave(&together, e);
    return e;
}

/* -- rows
 * ------------------------------------------------------------------------------------------------------- */

static const ui_option options[] = {
    {"data", "FILE", "examples to learn from: .jsonl, .json or .txt", true},
    {"eval-file", "FILE", "examples to evaluate on, in place of held-out ones", false},
    {"adapter", "NAME", "of the adapter (default: after the data; a new one gets the next number)", false},
    {"init-adapter", "PATH", "begin with this adapter, with fresh moments: a warm start", false},
    {"branch", "NAME", "to commit on (default: the one checked out; a new name makes a branch)", false},
    {"sample", "TEXT", "a prompt that is answered at each evaluation", true},
    {"log-jsonl", "FILE", "write every point there, too", false},
    {"resume", "RUN",
     "go on with a run that ended early or was killed; with --extend or --lr a run of its own does", false},
    {"extend", "STEPS",
     "with --resume: so many steps more than the run was to take, the schedule laid over all of them", false},
    {"allow-data-change", NULL,
     "with --resume: where the data changed, begin a new epoch of them as they are now", false},
    {"from", "COMMIT", "run the plan of an adapter's commit again", false},
    {"detach", NULL, "leave the run to itself", false},
    {"dry-run", NULL, "show the plan and what it will take, and end", false},
    {"device", "NAME", "auto, cpu or cuda:N (default: auto)", false},
    {"dtype", "TYPE",
     "of the base: auto (as its weights are stored), f32 or bf16; int8 or nf4: layers packed, on the CPU",
     false},
    {"threads", "N", "CPU threads (default: one per core)", false},
    {0},
};

#define SETTING_OPTION(type, field, flag, value, fallback, least, most, choices, help)                       \
    {flag, value, help, false},
static const ui_option setting_options[] = {TRAINING_SETTINGS(SETTING_OPTION){0}};

#define TRAIN_ROW(called)                                                                                    \
    {                                                                                                        \
        .name = called, .group = "adapters", .args = "MODEL --data FILE",                                    \
        .help = "Train an adapter of a model", .words_min = 0, .words_max = 1,                               \
        .options = {options, setting_options, ui_options_all}, .cancels = true, .run = train_run,            \
    }

const ui_command ui_cmd_train = TRAIN_ROW("train");
/* The old word. */
const ui_command ui_cmd_lt = TRAIN_ROW("lt");
