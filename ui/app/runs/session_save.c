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
#include "ui/app/runs/session_internal.h"

enum { TAG_TRIES = 1000, FAILED_SAVES_MAX = 2 };

/* -- the state
 * ----------------------------------------------------------------------------------------------- */

/* Two states and an adapter, or the sentence. */
static err check_space(const run_session *s)
{
    struct statvfs disk;
    uint64_t wanted = 2 * training_state_bytes(s->trainer) + 4 * engine_trainable_parameters(s->trainable);
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

err run_save_state(run_session *s)
{
    char name[TRAINING_STATE_NAME_SIZE];
    double began = clock_seconds();
    uint64_t step = training_trainer_step_number(s->trainer);

    if (s->has_saved && s->saved_step == step) return ERR_OK;
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
    cJSON *event = run_event("saved");
    cJSON_AddNumberToObject(event, "step", (double)step);
    cJSON_AddStringToObject(event, "state", name);
    cJSON_AddNumberToObject(event, "ms", (clock_seconds() - began) * 1000);
    run_say(s, event);
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

/* -- train.json
 * ---------------------------------------------------------------------------------------------- */

static int keys_compare(const void *a, const void *b)
{
    const cJSON *const *left = a, *const *right = b;
    return strcmp((*left)->string, (*right)->string);
}

/* Equal plans give equal bytes: members in the order of their keys. */
static void sort_keys(cJSON *object)
{
    size_t count = (size_t)cJSON_GetArraySize(object), at = 0;
    cJSON **items = memory_alloc((count + 1) * sizeof(cJSON *));
    while (object->child) items[at++] = cJSON_DetachItemViaPointer(object, object->child);
    qsort(items, count, sizeof(cJSON *), keys_compare);
    for (size_t i = 0; i < count; i++) {
        char *key = memory_text(items[i]->string);
        cJSON_AddItemToObject(object, key, items[i]);
        free(key);
    }
    free(items);
}

static void add_files(cJSON *data, const training_data *d)
{
    cJSON *files = cJSON_AddArrayToObject(data, "files");
    for (size_t i = 0; i < training_data_file_count(d); i++) {
        cJSON *file = cJSON_CreateObject();
        cJSON_AddStringToObject(file, "name", training_data_borrow_file(d, i));
        cJSON_AddStringToObject(file, "sha256", training_data_borrow_file_digest(d, i));
        cJSON_AddItemToArray(files, file);
    }
}

static void write_train_json(const run_session *s, bytes *out)
{
    CLEANUP(bytes_free) bytes settings_text = {0}, changes = {0};
    const ui_run_plan *plan = &s->plan;

    training_settings_write(&plan->settings, &settings_text);
    cJSON *o = cJSON_Parse(bytes_text(&settings_text));
    cJSON *base = cJSON_AddObjectToObject(o, "base");
    cJSON_AddStringToObject(base, "commit", plan->base_commit);
    cJSON_AddStringToObject(base, "name", plan->model);
    ui_run_changes_write(s->changes, s->change_count, &changes);
    cJSON_AddItemToObject(o, "changes", cJSON_Parse(bytes_text(&changes)));
    cJSON *data = cJSON_AddObjectToObject(o, "data");
    cJSON_AddStringToObject(data, "digest", training_data_borrow_digest(s->data));
    add_files(data, s->data);
    if (s->eval_data) {
        cJSON *eval = cJSON_AddObjectToObject(o, "eval_data");
        cJSON_AddStringToObject(eval, "digest", training_data_borrow_digest(s->eval_data));
        add_files(eval, s->eval_data);
    }
    cJSON_AddStringToObject(o, "device", plan->device);
    cJSON_AddStringToObject(o, "dtype", plan->dtype);
    cJSON_AddNumberToObject(o, "format", 1);
    if (s->init_sha256) {
        cJSON *init = cJSON_AddObjectToObject(o, "init_adapter");
        cJSON_AddStringToObject(init, "name", file_name(plan->init_adapter));
        cJSON_AddStringToObject(init, "sha256", s->init_sha256);
    } else {
        cJSON_AddNullToObject(o, "init_adapter");
    }
    if (*plan->parent) cJSON_AddStringToObject(o, "parent", plan->parent);
    cJSON_AddStringToObject(o, "program", HYPRSTREAM_VERSION);
    cJSON_AddStringToObject(o, "run", plan->id);
    cJSON_AddNumberToObject(o, "threads", plan->threads);
    cJSON_AddNumberToObject(o, "world_size", 1);
    sort_keys(o);
    char *text = cJSON_Print(o);
    cJSON_Delete(o);
    if (!text) memory_exhausted(0);
    bytes_append_text(out, text);
    bytes_append_byte(out, '\n');
    cJSON_free(text);
}

/* -- the commit
 * ---------------------------------------------------------------------------------------------- */

typedef struct adapter_files {
    bytes paths[3], contents[3];
} adapter_files;

static void adapter_files_free(adapter_files *f)
{
    for (size_t i = 0; i < 3; i++) {
        bytes_free(&f->paths[i]);
        bytes_free(&f->contents[i]);
    }
}

static err adapter_files_make(const run_session *s, adapter_files *out)
{
    static const char *const endings[] = {"safetensors", "config.json", "train.json"};
    tensor_type type = s->plan.settings.adapter_dtype == TRAINING_DTYPE_BF16 ? TENSOR_BF16 : TENSOR_F32;
    for (size_t i = 0; i < 3; i++)
        bytes_printf(&out->paths[i], "adapters/%s.%s", s->plan.adapter, endings[i]);
    err e = engine_trainable_write(s->trainable, type, &out->contents[0]);
    if (!e.code) e = engine_trainable_config(s->trainable, s->plan.model, &out->contents[1]);
    if (!e.code) write_train_json(s, &out->contents[2]);
    return e;
}

static void number_text(bytes *out, double value)
{
    if (isfinite(value)) bytes_printf(out, "%.6g", value);
}

static size_t trailers_make(const run_session *s, bytes *texts, repo_trailer *out)
{
    static const char *const keys[] = {"Train-Loss",  "Eval-Loss",   "Training-Run", "Training-Step",
                                       "Base-Commit", "Data-Digest", "Seed"};
    size_t count = 0;

    number_text(&texts[0], s->last_loss);
    number_text(&texts[1], s->last_eval);
    bytes_append_text(&texts[2], s->plan.id);
    bytes_printf(&texts[3], "%llu", (unsigned long long)training_trainer_step_number(s->trainer));
    bytes_append_text(&texts[4], s->plan.base_commit);
    bytes_printf(&texts[5], "sha256:%s", training_data_borrow_digest(s->data));
    bytes_printf(&texts[6], "%lld", (long long)s->plan.settings.seed);
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (texts[i].size) out[count++] = (repo_trailer){keys[i], bytes_text(&texts[i])};
    return count;
}

static err commit_files(run_session *s, repo_handle *r, const adapter_files *files,
                        repo_checkpoint_done *done)
{
    CLEANUP(bytes_free) bytes subject = {0};
    bytes texts[7] = {{0}};
    repo_trailer trailers[7];
    repo_checkpoint_file list[3];

    for (size_t i = 0; i < 3; i++)
        list[i] = (repo_checkpoint_file){.path = bytes_text(&files->paths[i]),
                                         .content = bytes_borrow(&files->contents[i])};
    bytes_printf(&subject, "Train %s: step %llu", s->plan.adapter,
                 (unsigned long long)training_trainer_step_number(s->trainer));
    if (isfinite(s->last_eval)) bytes_printf(&subject, ", eval loss %.4f", s->last_eval);
    repo_checkpoint what = {.branch = s->plan.branch,
                            .start = s->plan.base_commit,
                            .files = list,
                            .file_count = 3,
                            .subject = bytes_text(&subject),
                            .trailers = trailers,
                            .trailer_count = trailers_make(s, texts, trailers)};
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

static err commit_and_tag(run_session *s, const adapter_files *files, bool tag)
{
    repo_handle *r = NULL;
    repo_checkpoint_done done;
    char tagged[128] = "";
    uint64_t step = training_trainer_step_number(s->trainer);

    err e = repo_open(&s->context, s->plan.folder, &r);
    if (!e.code) e = commit_files(s, r, files, &done);
    if (!e.code && tag) e = tag_commit(s, r, done.commit.hex, step, tagged);
    repo_close(r);
    if (!e.code) commit_row(s, done.commit.hex, tagged, step, files->contents[0].size, s->last_eval);
    return e;
}

err run_checkpoint(run_session *s, bool tag)
{
    CLEANUP(adapter_files_free) adapter_files files = {0};
    double began = clock_seconds();

    err e = run_save_state(s);
    if (e.code) return e; /* told */
    e = adapter_files_make(s, &files);
    if (!e.code) e = commit_and_tag(s, &files, tag);
    s->save_ms += (clock_seconds() - began) * 1000;
    if (e.code)
        run_warn(s, "commit at step %llu: %s", (unsigned long long)training_trainer_step_number(s->trainer),
                 e.text);
    else
        run_prune_states(s);
    return e;
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
