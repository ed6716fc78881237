/* repo/stash_internal.h: what putting aside and bringing back share. */
#ifndef REPO_STASH_INTERNAL_H
#define REPO_STASH_INTERNAL_H

#include "repo/join_internal.h"
#include "repo/stash.h"

#define STASH_REF "refs/stash"

/* The commit of stash@{index}; ERR_NOT_FOUND says how many there are. */
err stash_find(repo_handle *r, size_t index, git_oid *out);

#endif
