/* repo/net/lfs_internal.h: what download and upload of large files share. */
#ifndef REPO_NET_LFS_INTERNAL_H
#define REPO_NET_LFS_INTERNAL_H

#include "repo/handle_internal.h"
#include "repo/net/lfs.h"
#include "xet/lfs.h"

/* Where a remote keeps its large files. */
typedef struct repo_lfs_place {
    char *url;    /* as xet/lfs.h wants it; may hold a login that the person wrote into git's config */
    char *named;  /* the same for sentences */
    bool foreign; /* .lfsconfig names another server than the remote's: it gets no login of ours */
    bool login_first;
    char *certificates; /* http.sslCAInfo; NULL */
} repo_lfs_place;

/* git's config first, then .lfsconfig, then the remote's own address. remote NULL: the branch's, else origin.
 * Errors: ERR_NOT_FOUND (no such remote), ERR_USAGE (none can be derived), ERR_DENIED (an upload that a
 * .lfsconfig would send to a foreign server). */
err repo_lfs_place_find(repo_handle *r, const char *remote, bool push, repo_lfs_place *out);
void repo_lfs_place_free(repo_lfs_place *place); /* wipes; a zeroed one is fine */

/* One call of xet/lfs.h: who we are to its server, how far it is. */
typedef struct repo_lfs_call {
    repo_handle *r;
    repo_credentials *who;
    repo_lfs_place place;
    repo_login login; /* the last one given out */
    const xet_lfs_object *objects;
    size_t count;
    const char *(*name)(const struct repo_lfs_call *call, const char *oid); /* a file of it; NULL: unknown */
    void *context;
} repo_lfs_call;

/* call->objects to or from the server, in the place that was found. Each object tells its own problem; an err
 * is about all. */
err repo_lfs_call_run(repo_lfs_call *call, bool push, xet_lfs_object *objects, size_t count);
void repo_lfs_call_free(repo_lfs_call *call);

#endif
