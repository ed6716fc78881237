/* repo/store_internal.h: where a repository keeps its large files. */
#ifndef REPO_STORE_INTERNAL_H
#define REPO_STORE_INTERNAL_H

#include <git2.h>

#include "xet/store.h"

/* `lfs` under the common git dir, or lfs.storage, as git-lfs has it. The caller frees. */
xet_store *repo_store_of(git_repository *git);

#endif
