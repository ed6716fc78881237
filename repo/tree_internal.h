/* repo/tree_internal.h: a whole tree as one sorted list of paths, each of them fit to be a file. */
#ifndef REPO_TREE_INTERNAL_H
#define REPO_TREE_INTERNAL_H

#include "base/arena.h"
#include "repo/handle_internal.h"

enum { REPO_TREE_ENTRIES_MAX = 100000 };

typedef struct repo_tree_entry {
    const char *path;
    git_oid id;
    uint32_t mode; /* GIT_FILEMODE_BLOB, _BLOB_EXECUTABLE, _LINK, _COMMIT */
} repo_tree_entry;

typedef struct repo_tree_list {
    arena memory;
    repo_tree_entry *rows; /* by the bytes of the path, as an index is */
    size_t count;
} repo_tree_list;

/* tree NULL: the empty one. ERR_FORMAT: a path that may not be written, ERR_LIMIT: too many, too deep. */
err repo_tree_read(repo_handle *r, const git_oid *tree, repo_tree_list *out);
/* HEAD's; empty before the first commit. */
err repo_tree_read_head(repo_handle *r, repo_tree_list *out);
void repo_tree_list_free(repo_tree_list *list); /* a zeroed one is fine */
const repo_tree_entry *repo_tree_find(const repo_tree_list *list, const char *path); /* NULL: none */

/* The name of the folder that a checkout prepares its files in; no tree may hold it. */
#define REPO_STAGING_NAME ".hyprstream-checkout.tmp"

#endif
