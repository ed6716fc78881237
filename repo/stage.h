/* repo/stage.h: what goes into the next commit, and taking changes back.
 *
 * Paths are of files or folders, from the worktree's root, or absolute ones inside it; "." is everything. All
 * or nothing: the index is written once, at the end. Each enters the gate. */
#ifndef REPO_STAGE_H
#define REPO_STAGE_H

#include "repo/checkout.h"

typedef struct repo_stage_report {
    repo_names files;     /* what was staged, unstaged or taken back */
    repo_names big_plain; /* over REPO_PLAIN_BYTES_MAX and not under LFS: a warning is due */
    repo_names nested;    /* repositories of their own: left out */
    uint64_t large_bytes; /* content that went into the store */
    bool attributes_made; /* .gitattributes was, see repo_stage */
} repo_stage_report;
void repo_stage_report_free(repo_stage_report *report); /* a zeroed one is fine */

/* paths NULL: every change, untracked files too. A model without any .gitattributes gets one with our
 * patterns, staged too, before a file over REPO_PLAIN_BYTES_MAX is: git itself is no place for weights.
 * ERR_NOT_FOUND: nothing is called so; ERR_USAGE: it is ignored, or outside; ERR_BUSY: a file was written to
 * meanwhile. */
err repo_stage(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report);
/* The index becomes what HEAD has there (nothing, before the first commit). NULL: all. */
err repo_unstage(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report);

/* The files that discarding would change: the person's work since they were staged. */
err repo_discard_look(repo_handle *r, const char *const *paths, size_t count, repo_names *lost);
/* The files become what the index has, once all of them are made. Untracked ones stay. ERR_CONFLICT:
 * unmerged, or a folder with files stands in the way. */
err repo_discard(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report,
                 repo_checkout_report *checkout);

#endif
