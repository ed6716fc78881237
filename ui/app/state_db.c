#include "ui/app/state_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

/* Only ever append: each step brings the file of an older version to the next one. */
static const char *const schema[] = {
    "CREATE TABLE conversation(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,"
    " created INTEGER NOT NULL, changed INTEGER NOT NULL);"
    "CREATE TABLE message(conversation INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT NOT NULL,"
    " model TEXT, state INTEGER NOT NULL, reason INTEGER NOT NULL, problem TEXT,"
    " prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,"
    " wait_seconds REAL NOT NULL, prefill_seconds REAL NOT NULL, first_token_seconds REAL NOT NULL,"
    " decode_seconds REAL NOT NULL, seed INTEGER NOT NULL, thinking_seconds REAL NOT NULL,"
    " PRIMARY KEY(conversation, position)) WITHOUT ROWID;"
    "CREATE TABLE mark(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",

    /* Runs of training: spec training.md, section 14. */
    "CREATE TABLE runs(run INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    " model TEXT NOT NULL, base_commit TEXT NOT NULL, adapter TEXT NOT NULL, branch TEXT NOT NULL,"
    " kind TEXT NOT NULL, state TEXT NOT NULL, config_json TEXT NOT NULL, data_digest TEXT NOT NULL,"
    " steps_total INTEGER NOT NULL, step INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 1,"
    " world_size INTEGER NOT NULL DEFAULT 1, best_step INTEGER, best_eval_loss REAL,"
    " started_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, ended_ms INTEGER,"
    " host TEXT, pid INTEGER, error TEXT);"
    "CREATE TABLE names(name INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
    "CREATE TABLE points(run INTEGER NOT NULL REFERENCES runs(run) ON DELETE CASCADE,"
    " name INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, value REAL,"
    " at_ms INTEGER NOT NULL, PRIMARY KEY(run, name, step, attempt)) WITHOUT ROWID;"
    "CREATE TABLE pyramid(run INTEGER NOT NULL REFERENCES runs(run) ON DELETE CASCADE,"
    " name INTEGER NOT NULL, level INTEGER NOT NULL, slot INTEGER NOT NULL, lo REAL, hi REAL,"
    " n INTEGER NOT NULL, bad INTEGER NOT NULL, PRIMARY KEY(run, name, level, slot)) WITHOUT ROWID;"
    "CREATE TABLE samples(run INTEGER NOT NULL REFERENCES runs(run) ON DELETE CASCADE,"
    " attempt INTEGER NOT NULL, step INTEGER NOT NULL, slot INTEGER NOT NULL, prompt TEXT NOT NULL,"
    " text TEXT NOT NULL, PRIMARY KEY(run, step, slot, attempt)) WITHOUT ROWID;"
    "CREATE TABLE checkpoints(run INTEGER NOT NULL REFERENCES runs(run) ON DELETE CASCADE,"
    " step INTEGER NOT NULL, kind TEXT NOT NULL, ref TEXT NOT NULL, tag TEXT, bytes INTEGER NOT NULL,"
    " sha256 TEXT, eval_loss REAL, created_ms INTEGER NOT NULL,"
    " PRIMARY KEY(run, step, kind, ref)) WITHOUT ROWID;",

    /* What the person thinks of an answer (ui_rating), and when that was said. */
    ("ALTER TABLE message ADD COLUMN rating INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE message ADD COLUMN rated INTEGER NOT NULL DEFAULT 0;"),

    /* What a run was forked from, and what it warned of. */
    ("ALTER TABLE runs ADD COLUMN parent TEXT NOT NULL DEFAULT '';"
     "CREATE TABLE alerts(run INTEGER NOT NULL REFERENCES runs(run) ON DELETE CASCADE,"
     " step INTEGER NOT NULL, kind TEXT NOT NULL, attempt INTEGER NOT NULL, text TEXT NOT NULL,"
     " advice TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(run, step, kind, attempt)) WITHOUT ROWID;"),
};

enum { DAY_SECONDS = 24 * 60 * 60 };

/* Once a day, beside the file; a failure is no reason not to start, the copy is tried again next time. */
static void copy_daily(db *d, const char *path)
{
    CLEANUP(bytes_free) bytes copy = {0}, fresh = {0};
    struct stat at;
    bytes_printf(&copy, "%s.daily", path);
    bytes_printf(&fresh, "%s.daily.new", path);
    if (stat(bytes_text(&copy), &at) == 0 && clock_unix_seconds() - (int64_t)at.st_mtime < DAY_SECONDS)
        return;
    remove(bytes_text(&fresh));
    if (db_run(d, "VACUUM INTO ?", "t", bytes_text(&fresh)).code == 0)
        rename(bytes_text(&fresh), bytes_text(&copy));
}

err ui_state_db_open(const char *state_folder, char **aside, db **out)
{
    *aside = NULL;
    err e = file_make_folders(state_folder);
    if (e.code) return e;
    char *path = file_join(state_folder, "state.db");
    db *d = NULL;
    e = db_open(path, schema, COUNT_OF(schema), aside, &d);
    if (!e.code) {
        if (!*aside) copy_daily(d, path); /* else the copy of better days stays */
        *out = d;
    }
    free(path);
    return e;
}
