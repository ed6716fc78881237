/* tests/support/git_box.h: a home of its own for git and for us, and the git program as the judge.
 *
 * HOME, XDG_*, GIT_CONFIG_GLOBAL and the names of author and committer point into check_folder(); nothing of
 * the person who runs the tests is read or written. */
#ifndef TESTS_SUPPORT_GIT_BOX_H
#define TESTS_SUPPORT_GIT_BOX_H

#include "repo/context.h"
#include "tests/support/check.h"

/* Made at the first call. Borrowed. */
const repo_context *git_box(void);

/* A shell command in check_folder() that must succeed. */
void git_box_do(const char *format, ...) PRINTF_LIKE(1, 2);
/* What it prints (both streams) without the last newline; it may fail. Borrowed until eight calls later. */
const char *git_box_said(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
