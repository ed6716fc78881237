/* repo/registry/cache_rows.c: the rows of the models folder, in and out of sqlite. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/registry/cache_internal.h"
#include "repo/registry/models_internal.h"

#define COLUMNS                                                                                              \
    "folder, name, uuid, path, url, state, why, name_marked, uuid_marked, common_dir, branch, head, ahead,"  \
    " behind, dirty, branch_count, tag_count, worktree_count, adapter_count, is_shallow, architecture,"      \
    " dtype, parameters, file_bytes, context_max, layer_count, hidden_size, vocab_count, head_count,"        \
    " kv_head_count, head_dim, weight_count, pointer, missing_count, has_template, git_watch, file_watch,"   \
    " git_signature, file_signature"
/* What each column is bound as, in that order. */
#define KINDS                                                                                                \
    "tttttitttttt"                                                                                           \
    "iiiiiiii"                                                                                               \
    "ttiiiiiiiiii"                                                                                           \
    "tiittii"

/* ---- reading ---- */

/* The columns one after another. */
typedef struct columns {
    sqlite3_stmt *statement;
    int at;
} columns;

static char *text_next(columns *c)
{
    int at = c->at++;
    if (sqlite3_column_type(c->statement, at) == SQLITE_NULL) return NULL;
    bytes_view text = db_column_text(c->statement, at);
    return memory_text_n(text.data, text.size);
}

static int64_t int_next(columns *c) { return sqlite3_column_int64(c->statement, c->at++); }
static size_t size_next(columns *c) { return (size_t)int_next(c); }

static void id_next(columns *c, repo_id *out)
{
    snprintf(out->hex, sizeof out->hex, "%s", (const char *)sqlite3_column_text(c->statement, c->at++));
}

static bool row_read(void *context, sqlite3_stmt *statement)
{
    repo_models *m = context;
    columns c = {statement, 0};
    model_entry e = {0};
    repo_model_row *row = &e.row;

    e.folder = text_next(&c), row->name = text_next(&c), row->uuid = text_next(&c), row->path = text_next(&c);
    row->url = text_next(&c), row->state = (repo_model_state)int_next(&c), row->why = text_next(&c);
    e.name_marked = text_next(&c), e.uuid_marked = text_next(&c), e.common_dir = text_next(&c);
    row->branch = text_next(&c);
    id_next(&c, &row->head);
    row->ahead = (int)int_next(&c), row->behind = (int)int_next(&c), row->dirty = (int)int_next(&c);
    row->branch_count = size_next(&c), row->tag_count = size_next(&c), row->worktree_count = size_next(&c);
    row->adapter_count = size_next(&c), row->shallow = int_next(&c) != 0;
    row->architecture = text_next(&c), row->dtype = text_next(&c);
    row->parameters = (uint64_t)int_next(&c), row->file_bytes = (uint64_t)int_next(&c);
    row->context_max = size_next(&c), row->layer_count = size_next(&c), row->hidden_size = size_next(&c);
    row->vocab_count = size_next(&c), row->head_count = size_next(&c), row->kv_head_count = size_next(&c);
    row->head_dim = size_next(&c), row->weight_count = size_next(&c), row->pointer = text_next(&c);
    row->missing_count = size_next(&c), row->has_template = int_next(&c) != 0;
    e.git_watch = text_next(&c), e.file_watch = text_next(&c);
    e.git_signature = (uint64_t)int_next(&c), e.file_signature = (uint64_t)int_next(&c);
    m->entries[m->count++] = e;
    return m->count < REPO_MODELS_COUNT_MAX;
}

static bool stamp_read(void *context, sqlite3_stmt *statement)
{
    *(uint64_t *)context = (uint64_t)sqlite3_column_int64(statement, 0);
    return false;
}

void cache_rows_read(repo_models *m)
{
    db *d = repo_cache_borrow_db(m->cache);

    if (!d) return;
    m->entries = memory_alloc(REPO_MODELS_COUNT_MAX * sizeof *m->entries);
    err e = db_query(d, "SELECT " COLUMNS " FROM repo", row_read, m, "");
    if (!e.code)
        e = db_query(d, "SELECT value FROM meta WHERE key = 'registry'", stamp_read, &m->registry_signature,
                     "");
    repo_cache_failed(m->cache, m->context, e);
}

/* ---- writing ---- */

static err row_write(db *d, const model_entry *e)
{
    const repo_model_row *row = &e->row;
    return db_run(d,
                  "INSERT OR REPLACE INTO repo(" COLUMNS
                  ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                  " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  KINDS, e->folder, row->name, row->uuid, row->path, row->url, (int64_t)row->state, row->why,
                  e->name_marked, e->uuid_marked, e->common_dir, row->branch, row->head.hex,
                  (int64_t)row->ahead, (int64_t)row->behind, (int64_t)row->dirty, (int64_t)row->branch_count,
                  (int64_t)row->tag_count, (int64_t)row->worktree_count, (int64_t)row->adapter_count,
                  (int64_t)row->shallow, row->architecture, row->dtype, (int64_t)row->parameters,
                  (int64_t)row->file_bytes, (int64_t)row->context_max, (int64_t)row->layer_count,
                  (int64_t)row->hidden_size, (int64_t)row->vocab_count, (int64_t)row->head_count,
                  (int64_t)row->kv_head_count, (int64_t)row->head_dim, (int64_t)row->weight_count,
                  row->pointer, (int64_t)row->missing_count, (int64_t)row->has_template,
                  e->git_watch ? e->git_watch : "", e->file_watch ? e->file_watch : "",
                  (int64_t)e->git_signature, (int64_t)e->file_signature);
}

typedef struct gone {
    const repo_models *m;
    repo_names folders;
} gone;

/* Rows are few and names sorted by name, not folder: a plain search. */
static bool row_is_gone(void *context, sqlite3_stmt *statement)
{
    gone *g = context;
    bytes_view folder = db_column_text(statement, 0);

    for (size_t i = 0; i < g->m->count; i++)
        if (bytes_view_is(folder, g->m->entries[i].folder)) return true;
    char *name = memory_text_n(folder.data, folder.size);
    repo_names_add(&g->folders, name);
    free(name);
    return true;
}

static err rows_write(repo_models *m, db *d)
{
    gone g = {.m = m};
    char stamp[32];

    err e = db_query(d, "SELECT folder FROM repo", row_is_gone, &g, "");
    for (size_t i = 0; i < g.folders.count && !e.code; i++)
        e = db_run(d, "DELETE FROM repo WHERE folder = ?", "t", g.folders.names[i]);
    for (size_t i = 0; i < m->count && !e.code; i++) {
        if (!m->entries[i].changed) continue;
        e = row_write(d, &m->entries[i]);
        m->entries[i].changed = false;
    }
    snprintf(stamp, sizeof stamp, "%lld", (long long)m->registry_signature);
    if (!e.code) e = db_run(d, "INSERT OR REPLACE INTO meta VALUES('registry', ?)", "t", stamp);
    repo_names_free(&g.folders);
    return e;
}

void cache_rows_write(repo_models *m)
{
    db *d = repo_cache_borrow_db(m->cache);

    if (!d) return;
    err e = db_begin(d);
    if (!e.code) e = rows_write(m, d);
    if (!e.code) e = db_commit(d);
    if (e.code) db_rollback(d);
    repo_cache_failed(m->cache, m->context, e);
}
