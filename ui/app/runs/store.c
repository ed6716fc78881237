#define _GNU_SOURCE
#include "ui/app/runs/store.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/arena.h"
#include "ui/app/runs/store_internal.h"
#include "ui/app/state_db.h"

enum { ID_RANDOM_BYTES = 16, ID_TIME_DIGITS = 10, WORD_LEAST = 4 };

err ui_run_store_open(const char *state_folder, ui_run_store **out)
{
    char *aside = NULL;
    db *d = NULL;
    err e = ui_state_db_open(state_folder, &aside, &d);
    free(aside);
    if (e.code) return err_note(e, "open the list of runs");
    ui_run_store *store = memory_alloc(sizeof *store);
    store->db = d;
    *out = store;
    return ERR_OK;
}

void ui_run_store_free(ui_run_store *store)
{
    if (!store) return;
    db_close(store->db);
    free(store);
}

/* Crockford's 32 digits: ten for the time, sixteen for chance. */
void ui_run_id_make(int64_t now_ms, char id[UI_RUN_ID_SIZE])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char chance[ID_RANDOM_BYTES];
    if (getrandom(chance, sizeof chance, 0) != (ssize_t)sizeof chance)
        for (size_t i = 0; i < sizeof chance; i++)
            chance[i] = (unsigned char)(now_ms >> (i % 8)) ^ (unsigned char)getpid();
    for (int i = 0; i < ID_TIME_DIGITS; i++) id[i] = digits[(now_ms >> (5 * (ID_TIME_DIGITS - 1 - i))) & 31];
    for (int i = 0; i < ID_RANDOM_BYTES; i++) id[ID_TIME_DIGITS + i] = digits[chance[i] & 31];
    id[UI_RUN_ID_SIZE - 1] = 0;
}

/* -- rows ------------------------------------------------------------------------------------------------ */

err ui_run_store_add(ui_run_store *store, const ui_run_row *row, int64_t *run)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
    err e = db_run(store->db,
                   "INSERT INTO runs(id, model, base_commit, adapter, branch, kind, state, config_json,"
                   " data_digest, steps_total, world_size, started_ms, updated_ms, host, pid, parent)"
                   " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   "tttttttttiiiitit", row->id, row->model, row->base_commit, row->adapter, row->branch,
                   row->kind, row->state, row->config, row->data_digest, (int64_t)row->steps_total,
                   (int64_t)row->world_size, row->started_ms, row->started_ms, host, row->pid,
                   row->parent ? row->parent : "");
    if (e.code) return err_note(e, "add the run");
    *run = db_last_id(store->db);
    return ERR_OK;
}

#define RUN_COLUMNS                                                                                          \
    "run, id, model, base_commit, adapter, branch, kind, state, config_json, data_digest, host, error,"      \
    " steps_total, step, attempt, world_size, best_step, best_eval_loss, started_ms, updated_ms, ended_ms, " \
    "pid, parent"

static char *column_text(sqlite3_stmt *row, int column)
{
    bytes_view text = db_column_text(row, column);
    return memory_text_n(text.data ? text.data : "", text.size);
}

static bool take_row(void *context, sqlite3_stmt *s)
{
    ui_run_list *list = context;
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    ui_run_row *r = &list->rows[list->count++];
    *r = (ui_run_row){.run = sqlite3_column_int64(s, 0)};
    bytes_view id = db_column_text(s, 1);
    memcpy(r->id, id.data, MIN_OF(id.size, sizeof r->id - 1));
    char **texts[] = {&r->model, &r->base_commit, &r->adapter,     &r->branch, &r->kind,
                      &r->state, &r->config,      &r->data_digest, &r->host,   &r->error};
    for (size_t i = 0; i < COUNT_OF(texts); i++) *texts[i] = column_text(s, 2 + (int)i);
    r->steps_total = (uint64_t)sqlite3_column_int64(s, 12);
    r->step = (uint64_t)sqlite3_column_int64(s, 13);
    r->attempt = (uint32_t)sqlite3_column_int64(s, 14);
    r->world_size = (uint32_t)sqlite3_column_int64(s, 15);
    r->has_best = sqlite3_column_type(s, 16) != SQLITE_NULL;
    r->best_step = (uint64_t)sqlite3_column_int64(s, 16);
    r->best_loss = sqlite3_column_double(s, 17);
    r->started_ms = sqlite3_column_int64(s, 18);
    r->updated_ms = sqlite3_column_int64(s, 19);
    r->ended_ms = sqlite3_column_int64(s, 20);
    r->pid = sqlite3_column_int64(s, 21);
    r->parent = column_text(s, 22);
    return list->count < UI_RUN_LIST_MAX;
}

void ui_run_list_free(ui_run_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        ui_run_row *r = &list->rows[i];
        char *texts[] = {r->model,  r->base_commit, r->adapter, r->branch, r->kind,  r->state,
                         r->config, r->data_digest, r->host,    r->error,  r->parent};
        for (size_t k = 0; k < COUNT_OF(texts); k++) free(texts[k]);
    }
    free(list->rows);
    *list = (ui_run_list){0};
}

static err list_end(err e, ui_run_list *list, ui_run_list *out)
{
    if (e.code) {
        ui_run_list_free(list);
        return err_note(e, "read the list of runs");
    }
    *out = *list;
    return ERR_OK;
}

err ui_run_store_list(ui_run_store *store, const char *model, ui_run_list *out)
{
    ui_run_list list = {0};
    err e =
        model ? db_query(store->db, "SELECT " RUN_COLUMNS " FROM runs WHERE model = ? ORDER BY id DESC",
                         take_row, &list, "t", model)
              : db_query(store->db, "SELECT " RUN_COLUMNS " FROM runs ORDER BY id DESC", take_row, &list, "");
    return list_end(e, &list, out);
}

err ui_run_store_list_unended(ui_run_store *store, ui_run_list *out)
{
    ui_run_list list = {0};
    err e = db_query(store->db, "SELECT " RUN_COLUMNS " FROM runs WHERE ended_ms IS NULL ORDER BY id DESC",
                     take_row, &list, "");
    return list_end(e, &list, out);
}

err ui_run_store_find(ui_run_store *store, const char *word, ui_run_list *out)
{
    ui_run_list list = {0};
    err e;

    if (strcmp(word, "last") == 0) {
        e = db_query(store->db, "SELECT " RUN_COLUMNS " FROM runs ORDER BY id DESC LIMIT 1", take_row, &list,
                     "");
    } else {
        if (strlen(word) < WORD_LEAST || strspn(word, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != strlen(word))
            return err_make(ERR_USAGE,
                            "RUN is '%.40s': expected an id, its first or last digits (at least %d), or last",
                            word, WORD_LEAST);
        e = db_query(store->db,
                     "SELECT " RUN_COLUMNS " FROM runs WHERE id LIKE ?1 || '%' OR id LIKE '%' || ?1"
                     " ORDER BY id DESC LIMIT 2",
                     take_row, &list, "t", word);
    }
    if (!e.code && list.count == 0) e = err_make(ERR_NOT_FOUND, "there is no run %.40s", word);
    if (!e.code && list.count > 1)
        e = err_make(ERR_USAGE, "%.40s is more than one run: %s and %s", word, list.rows[0].id,
                     list.rows[1].id);
    if (e.code) ui_run_list_free(&list);
    if (!e.code) *out = list;
    return e;
}

err ui_run_store_set_state(ui_run_store *store, int64_t run, const char *state, bool ended, const char *error,
                           int64_t now_ms)
{
    return db_run(store->db,
                  "UPDATE runs SET state = ?, error = ?, updated_ms = ?,"
                  " ended_ms = CASE WHEN ? THEN updated_ms ELSE NULL END WHERE run = ?",
                  "ttiii", state, error, now_ms, (int64_t)ended, run);
}

err ui_run_store_take(ui_run_store *store, int64_t run, uint32_t attempt, int64_t pid, int64_t now_ms)
{
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0) host[0] = 0;
    return db_run(store->db,
                  "UPDATE runs SET state = 'running', attempt = ?, pid = ?, host = ?, updated_ms = ?,"
                  " ended_ms = NULL, error = NULL WHERE run = ?",
                  "iitii", (int64_t)attempt, pid, host, now_ms, run);
}

err ui_run_store_best(ui_run_store *store, int64_t run, uint64_t step, double loss)
{
    return db_run(store->db, "UPDATE runs SET best_step = ?, best_eval_loss = ? WHERE run = ?", "idi",
                  (int64_t)step, loss, run);
}

err ui_run_store_remove(ui_run_store *store, int64_t run)
{
    return db_run(store->db, "DELETE FROM runs WHERE run = ?", "i", run);
}

/* -- what was saved ---------------------------------------------------------------------------------------
 */

err ui_run_store_checkpoint(ui_run_store *store, int64_t run, const ui_run_checkpoint *c, int64_t now_ms)
{
    return db_run(store->db, "INSERT OR REPLACE INTO checkpoints VALUES(?, ?, ?, ?, ?, ?, NULL, ?, ?)",
                  "iitttidi", run, (int64_t)c->step, c->kind, c->ref, c->tag[0] ? c->tag : NULL,
                  (int64_t)c->bytes, isfinite(c->eval_loss) ? c->eval_loss : NAN, now_ms);
}

err ui_run_store_forget_state(ui_run_store *store, int64_t run, uint64_t step)
{
    return db_run(store->db, "DELETE FROM checkpoints WHERE run = ? AND step = ? AND kind = 'state'", "ii",
                  run, (int64_t)step);
}

typedef struct checkpoint_list {
    ui_run_checkpoint *rows;
    size_t count;
} checkpoint_list;

static void copy_column(sqlite3_stmt *s, int column, char *to, size_t size)
{
    bytes_view text = db_column_text(s, column);
    size_t kept = MIN_OF(text.size, size - 1);
    if (kept) memcpy(to, text.data, kept);
    to[kept] = 0;
}

static bool take_checkpoint(void *context, sqlite3_stmt *s)
{
    checkpoint_list *list = context;
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    ui_run_checkpoint *c = &list->rows[list->count++];
    c->step = (uint64_t)sqlite3_column_int64(s, 0);
    copy_column(s, 1, c->kind, sizeof c->kind);
    copy_column(s, 2, c->ref, sizeof c->ref);
    copy_column(s, 3, c->tag, sizeof c->tag);
    c->bytes = (uint64_t)sqlite3_column_int64(s, 4);
    c->eval_loss = sqlite3_column_type(s, 5) == SQLITE_NULL ? NAN : sqlite3_column_double(s, 5);
    return true;
}

err ui_run_store_checkpoints(ui_run_store *store, int64_t run, ui_run_checkpoint **list, size_t *count)
{
    checkpoint_list found = {0};
    err e = db_query(store->db,
                     "SELECT step, kind, ref, tag, bytes, eval_loss FROM checkpoints WHERE run = ?"
                     " ORDER BY step, kind DESC",
                     take_checkpoint, &found, "i", run);
    if (e.code) {
        free(found.rows);
        return e;
    }
    *list = found.rows;
    *count = found.count;
    return ERR_OK;
}

err ui_run_store_alert(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_alert *alert,
                       int64_t at_ms)
{
    return db_run(store->db, "INSERT OR REPLACE INTO alerts VALUES(?, ?, ?, ?, ?, ?, ?)", "iititti", run,
                  (int64_t)alert->step, alert->kind, (int64_t)attempt, alert->text, alert->advice, at_ms);
}

typedef struct alert_reader {
    void (*each)(void *context, const ui_run_alert *alert);
    void *context;
} alert_reader;

static bool take_alert(void *context, sqlite3_stmt *s)
{
    const alert_reader *reader = context;
    char *kind = column_text(s, 1), *text = column_text(s, 2), *advice = column_text(s, 3);
    ui_run_alert alert = {(uint64_t)sqlite3_column_int64(s, 0), kind, text, advice};
    reader->each(reader->context, &alert);
    free(kind);
    free(text);
    free(advice);
    return true;
}

err ui_run_store_alerts(ui_run_store *store, int64_t run,
                        void (*each)(void *context, const ui_run_alert *alert), void *context)
{
    alert_reader reader = {each, context};
    /* A later attempt took the steps from its first point on again. */
    return db_query(
        store->db,
        "SELECT step, kind, text, advice FROM alerts a WHERE run = ?1 AND NOT EXISTS (SELECT 1 FROM points"
        " p WHERE p.run = ?1 AND p.step = a.step - 1 AND p.attempt > a.attempt) ORDER BY step, kind",
        take_alert, &reader, "i", run);
}

err ui_run_store_sample(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_sample *sample)
{
    return db_run(store->db, "INSERT OR REPLACE INTO samples VALUES(?, ?, ?, ?, ?, ?)", "iiiitt", run,
                  (int64_t)attempt, (int64_t)sample->step, (int64_t)sample->slot, sample->prompt,
                  sample->text);
}

typedef struct sample_reader {
    void (*each)(void *context, const ui_run_sample *sample);
    void *context;
} sample_reader;

static bool take_sample(void *context, sqlite3_stmt *s)
{
    const sample_reader *reader = context;
    char *prompt = column_text(s, 2), *text = column_text(s, 3);
    ui_run_sample sample = {(uint64_t)sqlite3_column_int64(s, 0), (unsigned)sqlite3_column_int(s, 1), prompt,
                            text};
    reader->each(reader->context, &sample);
    free(prompt);
    free(text);
    return true;
}

err ui_run_store_samples(ui_run_store *store, int64_t run,
                         void (*each)(void *context, const ui_run_sample *sample), void *context)
{
    sample_reader reader = {each, context};
    return db_query(
        store->db,
        "SELECT step, slot, prompt, text FROM samples s WHERE run = ? AND attempt = (SELECT"
        " max(attempt) FROM samples t WHERE t.run = s.run AND t.step = s.step AND t.slot = s.slot)"
        " ORDER BY step, slot",
        take_sample, &reader, "i", run);
}
