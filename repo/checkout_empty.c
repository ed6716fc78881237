/* repo/checkout_empty.c: a whole tree into a folder that holds nothing yet. */
#include <stdlib.h>
#include <string.h>

#include "repo/checkout_internal.h"
#include "repo/checkout_plan_internal.h"

/* Every file below `folder`, whose open end is *below. */
static err make_all(repo_maker *m, const repo_tree_list *tree, repo_beneath *below)
{
    err e = ERR_OK;
    m->progress.total = tree->count;
    for (size_t i = 0; i < tree->count && !e.code; i++) {
        const char *name = NULL;
        int fd = -1;
        e = repo_beneath_parent(below, tree->rows[i].path, true, &fd, &name);
        if (!e.code) e = repo_maker_make(m, &tree->rows[i], fd, name);
    }
    return e;
}

static err fill(repo_handle *r, const repo_id *tree_id, const char *folder, repo_tree_list *tree,
                repo_maker *m, repo_beneath *below)
{
    git_oid id;

    err e = repo_oid_read(tree_id, &id);
    if (!e.code) e = repo_tree_read(r, &id, tree);
    if (!e.code) e = repo_twins_check(r, tree);
    if (!e.code) e = repo_attributes_of_tree(r, tree, &m->attributes);
    if (!e.code) e = repo_beneath_open(folder, below);
    if (!e.code) e = make_all(m, tree, below);
    return e;
}

/* The index of exactly this tree, each entry with the stat data of its file. */
static err index_of_all(repo_handle *r, const repo_tree_list *tree, repo_beneath *below)
{
    git_index *index = NULL;

    err e = repo_git_check(git_repository_index(&index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_clear(index), "clear the index");
    for (size_t i = 0; i < tree->count && !e.code; i++) {
        struct stat info = {0};
        repo_beneath_look(below, tree->rows[i].path, &info);
        git_index_entry entry = repo_index_entry(&tree->rows[i], &info);
        e = repo_git_check(git_index_add(index, &entry), tree->rows[i].path);
    }
    if (!e.code) e = repo_index_write(index);
    git_index_free(index);
    return e;
}

err repo_checkout_into_empty(repo_handle *r, const repo_id *tree_id, repo_place place, void *context,
                             repo_checkout_report *report)
{
    repo_maker m = {.r = r,
                    .place = place,
                    .place_context = context,
                    .report = report,
                    .progress = {.phase = REPO_FILES}};
    repo_tree_list tree = {0};
    repo_beneath below = {.root = -1, .parent = -1};

    *report = (repo_checkout_report){0};
    err e = fill(r, tree_id, r->path, &tree, &m, &below);
    if (!e.code) e = index_of_all(r, &tree, &below);
    repo_beneath_close(&below);
    repo_attributes_free(m.attributes);
    repo_tree_list_free(&tree);
    return e;
}

err repo_checkout_index(repo_handle *r, const repo_id *tree_id)
{
    repo_tree_list tree = {0};
    repo_beneath below = {.root = -1, .parent = -1};
    git_oid id;

    err e = repo_oid_read(tree_id, &id);
    if (!e.code) e = repo_tree_read(r, &id, &tree);
    if (!e.code) e = repo_beneath_open(r->path, &below);
    if (!e.code) e = index_of_all(r, &tree, &below);
    repo_beneath_close(&below);
    repo_tree_list_free(&tree);
    return e;
}

err repo_checkout_layer(repo_handle *r, const repo_id *tree_id, const char *folder, repo_place place,
                        void *context, repo_checkout_report *report)
{
    repo_maker m = {.r = r,
                    .place = place,
                    .place_context = context,
                    .report = report,
                    .layer = true,
                    .progress = {.phase = REPO_FILES}};
    repo_tree_list tree = {0};
    repo_beneath below = {.root = -1, .parent = -1};

    *report = (repo_checkout_report){0};
    err e = fill(r, tree_id, folder, &tree, &m, &below);
    repo_beneath_close(&below);
    repo_attributes_free(m.attributes);
    repo_tree_list_free(&tree);
    return e;
}
