#include "repo/log.h"

#include <stdlib.h>
#include <string.h>

#include "repo/branch.h"
#include "repo/log_internal.h"

static void row_free(repo_log_row *row)
{
    repo_names_free(&row->parents);
    for (size_t i = 0; i < row->trailer_count; i++) {
        free(row->trailers[i].key);
        free(row->trailers[i].value);
    }
    for (size_t i = 0; i < row->ref_count; i++) free(row->refs[i].name);
    free(row->trailers);
    free(row->refs);
    free(row->author);
    free(row->email);
    free(row->subject);
    free(row->body);
}

void repo_log_free(repo_log *log)
{
    for (size_t i = 0; i < log->count; i++) row_free(&log->rows[i]);
    free(log->rows);
    *log = (repo_log){0};
}

/* ---- where it begins ---- */

/* A tag of a tree, a ref to what is gone: not of this history. */
static void tip_add(repo_log_walk *w, git_reference *ref)
{
    git_object *commit = NULL;
    if (git_reference_peel(&commit, ref, GIT_OBJECT_COMMIT) == 0) repo_log_walk_add(w, git_object_id(commit));
    git_object_free(commit);
}

static err all_add(repo_log_walk *w)
{
    git_reference_iterator *iterator = NULL;
    git_reference *ref = NULL;
    size_t count = 0;
    int status = 0;

    err e = repo_git_check(git_reference_iterator_new(&iterator, w->r->git), "list the refs");
    while (!e.code && (status = git_reference_next(&ref, iterator)) == 0) {
        if (++count > REPO_REFS_COUNT_MAX)
            e = err_make(ERR_LIMIT, "more than %d refs", REPO_REFS_COUNT_MAX);
        else
            tip_add(w, ref);
        git_reference_free(ref);
    }
    git_reference_iterator_free(iterator);
    return e;
}

static err tips_add(repo_log_walk *w, const repo_log_options *options)
{
    git_oid id;

    if (options->from) {
        err e = repo_oid_read(&options->from->commit, &id);
        if (e.code) return e;
        repo_log_walk_add(w, &id);
    } else if (git_reference_name_to_id(&id, w->r->git, "HEAD") == 0) {
        repo_log_walk_add(w, &id);
    }
    err e = options->all ? all_add(w) : ERR_OK;
    if (!e.code && !w->node_count) e = err_make(ERR_NOTHING, "there is no commit yet");
    return e;
}

/* ---- rows ---- */

typedef struct gathering {
    repo_log_walk *walk;
    repo_log *out;
    size_t count_max, capacity;
    err e;
} gathering;

static bool row_add(void *context, repo_log_node *node)
{
    gathering *g = context;
    repo_log *log = g->out;
    git_commit *commit = NULL;

    if (g->count_max && log->count == g->count_max) {
        log->more = true;
        return false;
    }
    g->e = repo_git_check(git_commit_lookup(&commit, g->walk->r->git, &node->id), "read a commit");
    if (g->e.code) return false;
    if (log->count == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 64;
        log->rows = memory_resize_array(log->rows, g->capacity, sizeof *log->rows);
    }
    repo_log_row *row = &log->rows[log->count];
    *row = (repo_log_row){0};
    repo_log_row_read(commit, row);
    for (unsigned i = 0; !node->at_edge && i < git_commit_parentcount(commit); i++) {
        repo_id parent;
        repo_id_of(git_commit_parent_id(commit, i), &parent);
        repo_names_add(&row->parents, parent.hex);
    }
    node->row = (long)log->count++;
    git_commit_free(commit);
    return true;
}

err repo_log_read(repo_handle *r, const repo_log_options *options, repo_log *out)
{
    repo_log_walk walk;
    gathering g = {&walk, out, options->count_max, 0, ERR_OK};

    repo_log_walk_begin(r, options->path, &walk);
    err e = tips_add(&walk, options);
    if (!e.code) e = repo_log_walk_read(&walk);
    if (!e.code) {
        repo_log_walk_each(&walk, row_add, &g);
        e = g.e;
    }
    if (!e.code) e = repo_log_refs_read(r, &walk, out);
    out->shallow = walk.met_edge;
    repo_log_walk_end(&walk);
    if (e.code) repo_log_free(out);
    return e;
}
