#include "base/db.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

enum { DB_BUSY_TIMEOUT_MS = 5000, DB_LOOK_MS = 5, DB_STATEMENTS_MAX = 256 };

struct db {
    sqlite3 *handle;
    char *path;
    struct {
        char *sql;
        sqlite3_stmt *statement;
    } kept[DB_STATEMENTS_MAX];
    size_t kept_count;
};

err db_error(const db *d, const char *what)
{
    int code = sqlite3_errcode(d->handle);
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return err_make(damaged                ? ERR_FORMAT
                    : code == SQLITE_NOMEM ? ERR_MEMORY
                                           : ERR_IO,
                    "%s: %s: %s", d->path, what, sqlite3_errmsg(d->handle));
}

void db_close(db *d)
{
    if (!d) return;
    for (size_t i = 0; i < d->kept_count; i++) {
        sqlite3_finalize(d->kept[i].statement);
        free(d->kept[i].sql);
    }
    sqlite3_close(d->handle);
    free(d->path);
    free(d);
}

static err execute(db *d, const char *sql)
{
    return sqlite3_exec(d->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : db_error(d, "execute");
}

/* -- opening ------------------------------------------------------------------------------------------- */

static bool answer_is_ok(void *context, sqlite3_stmt *statement)
{
    *(bool *)context = bytes_view_is(db_column_text(statement, 0), "ok");
    return false;
}

static bool answer_read_int(void *context, sqlite3_stmt *statement)
{
    *(int64_t *)context = sqlite3_column_int64(statement, 0);
    return false;
}

/* Nobody else may have the file open in this moment, and sqlite waits for no one here: two programs that make
 * it at once would refuse each other. */
static err use_write_ahead_log(db *d)
{
    double deadline = clock_seconds() + DB_BUSY_TIMEOUT_MS / 1000.0;
    for (;;) {
        err e = execute(d, "PRAGMA journal_mode = WAL");
        if (sqlite3_errcode(d->handle) != SQLITE_BUSY || clock_seconds() > deadline) return e;
        sqlite3_sleep(DB_LOOK_MS);
    }
}

/* Opened, configured and found whole; ERR_FORMAT: damaged. */
static err handle_open(const char *path, db **out)
{
    db *d = memory_alloc(sizeof *d);
    bool whole = false;

    d->path = memory_text(path);
    err e = ERR_OK;
    if (sqlite3_open_v2(path, &d->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        e = db_error(d, "open");
    if (!e.code) sqlite3_busy_timeout(d->handle, DB_BUSY_TIMEOUT_MS);
    if (!e.code) e = use_write_ahead_log(d);
    if (!e.code) e = execute(d, "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
    if (!e.code) e = db_query(d, "PRAGMA quick_check(1)", answer_is_ok, &whole, "");
    if (!e.code && !whole) e = err_make(ERR_FORMAT, "%s is damaged", path);
    if (e.code) {
        db_close(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

/* The damaged file goes to a name of its own; its journal goes along, since it belongs to it alone. */
static err damaged_move(const char *path, char **aside)
{
    static const char *const endings[] = {"-wal", "-shm"};
    CLEANUP(bytes_free) bytes to = {0};

    bytes_printf(&to, "%s.damaged-%lld", path, (long long)clock_unix_seconds());
    for (int i = 2; file_exists(bytes_text(&to)); i++) {
        bytes_clear(&to);
        bytes_printf(&to, "%s.damaged-%lld-%d", path, (long long)clock_unix_seconds(), i);
    }
    if (rename(path, to.data) != 0) return err_errno("move the damaged %s aside", path);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        CLEANUP(bytes_free) bytes from_side = {0};
        CLEANUP(bytes_free) bytes to_side = {0};
        bytes_printf(&from_side, "%s%s", path, endings[i]);
        bytes_printf(&to_side, "%s%s", to.data, endings[i]);
        if (rename(from_side.data, to_side.data) != 0 && errno != ENOENT)
            return err_errno("move the damaged %s aside", from_side.data);
    }
    *aside = bytes_take(&to);
    return ERR_OK;
}

static err version_read(db *d, int64_t *out)
{
    return db_query(d, "PRAGMA user_version", answer_read_int, out, "");
}

/* Another program may have done it since the version was read. */
static err step_run(db *d, const char *sql, int version)
{
    char pragma[64];
    int64_t there = 0;

    snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
    err e = db_begin(d);
    if (!e.code) e = version_read(d, &there);
    if (!e.code && there < version) e = execute(d, sql);
    if (!e.code && there < version) e = execute(d, pragma);
    if (!e.code) e = db_commit(d);
    if (e.code) db_rollback(d);
    return e.code ? err_note(e, "schema step %d", version) : e;
}

static err schema_update(db *d, const char *const *steps, int step_count)
{
    int64_t version = 0;

    err e = version_read(d, &version);
    if (!e.code && version > step_count) {
        e = err_make(ERR_UNSUPPORTED,
                     "%s was written by a newer version (schema %lld, this program knows %d)", d->path,
                     (long long)version, step_count);
    }
    for (int i = (int)version; !e.code && i < step_count; i++) e = step_run(d, steps[i], i + 1);
    return e;
}

err db_open(const char *path, const char *const *steps, int step_count, char **aside, db **out)
{
    CLEANUP(bytes_free) bytes moved = {0};
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(path)};
    db *d = NULL;

    err e = file_make_folders(folder.data);
    if (!e.code) e = handle_open(path, &d);
    if (e.code == ERR_FORMAT) {
        e = damaged_move(path, &moved.data);
        if (!e.code) e = handle_open(path, &d);
    }
    if (!e.code) e = schema_update(d, steps, step_count);
    if (aside && moved.data) {
        *aside = moved.data;
        moved.data = NULL;
    }
    if (e.code) {
        db_close(d);
        return e;
    }
    *out = d;
    return ERR_OK;
}

/* -- statements ---------------------------------------------------------------------------------------- */

sqlite3_stmt *db_prepare(db *d, const char *sql)
{
    for (size_t i = 0; i < d->kept_count; i++) {
        if (strcmp(d->kept[i].sql, sql) != 0) continue;
        sqlite3_reset(d->kept[i].statement);
        sqlite3_clear_bindings(d->kept[i].statement);
        return d->kept[i].statement;
    }
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
        return NULL;
    if (d->kept_count == DB_STATEMENTS_MAX) {
        /* More texts than a program has: the oldest gives way. */
        sqlite3_finalize(d->kept[0].statement);
        free(d->kept[0].sql);
        memmove(&d->kept[0], &d->kept[1], (DB_STATEMENTS_MAX - 1) * sizeof d->kept[0]);
        d->kept_count--;
    }
    d->kept[d->kept_count].sql = memory_text(sql);
    d->kept[d->kept_count++].statement = statement;
    return statement;
}

static int bind_one(sqlite3_stmt *statement, int at, char kind, va_list *values)
{
    switch (kind) {
    case 'i': return sqlite3_bind_int64(statement, at, va_arg(*values, int64_t));
    case 'd': return sqlite3_bind_double(statement, at, va_arg(*values, double));
    case 't': return sqlite3_bind_text(statement, at, va_arg(*values, const char *), -1, SQLITE_TRANSIENT);
    case 'v': {
        bytes_view v = va_arg(*values, bytes_view);
        return sqlite3_bind_text64(statement, at, v.data ? v.data : "", v.size, SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
    }
    case 'b': {
        bytes_view v = va_arg(*values, bytes_view);
        return sqlite3_bind_blob64(statement, at, v.data ? v.data : "", v.size, SQLITE_TRANSIENT);
    }
    default: return SQLITE_MISUSE;
    }
}

static err query(db *d, const char *sql, bool (*row)(void *context, sqlite3_stmt *statement), void *context,
                 const char *kinds, va_list *values)
{
    sqlite3_stmt *statement = db_prepare(d, sql);
    if (!statement) return db_error(d, "prepare");
    for (int i = 0; kinds[i]; i++) {
        if (bind_one(statement, i + 1, kinds[i], values) != SQLITE_OK) return db_error(d, "bind");
    }
    int step;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        if (row && !row(context, statement)) break;
    }
    err e = step == SQLITE_ROW || step == SQLITE_DONE ? ERR_OK : db_error(d, "run");
    sqlite3_reset(statement); /* ends the read transaction */
    return e;
}

err db_run(db *d, const char *sql, const char *kinds, ...)
{
    va_list values;
    va_start(values, kinds);
    err e = query(d, sql, NULL, NULL, kinds, &values);
    va_end(values);
    return e;
}

err db_query(db *d, const char *sql, bool (*row)(void *context, sqlite3_stmt *statement), void *context,
             const char *kinds, ...)
{
    va_list values;
    va_start(values, kinds);
    err e = query(d, sql, row, context, kinds, &values);
    va_end(values);
    return e;
}

int64_t db_last_id(const db *d) { return sqlite3_last_insert_rowid(d->handle); }

bytes_view db_column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return (bytes_view){text ? text : "", (size_t)sqlite3_column_bytes(statement, column)};
}

err db_begin(db *d) { return execute(d, "BEGIN IMMEDIATE"); }
err db_commit(db *d) { return execute(d, "COMMIT"); }

void db_rollback(db *d)
{
    /* An error may have ended the transaction already. */
    if (!sqlite3_get_autocommit(d->handle)) (void)execute(d, "ROLLBACK");
}
