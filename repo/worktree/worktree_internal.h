/* repo/worktree/worktree_internal.h: the table of drivers, and what the files of worktrees share.
 *
 * A worktree is git's own: `<common>/worktrees/<name>` (HEAD, commondir, gitdir, index) and a `.git` file in
 * its folder. Beside git's files there lies ours, `hyprstream-driver`: "reflink", or "overlay2 kernel". */
#ifndef REPO_WORKTREE_WORKTREE_INTERNAL_H
#define REPO_WORKTREE_WORKTREE_INTERNAL_H

#include "repo/checkout.h"
#include "repo/handle_internal.h"
#include "repo/worktree/overlay.h"
#include "repo/worktree/worktree.h"

#define WORKTREES_FOLDER ".worktrees"
#define DRIVER_FILE      "hyprstream-driver"
/* git's lock of a worktree that is not whole yet: nobody may look, and after a death it is undone. */
#define MAKING_REASON "hyprstream: being made"

enum { WORKTREE_NAME_BYTES_MAX = 64, WORKTREE_LINE_BYTES_MAX = 8192 };

/* Where a driver works. */
typedef struct worktree_site {
    const repo_context *c;
    const char *models;  /* the models folder */
    const char *store;   /* a folder on the file system of the large files' objects */
    const char *path;    /* of the worktree; for a probe: the folder that will hold it */
    const char *git_dir; /* git's folder of this worktree */
} worktree_site;

typedef struct worktree_driver {
    const char *name, *alias;
    bool has_backends;
    bool by_auto; /* may be chosen without being named, in the order of the table */
    /* ERR_UNSUPPORTED: why not, and the cure. backend NULL: the driver has none. */
    err (*probe)(const worktree_site *site, const overlay_backend *backend);
    /* The files of the tree into a folder that holds a `.git` file alone, and the index. Undoes itself. */
    err (*create)(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                  const repo_id *tree, repo_checkout_report *report);
    /* NULL: a plain folder, always there. */
    err (*mount)(const worktree_site *site);
    err (*unmount)(const worktree_site *site, bool force);
    /* What lies outside the worktree's folder. */
    err (*remove)(const worktree_site *site, bool force);
    /* mounted, bytes_apparent, bytes_used, bytes_known. */
    void (*measure)(const worktree_site *site, repo_worktree_row *row);
} worktree_driver;

/* Ended by a row without a name. */
extern const worktree_driver worktree_drivers[];
const worktree_driver *worktree_driver_find(const char *name); /* or its alias, any case; NULL: none */

/* ---- driver_files.c: reflink, hardlink, vfs ---- */

err worktree_reflink_probe(const worktree_site *site, const overlay_backend *backend);
err worktree_hardlink_probe(const worktree_site *site, const overlay_backend *backend);
err worktree_vfs_probe(const worktree_site *site, const overlay_backend *backend);
err worktree_reflink_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                            const repo_id *tree, repo_checkout_report *report);
err worktree_hardlink_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                             const repo_id *tree, repo_checkout_report *report);
err worktree_vfs_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                        const repo_id *tree, repo_checkout_report *report);
void worktree_files_measure(const worktree_site *site, repo_worktree_row *row);

/* ---- measure.c ---- */

/* Files below `folder`: their sizes, and the blocks that nothing else uses: not those of files with another
 * name elsewhere, not those that the file system shares. `.git` is left out of the sizes. */
typedef struct worktree_bytes {
    uint64_t apparent, used;
} worktree_bytes;
void worktree_bytes_measure(const char *folder, worktree_bytes *out);

/* ---- driver_overlay.c ---- */

err worktree_overlay_probe(const worktree_site *site, const overlay_backend *backend);
err worktree_overlay_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                            const repo_id *tree, repo_checkout_report *report);
err worktree_overlay_mount(const worktree_site *site);
err worktree_overlay_unmount(const worktree_site *site, bool force);
err worktree_overlay_remove(const worktree_site *site, bool force);
void worktree_overlay_measure(const worktree_site *site, repo_worktree_row *row);

/* ---- worktree_choice.c: by what names and settings say, and by what can be had ---- */

typedef struct worktree_choice {
    const worktree_driver *driver;
    const overlay_backend *backend; /* NULL: the driver has none */
    err warning;                    /* what was asked for cannot be had, and this is the fallback */
} worktree_choice;
/* driver, backend: as options give them; NULL: environment, then settings. ERR_USAGE lists the valid names;
 * ERR_UNSUPPORTED: what was asked for cannot be had here, and the cure. */
err worktree_choose(const worktree_site *site, const char *driver, const char *backend, worktree_choice *out);
/* As environment and settings say, without a look at what can be had; NULL: none, or not a valid one. */
const overlay_backend *worktree_backend_asked(const repo_context *c);

/* ---- worktree_admin.c: git's folder of a worktree ---- */

/* One worktree as it is written down. Owned. */
typedef struct worktree_admin {
    char *name, *git_dir, *path;
    char *branch;                  /* "refs/heads/x"; NULL: detached */
    repo_id head;                  /* when detached */
    char *locked;                  /* the reason, "" without one; NULL: not locked */
    const worktree_driver *driver; /* NULL: made by git, or by nobody we know */
    const overlay_backend *backend;
} worktree_admin;
void worktree_admin_free(worktree_admin *a);
/* ERR_NOT_FOUND: it is no worktree. */
err worktree_admin_read(const char *common_dir, const char *name, worktree_admin *out);
/* HEAD, commondir, gitdir, the lock, our driver file; and `.git` in `a->path`, which is made. */
err worktree_admin_write(const worktree_admin *a);
err worktree_lock_write(const worktree_admin *a, const char *reason); /* NULL: unlocked */
/* The `.git` file in its folder names its git folder. What `gitdir` says is not enough to delete a folder: a
 * stranger's repository may say anything there. */
bool worktree_points_back(const worktree_admin *a);
/* git's folder, out of sight at once: half of one, locked but without `gitdir`, is cleaned by nobody. */
err worktree_admin_remove(const char *models, const char *git_dir);
/* A folder that points back, or an empty one. *left: something else is there, which is left alone. */
err worktree_folder_remove(const char *models, const worktree_admin *a, bool *left);
/* The folder of a model's worktrees, when `path` was the last of them. */
void worktree_parent_clear(const char *models, const char *path);

err worktree_row_of(repo_models *m, repo_handle *r, const char *name, repo_worktree_row *row);

/* ---- worktree_heal.c ---- */

/* Half-made, by somebody who died: everything of it away. */
void worktree_undo(const repo_context *c, const char *models, const char *git_dir);

#endif
