/* repo/switch.h: going to another branch or commit: the files first, then HEAD. */
#ifndef REPO_SWITCH_H
#define REPO_SWITCH_H

#include "repo/checkout.h"

typedef struct repo_switch_options {
    const char *ref;        /* "", "HEAD": where we are */
    const char *new_branch; /* made there; NULL */
    bool force;             /* local changes are given up */
    bool detach;
} repo_switch_options;

typedef struct repo_switch_report {
    char *branch;   /* now; NULL: detached */
    char *upstream; /* of a branch that was made, "origin/x"; NULL */
    repo_id before, commit;
    char subject[128];             /* of the commit */
    bool made, already;            /* the branch is new; we were on it */
    bool also_tag;                 /* a tag has the branch's name */
    size_t left_behind;            /* commits that were checked out and that no branch, tag or remote has */
    repo_checkout_report checkout; /* with force in_the_way is what was given up */
} repo_switch_report;
void repo_switch_report_free(repo_switch_report *report); /* a zeroed one is fine */

/* As git: `x` that only a remote has becomes a local branch with that upstream; `origin/x`, tags and commits
 * detach HEAD. Enters the gate. Errors: of repo_resolve; ERR_CONFLICT (changes would be lost: listed; another
 * worktree is on the branch; unmerged files), ERR_EXISTS (new_branch). */
err repo_switch(repo_handle *r, const repo_switch_options *options, repo_switch_report *report);

#endif
