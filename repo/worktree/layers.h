/* repo/worktree/layers.h: trees as read-only folders that overlays stand on.
 *
 * `<models>/.layers/<name>/files` holds a tree's files, large ones linked to the store where the file system
 * can, all of one old date; `.complete` beside it says that it is whole. A layer is made once, out of sight,
 * and never changes: the kernel forbids it while an overlay is mounted on it. The name is the tree's id; a
 * tree with large files that are not here gets a name of its own, so that later, when they have come, the
 * tree's layer is the whole one.
 * Threads and processes: makers and removers hold the lock; who stands on a layer is told by the caller. */
#ifndef REPO_WORKTREE_LAYERS_H
#define REPO_WORKTREE_LAYERS_H

#include "repo/checkout.h"

#define LAYERS_FOLDER     ".layers"
#define LAYERS_KEPT_BYTES (10ull << 30) /* of unused layers, the newest */

typedef struct repo_layer {
    char *name; /* below .layers */
    char *path; /* of its files */
    bool is_new;
} repo_layer;
void repo_layer_free(repo_layer *layer); /* a zeroed one is fine */

/* Held from before a layer is asked for until it is written down who uses it. Waits for who makes one;
 * context's watch may cancel. Close the descriptor to let go. */
err repo_layers_lock(const repo_context *c, const char *models_folder, int *fd);

/* Under the lock: the layer of this tree, made when it is not there. report: as of a checkout when the layer
 * was made, else empty; the caller's also on failure. */
err repo_layer_get(const char *models_folder, repo_handle *r, const repo_id *tree, repo_layer *out,
                   repo_checkout_report *report);
/* "<models>/.layers/<name>/files"; the caller frees. */
char *repo_layer_path(const char *models_folder, const char *name);

/* Every new name of an object, in a layer or in a worktree, gives a new ctime to all of them: git must not go
 * by it, or it would read each large file again. Into the repository's config, for all its worktrees. */
err repo_layers_config(repo_handle *r);

/* Under the lock: layers that are not named in `used` are removed, but for the newest that together have
 * at most kept_bytes. *freed (may be NULL): bytes of their files. */
err repo_layers_prune(const char *models_folder, const repo_names *used, uint64_t kept_bytes,
                      uint64_t *freed);
/* Bytes of the files of those that are not named. */
err repo_layers_unused(const char *models_folder, const repo_names *used, uint64_t *bytes_count);

#endif
