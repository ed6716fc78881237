/* base/file.h: files and folders, with errors that name the path.
 *
 * Paths are NUL-terminated UTF-8 or whatever the system holds. An absent file is ERR_NOT_FOUND, a refusal of
 * the system ERR_IO with its words, more than a given maximum ERR_LIMIT. Returned paths are free()d by the
 * caller. Nothing here keeps state; any thread may call. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { FILE_LIST_MAX = 1000000, FILE_TREE_DEPTH_MAX = 256 };

/* The whole file, appended to nothing: *out is replaced on success only (an old value is freed). */
err file_read(const char *path, size_t bytes_max, bytes *out);

/* All of `data` or the file as it was: a temporary beside it, fsync, rename, fsync of the folder. Keeps the
 * mode of a file that exists, and writes through a symbolic link to what it names. */
err file_write(const char *path, bytes_view data);
err file_copy(const char *from, const char *to); /* same promise; any size; the mode goes along */

/* Read-only view of a file. An empty file gives size 0 and a data that is not NULL. */
typedef struct file_mapping {
    const char *data;
    size_t size;
} file_mapping;
/* The whole file, read-only. Errors: ERR_NOT_FOUND, ERR_IO; an empty file maps to nothing. */
err file_map(const char *path, file_mapping *out);
void file_unmap(file_mapping *m); /* a zeroed one is fine */
/* The pages that hold these bytes of it need not stay in memory; who reads them again reads the file. */
void file_mapping_let_go(const file_mapping *m, const char *data, size_t size);

bool file_exists(const char *path);             /* follows links: a dangling one does not exist */
bool file_is_folder(const char *path);          /* or a link to one */
err file_size(const char *path, uint64_t *out); /* In bytes. ERR_NOT_FOUND, ERR_IO. */

/* Names in a folder without "." and "..", sorted by bytes. */
typedef struct file_list {
    char **names;
    size_t count;
} file_list;
/* The names in it without "." and "..", sorted by their bytes. file_list_free(). ERR_NOT_FOUND, ERR_IO. */
err file_list_folder(const char *path, file_list *out);
void file_list_free(file_list *list); /* a zeroed one is fine */

err file_make_folders(const char *path);               /* mkdir -p */
err file_remove_tree(const char *path);                /* rm -rf; follows no links; an absent one is fine */
err file_sync_folder(const char *path);                /* makes renames in it last */
char *file_join(const char *folder, const char *name); /* one '/' between; an absolute name stands alone */
char *file_parent(const char *path);                   /* "." when the path has no '/' */
const char *file_name(const char *path);               /* after the last '/', borrowed from path */
/* "~" and "~/x" with home for the '~'; other paths as they are. home may be NULL: nothing is replaced. */
char *file_expand_home(const char *path, const char *home);

#endif
