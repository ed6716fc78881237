/* repo/checkout_internal.h: what the parts of a checkout share. */
#ifndef REPO_CHECKOUT_INTERNAL_H
#define REPO_CHECKOUT_INTERNAL_H

#include <sys/stat.h>

#include "repo/attributes_internal.h"
#include "repo/beneath.h"
#include "repo/checkout.h"
#include "repo/tree_internal.h"

/* Makes files of tree entries, wherever the caller wants them. */
typedef struct repo_maker {
    repo_handle *r;
    repo_attributes *attributes; /* of the tree that is checked out */
    repo_place place;            /* NULL: reflink, else copy */
    void *place_context;
    bool layer; /* read-only files dated 2000-01-01 */
    repo_checkout_report *report;
    repo_progress progress;
    double told_at;
} repo_maker;

/* The entry as a new file folder_fd/name, which must not exist. A file's date is a second back: then an index
 * written now knows it as older than itself, and nobody hashes it again to be sure. */
err repo_maker_make(repo_maker *m, const repo_tree_entry *entry, int folder_fd, const char *name);
/* The stored object of a large file, likewise. */
err repo_maker_make_large(repo_maker *m, const char *path, const xet_pointer *pointer, uint32_t mode,
                          int folder_fd, const char *name);
/* At most 20 times a second; ERR_CANCELLED. */
err repo_maker_tell(repo_maker *m, const char *path);

/* The pointer in a blob of less than 1024 bytes; false: ordinary content, or too big to be one. ERR for a
 * blob that cannot be read. */
err repo_blob_pointer(git_repository *git, const git_oid *id, bool *is_pointer, xet_pointer *out);

void repo_missing_add(repo_missing_list *list, const char *path, const xet_pointer *pointer);

/* An index entry for a file as it lies there now. */
git_index_entry repo_index_entry(const repo_tree_entry *entry, const struct stat *info);
/* Write the index; tried again while another git holds its lock. */
err repo_index_write(git_index *index);

#endif
