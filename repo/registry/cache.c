#include "repo/registry/cache.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "repo/registry/cache_internal.h"

/* A step is never changed after it was released; what changes is a further one. */
static const char *const steps[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    /* One folder of the models folder, or a registered model whose folder is gone. */
    "CREATE TABLE repo("
    " folder TEXT PRIMARY KEY, name TEXT NOT NULL, uuid TEXT, path TEXT NOT NULL, url TEXT,"
    " state INTEGER NOT NULL, why TEXT, name_marked TEXT, uuid_marked TEXT, common_dir TEXT,"
    " branch TEXT, head TEXT NOT NULL, ahead INTEGER NOT NULL, behind INTEGER NOT NULL, dirty INTEGER NOT "
    "NULL,"
    " branch_count INTEGER NOT NULL, tag_count INTEGER NOT NULL, worktree_count INTEGER NOT NULL,"
    " adapter_count INTEGER NOT NULL, is_shallow INTEGER NOT NULL, architecture TEXT, dtype TEXT,"
    " parameters INTEGER NOT NULL, file_bytes INTEGER NOT NULL, context_max INTEGER NOT NULL,"
    " layer_count INTEGER NOT NULL, hidden_size INTEGER NOT NULL, vocab_count INTEGER NOT NULL,"
    " head_count INTEGER NOT NULL, kv_head_count INTEGER NOT NULL, head_dim INTEGER NOT NULL,"
    " weight_count INTEGER NOT NULL, pointer TEXT, missing_count INTEGER NOT NULL, has_template INTEGER NOT "
    "NULL,"
    " git_watch TEXT NOT NULL, file_watch TEXT NOT NULL, git_signature INTEGER NOT NULL,"
    " file_signature INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    /* What a file of a worktree hashed to when it had these stamps. */
    "CREATE TABLE workfile("
    " worktree TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,"
    " ctime_ns INTEGER NOT NULL, ino INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY(worktree, path))"
    " STRICT, WITHOUT ROWID;",
};

enum { YOUNG_SECONDS = 2 };

struct repo_cache {
    db *db; /* NULL: there is none */
};

/* ---- opening ---- */

static char *path_of(const repo_context *c, const char *models_folder)
{
    char hex[SHA256_HEX_SIZE], name[64];

    sha256_of(bytes_view_of(models_folder), hex);
    snprintf(name, sizeof name, "registry-%.16s.db", hex);
    return file_join(settings_borrow_folders(c->settings)->cache, name);
}

static bool row_is_wal(void *context, sqlite3_stmt *statement)
{
    *(bool *)context = bytes_view_is(db_column_text(statement, 0), "wal");
    return false;
}

static err set_up(db *d)
{
    static const char *const pragmas[] = {
        "PRAGMA temp_store = MEMORY",
        "PRAGMA cache_size = -8192",
        "PRAGMA mmap_size = 0",
        "PRAGMA journal_size_limit = 16777216",
    };
    bool is_wal = false;

    err e = db_query(d, "PRAGMA journal_mode", row_is_wal, &is_wal, "");
    /* On a network file system there is no shared memory: the old journal then. */
    if (!e.code && !is_wal) e = db_run(d, "PRAGMA journal_mode = DELETE", "");
    for (size_t i = 0; i < COUNT_OF(pragmas) && !e.code; i++) e = db_run(d, pragmas[i], "");
    return e;
}

/* Of another version of the program: made anew, it is only a cache. */
static void other_version_set_aside(const char *path)
{
    CLEANUP(bytes_free) bytes to = {0};
    static const char *const endings[] = {"-wal", "-shm"};

    bytes_printf(&to, "%s.bad", path);
    if (rename(path, bytes_text(&to)) != 0) return;
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        CLEANUP(bytes_free) bytes side = {0};
        bytes_printf(&side, "%s%s", path, endings[i]);
        unlink(bytes_text(&side));
    }
}

err repo_cache_open(const repo_context *c, const char *models_folder, repo_cache **out)
{
    repo_cache *cache = memory_alloc(sizeof *cache);
    char *path = path_of(c, models_folder), *aside = NULL;

    err e = db_open(path, steps, COUNT_OF(steps), &aside, &cache->db);
    if (e.code == ERR_UNSUPPORTED) {
        other_version_set_aside(path);
        e = db_open(path, steps, COUNT_OF(steps), &aside, &cache->db);
    }
    if (!e.code) e = set_up(cache->db);
    if (aside) log_write(c->log, LOG_WARNING, "the cache was damaged: kept as %s, made anew", aside);
    if (e.code) {
        log_write(c->log, LOG_WARNING, "no cache, lists are slower: %s", e.text);
        db_close(cache->db);
        cache->db = NULL;
    }
    free(aside);
    free(path);
    *out = cache;
    return ERR_OK;
}

void repo_cache_free(repo_cache *cache)
{
    if (!cache) return;
    db_close(cache->db);
    free(cache);
}

db *repo_cache_borrow_db(repo_cache *cache) { return cache ? cache->db : NULL; }

void repo_cache_failed(repo_cache *cache, const repo_context *c, err e)
{
    if (!e.code || !cache->db) return;
    log_write(c->log, LOG_WARNING, "the cache is given up: %s", e.text);
    db_close(cache->db);
    cache->db = NULL;
}

/* ---- hashes of files ---- */

static int64_t nanoseconds(struct timespec time) { return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec; }

static bool row_hash(void *context, sqlite3_stmt *statement)
{
    bytes_view text = db_column_text(statement, 0);
    if (text.size == SHA256_HEX_SIZE - 1) memcpy(context, text.data, SHA256_HEX_SIZE);
    return false;
}

bool repo_cache_file_hash(repo_cache *cache, const char *worktree, const char *path, const struct stat *info,
                          char hash[65])
{
    hash[0] = 0;
    if (!cache || !cache->db) return false;
    err e =
        db_query(cache->db,
                 "SELECT sha256 FROM workfile WHERE worktree = ? AND path = ? AND size = ? AND mtime_ns = ?"
                 " AND ctime_ns = ? AND ino = ?",
                 row_hash, hash, "ttiiii", worktree, path, (int64_t)info->st_size, nanoseconds(info->st_mtim),
                 nanoseconds(info->st_ctim), (int64_t)info->st_ino);
    return !e.code && hash[0];
}

/* Within the clock's tick a file can change and keep its stamp: not kept then. */
static bool is_young(const struct stat *info)
{
    int64_t from = clock_unix_seconds() - YOUNG_SECONDS;
    return info->st_mtim.tv_sec >= from || info->st_ctim.tv_sec >= from;
}

void repo_cache_keep_file_hash(repo_cache *cache, const char *worktree, const char *path,
                               const struct stat *info, const char *hash)
{
    if (!cache || !cache->db || is_young(info)) return;
    /* It is hashed again when this fails. */
    (void)db_run(cache->db, "INSERT OR REPLACE INTO workfile VALUES(?, ?, ?, ?, ?, ?, ?)", "ttiiiit",
                 worktree, path, (int64_t)info->st_size, nanoseconds(info->st_mtim),
                 nanoseconds(info->st_ctim), (int64_t)info->st_ino, hash);
}
