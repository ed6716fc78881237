/* ui/cmd/train_resume.c: going on with a run, as it was planned, with other data, or as a fork of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "training/state.h"
#include "ui/app/runs/session_internal.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/train.h"

enum { EXTEND_STEPS_MAX = 1000000000 };

/* -- what may be said --------------------------------------------------------------------------------------
 */

static bool is_fork(const ui_arguments *a)
{
    return ui_arguments_has(a, "extend") || ui_arguments_has(a, "lr");
}

static err check_given(const ui_arguments *a)
{
    for (size_t i = 0; i < a->given_count; i++) {
        const char *name = a->given[i].name;
        if (strcmp(name, "lr") != 0 && (training_setting_find(name) || strcmp(name, "data") == 0))
            return err_make(
                ERR_USAGE,
                "--resume goes on exactly as planned: leave out --%s (--extend STEPS takes more "
                "steps, --lr X another rate; --init-adapter begins a run of its own with an adapter)",
                name);
    }
    return ERR_OK;
}

static err check_resumable(const ui_run_row *row, const char *state_folder, bool fork, size_t ranks)
{
    const char *state = ui_run_state_shown(row, state_folder);
    char *folder = ui_run_folder(state_folder, row->id);
    bool alive = ui_run_is_alive(folder);
    free(folder);
    if (alive)
        return err_make(ERR_BUSY, "run %s is running: hyprstream attach %s watches it", row->id, row->id);
    if (!fork && strcmp(state, "done") == 0)
        return err_make(
            ERR_NOTHING,
            "run %s is done after %llu steps: hyprstream train --resume %s --extend STEPS takes more",
            row->id, (unsigned long long)row->steps_total, row->id);
    return row->world_size == ranks ? ERR_OK : ui_run_other_world(row->id, row->world_size, ranks);
}

/* -- a fork ------------------------------------------------------------------------------------------------
 */

typedef struct fork_work {
    ui_cli *cli;
    const ui_arguments *a;
    ui_train_ranks *together;
    const ui_run_row *row;      /* of the parent */
    char *folder, *folder_from; /* the child's, the parent's */
    ui_run_plan plan;           /* the child's */
    ui_run_change *changes;
    size_t change_count;
    training_place at;        /* where it begins */
    uint64_t total;           /* where it ends */
    bool other_data;          /* than the parent's */
    ui_train_data data;       /* what they are then */
    double rate, rate_before; /* of the step that it begins with, as the parent would have taken it */
} fork_work;

static void fork_free(fork_work *f)
{
    ui_run_plan_free(&f->plan);
    free(f->changes);
    free(f->folder);
    free(f->folder_from);
}

static err find_state(fork_work *f)
{
    err e = training_state_find(f->folder_from, &f->at);
    if (e.code == ERR_NOT_FOUND)
        e = err_make(ERR_NOT_FOUND,
                     "run %s has no saved state to go on from: train --from COMMIT runs its plan again",
                     f->row->id);
    return e;
}

/* Of the step that it begins with, with a schedule over so many steps. */
static double rate_at(const fork_work *f, uint64_t laid_over)
{
    training_schedule schedule = training_trainer_schedule(&f->plan.settings, laid_over);
    double rate = f->plan.settings.lr;
    for (size_t i = 0; i < f->change_count; i++)
        if (!isnan(f->changes[i].lr)) rate = f->changes[i].lr;
    return rate * training_schedule_factor(&schedule, f->at.step);
}

static err read_rate(const ui_arguments *a, double *out)
{
    training_settings given = {0};
    *out = NAN;
    if (!ui_arguments_has(a, "lr")) return ERR_OK;
    training_settings_init(&given);
    err e = training_settings_set(&given, "lr", ui_arguments_text(a, "lr"));
    *out = given.lr;
    training_settings_free(&given);
    if (!e.code && isnan(*out)) e = err_make(ERR_USAGE, "--lr auto: a run that goes on wants a number");
    return e;
}

/* Those of the parent that led to the state, and ours. */
static err make_changes(fork_work *f)
{
    int64_t more = 0;
    double rate = NAN;
    size_t kept = 0;

    err e = ui_arguments_integer(f->a, "extend", 1, EXTEND_STEPS_MAX, &more);
    if (!e.code) e = read_rate(f->a, &rate);
    if (!e.code) e = ui_run_changes_load(f->folder_from, &f->changes, &f->change_count);
    if (e.code) return e;
    for (size_t i = 0; i < f->change_count; i++)
        if (f->changes[i].step <= f->at.step) f->changes[kept++] = f->changes[i];
    f->change_count = kept;
    f->total = f->row->steps_total + (uint64_t)more;
    if (f->at.step >= f->total)
        return err_make(ERR_NOTHING, "run %s has taken all of its %llu steps: --extend STEPS takes more",
                        f->row->id, (unsigned long long)f->row->steps_total);
    f->rate_before = rate_at(f, f->row->steps_total);
    const ui_run_change ours = {.step = f->at.step, .lr = rate, .steps = more ? f->total : 0};
    ui_run_changes_add(&f->changes, &f->change_count, &ours);
    f->rate = rate_at(f, f->total);
    return ERR_OK;
}

/* A state is never written to, only removed: both runs may have it. */
static err share_file(const fork_work *f, const char *name)
{
    char *from = file_join(f->folder_from, name), *to = file_join(f->folder, name);
    err e = ERR_OK;
    if (link(from, to) != 0) e = err_errno("link %s to %s", from, to);
    free(from);
    free(to);
    return e;
}

static err share_state(const fork_work *f)
{
    static const char *const files[] = {"state.safetensors", "state.json"};
    char name[TRAINING_STATE_NAME_SIZE], *refs = file_join(f->folder_from, "refs.bin");
    training_state_name(f->at.step, name);
    char *state = file_join(f->folder, name);
    err e = file_make_folders(state);
    for (size_t i = 0; i < COUNT_OF(files) && !e.code; i++) {
        char *file = file_join(name, files[i]);
        e = share_file(f, file);
        free(file);
    }
    if (!e.code && file_exists(refs)) e = share_file(f, "refs.bin");
    free(state);
    free(refs);
    return e;
}

static void tell_data(const fork_work *f)
{
    bool json = ui_arguments_has(f->a, "json");
    if (f->other_data)
        ui_train_data_tell(f->cli, json, &f->data, &f->plan, f->changes, f->change_count, f->total);
    else if (ui_arguments_has(f->a, "allow-data-change"))
        ui_train_data_tell_same(f->cli, json, f->row->id);
}

static void tell(const fork_work *f)
{
    FILE *out = f->cli->out;
    if (ui_arguments_has(f->a, "json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "event", "forked");
        cJSON_AddStringToObject(o, "run", f->plan.id);
        cJSON_AddStringToObject(o, "parent", f->row->id);
        cJSON_AddNumberToObject(o, "step", (double)f->at.step);
        cJSON_AddNumberToObject(o, "steps", (double)f->total);
        ui_json_add_number(o, "lr", f->rate);
        ui_json_add_number(o, "lr_before", f->rate_before);
        ui_json_print(o, out);
        return;
    }
    fprintf(out, "run %s goes on from step %llu of %s, to step %llu\n", f->plan.id,
            (unsigned long long)f->at.step, f->row->id, (unsigned long long)f->total);
    if (f->total > f->row->steps_total)
        fprintf(out,
                "the schedule is laid over all %llu steps: the rate at step %llu is %.3g, it would have been "
                "%.3g\n",
                (unsigned long long)f->total, (unsigned long long)f->at.step, f->rate, f->rate_before);
    else
        fprintf(out, "the schedule stays, from another rate: %.3g at step %llu, it would have been %.3g\n",
                f->rate, (unsigned long long)f->at.step, f->rate_before);
    fflush(out);
}

static err fork_make(fork_work *f, const char *state_folder)
{
    f->folder_from = ui_run_folder(state_folder, f->row->id);
    err e = ui_run_plan_load(f->folder_from, &f->plan);
    if (!e.code) e = find_state(f);
    if (!e.code) e = make_changes(f);
    if (!e.code)
        e = ui_train_data_look(f->cli, f->a, &f->plan, f->changes, f->change_count, f->at.step,
                               &f->other_data, &f->data);
    if (e.code) return e;
    if (f->other_data)
        f->other_data = ui_train_data_record(&f->data, &f->plan, &f->at, &f->changes, &f->change_count);
    free(f->plan.parent);
    f->plan.parent = memory_text(f->row->id);
    ui_run_id_make(run_now_ms(), f->plan.id);
    f->folder = ui_run_folder(state_folder, f->plan.id);
    tell(f);
    tell_data(f);
    if (ui_arguments_has(f->a, "dry-run")) return ERR_OK;
    e = ui_train_check_author(f->cli, &f->plan);
    if (e.code) return e;
    e = share_state(f);
    if (!e.code) e = ui_run_changes_save(f->folder, f->changes, f->change_count);
    if (!e.code) e = ui_run_plan_save(&f->plan, f->folder);
    if (!e.code) e = ui_train_add_row(f->cli, &f->plan, f->total);
    if (e.code)
        (void)file_remove_tree(f->folder);
    else
        e = ui_train_start(f->cli, f->a, f->together, f->plan.id);
    return e;
}

/* -- the same run ------------------------------------------------------------------------------------------
 */

/* Under its lock, so that no process of it reads what is about to change. */
typedef struct resume_work {
    char *folder;
    int lock;
    ui_run_plan plan;
    ui_run_change *changes;
    size_t change_count;
} resume_work;

static void resume_free(resume_work *w)
{
    if (w->lock >= 0) close(w->lock);
    ui_run_plan_free(&w->plan);
    free(w->changes);
    free(w->folder);
}

/* The change is on disk before the process that learns from it; what can be wrong with the data comes before.
 */
static err change_data(ui_cli *cli, const ui_arguments *a, const ui_run_row *row, resume_work *w)
{
    bool json = ui_arguments_has(a, "json"), other = false;
    training_place at = {0};
    ui_train_data data;

    err e = training_state_find(w->folder, &at);
    bool fresh = e.code == ERR_NOT_FOUND;
    if (e.code && !fresh) return e;
    e = ui_train_data_look(cli, a, &w->plan, w->changes, w->change_count, at.step, &other, &data);
    if (!e.code && other && fresh)
        e = err_make(ERR_NOT_FOUND,
                     "run %s has no saved state that other data could go on from: train MODEL --data FILE "
                     "begins a run with them",
                     row->id);
    if (e.code) return e;
    bool recorded = other && ui_train_data_record(&data, &w->plan, &at, &w->changes, &w->change_count);
    if (recorded)
        ui_train_data_tell(cli, json, &data, &w->plan, w->changes, w->change_count, row->steps_total);
    else
        ui_train_data_tell_same(cli, json, row->id);
    return other && !ui_arguments_has(a, "dry-run")
               ? ui_run_changes_save(w->folder, w->changes, w->change_count)
               : ERR_OK;
}

/* What would end the run's process at its beginning is refused here, and the run stays as it is. */
static err check_data(ui_cli *cli, const ui_arguments *a, const ui_run_row *row, const char *state_folder)
{
    bool change = ui_arguments_has(a, "allow-data-change"), other;
    CLEANUP(resume_free) resume_work w = {.folder = ui_run_folder(state_folder, row->id), .lock = -1};
    ui_train_data data;

    err e = change ? ui_run_lock(w.folder, &w.lock) : ERR_OK;
    if (!e.code) e = ui_run_plan_load(w.folder, &w.plan);
    if (!e.code) e = ui_run_changes_load(w.folder, &w.changes, &w.change_count);
    if (!e.code && !ui_arguments_has(a, "dry-run")) e = ui_train_check_author(cli, &w.plan);
    if (e.code) return e;
    if (change) return change_data(cli, a, row, &w);
    e = ui_train_data_look(cli, a, &w.plan, w.changes, w.change_count, UINT64_MAX, &other, &data);
    if (!e.code && ui_arguments_has(a, "dry-run"))
        ui_train_data_tell_same(cli, ui_arguments_has(a, "json"), row->id);
    return e;
}

static err resume(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together, const ui_run_row *row)
{
    err e = check_data(cli, a, row, settings_borrow_folders(cli->settings)->state);
    if (e.code || ui_arguments_has(a, "dry-run")) return e;
    return ui_train_start(cli, a, together, row->id);
}

/* -- the command -------------------------------------------------------------------------------------------
 */

err ui_train_resume(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together)
{
    const char *state_folder = settings_borrow_folders(cli->settings)->state;
    bool fork = is_fork(a);
    ui_run_store *store = NULL;
    ui_run_list one = {0};

    err e = check_given(a);
    if (e.code) return e;
    e = ui_run_store_open(state_folder, &store);
    if (!e.code) e = ui_run_store_find(store, ui_arguments_text(a, "resume"), &one);
    if (!e.code) e = check_resumable(&one.rows[0], state_folder, fork, training_ranks_count(together->ranks));
    ui_run_store_free(store);
    if (!e.code && fork) {
        fork_work f = {.cli = cli, .a = a, .together = together, .row = &one.rows[0]};
        e = fork_make(&f, state_folder);
        fork_free(&f);
    } else if (!e.code) {
        e = resume(cli, a, together, &one.rows[0]);
    }
    ui_run_list_free(&one);
    return e;
}
