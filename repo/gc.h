/* repo/gc.h: what nothing needs any more.
 *
 * Large files that no commit of any ref, no worktree's HEAD and index, no stash and no entry of a reflog
 * newer than so many days point to; half-made downloads as old; then git's own objects, by `git gc` when the
 * git program is there (with the same days; reflogs and worktrees are left alone). Commits and tags, those of
 * checkpoints too, are refs' and never go. */
#ifndef REPO_GC_H
#define REPO_GC_H

#include "repo/handle.h"

enum {
    REPO_GC_DAYS = 14,
    REPO_GC_DAYS_MAX = 36500,
    REPO_GC_COMMITS_MAX = 10000000,
    /* An object may be newer than what will point to it: a stage that is under way, git-lfs beside us. */
    REPO_GC_YOUNG_SECONDS = 3600,
};

typedef struct repo_gc_options {
    bool dry_run;
    int prune_days; /* 0: also what was made just now */
} repo_gc_options;

typedef struct repo_gc_report {
    size_t objects; /* that nothing needs, half-made ones among them */
    uint64_t bytes; /* of those */
    size_t removed; /* of them; 0 when dry */
    size_t kept;    /* objects that something needs, or that are too young */
    uint64_t kept_bytes;
    bool git_ran;         /* git's own objects were packed, too */
    bool store_is_shared; /* lfs.storage lies elsewhere: other repositories may need what is in it, none went
                           */
} repo_gc_report;

/* Enters the gate. A commit or tree that cannot be read stops it before anything is removed: ERR_STATE. */
err repo_gc(repo_handle *r, const repo_gc_options *options, repo_gc_report *out);

#endif
