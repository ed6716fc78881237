/* repo/diff_internal.h: the lists that repo/diff.c compares. */
#ifndef REPO_DIFF_INTERNAL_H
#define REPO_DIFF_INTERNAL_H

#include "repo/compare_internal.h"
#include "repo/diff.h"
#include "repo/status.h"
#include "repo/tree_internal.h"

typedef enum diff_kind { DIFF_BLOB, DIFF_WORKTREE, DIFF_ABSENT, DIFF_UNMERGED } diff_kind;

typedef struct diff_entry {
    const char *path; /* of the list's tree, index or status */
    git_oid id;       /* of DIFF_BLOB alone */
    uint32_t mode;
    diff_kind kind;
} diff_entry;

/* Sorted by path. */
typedef struct diff_list {
    diff_entry *rows;
    size_t count, capacity;
    repo_tree_list tree;
    git_index *index;
    repo_status status;
} diff_list;

typedef struct diff_reading {
    repo_handle *r;
    const repo_diff_options *options;
    repo_comparer comparer;
} diff_reading;

/* Sizes, place and kind of one content. */
err repo_diff_side_look(diff_reading *d, const diff_entry *entry, repo_diff_side *out);

#endif
