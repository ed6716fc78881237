/* repo/checkout_apply_internal.h: doing what a plan says, whole or not at all. */
#ifndef REPO_CHECKOUT_APPLY_INTERNAL_H
#define REPO_CHECKOUT_APPLY_INTERNAL_H

#include "repo/checkout_plan_internal.h"

typedef struct repo_apply {
    repo_comparer comparer; /* opened by the caller */
    repo_plan plan;         /* made by the caller */
    repo_maker maker;
    const repo_checkout_options *how;
    int staging;
} repo_apply;

repo_apply repo_apply_begin(repo_handle *r, repo_checkout_report *report); /* zeroes *report */
/* First every new file is made in a folder of our own in the worktree; only when all of them are whole does
 * the first of the old ones go. So a full disk, a cancel or a damaged object leaves everything as it was. */
err repo_apply_run(repo_apply *a, const repo_checkout_options *how);
/* The plan's part of the index, of files that are there already (an overlay that went to another layer). */
err repo_apply_index(repo_apply *a, const repo_checkout_options *how);
void repo_apply_end(repo_apply *a);

#endif
