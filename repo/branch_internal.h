/* repo/branch_internal.h: which worktree is on which branch. */
#ifndef REPO_BRANCH_INTERNAL_H
#define REPO_BRANCH_INTERNAL_H

#include "repo/handle_internal.h"

/* The other worktrees of this repository: refs[i] ("refs/heads/x"; "": detached) is what folders[i] is on. */
typedef struct repo_places {
    repo_names refs, folders;
} repo_places;

err repo_places_read(const repo_handle *r, repo_places *out);
const char *repo_places_find(const repo_places *places, const char *ref); /* a folder, or NULL */
void repo_places_free(repo_places *places);

/* ERR_CONFLICT: another worktree is on `ref`. */
err repo_places_check(const repo_handle *r, const char *ref);

#endif
