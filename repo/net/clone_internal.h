/* repo/net/clone_internal.h: what the files of the clone share. */
#ifndef REPO_NET_CLONE_INTERNAL_H
#define REPO_NET_CLONE_INTERNAL_H

#include "repo/net/network_internal.h"
#include "repo/resolve.h"

/* Link (or copy) the objects of the repository at path `source` into a new one. *shallow: the source is; then
 * nothing is linked. */
err repo_clone_share_objects(repo_net *n, const char *source, git_repository *into, bool *shallow);

/* Decide what is checked out (wanted NULL: `head`, the remote's own branch, may be NULL), make the local
 * branch with its upstream, set HEAD. *commit empty: the remote is empty. ERR_NOT_FOUND lists what there is.
 */
err repo_clone_set_head(repo_net *n, repo_handle *r, const char *wanted, const char *head, int depth,
                        repo_network_report *report, repo_id *commit);

#endif
