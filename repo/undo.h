/* repo/undo.h: taking back the last thing that moved HEAD, and taking that back.
 *
 * Read from HEAD's reflog, so that also what git itself did is undone: commit, amend, checkout, merge, reset,
 * rebase, cherry-pick, revert, pull. Each undo and redo is one line of the reflog, too ("undo: commit: x"):
 * they pair up, and nothing else is remembered anywhere. A rebase is one action. Uncommitted work is never
 * lost: where it would be, nothing is done. One thing git's log does not tell: whether `git checkout --detach
 * x` or `git checkout x` was said; redo takes it for the second. */
#ifndef REPO_UNDO_H
#define REPO_UNDO_H

#include "repo/checkout.h"

typedef struct repo_undo {
    bool redo;
    char *action;          /* what is undone or redone, in the reflog's words: "commit: Add x" */
    char *says;            /* one sentence: what will be done */
    repo_id before, after; /* HEAD's commit */
    char *branch;          /* HEAD will be on it; NULL: detached */
    bool moves_branch;     /* the branch itself moves; else HEAD goes to another one */
} repo_undo;
void repo_undo_free(repo_undo *undo); /* a zeroed one is fine */

/* What would be undone (redone) now. ERR_NOTHING: there is nothing; ERR_STATE: not now, with the reason. */
err repo_undo_find(repo_handle *r, bool redo, repo_undo *out);
/* Do it. ERR_BUSY: something moved since it was found. ERR_CONFLICT: uncommitted work is in the way, in
 * *report; nothing was touched. Enters the gate. */
err repo_undo_run(repo_handle *r, const repo_undo *undo, repo_checkout_report *report);

#endif
