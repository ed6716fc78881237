/* repo/merge_shallow.c: which of two commits comes first, where libgit2 (1.5) fails at a shallow edge. */
#include <stdlib.h>

#include "base/arena.h"
#include "repo/gc_internal.h"
#include "repo/merge_internal.h"

enum { WALK_COMMITS_MAX = 1000000 };

typedef struct ancestors {
    git_oid *open; /* a stack of those still to be looked at */
    size_t count;
    key_set seen;
} ancestors;

static void push_once(ancestors *a, const git_oid *id)
{
    if (!key_set_add(&a->seen, id->id)) return;
    a->open = memory_resize_array(a->open, a->count + 1, sizeof *a->open);
    a->open[a->count++] = *id;
}

bool merge_is_ancestor(repo_handle *r, const git_oid *first, const git_oid *later)
{
    ancestors a = {.seen = {.key_size = GIT_OID_RAWSZ}};
    bool found = false;

    push_once(&a, later);
    while (a.count && !found && a.seen.count < WALK_COMMITS_MAX) {
        git_commit *commit = NULL;
        git_oid id = a.open[--a.count];
        found = git_oid_equal(&id, first);
        /* One that is not here lies beyond the edge. */
        if (found || git_commit_lookup(&commit, r->git, &id) != 0) continue;
        for (unsigned i = 0; i < git_commit_parentcount(commit); i++)
            push_once(&a, git_commit_parent_id(commit, i));
        git_commit_free(commit);
    }
    free(a.open);
    key_set_free(&a.seen);
    return found;
}
