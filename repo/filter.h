/* repo/filter.h: large files for what libgit2 itself reads and writes: merges, stashes, its own checkouts.
 *
 * libgit2 runs no filter programs of git's configuration. Ours is `lfs`, for the attribute filter=lfs: into
 * the worktree an object of the store, or the pointer as it is when the object is not there; into git the
 * pointer, with the content in the store. Never the network. Nothing is held in memory whole. */
#ifndef REPO_FILTER_H
#define REPO_FILTER_H

#include "base/err.h"

/* Once per process, by repo_start, before other threads use libgit2. Calling again is fine. */
err repo_filter_register(void);

#endif
