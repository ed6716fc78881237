/* repo/beneath.h: files below one folder, and nowhere else.
 *
 * Paths come from trees that strangers made: no link is followed on the way, no "..", no way out. By openat2
 * where the kernel has it, else component by component.
 * Threads: one at a time. */
#ifndef REPO_BENEATH_H
#define REPO_BENEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

enum { REPO_PATH_BYTES_MAX = 4096, REPO_PATH_DEPTH_MAX = 64 };

typedef struct repo_beneath {
    int root;
    int parent;        /* the folder asked for last; -1: none */
    char *parent_path; /* "" for the root */
    bool walks;        /* this kernel has no openat2 */
} repo_beneath;

/* ERR_NOT_FOUND, ERR_IO; repo_beneath_close() also then. */
err repo_beneath_open(const char *folder, repo_beneath *out);
void repo_beneath_close(repo_beneath *b); /* one that failed to open is fine */

/* Why a tree may not hold this name ("is '..'", "would be git's own folder"), NULL when it may: empty, '.',
 * '..', with a '/', too long, ".git" in any case and in the spellings that NTFS and HFS+ take for it. */
const char *repo_name_refusal(const char *name, size_t size);
/* The same for each name of a path, and for its length and depth. */
const char *repo_path_refusal(const char *path);

/* The folder that holds `path`, made when `make`; *fd is borrowed until the next call, *name points into
 * path. ERR_NOT_FOUND: there is no such folder; ERR_CONFLICT: a file or a link stands where a folder should.
 */
err repo_beneath_parent(repo_beneath *b, const char *path, bool make, int *fd, const char **name);
/* As lstat. False: nothing is there, or nothing that can be reached without a link. */
bool repo_beneath_look(repo_beneath *b, const char *path, struct stat *out);
/* For reading, a regular file only; -1 with errno otherwise. */
int repo_beneath_read(repo_beneath *b, const char *path);
/* A file or link, and then the folders that become empty by it. An absent one is fine. */
err repo_beneath_remove(repo_beneath *b, const char *path);
/* rm -rf of one name in the root. */
err repo_beneath_remove_tree(repo_beneath *b, const char *name);

#endif
