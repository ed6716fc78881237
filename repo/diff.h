/* repo/diff.h: which files differ between two commits, the index and the worktree, and where their bytes are.
 *
 * What is staged or lies in the worktree is found as repo_status does it: no large file is read for the list.
 * Contents are the reader's to fetch: a large file as a path that can be mapped, another one as bytes. */
#ifndef REPO_DIFF_H
#define REPO_DIFF_H

#include "repo/resolve.h"

/* One of the two contents of a file; all zero: it is not there. */
typedef struct repo_diff_side {
    uint32_t mode;  /* 0100644, 0100755, 0120000, 0160000 */
    repo_id blob;   /* empty: of the worktree, not in git yet */
    bool large;     /* git holds a pointer for it */
    bool missing;   /* and its bytes are not here */
    uint64_t size;  /* of the content */
    char *location; /* a file that holds exactly the content; NULL: only repo_diff_content has it */
} repo_diff_side;

typedef struct repo_diff_row {
    char *path;
    char *old_path; /* of a renamed file; else NULL */
    char status;    /* 'A' added, 'M' modified, 'D' deleted, 'T' type, 'R' renamed as it is, 'U' unmerged */
    repo_diff_side before, after;
} repo_diff_row;

typedef struct repo_diff {
    repo_diff_row *rows; /* by path */
    size_t count;
} repo_diff;

/* As `git diff`: nothing: index to worktree; staged: HEAD to index; from: that commit to the worktree
 * (staged: to the index); from and to: two commits. */
typedef struct repo_diff_options {
    const repo_ref *from, *to;
    bool staged;
    const char *const *paths; /* at or below these; NULL: all */
    size_t path_count;
} repo_diff_options;

/* Takes no gate. Errors: ERR_USAGE (staged with two refs; a worktree that a bare repository has not). */
err repo_diff_read(repo_handle *r, const repo_diff_options *options, repo_diff *out);
void repo_diff_free(repo_diff *diff); /* a zeroed one is fine */

/* The content of one side of `row`; nothing for one that is not there. A link is its target. ERR_LIMIT: more
 * than bytes_max; ERR_NOT_FOUND: missing. */
err repo_diff_content(repo_handle *r, const repo_diff_row *row, const repo_diff_side *side, size_t bytes_max,
                      bytes *out);
/* The row as git's unified diff, "diff --git a/... b/..." and hunks with `context` lines around; says "Binary
 * files differ" where that is so. Contents as repo_diff_content gave them. */
err repo_diff_lines(const repo_diff_row *row, bytes_view before, bytes_view after, unsigned context,
                    bytes *out);

#endif
