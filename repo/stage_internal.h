/* repo/stage_internal.h: paths as a person gives them, for the verbs that take some. */
#ifndef REPO_STAGE_INTERNAL_H
#define REPO_STAGE_INTERNAL_H

#include "repo/handle_internal.h"
#include "repo/status.h"

/* "./a/", "/models/x/a" as "a". *out has rows also when paths is NULL: the one row ".". ERR_USAGE: outside.
 */
err repo_paths_plain(const repo_handle *r, const char *const *paths, size_t count, repo_names *out);

/* An untracked file that HEAD does not know either. */
bool repo_row_is_stranger(const repo_status *status, size_t at);
/* The repository's index, in memory alone, with what the worktree has at these rows of a status: those whose
 * file git knows, or (untracked) the others. The caller reads the index anew afterwards. */
err repo_stage_in_memory(repo_handle *r, const repo_status *status, bool untracked, repo_names *added);

#endif
