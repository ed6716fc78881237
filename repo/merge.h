/* repo/merge.h: joining histories: merge, rebase, cherry-pick, revert.
 *
 * Merged in memory first: conflicts are known before one byte of the worktree changes. Texts may be merged
 * into the worktree with markers, weights and pointers never: ours, theirs, or both kept. Local changes that
 * would be overwritten stop the verb before it begins: ERR_CONFLICT, listed in report->checkout.in_the_way.
 */
#ifndef REPO_MERGE_H
#define REPO_MERGE_H

#include "repo/checkout.h"
#include "repo/resolve.h"

typedef enum repo_conflict_kind {
    REPO_CONFLICT_TEXT,   /* the same lines */
    REPO_CONFLICT_LARGE,  /* bytes that only one side can give: pointers, weights, binaries, links */
    REPO_CONFLICT_DELETED /* deleted or renamed on one side, changed on the other */
} repo_conflict_kind;
const char *repo_conflict_kind_name(repo_conflict_kind kind); /* "text", "large", "deleted" */

typedef struct repo_conflict {
    char *path;
    repo_conflict_kind kind;
} repo_conflict;

/* Of large files: which bytes; both: NAME.theirs.safetensors beside ours. Of what one side deleted: that
 * side, or (both) the file. Of texts, unless they get markers: which side's lines, where they conflict. */
typedef enum repo_favor { REPO_FAVOR_NONE, REPO_FAVOR_OURS, REPO_FAVOR_THEIRS, REPO_FAVOR_BOTH } repo_favor;

typedef struct repo_merge_options {
    const char *message;         /* NULL: "Merge branch 'x'" */
    const char *reflog;          /* NULL: "merge x"; pull says "pull" */
    bool ff_only, no_ff, squash; /* neither of the first two: as merge.ff says */
    repo_favor favor;
    bool leave_markers; /* on text conflicts: into the worktree, as git does; else nothing is touched */
} repo_merge_options;

typedef struct repo_merge_report {
    bool up_to_date, fast_forward, in_progress; /* in_progress: markers were left, commit or abort */
    repo_id before, after;                      /* HEAD; empty: none */
    repo_conflict *conflicts;
    size_t conflict_count;
    repo_names same_index; /* adapters of two sides with one number: "01_a, 01_b" */
    repo_checkout_report checkout;
} repo_merge_report;
void repo_merge_report_free(repo_merge_report *report); /* a zeroed one is fine */

/* Each enters the gate. ERR_CONFLICT: *report lists what and nothing changed (or in_progress). Other errors:
 * ERR_STATE (something unfinished is here), ERR_UNSUPPORTED (bare; a shallow edge), ERR_USAGE. */
err repo_merge(repo_handle *r, const repo_ref *theirs, const repo_merge_options *options,
               repo_merge_report *report);

typedef enum repo_join_kind {
    REPO_JOIN_MERGE,
    REPO_JOIN_CHERRY_PICK,
    REPO_JOIN_REVERT,
    REPO_JOIN_ANY /* and what a stash left: it has no name of its own */
} repo_join_kind;
/* ERR_NOTHING: nothing of that kind was begun. repo_commit finishes what was. */
err repo_join_check(repo_handle *r, repo_join_kind kind);
/* As `git reset --merge`: what is staged or unmerged as HEAD has it, other local changes untouched, the state
 * ended. ERR_CONFLICT: what was changed after it was staged is listed in report->checkout.in_the_way. Enters
 * the gate. */
err repo_join_abort(repo_handle *r, repo_join_kind kind, repo_merge_report *report);
/* Whole, or as before; the error of a conflict names the commit. */
err repo_rebase(repo_handle *r, const repo_ref *onto, repo_merge_report *report);

typedef struct repo_pick_options {
    int mainline;     /* of a merge; 0: not given */
    bool note_origin; /* -x */
    bool no_commit;   /* leave it staged */
    repo_favor favor; /* settles texts too; NONE: they get markers */
} repo_pick_options;
/* ERR_NOTHING: the change is already here. */
err repo_cherry_pick(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
                     repo_merge_report *report);
/* Likewise; the message is git's own ("Revert ..."). */
err repo_revert(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
                repo_merge_report *report);

#endif
