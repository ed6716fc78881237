/* repo/commit.h: making commits, by hand and by programs.
 *
 * The author is $GIT_AUTHOR_NAME and _EMAIL, else user.name and user.email of git, else those of our
 * settings; never invented. Dates from the same variables when set. commit.gpgsign is obeyed: a failing
 * signer fails the commit. Hooks are not run; that is said when there are any. */
#ifndef REPO_COMMIT_H
#define REPO_COMMIT_H

#include "repo/handle.h"

enum { REPO_MESSAGE_BYTES_MAX = 65536, REPO_TRAILERS_MAX = 64 };

typedef struct repo_commit_options {
    const char *message; /* cleaned as git does;
                         NULL: of the merge, revert or pick that is being finished, or of HEAD (amend) */
    bool all;            /* stage every changed and removed tracked file first */
    bool amend;          /* in place of HEAD: its author stays */
    bool allow_empty;    /* else ERR_NOTHING */
    int sign;            /* 1: sign, 0: do not, -1: as commit.gpgsign says */
} repo_commit_options;

typedef struct repo_commit_done {
    repo_id commit;
    char subject[128];
    char *branch; /* "main"; NULL: HEAD is detached (a warning is due) */
    size_t files_changed;
    bool hooks_not_run;
} repo_commit_done;
void repo_commit_done_free(repo_commit_done *done); /* a zeroed one is fine */

/* What is staged. Finishes a merge, revert or cherry-pick that was begun. Errors: ERR_NOTHING, ERR_CONFLICT
 * (unmerged paths), ERR_STATE (a rebase is going on), ERR_USAGE (no name to sign with: how to set it; empty
 * message), ERR_BUSY, ERR_DENIED (the signer failed). Enters the gate. */
err repo_commit(repo_handle *r, const repo_commit_options *options, repo_commit_done *out);

/* -- for verbs that make their own tree: merge, revert, cherry-pick, checkpoints ------------------------ */

typedef struct repo_commit_plan {
    const repo_id *tree;
    const repo_id *parents;
    size_t parent_count;
    const char *message;      /* cleaned as git does */
    const char *update_ref;   /* "HEAD", "refs/heads/x": must still be at parents[0]; NULL: no ref */
    const repo_id *author_of; /* take author and date of this commit (cherry-pick, rebase); NULL: ours */
    const char *reflog;       /* "merge feature" ; NULL: as git writes for a commit */
} repo_commit_plan;

/* Inside the gate. ERR_BUSY: the ref moved meanwhile. */
err repo_commit_make(repo_handle *r, const repo_commit_plan *plan, repo_id *out);
/* Author's name and email as a commit of now would have them; the caller frees both. */
err repo_commit_identity(repo_handle *r, char **name, char **email);
/* ERR_USAGE: a commit of now would have no author or no committer, and how to set them. */
err repo_commit_identity_check(repo_handle *r);

#endif
