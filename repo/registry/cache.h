/* repo/registry/cache.h: what is expensive to find out, kept in sqlite; deletable at any time.
 *
 * $XDG_CACHE_HOME/hyprstream/registry-<hash>.db, hash of the models folder's real path. Rows keyed by object
 * ids are true for ever, the rest is guarded by signatures of files. A folder that cannot be written, or a
 * file system without write-ahead log: no cache, or one in memory; nothing fails for it.
 * Threads: belongs to the thread that opened it; processes share it. */
#ifndef REPO_REGISTRY_CACHE_H
#define REPO_REGISTRY_CACHE_H

#include <sys/stat.h>

#include "base/db.h"
#include "repo/handle.h"

typedef struct repo_cache repo_cache;

err repo_cache_open(const repo_context *c, const char *models_folder,
                    repo_cache **out);       /* never fails hard */
void repo_cache_free(repo_cache *cache);     /* NULL is fine */
db *repo_cache_borrow_db(repo_cache *cache); /* NULL: there is none */

/* The hash of a worktree's file when size, times and inode are still those it was taken at (and older than
 * two seconds then). False: hash it. */
bool repo_cache_file_hash(repo_cache *cache, const char *worktree, const char *path, const struct stat *info,
                          char hash[65]);
/* Best effort; `hash` is hex. */
void repo_cache_keep_file_hash(repo_cache *cache, const char *worktree, const char *path,
                               const struct stat *info, const char *hash);

#endif
