/* repo/git.h: libgit2's failures in our words. */
#ifndef REPO_GIT_H
#define REPO_GIT_H

#include "base/err.h"

/* status < 0 of a libgit2 call as an err, "what: git's own sentence"; ERR_OK otherwise. */
err repo_git_check(int status, const char *what);

#endif
