/* repo/worktree/worktree.h: a commit as files, for people and programs who want files.
 *
 * Always a real linked git worktree under <models>/.worktrees; drivers differ in where the bytes come from:
 * reflink, overlay2 (kernel, fuse, userns), hardlink, vfs (copy). The driver is chosen by probing the file
 * system, or by GIT2DB_WORKTREE_DRIVER and its kin; it is kept per worktree. Loading a ref never makes one.
 */
#ifndef REPO_WORKTREE_WORKTREE_H
#define REPO_WORKTREE_WORKTREE_H

#include "repo/registry/models.h"
#include "repo/resolve.h"

enum { REPO_WORKTREES_COUNT_MAX = 64 };

typedef struct repo_worktree_row {
    char *name, *path, *driver, *backend; /* driver "git": git made it; backend NULL: the driver has none */
    char *branch;                         /* NULL: detached */
    repo_id head;
    bool locked, mounted, prunable;
    uint64_t bytes_apparent; /* of its files */
    uint64_t bytes_used;     /* blocks that only it uses, measured: shared and linked ones do not count */
    bool bytes_known;        /* false: the file system does not tell; shown as n/a */
    size_t missing_count;    /* after an add: large files that are not here, whose pointers stand there */
    char *warning;           /* after an add: what was asked for could not be had; NULL */
} repo_worktree_row;

/* Linked ones, the main checkout is none; repo_worktree_list_free(). What cannot be read is left out. */
err repo_worktree_list(repo_models *m, repo_handle *r, repo_worktree_row **rows, size_t *count);
void repo_worktree_list_free(repo_worktree_row *rows, size_t count); /* NULL is fine */

typedef struct repo_worktree_options {
    const char *ref;
    const char *new_branch;       /* make this branch at ref; NULL */
    const char *driver, *backend; /* NULL: as environment and settings say */
    const char *path;             /* NULL: below <models>/.worktrees */
} repo_worktree_options;

/* Enters the gate. *out as in the list. Everything is undone on a failure. */
err repo_worktree_add(repo_models *m, repo_handle *r, const repo_worktree_options *options,
                      repo_worktree_row *out);
void repo_worktree_row_free(repo_worktree_row *row); /* a zeroed one is fine */
/* name: the worktree's, or its branch or folder. ERR_CONFLICT: changes or commits on no branch would be lost,
 * named; force goes on. */
err repo_worktree_remove(repo_models *m, repo_handle *r, const char *name, bool force);
/* name as in remove. ERR_STATE: this driver has nothing to mount; else as repo_overlay_mount. */
err repo_worktree_mount(repo_models *m, repo_handle *r, const char *name);
/* ERR_BUSY names who uses it; force goes on. ERR_STATE as mount. */
err repo_worktree_unmount(repo_models *m, repo_handle *r, const char *name, bool force);

/* What each driver would do on this folder's file system: for doctor and for the error of a driver that
 * cannot be had. */
typedef struct repo_driver_probe {
    const char *driver, *backend; /* static */
    bool available;
    char reason[200]; /* why not, and the cure */
} repo_driver_probe;
err repo_worktree_probe(const char *folder, repo_driver_probe **rows, size_t *count); /* free() */

/* At program start, before any thread: enter a user and mount namespace when the userns backend is asked for.
 */
err repo_worktree_enter_namespace(const repo_context *c);
/* An overlay's folder that is opened and not mounted is mounted. ERR_NOT_FOUND: it is none of ours. */
err repo_worktree_wake(const repo_context *c, const char *path);
/* At start of the models folder: mounts that are gone are marked, stray ones undone, worktrees without files
 * and empty folders without a worktree go. */
err repo_worktree_heal(repo_models *m);
/* Layers that no worktree stands on are deleted. *freed: bytes of their files; dry_run: of those that would
 * be. */
err repo_worktree_layers_gc(repo_models *m, bool dry_run, uint64_t *freed);

#endif
