/* repo/net/lfs.h: large files between this repository's store and a remote's LFS server.
 *
 * Joins repo/ (where is the server, who are we) to xet/ (how bytes travel). Runs inside the network child, or
 * in this process in tests. Servers: lfs.url and its kin, .lfsconfig (only what a stranger may say), else
 * derived from the remote; http(s), file:// and paths. */
#ifndef REPO_NET_LFS_H
#define REPO_NET_LFS_H

#include "repo/checkout.h"
#include "repo/net/credentials.h"

/* Into the store, verified; resumes. What could not be had stays in *left with no error when the server says
 * 404 or 410 for it; `left` may alias nothing. Progress: REPO_LARGE_FILES with true byte counts. */
err repo_lfs_fetch(repo_handle *r, repo_credentials *who, const char *remote, const repo_missing_list *wanted,
                   repo_missing_list *left, uint64_t *bytes_moved);
/* Every object that commits reachable from `tips`, not from the remote's refs, point to. An object that is in
 * neither place: ERR_NOT_FOUND names its file and commit; nothing is pushed then. */
err repo_lfs_push(repo_handle *r, repo_credentials *who, const char *remote, const repo_id *tips,
                  size_t tip_count, size_t *files, uint64_t *bytes_sent);

#endif
