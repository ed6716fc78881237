/* repo/worktree/overlay.h: worktrees that stand on a layer and keep only what was changed.
 *
 *   lower = .layers/<layer>/files   upper, work = .overlay/<id>/   mount point = the worktree's folder
 *
 * `.overlay/<id>/overlay.json` says which layer, which mount point, which backend: it is written before
 * anything is mounted and goes last. The `.git` file of the worktree lies in the upper, so git finds no
 * worktree where nothing is mounted, instead of one whose files are all deleted; git's own prune is held off
 * by the lock on the worktree. One upper is never mounted twice (the kernel would let us, and lose files):
 * `.overlay/<id>/lock` is held while one is mounted or unmounted, and by a namespace for as long as it lives.
 * Threads: any; of one overlay, one at a time. */
#ifndef REPO_WORKTREE_OVERLAY_H
#define REPO_WORKTREE_OVERLAY_H

#include "repo/checkout.h"
#include "repo/worktree/mounts.h"
#include "repo/worktree/overlay_backend.h"

#define OVERLAY_FOLDER      ".overlay"
#define OVERLAY_LOCK_REASON "hyprstream overlay: not mounted"

typedef struct repo_overlay {
    char *models;        /* the models folder */
    char *folder;        /* .overlay/<id>, absolute, as all paths here */
    char *upper, *work;  /* below it */
    char *layer, *lower; /* name below .layers, and its files */
    char *path;          /* the worktree: the mount point */
    char *git_dir;       /* git's folder of this worktree: <common>/worktrees/<name> */
    repo_id tree;        /* of the layer */
    const overlay_backend *backend;
    char boot[REPO_BOOT_SIZE]; /* the start of the machine in which it was mounted; "": not mounted */
} repo_overlay;
void repo_overlay_free(repo_overlay *o); /* a zeroed one is fine */

typedef struct repo_overlay_order {
    const char *models; /* the models folder */
    const repo_id *tree;
    const char *path;    /* a worktree as `git worktree add --no-checkout` leaves it: a `.git` file alone */
    const char *git_dir; /* of that worktree */
    const overlay_backend *backend;
} repo_overlay_order;

/* The files of the tree at order->path, mounted; the index is the caller's to write. r: the repository.
 * Everything is undone on a failure (the `.git` file lies where it was). *report is the caller's also then.
 */
err repo_overlay_make(const repo_overlay_order *order, repo_handle *r, repo_overlay *out,
                      repo_checkout_report *report);
/* By its worktree's folder; ERR_NOT_FOUND. */
err repo_overlay_find(const char *models, const char *path, repo_overlay *out);

bool repo_overlay_is_mounted(const repo_overlay *o); /* mounted, and alive */
/* Mounted already is fine. A mount whose fuse-overlayfs died is undone first; a layer that is gone is made
 * again. ERR_STATE: files lie in the mount point. */
err repo_overlay_mount(repo_overlay *o, const repo_context *c);
/* Not mounted is fine. ERR_BUSY names who uses it; force goes on. */
err repo_overlay_unmount(repo_overlay *o, bool force);
/* Unmounted, then upper and record are deleted, and layers that nobody needs. The mount point stays, empty.
 */
err repo_overlay_remove(repo_overlay *o, const repo_context *c, bool force);

/* Blocks of the upper: what only this worktree takes. */
uint64_t repo_overlay_bytes_used(const repo_overlay *o);
/* Of the files as the worktree shows them, mounted or not. */
uint64_t repo_overlay_bytes_apparent(const repo_overlay *o);

/* Each overlay of the models folder that can be read. */
void repo_overlay_each(const char *models, void (*each)(void *context, repo_overlay *o), void *context);
/* Mounts of dead machines, dead fuse-overlayfs, half-made overlays. Says in the log what it did. */
void repo_overlay_heal(const char *models, const repo_context *c);

#endif
