/* repo/log.h: commits, newest first, no parent before its children.
 *
 * The order of `git log --date-order`. Ends at the edge of a shallow history instead of failing there. */
#ifndef REPO_LOG_H
#define REPO_LOG_H

#include "repo/commit.h"
#include "repo/resolve.h"

enum { REPO_LOG_COMMITS_MAX = 1000000 };

typedef struct repo_log_trailer {
    char *key, *value; /* as `git interpret-trailers --parse` has them */
} repo_log_trailer;

/* What points at a commit. */
typedef struct repo_log_ref {
    repo_ref_kind kind;
    char *name;   /* "main", "v1", "origin/main"; "HEAD" (a commit) when it is detached there */
    bool current; /* the branch that HEAD is on */
} repo_log_ref;

typedef struct repo_log_row {
    repo_id commit;
    repo_names parents; /* 40 digits each; none at a shallow edge */
    char *author, *email;
    int64_t time; /* the author's, seconds */
    int offset_minutes;
    char *subject, *body; /* body: with the trailers; "" when there is none */
    repo_log_trailer *trailers;
    size_t trailer_count;
    repo_log_ref *refs;
    size_t ref_count;
} repo_log_row;

typedef struct repo_log_options {
    const repo_ref *from; /* NULL: HEAD */
    bool all;             /* every ref and HEAD */
    size_t count_max;     /* 0: no maximum */
    const char *path;     /* only commits that changed this file or folder, as `git log -- PATH`; NULL */
} repo_log_options;

typedef struct repo_log {
    repo_log_row *rows;
    size_t count;
    bool more;    /* count_max left some out */
    bool shallow; /* older commits are not in this repository */
} repo_log;

/* Errors: ERR_NOTHING (no commit yet), ERR_LIMIT, ERR_CANCELLED (the context's watch). */
err repo_log_read(repo_handle *r, const repo_log_options *options, repo_log *out);
void repo_log_free(repo_log *log); /* a zeroed one is fine */

#endif
