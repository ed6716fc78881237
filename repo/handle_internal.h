/* repo/handle_internal.h: what lies in a handle, for the files of repo/ alone. */
#ifndef REPO_HANDLE_INTERNAL_H
#define REPO_HANDLE_INTERNAL_H

#include "repo/git.h"
#include "repo/git_version.h"
#include "repo/handle.h"
#include "xet/store.h"

struct repo_handle {
    const repo_context *context;
    git_repository *git;
    xet_store *store; /* of large files, under the common git dir or lfs.storage */
    char *path, *git_dir, *common_dir;
};

/* Between libgit2's ids and ours. repo_oid_read: `id` must be 40 hex digits. */
void repo_id_of(const git_oid *oid, repo_id *out);
err repo_oid_read(const repo_id *id, git_oid *out);

#endif
