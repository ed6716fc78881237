/* repo/reset.h: putting the branch, the index and the files back to a commit. */
#ifndef REPO_RESET_H
#define REPO_RESET_H

#include "repo/checkout.h"
#include "repo/resolve.h"

typedef enum repo_reset_kind {
    REPO_RESET_SOFT,  /* the branch */
    REPO_RESET_MIXED, /* and the index */
    REPO_RESET_HARD,  /* and the files */
} repo_reset_kind;

typedef struct repo_reset_report {
    repo_id before, after; /* before: empty when there was no commit */
    repo_names lost;       /* uncommitted changes and untracked files that a hard reset takes */
    int commits_left;      /* commits of `before` that `after` does not have; -1: not known */
    repo_checkout_report checkout;
} repo_reset_report;
void repo_reset_report_free(repo_reset_report *report); /* a zeroed one is fine */

/* What a hard reset to `to` would lose, and how many commits are left behind: nothing is changed. */
err repo_reset_look(repo_handle *r, const repo_ref *to, repo_reset_kind kind, repo_reset_report *report);
/* ORIG_HEAD is where the branch was. Without force a hard reset that would lose something is refused:
 * ERR_CONFLICT, listed in *report, nothing is touched. ERR_STATE: a soft one in a merge. Enters the gate. */
err repo_reset(repo_handle *r, const repo_ref *to, repo_reset_kind kind, bool force,
               repo_reset_report *report);

#endif
