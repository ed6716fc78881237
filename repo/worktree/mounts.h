/* repo/worktree/mounts.h: what is mounted where, as this process sees it, and who uses a place.
 *
 * From /proc/self/mountinfo, never kept: mounts come and go beside us.
 * Threads: any. */
#ifndef REPO_WORKTREE_MOUNTS_H
#define REPO_WORKTREE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"

typedef struct repo_mount {
    char *path;   /* mount point */
    char *type;   /* "overlay", "fuse.fuse-overlayfs" */
    char *source; /* what was given as the device */
} repo_mount;

typedef struct repo_mounts {
    repo_mount *rows;
    size_t count;
} repo_mounts;

/* A system without /proc has none. */
void repo_mounts_read(repo_mounts *out);
void repo_mounts_free(repo_mounts *list); /* a zeroed one is fine */
/* The mount on top at exactly this path; NULL: none. Borrowed. */
const repo_mount *repo_mounts_at(const repo_mounts *list, const char *path);
bool repo_mounts_is(const char *path); /* reads anew */

/* One line of mountinfo; false: it is none. */
bool repo_mounts_line(const char *line, repo_mount *out);

/* "bash (1234), python3 (77)": processes that are in, or have open or mapped, something at or below `path`.
 * Only those that may be looked at; "" when there is none. */
void repo_mounts_users(const char *path, bytes *out);

/* This start of the machine: mounts of another one are gone. "" where the system does not say. */
enum { REPO_BOOT_SIZE = 40 };
/* Of this start of the machine; "" when the kernel does not say. */
void repo_boot_id(char out[REPO_BOOT_SIZE]);

#endif
