/* repo/registry/models_adopt.c: a folder that is there already becomes a model of the list.
 *
 * What is the person's own never lies in the staging folder: a kill would delete it. A copy does; a folder
 * that is moved goes to its place by one rename. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"

/* ---- what is adopted ---- */

static bool has(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    bool is = file_exists(path);
    free(path);
    return is;
}

static err folder_check(const char *path)
{
    char *dot_git = file_join(path, ".git");
    err e = ERR_OK;

    if (!file_exists(path))
        e = err_make(ERR_NOT_FOUND, "%s does not exist", path);
    else if (!file_is_folder(path))
        e = err_make(ERR_USAGE, "%s is a file, expected the folder of a model", path);
    else if (file_exists(dot_git) && !file_is_folder(dot_git))
        e = err_make(ERR_UNSUPPORTED, "%s is a linked worktree: adopt or clone its repository", path);
    else if (!file_exists(dot_git) && !has(path, "config.json"))
        e = err_make(ERR_USAGE, "%s holds no model: it is no repository and has no config.json", path);
    free(dot_git);
    return e;
}

/* It must be one that we can open and write before anything is moved. */
static err repository_check(repo_models *m, const char *path)
{
    repo_handle *r = NULL;
    if (!has(path, ".git")) return ERR_OK;
    err e = repo_open(m->context, path, &r);
    repo_close(r);
    return e;
}

/* ---- in its place ---- */

/* A kill between the file's draft and its place is cleaned up by whoever enters next. */
static err attributes_write_inside_gate(const repo_context *context, const char *path)
{
    repo_handle *r = NULL;
    repo_gate *gate = NULL;

    err e = repo_open(context, path, &r);
    if (!e.code) e = repo_gate_enter(r, "adopt", &gate);
    if (!e.code) e = attributes_write(context, path);
    repo_gate_leave(gate);
    repo_close(r);
    return e;
}

/* Made beside, then renamed in: a kill leaves no half repository in a folder of the person's. */
static err repository_add(repo_models *m, const char *path)
{
    repo_operation *o = NULL;

    if (has(path, ".git")) return ERR_OK;
    err e = repo_operation_begin(m, "adopt", NULL, 0, &o);
    if (!e.code) e = repository_make(m->context, repo_operation_borrow_folder(o));
    if (!e.code) {
        char *from = file_join(repo_operation_borrow_folder(o), ".git"), *to = file_join(path, ".git");
        e = work_rename(from, to);
        free(from);
        free(to);
    }
    repo_operation_free(o);
    return e.code ? e : attributes_write_inside_gate(m->context, path);
}

static err adopt_in_place(repo_models *m, const char *path, const char *name)
{
    char *folder = repo_model_folder_name(name);
    const char *there = file_name(path);

    err e = ERR_OK;
    if (strcmp(folder, there) != 0) {
        char *to = file_join(m->folder, folder);
        e = model_name_is_free(m, name);
        if (!e.code) e = work_rename(path, to);
        if (!e.code) e = repository_add(m, to);
        free(to);
    } else {
        e = repository_add(m, path);
    }
    free(folder);
    return e.code ? e : repo_models_register(m, name, NULL);
}

/* ---- from elsewhere ---- */

/* What a copied repository says of worktrees and of who holds its gate is true of the other one. */
static err ties_cut(const char *folder)
{
    static const char *const ties[] = {".git/worktrees", ".git/hyprstream"};
    err e = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(ties) && !e.code; i++) {
        char *path = file_join(folder, ties[i]);
        e = file_remove_tree(path);
        free(path);
    }
    return e;
}

static err adopt_copy(repo_models *m, const char *path, const char *name)
{
    repo_operation *o = NULL;

    err e = repo_operation_begin(m, "adopt", name, folder_bytes(path), &o);
    if (e.code) return e;
    const char *folder = repo_operation_borrow_folder(o);
    e = tree_copy(path, folder, &m->context->watch);
    if (!e.code) e = ties_cut(folder);
    if (!e.code && !has(folder, ".git")) {
        e = repository_make(m->context, folder);
        if (!e.code) e = attributes_write(m->context, folder);
    }
    if (!e.code) e = repo_operation_publish(o, NULL);
    repo_operation_free(o);
    return e;
}

static err adopt_move(repo_models *m, const char *path, const char *name)
{
    char *folder = repo_model_folder_name(name), *to = file_join(m->folder, folder);

    err e = model_name_is_free(m, name);
    if (!e.code) e = work_rename(path, to);
    if (!e.code) e = adopt_in_place(m, to, name);
    free(folder);
    free(to);
    return e;
}

static bool one_file_system(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev;
}

static err adopt_elsewhere(repo_models *m, const char *path, const char *name, bool move)
{
    if (move && one_file_system(path, m->folder)) return adopt_move(m, path, name);
    err e = adopt_copy(m, path, name);
    /* Only when the copy stands in its place and is durable. */
    if (!e.code && move) e = file_remove_tree(path);
    return e;
}

err repo_models_adopt(repo_models *m, const char *path, const char *name, bool move)
{
    err e = folder_check(path);
    if (e.code) return e;
    char *real = realpath(path, NULL);
    if (!real) return err_errno("open %s", path);
    char *parent = file_parent(real);
    bool in_place = strcmp(parent, m->folder) == 0;
    size_t size = strlen(m->folder);
    if (!name) name = file_name(real);
    e = repo_model_name_check(name);
    if (!e.code && !in_place && strncmp(real, m->folder, size) == 0 && (real[size] == '/' || !real[size]))
        e = err_make(ERR_USAGE, "%s lies inside the models folder, but not as a model", real);
    if (!e.code) e = repository_check(m, real);
    if (!e.code) e = in_place ? adopt_in_place(m, real, name) : adopt_elsewhere(m, real, name, move);
    free(parent);
    free(real);
    return e;
}
