/* repo/compare_internal.h: is a file of the worktree what an index entry says?
 *
 * Equal size, times and inode: yes, unless the file is as young as the index (then nobody knows which came
 * first). Else the content decides: a large file is hashed in blocks against the pointer. */
#ifndef REPO_COMPARE_INTERNAL_H
#define REPO_COMPARE_INTERNAL_H

#include <sys/stat.h>

#include "repo/beneath.h"
#include "repo/handle_internal.h"
#include "repo/registry/cache.h"

typedef enum repo_likeness { REPO_SAME, REPO_CHANGED, REPO_ABSENT, REPO_OTHER_TYPE } repo_likeness;

typedef struct repo_comparer {
    repo_handle *r;
    repo_beneath below;
    struct timespec index_date; /* of the index file; 0: there is none */
    bool ignore_mode;           /* core.fileMode is false */
    bool ignore_ctime;          /* core.trustctime is false */
    repo_cache *cache;          /* what big files held when they were hashed last; opened when one is */
} repo_comparer;

/* Reads the index file's date: open it before the index is read. */
err repo_comparer_open(repo_handle *r, repo_comparer *out);
void repo_comparer_close(repo_comparer *c); /* one that failed to open is fine */

/* What lies at entry->path. *info is what lstat said (zeroed: nothing there), *read that the content was
 * looked at, so that fresh times in the index would spare it. */
err repo_compare(repo_comparer *c, const git_index_entry *entry, repo_likeness *likeness, struct stat *info,
                 bool *read);
/* Likewise by content alone, for an entry that is not in the index. */
err repo_compare_content(repo_comparer *c, const char *path, const git_oid *id, uint32_t mode,
                         const struct stat *info, repo_likeness *likeness);
/* The entry's times are not older than the index: equal times prove nothing. */
bool repo_comparer_is_racy(const repo_comparer *c, const git_index_entry *entry);

/* A file of less than 1024 bytes that is a pointer: its text and what it says. */
bool repo_worktree_pointer(repo_beneath *below, const char *path, bytes *text, xet_pointer *out);

#endif
