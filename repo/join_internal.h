/* repo/join_internal.h: what merge, rebase, cherry-pick, revert and stash share.
 *
 * A join is an index in memory that may hold conflicts. It is settled (sides chosen where that was asked
 * for), made a tree, put into the worktree by repo/checkout.h, and only then a ref moves. All of it inside
 * the gate.
 */
#ifndef REPO_JOIN_INTERNAL_H
#define REPO_JOIN_INTERNAL_H

#include "repo/commit_internal.h"
#include "repo/merge.h"

/* ---- conflicts (repo/join_conflict.c) ---- */

typedef struct join_side {
    bool present;
    git_index_entry entry; /* its path is the conflict's */
} join_side;

typedef struct join_conflict {
    char *path;
    join_side base, ours, theirs;
    repo_conflict_kind kind;
    bool markable; /* a text on every side that is there: may carry markers */
} join_conflict;

typedef struct join_conflicts {
    join_conflict *rows;
    size_t count;
} join_conflicts;
void join_conflicts_free(join_conflicts *list);

/* Make conflicts of large files that were merged as if they were text, whatever .gitattributes said. */
err join_guard_large(repo_handle *r, git_index *joined, const git_oid *ours, const git_oid *theirs);
/* Settle what `favor` can; `texts` too, or not. What stays is in *left. */
err join_settle(repo_handle *r, git_index *joined, repo_favor favor, bool texts, join_conflicts *left);
/* The unmerged entries of one path in place of what the index has there: a status of libgit2. */
int join_conflict_put(git_index *index, const join_conflict *c);
/* The report's list, and an error that names the first ones (ERR_OK: there are none). */
err join_conflicts_report(const join_conflicts *left, const char *what, repo_merge_report *report);

/* ---- texts in conflict, in the worktree (repo/join_markers.c) ---- */

typedef struct join_marking {
    git_index *joined;
    git_oid ours_tree, theirs_tree; /* whose adapters' numbers are compared */
    const char *our_label, *their_label;
    const char *head_file; /* "MERGE_HEAD": by it git knows what is going on; NULL: nothing is */
    git_oid head;          /* its content */
    const char *message;   /* MERGE_MSG; NULL: none */
    const char *mode;      /* MERGE_MODE; NULL: none */
    const git_oid *before; /* ORIG_HEAD; NULL: stays */
    const char *what;      /* of the sentence: "side" */
    const char *way_back;  /* of the sentence: "merge --abort" */
} join_marking;

/* Every conflict left is of texts, or of a text and nothing. */
bool join_can_mark(const join_conflicts *left);
/* The worktree as git leaves it: markers, unmerged index, `head_file`, MERGE_MSG. ERR_CONFLICT with
 * in_progress; any other error without it: nothing was changed. */
err join_leave_markers(repo_handle *r, join_marking *m, const join_conflicts *left,
                       repo_merge_report *report);

/* ---- steps (repo/join.c) ---- */

/* A worktree, and nothing unfinished in it. */
err join_ready(repo_handle *r);
/* ERR_CONFLICT, listed in the report: something is staged. */
err join_nothing_staged(repo_handle *r, repo_merge_report *report);
/* HEAD's commit and tree; *born false: there is none yet. */
err join_head(repo_handle *r, git_oid *commit, bool *born);
err join_tree_of(repo_handle *r, const git_oid *commit, git_oid *tree);
err join_commit(repo_handle *r, const git_oid *id, git_commit **out);
err join_write_tree(repo_handle *r, git_index *joined, git_oid *tree);

/* "1a2b3c4": as short as git writes it; the caller frees. */
err join_short_id(const git_commit *commit, char **out);
/* Worktree and index become `tree`; HEAD stays. */
err join_checkout(repo_handle *r, const git_oid *tree, repo_merge_report *report);
/* Worktree, index, then HEAD (its branch) from `from` to the commit `to`. When HEAD was faster elsewhere the
 * files are put back: ERR_BUSY. */
err join_advance(repo_handle *r, const git_oid *from, const git_oid *to, const char *reflog,
                 repo_merge_report *report);
/* Where the index is not `tree`. */
err join_index_changes(repo_handle *r, const git_oid *tree, repo_names *out);
/* These paths, in worktree and index, as `tree` has them or not: whatever stands there is overwritten. */
err join_restore(repo_handle *r, const git_oid *tree, const repo_names *paths, repo_checkout_report *report);
/* ORIG_HEAD, as git leaves it before a merge and a rebase. */
err join_orig_head(repo_handle *r, const git_oid *commit);
/* A file of the git dir: MERGE_MSG and its kin. */
err join_state_write(repo_handle *r, const char *name, const char *text);
/* Reflog lines carry the committer's name; ERR_USAGE when nobody has one. */
err join_identity(repo_handle *r);

/* Adapters of `joined` that share a number which on neither side they shared: "01_a, 01_b". */
err join_same_index(repo_handle *r, const git_oid *ours, const git_oid *theirs, const git_oid *joined,
                    repo_names *out);

#endif
