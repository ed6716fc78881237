/* repo/attributes_internal.h: attributes as a tree says them, for checkouts.
 *
 * libgit2 looks into the worktree, where the target's .gitattributes does not stand yet. Here a second, bare
 * view of the repository has an index in memory that holds the tree's .gitattributes alone. */
#ifndef REPO_ATTRIBUTES_INTERNAL_H
#define REPO_ATTRIBUTES_INTERNAL_H

#include "repo/handle_internal.h"
#include "repo/tree_internal.h"

typedef struct repo_attributes repo_attributes;

err repo_attributes_of_tree(repo_handle *r, const repo_tree_list *tree, repo_attributes **out);
void repo_attributes_free(repo_attributes *a); /* NULL is fine */
bool repo_attributes_tree_large(repo_attributes *a, const char *path);
/* Small content on its way into a file: line ends and the like. *out is what to write; git_buf_dispose. */
err repo_attributes_to_file(repo_attributes *a, git_blob *blob, const char *path, git_buf *out);

#endif
