/* repo/worktree/overlay_internal.h: what the files of the overlay driver share. */
#ifndef REPO_WORKTREE_OVERLAY_INTERNAL_H
#define REPO_WORKTREE_OVERLAY_INTERNAL_H

#include "repo/worktree/overlay.h"

/* ---- overlay_record.c ---- */

void overlay_paths_fill(repo_overlay *o, const char *models, const char *id); /* folder, upper, work */
err overlay_record_write(const repo_overlay *o);
/* The first one, in a folder that nobody sees yet: not waited for, there is nothing to lose before it is old.
 */
err overlay_record_put(const repo_overlay *o);
/* ERR_NOT_FOUND: no record; ERR_FORMAT. */
err overlay_record_read(const char *models, const char *id, repo_overlay *out);

/* o holds models and nothing else; false: it is no record, what was taken is o's to free. */
bool overlay_record_parse(bytes_view text, repo_overlay *o);

/* ---- overlay.c ---- */

/* `.overlay/<id>`, which is not mounted, into the trash. */
err overlay_discard(const repo_overlay *o);

/* ---- overlay_mount.c ---- */

/* ERR_BUSY names the process of ours that mounts or unmounts just now, or in whose namespace it is. */
err overlay_lock_take(const repo_overlay *o, int *fd);
/* An overlay, of the kernel or of fuse, is mounted at exactly this path: nothing else is ever unmounted. */
bool overlay_is_at(const char *point);
/* A fuse-overlayfs that died leaves a mount that answers nothing. */
bool overlay_is_dead(const char *point);

#endif
