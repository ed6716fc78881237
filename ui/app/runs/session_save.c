/* ui/app/runs/session_save.c: a checkpoint: state, adapter files, commit, tag, rows, in this order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "repo/checkpoint.h"
#include "repo/tag.h"
#include "ui/app/runs/due.h"
#include "ui/app/runs/session_internal.h"

enum { TAG_TRIES = 1000, FAILED_SAVES_MAX = 2 };

/* -- the state
 * ----------------------------------------------------------------------------------------------- */

/* Two states and what is committed, or the sentence. */
static err check_space(const run_session *s)
{
    struct statvfs disk;
    bool full = s->plan.settings.full;
    uint64_t wanted = 2 * training_state_bytes(s->trainer);
    /* Weights are written beside the state before they go into the store. */
    wanted += full ? 2 * engine_model_bytes(s->model) : 4 * engine_trainable_parameters(s->trainable);
    if (statvfs(s->folder, &disk) != 0) return err_errno("look at %s", s->folder);
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (room >= wanted) return ERR_OK;
    return err_make(ERR_IO, "%s has %llu bytes left, a save wants %llu", s->folder, (unsigned long long)room,
                    (unsigned long long)wanted);
}

static void save_failed(run_session *s, err e)
{
    s->failed_saves++;
    run_warn(s, "save at step %llu: %s", (unsigned long long)training_trainer_step_number(s->trainer),
             e.text);
    if (s->failed_saves < FAILED_SAVES_MAX) return;
    run_warn(s, "%d saves in a row failed: the run is paused until it is resumed", s->failed_saves);
    s->pause = true;
    s->failed_saves = 0;
}

static void say_saved(run_session *s, double ms)
{
    char name[TRAINING_STATE_NAME_SIZE];
    training_state_name(s->saved_step, name);
    cJSON *event = run_event("saved");
    cJSON_AddNumberToObject(event, "step", (double)s->saved_step);
    cJSON_AddStringToObject(event, "state", name);
    cJSON_AddNumberToObject(event, "ms", ms);
    run_say(s, event);
}

err run_save_state(run_session *s)
{
    char name[TRAINING_STATE_NAME_SIZE];
    double began = clock_seconds();
    uint64_t step = training_trainer_step_number(s->trainer);

    if (s->has_saved && s->saved_step == step) {
        if (s->save_now) say_saved(s, 0);
        return ERR_OK;
    }
    run_keep_flush(s, true); /* a run that goes on from here takes none of their steps again */
    s->progress.train_loss = s->last_loss;
    s->progress.eval_loss = s->last_eval;
    err e = check_space(s);
    if (!e.code) e = training_state_save(s->trainer, s->folder, &s->progress, name);
    s->save_ms += (clock_seconds() - began) * 1000;
    s->saved_at = clock_seconds();
    if (e.code) {
        save_failed(s, e);
        return e;
    }
    s->failed_saves = 0;
    s->has_saved = true;
    s->saved_step = step;
    ui_run_checkpoint row = {
        .step = step, .kind = "state", .bytes = training_state_bytes(s->trainer), .eval_loss = NAN};
    memcpy(row.ref, name, sizeof name);
    e = ui_run_store_checkpoint(s->store, s->run, &row, run_now_ms());
    if (e.code) run_warn(s, "%s", e.text);
    say_saved(s, (clock_seconds() - began) * 1000);
    run_prune_states(s);
    return ERR_OK;
}

/* The last two, the best, and that of the newest commit. */
void run_prune_states(run_session *s)
{
    uint64_t *steps = NULL, keep[4];
    size_t count = 0, kept = 0;
    ui_run_checkpoint *rows = NULL;
    size_t row_count = 0;

    if (training_state_list(s->folder, &steps, &count).code) return;
    for (size_t i = count > 2 ? count - 2 : 0; i < count; i++) keep[kept++] = steps[i];
    if (s->progress.has_best) keep[kept++] = s->progress.best_step;
    if (!ui_run_store_checkpoints(s->store, s->run, &rows, &row_count).code)
        for (size_t i = row_count; i-- > 0;) {
            if (strcmp(rows[i].kind, "commit") != 0) continue;
            keep[kept++] = rows[i].step;
            break;
        }
    if (!training_state_prune(s->folder, keep, kept).code)
        for (size_t i = 0; i < count; i++) {
            bool stays = false;
            for (size_t k = 0; k < kept; k++) stays |= keep[k] == steps[i];
            if (!stays) (void)ui_run_store_forget_state(s->store, s->run, steps[i]);
        }
    free(rows);
    free(steps);
}

/* -- the commit
 * ---------------------------------------------------------------------------------------------- */

static void number_text(bytes *out, double value)
{
    if (isfinite(value)) bytes_printf(out, "%.6g", value);
}

static size_t trailers_make(const run_session *s, const ui_run_due *due, bytes *texts, repo_trailer *out)
{
    static const char *const keys[] = {"Train-Loss",  "Eval-Loss",   "Training-Run", "Training-Step",
                                       "Base-Commit", "Data-Digest", "Seed"};
    size_t count = 0;

    number_text(&texts[0], s->last_loss);
    number_text(&texts[1], s->last_eval);
    bytes_append_text(&texts[2], s->plan.id);
    bytes_printf(&texts[3], "%llu", (unsigned long long)due->step);
    bytes_append_text(&texts[4], s->plan.base_commit);
    bytes_printf(&texts[5], "sha256:%s", due->data);
    bytes_printf(&texts[6], "%lld", (long long)s->plan.settings.seed);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (texts[i].size) out[count++] = (repo_trailer){keys[i], bytes_text(&texts[i])};
    return count;
}

static err commit_files(run_session *s, repo_handle *r, const ui_run_due *due, const run_files *files,
                        repo_checkpoint_done *done)
{
    CLEANUP(bytes_free) bytes subject = {0};
    bytes texts[7] = {{0}};
    repo_trailer trailers[7];

    bytes_printf(&subject, "Train %s: step %llu", s->plan.adapter, (unsigned long long)due->step);
    if (isfinite(s->last_eval)) bytes_printf(&subject, ", eval loss %.4f", s->last_eval);
    size_t count = trailers_make(s, due, texts, trailers);
    /* What an attempt before this one committed, and was killed before it had said so. */
    const repo_trailer known[] = {{"Training-Run", bytes_text(&texts[2])},
                                  {"Training-Step", bytes_text(&texts[3])}};
    repo_checkpoint what = {.branch = s->plan.branch,
                            .start = s->plan.base_commit,
                            .files = files->list,
                            .file_count = files->count,
                            .subject = bytes_text(&subject),
                            .trailers = trailers,
                            .known = known,
                            .known_count = s->progress.attempt > 1 ? COUNT_OF(known) : 0,
                            .trailer_count = count};
    err e = repo_checkpoint_commit(r, &what, done);
    for (size_t i = 0; i < 7; i++) bytes_free(&texts[i]);
    return e;
}

/* Never moved: a name that another commit has gets the adapter's name, then a number. */
static err tag_commit(const run_session *s, repo_handle *r, const char *commit, uint64_t step, char out[128])
{
    repo_ref at = {0};
    err e = repo_resolve(r, commit, &at);

    for (int i = 0; !e.code && i < TAG_TRIES; i++) {
        CLEANUP(bytes_free) bytes name = {0}, full = {0}, message = {0};
        repo_ref taken = {0};
        bytes_printf(&name, "checkpoint-%llu", (unsigned long long)step);
        if (i > 0) bytes_printf(&name, "-%s", s->plan.adapter);
        if (i > 1) bytes_printf(&name, "-%d", i);
        bytes_printf(&full, "refs/tags/%s", bytes_text(&name));
        bytes_printf(&message, "Train %s: step %llu", s->plan.adapter, (unsigned long long)step);
        bool exists = !repo_resolve(r, bytes_text(&full), &taken).code;
        bool same = exists && strcmp(taken.commit.hex, at.commit.hex) == 0;
        repo_ref_free(&taken);
        if (exists && !same) continue;
        if (!exists) e = repo_tag_create(r, bytes_text(&name), &at, bytes_text(&message), false);
        if (!e.code) memcpy(out, bytes_text(&name), MIN_OF(name.size + 1, (size_t)128));
        break;
    }
    repo_ref_free(&at);
    return e;
}

static void commit_row(run_session *s, const char *commit, const char *tag, uint64_t step, uint64_t size,
                       double eval_loss)
{
    ui_run_checkpoint row = {.step = step, .kind = "commit", .bytes = size, .eval_loss = eval_loss};
    memcpy(row.ref, commit, strlen(commit) + 1);
    memcpy(row.tag, tag, strlen(tag) + 1);
    err e = ui_run_store_checkpoint(s->store, s->run, &row, run_now_ms());
    if (e.code) run_warn(s, "%s", e.text);
    cJSON *event = run_event("committed");
    cJSON_AddNumberToObject(event, "step", (double)step);
    cJSON_AddStringToObject(event, "commit", commit);
    cJSON_AddStringToObject(event, "branch", s->plan.branch);
    if (*tag) cJSON_AddStringToObject(event, "tag", tag);
    run_say(s, event);
}

static err commit_and_tag(run_session *s, const ui_run_due *due, const run_files *files)
{
    repo_handle *r = NULL;
    repo_checkpoint_done done;
    char tagged[128] = "";

    err e = repo_open(&s->context, s->plan.folder, &r);
    if (!e.code) e = commit_files(s, r, due, files, &done);
    if (!e.code && due->tag) e = tag_commit(s, r, done.commit.hex, due->step, tagged);
    repo_close(r);
    if (!e.code) commit_row(s, done.commit.hex, tagged, due->step, files->bytes, s->last_eval);
    return e;
}

/* Of the state that is saved already. */
static err make_commit(run_session *s, const ui_run_due *due)
{
    CLEANUP(run_files_free) run_files files = {0};
    err e = run_files_make(s, bytes_borrow(&due->plan), &files);
    if (!e.code) e = commit_and_tag(s, due, &files);
    if (e.code) {
        run_warn(s, "commit at step %llu: %s", (unsigned long long)due->step, e.text);
        return e;
    }
    ui_run_due_done(s->folder);
    run_prune_states(s);
    return ERR_OK;
}

err run_checkpoint(run_session *s, bool tag)
{
    CLEANUP(ui_run_due_free)
    ui_run_due due = {.step = training_trainer_step_number(s->trainer), .tag = tag};
    double began = clock_seconds(), save_ms = s->save_ms;

    memcpy(due.data, training_data_borrow_digest(s->data), SHA256_HEX_SIZE);
    run_plan_write(s, &due.plan);
    err e = ui_run_due_save(s->folder, &due);
    if (e.code) run_warn(s, "%s", e.text);
    e = run_save_state(s);
    if (e.code) return e; /* told */
    e = make_commit(s, &due);
    s->save_ms = save_ms + (clock_seconds() - began) * 1000; /* with the state's */
    return e;
}

bool run_checkpoint_due(run_session *s)
{
    CLEANUP(ui_run_due_free) ui_run_due due = {0};
    err e = ui_run_due_load(s->folder, &due);
    if (e.code == ERR_NOT_FOUND) return false;
    if (e.code) {
        run_warn(s, "%s", e.text);
        return false;
    }
    return due.step == s->saved_step && !make_commit(s, &due).code && due.tag;
}

void run_tag_best(run_session *s)
{
    ui_run_checkpoint *rows = NULL;
    size_t count = 0;
    repo_handle *r = NULL;

    if (!s->progress.has_best || ui_run_store_checkpoints(s->store, s->run, &rows, &count).code) return;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].kind, "commit") != 0 || rows[i].step != s->progress.best_step || rows[i].tag[0])
            continue;
        char tagged[128] = "";
        err e = repo_open(&s->context, s->plan.folder, &r);
        if (!e.code) e = tag_commit(s, r, rows[i].ref, rows[i].step, tagged);
        repo_close(r);
        if (e.code)
            run_warn(s, "tag the best step: %s", e.text);
        else
            commit_row(s, rows[i].ref, tagged, rows[i].step, rows[i].bytes, rows[i].eval_loss);
        break;
    }
    free(rows);
}
