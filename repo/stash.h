/* repo/stash.h: uncommitted work put aside, as `git stash` keeps it.
 *
 * A stash is git's own: a commit of the worktree over HEAD and a commit of the index (and one of untracked
 * files), in the reflog of refs/stash; git reads ours and we read git's. Large files are pointers in it and
 * objects of the store; nothing of them is held in memory. */
#ifndef REPO_STASH_H
#define REPO_STASH_H

#include "repo/merge.h"

typedef struct repo_stash {
    repo_id commit;
    char *subject; /* "WIP on main: 1a2b3c4 Add x" */
} repo_stash;

typedef struct repo_stashes {
    repo_stash *rows; /* [0] is the newest */
    size_t count;
} repo_stashes;
err repo_stash_list(repo_handle *r, repo_stashes *out); /* the newest first; repo_stashes_free() */
void repo_stashes_free(repo_stashes *list);             /* a zeroed one is fine */

typedef struct repo_stash_options {
    const char *message; /* NULL: "WIP on main: ..." */
    bool untracked;      /* too; ignored files never */
} repo_stash_options;

typedef struct repo_stash_report {
    repo_id commit;
    char *subject;
    size_t files;
    repo_checkout_report checkout; /* of what was put back */
} repo_stash_report;
void repo_stash_report_free(repo_stash_report *report); /* a zeroed one is fine */

/* The stash stands before a file is put back: a kill loses nothing. ERR_NOTHING: no local changes; ERR_STATE:
 * something unfinished is here; ERR_USAGE: no name to sign with. Each of these enters the gate. */
err repo_stash_save(repo_handle *r, const repo_stash_options *options, repo_stash_report *report);

/* Its changes onto what is here: unstaged, but for new files. ERR_CONFLICT: *report lists the conflicts or
 * what is in the way, and nothing was changed; or in_progress: texts have markers, the rest is staged, the
 * stash stays (drop it when they are mended, or repo_join_abort). ERR_NOT_FOUND: no such stash. pop drops it
 * when that went well. */
err repo_stash_apply(repo_handle *r, size_t index, repo_favor favor, repo_merge_report *report);
/* As apply, then drop; *report's after is the stash that was dropped. */
err repo_stash_pop(repo_handle *r, size_t index, repo_favor favor, repo_merge_report *report);
/* *dropped: by its id it can still be had, until git's gc. */
err repo_stash_drop(repo_handle *r, size_t index, repo_id *dropped);

#endif
