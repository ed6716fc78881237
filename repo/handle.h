/* repo/handle.h: one repository, open for one operation.
 *
 * Opening costs 0.1 ms: open, do one thing, close. Never kept, never shared between threads. The owner of the
 * folder is checked, and what libgit2 cannot open is named with its cure (partial clone, sparse or split
 * index, ...). */
#ifndef REPO_HANDLE_H
#define REPO_HANDLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "repo/context.h"

typedef struct repo_handle repo_handle;

/* 40 hex digits: a commit, a tree, a blob. Empty: none. */
typedef struct repo_id {
    char hex[41];
} repo_id;

/* Names, paths: owned. */
typedef struct repo_names {
    char **names;
    size_t count;
} repo_names;
void repo_names_add(repo_names *list, const char *name); /* a copy of it, at the end */
void repo_names_free(repo_names *list);                  /* a zeroed one is fine */

/* Once per process, before any thread: libgit2, its options, the lfs filter, the bridged transports. Cheap
 * and safe to call again. */
err repo_start(const repo_context *c);

/* path: a primary checkout, a linked worktree, or a bare repository. context is borrowed while the handle
 * lives. Errors: ERR_NOT_FOUND (nothing there, or no repository), ERR_DENIED (somebody else's folder),
 * ERR_UNSUPPORTED (a repository that libgit2 cannot open: the sentence says the cure). */
err repo_open(const repo_context *context, const char *path, repo_handle **out);
void repo_close(repo_handle *r); /* NULL is fine */

/* Borrowed from r. No path ends with '/'. */
const char *repo_borrow_path(const repo_handle *r);       /* the worktree; "" when bare */
const char *repo_borrow_git_dir(const repo_handle *r);    /* this worktree's */
const char *repo_borrow_common_dir(const repo_handle *r); /* shared by all worktrees */

#endif
