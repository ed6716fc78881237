/* repo/net/lfs_config.h: what a `.lfsconfig` says of servers.
 *
 * The file comes with a repository: a stranger's words. Read here rather than by libgit2, which would follow
 * its `include` to any file of this machine. Pure text. */
#ifndef REPO_NET_LFS_CONFIG_H
#define REPO_NET_LFS_CONFIG_H

#include "base/bytes.h"

enum { REPO_LFS_CONFIG_BYTES_MAX = 64 << 10 };

typedef struct repo_lfs_config {
    char *url, *push_url; /* lfs.url, lfs.pushurl; NULL: not said */
    char *remote_url;     /* remote.<remote>.lfsurl */
} repo_lfs_config;

/* The last value of each key, as git reads its own files. All other keys count for nothing. */
void repo_lfs_config_read(bytes_view text, const char *remote, repo_lfs_config *out);
void repo_lfs_config_free(repo_lfs_config *config); /* a zeroed one is fine */

#endif
