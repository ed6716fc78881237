/* repo/checkout_plan_internal.h: what a checkout will do, known before it does anything. */
#ifndef REPO_CHECKOUT_PLAN_INTERNAL_H
#define REPO_CHECKOUT_PLAN_INTERNAL_H

#include "repo/checkout_internal.h"
#include "repo/compare_internal.h"

typedef struct repo_step {
    const char *path;
    const repo_tree_entry *to; /* NULL: the file goes */
    bool in_place;             /* the file is already so: the index alone changes */
} repo_step;

typedef struct repo_plan {
    repo_tree_list head, target;
    git_index *index;
    repo_step *steps;
    size_t count;
    bool to_write; /* some step makes a file */
} repo_plan;

/* The rules of git's two-way merge: a path that is the same in HEAD and the target stays as it is here; one
 * that differs must be unchanged here, or already be what the target wants. in_the_way of `report` gets what
 * speaks against it. With paths: those of the target replace what is here. */
err repo_plan_make(repo_comparer *c, const git_oid *tree, const repo_checkout_options *options,
                   repo_plan *out, repo_checkout_report *report);
/* What stands between the plan's files and their folders. With force files in the way are only told, but
 * never a folder that holds files which no step takes away. ERR_CONFLICT. */
err repo_plan_ways_check(repo_comparer *c, repo_plan *plan, const repo_checkout_options *options,
                         repo_checkout_report *report);
void repo_plan_free(repo_plan *plan); /* a zeroed one is fine */

/* On a file system that takes 'A' and 'a' for one name (core.ignoreCase) a tree with both would lose a file:
 * ERR_UNSUPPORTED. */
err repo_twins_check(repo_handle *r, const repo_tree_list *tree);

/* Does `path` lie at or below one of them? NULL: all. "." is the root; a '/' at the end is fine. */
bool repo_paths_hold(const char *const *paths, size_t count, const char *path);

#endif
