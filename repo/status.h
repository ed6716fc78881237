/* repo/status.h: what is changed, without reading a large file into memory.
 *
 * HEAD's tree, the index and the folder's stat data; equal size, times and inode mean clean; else hashed in
 * blocks and remembered. libgit2's own status reads whole files. */
#ifndef REPO_STATUS_H
#define REPO_STATUS_H

#include "repo/handle.h"

typedef struct repo_status_row {
    char *path;    /* a folder of untracked files alone ends with '/' */
    char *from;    /* 'R': what HEAD calls it; else NULL */
    char staged;   /* ' ', 'A' added, 'M' modified, 'D' deleted, 'T' type, 'R' renamed; as git's porcelain */
    char unstaged; /* ' ', 'M', 'D', 'T', 'A' (add -N), '?' untracked (staged is '?' too) */
    bool unmerged; /* then the two letters are git's: "UU", "AA", "DU", ... */
    bool large;    /* under filter=lfs */
    bool missing;  /* its pointer stands in the worktree: fetch-files */
} repo_status_row;

typedef struct repo_status {
    char *branch, *upstream; /* NULL: detached; none */
    repo_id head;            /* empty: no commit yet */
    int ahead, behind;       /* -1: no upstream, or not known at a shallow edge */
    const char *doing;       /* "merge", "rebase", ...; NULL: nothing */
    repo_status_row *rows;   /* what is changed: tracked files by path, then untracked ones */
    size_t count;
    repo_names missing; /* large files whose pointers stand in the worktree, changed or not */
} repo_status;

typedef struct repo_status_options {
    bool untracked;           /* too */
    bool untracked_files;     /* each of them, not their folder */
    bool renames;             /* staged ones as one row, as git's status.renames says; else 'D' and 'A' */
    const char *const *paths; /* at or below these; NULL: all */
    size_t path_count;
} repo_status_options;

/* Takes no gate; refreshes index stat data when it can have the lock at once. */
err repo_status_read(repo_handle *r, const repo_status_options *options, repo_status *out);
void repo_status_free(repo_status *status); /* a zeroed one is fine */

#endif
