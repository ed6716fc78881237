/* repo/merge_internal.h: one merge on its way. */
#ifndef REPO_MERGE_INTERNAL_H
#define REPO_MERGE_INTERNAL_H

#include "repo/join_internal.h"

typedef struct merge_work {
    const repo_merge_options *options;
    const repo_ref *theirs_ref;
    bool ff_only, no_ff;
    git_oid ours, theirs, ours_tree, theirs_tree;
    bytes message;
    git_index *joined;
} merge_work;

const char *merge_name(const repo_ref *ref); /* "x", "origin/x", "v1", or 40 digits; borrowed */
/* ERR_USAGE: no commit in common; ERR_UNSUPPORTED: it lies beyond a shallow edge. */
err merge_base_find(repo_handle *r, const git_oid *ours, const git_oid *theirs, git_oid *base);

/* Is `first` before `later`, or it, as far as the history is here? Its edge is an end. */
bool merge_is_ancestor(repo_handle *r, const git_oid *first, const git_oid *later);

/* ---- repo/merge_squash.c ---- */

/* SQUASH_MSG: the commits that were squashed, as git lists them. */
err merge_squash_message(repo_handle *r, const merge_work *w);

#endif
