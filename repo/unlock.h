/* repo/unlock.h: git's lock files that nobody holds any more.
 *
 * git and libgit2 make `index.lock`, `HEAD.lock`, `refs/heads/main.lock`, ... and remove them when they are
 * done; a killed one leaves its lock, and every later writer fails. They do not say whose they are: a lock is
 * taken away only when no process has it open, no git program works in this repository, and it is old (ten
 * minutes, or older than the machine's start) or was made under a gate whose holder died. */
#ifndef REPO_UNLOCK_H
#define REPO_UNLOCK_H

#include "repo/handle.h"

enum { REPO_LOCK_OLD_SECONDS = 600, REPO_LOCKS_COUNT_MAX = 10000 };

typedef struct repo_lock_row {
    char *path;
    int64_t age_s;
    bool removed;
    char *why; /* "made 12 min ago, nobody has it open"; "git (process 12) works here" */
} repo_lock_row;

/* Look, and remove what is stale; force removes also young locks that no process has open. Enters the gate:
 * ERR_BUSY when another process of ours is writing. Each lock is a row; the caller frees with
 * repo_lock_rows_free. */
err repo_unlock(repo_handle *r, bool force, repo_lock_row **rows, size_t *count);
void repo_lock_rows_free(repo_lock_row *rows, size_t count); /* NULL is fine */

/* Under a gate (or another lock of ours) whose last holder died inside: remove what was locked since then and
 * nobody has open. worktree (may be NULL): where a git program would be at work. Best effort. */
void repo_locks_of_the_dead(const char *common_dir, const char *worktree, int64_t since);

#endif
