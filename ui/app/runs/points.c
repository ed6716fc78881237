/* ui/app/runs/points.c: the half of ui/app/runs/store.h that is about points, and the pyramid over them. */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/app/runs/store_internal.h"

/* A slot covers 16 of the level below. 16^12 steps are more than anybody takes. */
enum { FAN_BITS = 4, LEVEL_MAX = 12, NAMES_MAX = 256 };

static bool take_number(void *context, sqlite3_stmt *s)
{
    if (sqlite3_column_type(s, 0) != SQLITE_NULL) *(int64_t *)context = sqlite3_column_int64(s, 0);
    return true;
}

static err number_of(db *d, const char *text, int64_t *out)
{
    *out = -1;
    return db_query(d, "SELECT name FROM names WHERE text = ?", take_number, out, "t", text);
}

static err number_make(db *d, const char *text, int64_t *out)
{
    err e = number_of(d, text, out);
    if (e.code || *out >= 0) return e;
    e = db_run(d, "INSERT INTO names(text) VALUES(?)", "t", text);
    *out = db_last_id(d);
    return e;
}

/* -- writing --------------------------------------------------------------------------------------------- */

/* The names of a batch, each with its number and the steps that it touches. */
typedef struct touched {
    const char *text;
    int64_t name;
    uint64_t first, last; /* steps */
} touched;

typedef struct batch {
    db *db;
    int64_t run, attempt;
    touched names[NAMES_MAX];
    size_t count;
} batch;

static err name_in_batch(batch *b, const char *text, uint64_t step, touched **out)
{
    for (size_t i = 0; i < b->count; i++) {
        if (strcmp(b->names[i].text, text) != 0) continue;
        *out = &b->names[i];
        return ERR_OK;
    }
    if (b->count == NAMES_MAX) return err_make(ERR_LIMIT, "more than %d names of points", NAMES_MAX);
    touched *t = &b->names[b->count++];
    *t = (touched){.text = text, .first = step, .last = step};
    *out = t;
    return number_make(b->db, text, &t->name);
}

static err add_value(batch *b, const ui_run_value *v)
{
    touched *t = NULL;
    err e = name_in_batch(b, v->name, v->step, &t);
    if (e.code) return e;
    t->first = MIN_OF(t->first, v->step);
    t->last = MAX_OF(t->last, v->step);
    return db_run(b->db, "INSERT OR REPLACE INTO points VALUES(?, ?, ?, ?, ?, ?)", "iiiidi", b->run, t->name,
                  (int64_t)v->step, b->attempt, isfinite(v->value) ? v->value : NAN, v->at_ms);
}

/* Level 1 from the points themselves: of each step the latest attempt's. */
static err slot_of_points(const batch *b, int64_t name, int64_t slot)
{
    return db_run(b->db,
                  "INSERT OR REPLACE INTO pyramid SELECT ?1, ?2, 1, ?3, min(value), max(value), count(*),"
                  " sum(value IS NULL) FROM points p WHERE run = ?1 AND name = ?2 AND step >= ?3 * 16"
                  " AND step < ?3 * 16 + 16 AND attempt = (SELECT max(attempt) FROM points q WHERE"
                  " q.run = ?1 AND q.name = ?2 AND q.step = p.step)",
                  "iii", b->run, name, slot);
}

static err slot_of_slots(const batch *b, int64_t name, int64_t level, int64_t slot)
{
    return db_run(b->db,
                  "INSERT OR REPLACE INTO pyramid SELECT ?1, ?2, ?3, ?4, min(lo), max(hi), sum(n), sum(bad)"
                  " FROM pyramid WHERE run = ?1 AND name = ?2 AND level = ?3 - 1 AND slot >= ?4 * 16"
                  " AND slot < ?4 * 16 + 16",
                  "iiii", b->run, name, level, slot);
}

static err raise_pyramid(const batch *b, const touched *t)
{
    int64_t top = 0;
    err e = db_query(b->db, "SELECT max(step) FROM points WHERE run = ? AND name = ?", take_number, &top,
                     "ii", b->run, t->name);
    for (int64_t level = 1; !e.code && level <= LEVEL_MAX; level++) {
        if ((top >> (FAN_BITS * (level - 1))) == 0) break; /* nothing to gather */
        int64_t last = (int64_t)t->last >> (FAN_BITS * level);
        for (int64_t slot = (int64_t)t->first >> (FAN_BITS * level); !e.code && slot <= last; slot++)
            e = level == 1 ? slot_of_points(b, t->name, slot) : slot_of_slots(b, t->name, level, slot);
    }
    return e;
}

err ui_run_store_points(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_value *values,
                        size_t count, int64_t now_ms)
{
    batch b = {.db = store->db, .run = run, .attempt = attempt};
    uint64_t step = 0;

    if (!count) return ERR_OK;
    err e = db_begin(store->db);
    if (e.code) return e;
    for (size_t i = 0; !e.code && i < count; i++) {
        e = add_value(&b, &values[i]);
        /* A point of step n is of a step that was taken; an evaluation at n comes after n of them. */
        step = MAX_OF(step, values[i].step + (strncmp(values[i].name, "eval_", 5) != 0));
    }
    for (size_t i = 0; !e.code && i < b.count; i++) e = raise_pyramid(&b, &b.names[i]);
    if (!e.code)
        e = db_run(store->db, "UPDATE runs SET step = ?, updated_ms = ? WHERE run = ?", "iii", (int64_t)step,
                   now_ms, run);
    if (!e.code) e = db_commit(store->db);
    if (e.code) db_rollback(store->db);
    return e.code ? err_note(e, "keep points") : e;
}

/* -- reading --------------------------------------------------------------------------------------------- */

static ui_run_slot *curve_add(ui_run_curve *c)
{
    if ((c->count & (c->count - 1)) == 0)
        c->slots = memory_resize_array(c->slots, c->count ? c->count * 2 : 1, sizeof *c->slots);
    c->slots[c->count] = (ui_run_slot){0};
    return &c->slots[c->count++];
}

/* Attempts of a step come one after another, the latest last: it takes the place of those before. */
static bool take_point(void *context, sqlite3_stmt *s)
{
    ui_run_curve *c = context;
    uint64_t step = (uint64_t)sqlite3_column_int64(s, 0);
    bool bad = sqlite3_column_type(s, 1) == SQLITE_NULL;
    double value = bad ? NAN : sqlite3_column_double(s, 1);
    ui_run_slot *slot =
        c->count && c->slots[c->count - 1].first == step ? &c->slots[c->count - 1] : curve_add(c);
    *slot = (ui_run_slot){step, 1, value, value, 1, bad};
    return true;
}

typedef struct level_reader {
    ui_run_curve *curve;
    int level;
} level_reader;

static bool take_slot(void *context, sqlite3_stmt *s)
{
    const level_reader *reader = context;
    ui_run_slot *slot = curve_add(reader->curve);
    bool none = sqlite3_column_type(s, 1) == SQLITE_NULL;
    slot->span = (uint64_t)1 << (FAN_BITS * reader->level);
    slot->first = (uint64_t)sqlite3_column_int64(s, 0) * slot->span;
    slot->lo = none ? NAN : sqlite3_column_double(s, 1);
    slot->hi = none ? NAN : sqlite3_column_double(s, 2);
    slot->n = (uint64_t)sqlite3_column_int64(s, 3);
    slot->bad = (uint64_t)sqlite3_column_int64(s, 4);
    return true;
}

static err read_level(ui_run_store *store, int64_t run, int64_t name, int level, ui_run_curve *out)
{
    level_reader reader = {out, level};
    if (level == 0)
        return db_query(store->db,
                        "SELECT step, value FROM points WHERE run = ? AND name = ? ORDER BY step, attempt",
                        take_point, out, "ii", run, name);
    return db_query(store->db,
                    "SELECT slot, lo, hi, n, bad FROM pyramid WHERE run = ? AND name = ? AND level = ?"
                    " ORDER BY slot",
                    take_slot, &reader, "iii", run, name, (int64_t)level);
}

err ui_run_store_curve(ui_run_store *store, int64_t run, const char *name, size_t columns, ui_run_curve *out)
{
    int64_t number = -1, top = -1;
    ui_run_curve curve = {0};
    int level = 0;

    *out = (ui_run_curve){0};
    err e = number_of(store->db, name, &number);
    if (e.code || number < 0) return e;
    e = db_query(store->db, "SELECT max(step) FROM points WHERE run = ? AND name = ?", take_number, &top,
                 "ii", run, number);
    while (columns && level < LEVEL_MAX &&
           ((uint64_t)(top + 1) >> (FAN_BITS * (level + 1))) >= 2 * (uint64_t)columns)
        level++;
    if (!e.code) e = read_level(store, run, number, level, &curve);
    if (e.code) {
        ui_run_curve_free(&curve);
        return err_note(e, "read the curve of %.60s", name);
    }
    *out = curve;
    return ERR_OK;
}

void ui_run_curve_free(ui_run_curve *curve)
{
    free(curve->slots);
    *curve = (ui_run_curve){0};
}

typedef struct name_reader {
    void (*name)(void *context, const char *text);
    void *context;
} name_reader;

static bool take_name(void *context, sqlite3_stmt *s)
{
    const name_reader *reader = context;
    bytes_view text = db_column_text(s, 0);
    char *copy = memory_text_n(text.data, text.size);
    reader->name(reader->context, copy);
    free(copy);
    return true;
}

err ui_run_store_names(ui_run_store *store, int64_t run, void (*name)(void *context, const char *text),
                       void *context)
{
    name_reader reader = {name, context};
    /* One look per name, not one per point. */
    return db_query(store->db,
                    "SELECT text FROM names n WHERE EXISTS (SELECT 1 FROM points p WHERE p.run = ? AND"
                    " p.name = n.name) ORDER BY text",
                    take_name, &reader, "i", run);
}
