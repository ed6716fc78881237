/* repo/status_internal.h: what the parts of status share. */
#ifndef REPO_STATUS_INTERNAL_H
#define REPO_STATUS_INTERNAL_H

#include "repo/compare_internal.h"
#include "repo/status.h"

/* An index entry whose stat data should be written anew. */
typedef struct repo_restat {
    const char *path; /* borrowed from the index */
    git_oid id;
    git_index_time old_mtime, old_ctime;
    struct stat info;
    bool smudge; /* changed within the same second as the index: size 0 makes every git look again */
} repo_restat;

typedef struct repo_restats {
    repo_restat *rows; /* in the index's order */
    size_t count;
    bool worth_it; /* at least one spares reading a file */
} repo_restats;

/* The rows of untracked files below the worktree, appended and sorted. */
err repo_untracked_find(repo_comparer *c, git_index *index, const repo_status_options *options,
                        repo_status *out);
repo_status_row *repo_status_add(repo_status *status, const char *path);

/* A file that was added is one that was removed, changed at most by half. */
typedef struct repo_rename {
    size_t gone, added; /* which deltas of the diff */
} repo_rename;

typedef struct repo_renames {
    repo_rename *rows;
    size_t count;
} repo_renames;
/* Among what `diff` (HEAD to `index`) removes and adds. Best effort: what cannot be read is no rename. The
 * caller frees out->rows. */
void repo_renames_find(git_repository *git, git_diff *diff, git_index *index, repo_renames *out);
/* `git add -N`: promised, nothing of it is staged. */
bool repo_entry_intended(git_index *index, const char *path);

/* Put them into the index file, if its lock can be had at once and the entries are still the same. Nothing
 * but stat data changes. Best effort: nobody needs it to work. */
void repo_index_restat(repo_handle *r, const repo_restats *restats);

#endif
