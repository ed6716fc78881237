/* repo/git.h: libgit2's failures in our words. */
#ifndef REPO_GIT_H
#define REPO_GIT_H

#include "base/bytes.h"
#include "base/err.h"

/* status < 0 of a libgit2 call as an err, "what: git's own sentence"; ERR_OK otherwise. Call it on the thread
 * of the failure, before any other call of libgit2. */
err repo_git_check(int status, const char *what);

/* For callbacks that libgit2 calls: keep `e` as the reason and give the negative status to return (GIT_EUSER
 * for a cancel). */
int repo_git_refuse(err e);

/* "1.5.1 (built with 1.5.1); threads, https, ssh" */
void repo_git_describe(bytes *out);

#endif
