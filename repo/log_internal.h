/* repo/log_internal.h: the walk below repo/log.h. */
#ifndef REPO_LOG_INTERNAL_H
#define REPO_LOG_INTERNAL_H

#include <uthash.h>

#include "base/arena.h"
#include "repo/handle_internal.h"
#include "repo/log.h"

typedef struct repo_log_node repo_log_node;
struct repo_log_node {
    git_oid id;
    int64_t time;            /* the committer's */
    repo_log_node **parents; /* those that are followed */
    size_t parent_count;
    size_t children_left; /* not shown yet */
    size_t order;         /* when it became ready: equal times come out as they went in */
    bool opened, shown, at_edge;
    long row; /* in the log; -1: none */
    UT_hash_handle hh;
};

typedef struct repo_log_walk {
    repo_handle *r;
    const char *path; /* NULL: every commit */
    arena memory;
    repo_log_node *nodes; /* by id */
    repo_log_node **pending;
    size_t pending_count, pending_capacity;
    size_t node_count;
    git_oid *edges; /* of a shallow history */
    size_t edge_count;
    bool met_edge;
} repo_log_walk;

void repo_log_walk_begin(repo_handle *r, const char *path, repo_log_walk *out);
void repo_log_walk_add(repo_log_walk *w, const git_oid *tip);
/* Reads everything that the tips lead to. */
err repo_log_walk_read(repo_log_walk *w);
/* The nodes that are shown in their order; false from `each` ends it. */
void repo_log_walk_each(repo_log_walk *w, bool (*each)(void *context, repo_log_node *node), void *context);
repo_log_node *repo_log_walk_find(repo_log_walk *w, const git_oid *id); /* NULL: none */
void repo_log_walk_end(repo_log_walk *w);

/* Author, message, trailers of a commit into a zeroed row. */
void repo_log_row_read(git_commit *commit, repo_log_row *row);
/* What points at the nodes that have rows. */
err repo_log_refs_read(repo_handle *r, repo_log_walk *walk, repo_log *out);

#endif
