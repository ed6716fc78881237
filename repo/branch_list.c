#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/branch.h"
#include "repo/branch_internal.h"
#include "repo/commit_internal.h"

static void branch_free(repo_branch *row)
{
    free(row->name);
    free(row->subject);
    free(row->upstream);
    free(row->worktree);
}

void repo_branches_free(repo_branches *list)
{
    for (size_t i = 0; i < list->count; i++) branch_free(&list->rows[i]);
    free(list->rows);
    *list = (repo_branches){0};
}

/* "refs/remotes/origin/main" as "origin/main", "refs/heads/x" as "x". */
static const char *short_name(const char *full)
{
    static const char *const heads[] = {"refs/heads/", "refs/remotes/", "refs/"};
    for (size_t i = 0; i < COUNT_OF(heads); i++)
        if (strncmp(full, heads[i], strlen(heads[i])) == 0) return full + strlen(heads[i]);
    return full;
}

/* The configured upstream, there or not, and the distance when it is there. */
static void upstream_read(repo_handle *r, const char *full, const git_oid *tip, repo_branch *row)
{
    git_buf name = {0};
    git_oid theirs;
    size_t ahead = 0, behind = 0;

    row->ahead = row->behind = -1;
    if (git_branch_upstream_name(&name, r->git, full) == 0) {
        row->upstream = memory_text(short_name(name.ptr));
        row->upstream_gone = git_reference_name_to_id(&theirs, r->git, name.ptr) != 0;
        /* A history that was cut off cannot tell how far two commits are apart. */
        if (!row->upstream_gone && git_graph_ahead_behind(&ahead, &behind, r->git, tip, &theirs) == 0) {
            row->ahead = (int)MIN_OF(ahead, INT32_MAX);
            row->behind = (int)MIN_OF(behind, INT32_MAX);
        }
    }
    git_buf_dispose(&name);
}

static void commit_read(repo_handle *r, const git_oid *tip, repo_branch *row)
{
    git_commit *commit = NULL;
    char subject[256] = "";

    if (git_commit_lookup(&commit, r->git, tip) == 0) {
        repo_message_subject(git_commit_message(commit), subject, sizeof subject);
        row->time = git_commit_time(commit);
    }
    row->subject = memory_text(subject);
    git_commit_free(commit);
}

/* origin/HEAD is a symbolic name for another row; a ref to something that is gone is no branch. */
static void row_add(repo_handle *r, git_reference *ref, git_branch_t kind, const repo_places *places,
                    repo_branches *out)
{
    const git_oid *tip = git_reference_target(ref);
    const char *full = git_reference_name(ref);

    if (git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC || !tip) return;
    out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
    repo_branch *row = &out->rows[out->count++];
    *row = (repo_branch){.name = memory_text(short_name(full)), .remote = kind == GIT_BRANCH_REMOTE};
    row->ahead = row->behind = -1;
    repo_id_of(tip, &row->commit);
    commit_read(r, tip, row);
    if (row->remote) return;
    row->current = git_branch_is_head(ref) == 1;
    upstream_read(r, full, tip, row);
    const char *folder = repo_places_find(places, full);
    if (folder) row->worktree = memory_text(folder);
}

static int row_order(const void *a, const void *b)
{
    const repo_branch *left = a, *right = b;
    if (left->remote != right->remote) return left->remote ? 1 : -1;
    return strcmp(left->name, right->name);
}

err repo_branch_list(repo_handle *r, repo_branches *out)
{
    git_branch_iterator *iterator = NULL;
    repo_places places = {0};
    git_reference *ref = NULL;
    git_branch_t kind;
    int status = 0;

    err e = repo_places_read(r, &places);
    if (!e.code)
        e = repo_git_check(git_branch_iterator_new(&iterator, r->git, GIT_BRANCH_ALL), "list the branches");
    while (!e.code && (status = git_branch_next(&ref, &kind, iterator)) == 0) {
        if (out->count >= REPO_REFS_COUNT_MAX)
            e = err_make(ERR_LIMIT, "more than %d branches", REPO_REFS_COUNT_MAX);
        else
            row_add(r, ref, kind, &places, out);
        git_reference_free(ref);
    }
    if (!e.code && status != GIT_ITEROVER) e = repo_git_check(status, "list the branches");
    git_branch_iterator_free(iterator);
    repo_places_free(&places);
    if (e.code)
        repo_branches_free(out);
    else if (out->count)
        qsort(out->rows, out->count, sizeof *out->rows, row_order);
    return e;
}
