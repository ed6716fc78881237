/* repo/foreign.h: repositories that git can use and libgit2 cannot open, with the cure.
 *
 * libgit2's own words for these ("unsupported extension name") name none. */
#ifndef REPO_FOREIGN_H
#define REPO_FOREIGN_H

#include "base/err.h"

/* Before opening: common_dir is where `config` is. ERR_UNSUPPORTED: why, and the command that mends it. What
 * cannot be read is left to libgit2. */
err repo_foreign_check(const char *common_dir);
/* After libgit2 refused an index: the cure for a split or sparse one, else `e` as it is. */
err repo_foreign_index(err e);

#endif
