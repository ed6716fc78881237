/* repo/upstream_internal.h: which ref a branch follows. */
#ifndef REPO_UPSTREAM_INTERNAL_H
#define REPO_UPSTREAM_INTERNAL_H

#include <git2.h>

#include "base/bytes.h"

/* "refs/remotes/origin/main" for "refs/heads/main", by branch.main.remote, .merge and the remote's refspecs;
 * false: none is configured. As git_branch_upstream_name, which in libgit2 1.5 leaks 40 kB a call: status is
 * asked again and again. */
bool repo_upstream_ref(git_repository *git, const char *branch_ref, bytes *out);

#endif
