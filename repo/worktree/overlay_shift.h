/* repo/worktree/overlay_shift.h: another commit in an overlay: on that tree's layer, with an upper of its
 * own.
 *
 * Written into the old upper, each large file would be copied there and what the overlay spares would be
 * lost. So the overlay is unmounted for a moment, what is the person's (changed, staged and untracked files)
 * is linked into a new upper, and it is mounted on the layer of the tree. Until the old and the new one
 * change places, in one rename, the old one is whole; a kill afterwards leaves the files of the new tree. */
#ifndef REPO_WORKTREE_OVERLAY_SHIFT_H
#define REPO_WORKTREE_OVERLAY_SHIFT_H

#include "repo/checkout_apply_internal.h"

/* For a plan that nothing speaks against: files and index become what it says. *shifted false with ERR_OK:
 * this is no overlay of ours, or nothing large changes, or it cannot be unmounted now (the report's `stays`
 * says why): the files are to be written as anywhere. a->comparer is open before and after. */
err repo_overlay_shift(repo_apply *a, const repo_id *tree, bool *shifted);

#endif
