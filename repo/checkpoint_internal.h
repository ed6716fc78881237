/* repo/checkpoint_internal.h: the parts of a checkpoint's commit. */
#ifndef REPO_CHECKPOINT_INTERNAL_H
#define REPO_CHECKPOINT_INTERNAL_H

#include "repo/checkpoint.h"
#include "repo/handle_internal.h"
#include "repo/tree_internal.h"

/* A file on its way into the commit. */
typedef struct repo_made_file {
    repo_tree_entry entry; /* path, blob, mode */
    bool stored;           /* its object is in the store: not put there a second time */
    xet_pointer pointer;
} repo_made_file;

typedef struct repo_checkpoint_work {
    repo_handle *r;
    const repo_checkpoint *what;
    repo_handle *place; /* the worktree that is on the branch: r, another one, or NULL */
    bool place_owned;
    bool keeps_files; /* those in the place are somebody's own by now: they are not written */
    char *full;       /* "refs/heads/main" */
    repo_made_file *files;
    git_oid tip, tree, commit; /* tree: the commit's */
    bool born;                 /* the branch has a tip */
    bool made_branch;          /* tip is where it is to begin */
} repo_checkpoint_work;

/* ERR_USAGE: what of it cannot be committed. */
err repo_checkpoint_check(const repo_checkpoint *checkpoint);
/* Subject, body and trailers as a message whose trailers git reads back as they are; the caller frees. */
err repo_checkpoint_message(const repo_checkpoint *checkpoint, char **out);

/* Adapters' weights whose path .gitattributes at the tip does not cover; with the files' own .gitattributes.
 */
err repo_checkpoint_uncovered(repo_checkpoint_work *w, bool *uncovered);
/* Every file as a blob, large ones in the store; work->tree is the tip's with these in it. */
err repo_checkpoint_objects(repo_checkpoint_work *w);
/* work->commit: the one of what->known, when there is one. */
err repo_checkpoint_find_known(repo_checkpoint_work *w, bool *found);
/* The files in the place that is on the branch, each by rename, and made to last. */
err repo_checkpoint_write_files(repo_checkpoint_work *w);
/* Their index entries there, and no others. */
err repo_checkpoint_refresh_index(repo_checkpoint_work *w);

/* Said before the branch moves, taken back when the index has followed. */
err repo_checkpoint_journal_begin(const repo_checkpoint_work *w);
void repo_checkpoint_journal_end(const repo_checkpoint_work *w);
/* What a kill left between branch and index. Called with the gate held; what cannot be mended now is tried
 * again next time. */
void repo_checkpoint_mend(const repo_handle *r);

#endif
