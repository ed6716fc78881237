/* repo/worktree/overlay_backend.h: the ways an overlay can be mounted, as a table.
 *
 *   kernel  mount(2); needs CAP_SYS_ADMIN; everybody sees it
 *   fuse    fuse-overlayfs; needs /dev/fuse and fusermount3; the same user sees it
 *   userns  mount(2) in a user and mount namespace of our own, entered at program start; only we and our
 *           children see it, and it is gone with the last of us
 * Nothing is kept here: locks and what is written down are overlay.h's. */
#ifndef REPO_WORKTREE_OVERLAY_BACKEND_H
#define REPO_WORKTREE_OVERLAY_BACKEND_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

/* Absolute paths. upper and work lie in one folder. */
typedef struct overlay_paths {
    const char *lower, *upper, *work;
    const char *point; /* where it appears */
} overlay_paths;

typedef struct overlay_backend {
    const char *name;
    bool outlives_us;   /* the mount stays when we end, and other programs see it */
    const char *type;   /* of its mounts, as mountinfo calls it */
    err (*quick)(void); /* what can be said without a mount: may we at all; NULL: nothing */
    err (*mount)(const overlay_paths *paths);
    /* ERR_BUSY: in use. detach: out of sight at once, gone when its last user is. */
    err (*unmount)(const char *point, bool detach);
    /* A real mount in `folder` (empty, of the file system that is meant), written to and undone.
     * ERR_UNSUPPORTED: why not, and the cure. */
    err (*probe)(const char *folder);
} overlay_backend;

/* In the order in which they are tried; ended by a row without a name. */
extern const overlay_backend overlay_backends[];
const overlay_backend *overlay_backend_find(const char *name); /* any case; NULL: none */

/* The kind of a probe's work in .staging. */
#define PROBE_KIND "probe"

/* What a backend's probe says of the file system of the models folder: in a scratch folder of its .staging.
 */
err overlay_backend_probe(const overlay_backend *backend, const char *models);

/* "lowerdir=...,upperdir=...": each ',' ':' and '\' of a path has a backslash. user: extended attributes of
 * the user's kind, the only one that a user namespace may write. ERR_LIMIT: longer than the kernel takes. */
err overlay_options(const overlay_paths *paths, bool user, bytes *out);

/* ---- namespace.c ---- */

/* This process, or one that started it, is inside the namespace that it made for the userns backend. */
bool overlay_in_own_namespace(void);

/* Own user and group, mapped to themselves: made before a fork, written after it. */
typedef struct overlay_maps {
    char users[40], groups[40];
} overlay_maps;
void overlay_maps_make(overlay_maps *out); /* of this process */
/* Leave for a mount namespace of our own, and a user namespace when maps are given. System calls only: fit
 * for a forked child. 0, or the errno of what failed. */
int overlay_unshare(const overlay_maps *maps);

/* ---- overlay_probe.c ---- */

/* A real mount by mount(2) in a child with namespaces of its own, so that nothing of it is ever left.
 * user: a user namespace too. */
err overlay_probe_in_child(const char *folder, bool user);
/* Create, write and delete a file below `point`. */
err overlay_probe_write(const char *point);

/* Of an upper's folder, with what the kernel left in it (work/work has mode 000). */
err overlay_folder_remove(const char *folder);

#endif
