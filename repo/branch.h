/* repo/branch.h: branches: which there are, how far from their upstream, and changing them.
 *
 * Changes enter the gate. Names are checked before git sees them: git's own rules, no "@", no leading '-', at
 * most 200 bytes. */
#ifndef REPO_BRANCH_H
#define REPO_BRANCH_H

#include "repo/resolve.h"

enum { REPO_BRANCH_NAME_BYTES_MAX = 200, REPO_REFS_COUNT_MAX = 20000 };

typedef struct repo_branch {
    char *name; /* "main"; of a remote-tracking branch "origin/main" */
    bool remote, current;
    repo_id commit;
    char *subject;      /* of its commit */
    int64_t time;       /* of its committer */
    char *upstream;     /* "origin/main"; NULL: none */
    bool upstream_gone; /* configured, but no such branch: deleted there, or never fetched */
    int ahead, behind;  /* of the upstream; -1: none, or not known at a shallow edge */
    char *worktree;     /* another worktree that is on it: its folder; NULL */
} repo_branch;

typedef struct repo_branches {
    repo_branch *rows; /* local ones first, each kind sorted by name */
    size_t count;
} repo_branches;

/* ERR_LIMIT past REPO_REFS_COUNT_MAX. */
err repo_branch_list(repo_handle *r, repo_branches *out);
void repo_branches_free(repo_branches *list); /* a zeroed one is fine */

/* ERR_USAGE says what is wrong with it. */
err repo_branch_name_check(const char *name);
/* At `start`. From a remote-tracking branch: that becomes its upstream, as branch.autoSetupMerge says. force:
 * one that exists is moved. Errors: ERR_USAGE (name), ERR_EXISTS (it exists; or `x` and `x/y` would),
 * ERR_CONFLICT (force, and a worktree is on it). */
err repo_branch_create(repo_handle *r, const char *name, const repo_ref *start, bool force);
/* ERR_CONFLICT: HEAD or another worktree is on it, or (without force) neither its upstream nor HEAD has its
 * commits. *was (may be NULL): where it stood. */
err repo_branch_delete(repo_handle *r, const char *name, bool force, repo_id *was);
/* With its configuration, its reflog and the HEADs that are on it. force: another `to` is replaced. */
err repo_branch_rename(repo_handle *r, const char *from, const char *to, bool force);
/* upstream: "origin/main", or a local branch; NULL: none any more. */
err repo_branch_set_upstream(repo_handle *r, const char *name, const char *upstream);

#endif
