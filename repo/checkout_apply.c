/* repo/checkout_apply.c: files made aside, then swapped in. */
#define _GNU_SOURCE
#include "repo/checkout_apply_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

/* ---- prepare ---- */

/* Left by a killed one: we are inside the gate, nobody works in it. */
static err staging_open(repo_apply *c)
{
    repo_beneath *below = &c->comparer.below;

    err e = repo_beneath_remove_tree(below, REPO_STAGING_NAME);
    if (e.code) return e;
    if (mkdirat(below->root, REPO_STAGING_NAME, 0700) == 0)
        c->staging = openat(below->root, REPO_STAGING_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return c->staging < 0 ? err_errno("make a folder in %s", c->comparer.r->path) : ERR_OK;
}

static void staged_name(size_t i, char name[24]) { snprintf(name, 24, "%zu", i); }

static err files_prepare(repo_apply *c)
{
    char name[24];
    err e = staging_open(c);
    for (size_t i = 0; i < c->plan.count; i++) c->maker.progress.total += c->plan.steps[i].to != NULL;
    for (size_t i = 0; i < c->plan.count && !e.code; i++) {
        const repo_step *step = &c->plan.steps[i];
        if (!step->to || step->in_place) continue;
        staged_name(i, name);
        e = repo_maker_make(&c->maker, step->to, c->staging, name);
    }
    return e;
}

/* A lock that is left there would be found after the files have changed. */
static err lock_check(const repo_handle *r)
{
    char *path = file_join(r->git_dir, "index.lock");
    err e = ERR_OK;
    if (file_exists(path))
        e = err_make(ERR_BUSY, "another git works here, or left %s behind (see unlock)", path);
    free(path);
    return e;
}

/* ---- put in place ---- */

static err remove_old(repo_apply *c, const repo_step *step)
{
    struct stat info;
    if (!repo_beneath_look(&c->comparer.below, step->path, &info)) return ERR_OK;
    err e = repo_beneath_remove(&c->comparer.below, step->path);
    if (!e.code) c->maker.report->files_removed++;
    return e;
}

/* With force: an untracked file or link where a folder has to be. */
static void clear_the_way(repo_apply *c, const char *path)
{
    char *folder = memory_text(path);
    for (char *slash = folder; (slash = strchr(slash, '/')); *slash++ = '/') {
        struct stat info;
        *slash = 0;
        if (repo_beneath_look(&c->comparer.below, folder, &info) && !S_ISDIR(info.st_mode))
            repo_beneath_remove(&c->comparer.below, folder);
    }
    free(folder);
}

/* A folder in which there are folders alone. */
static int folders_remove(int parent, const char *name)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0) return 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return -1;
    }
    int status = 0;
    for (struct dirent *d; status == 0 && (d = readdir(dir));)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            status = folders_remove(dirfd(dir), d->d_name);
    closedir(dir);
    return status ? status : unlinkat(parent, name, AT_REMOVEDIR);
}

static err put(repo_apply *c, const repo_step *step, const char *staged)
{
    repo_beneath *below = &c->comparer.below;
    const char *name = NULL;
    int fd = -1;

    err e = repo_beneath_parent(below, step->path, true, &fd, &name);
    if (e.code == ERR_CONFLICT && c->how->force) {
        clear_the_way(c, step->path);
        e = repo_beneath_parent(below, step->path, true, &fd, &name);
    }
    if (e.code) return e;
    if (renameat(c->staging, staged, fd, name) == 0) return ERR_OK;
    /* A folder that held nothing that is kept; or a submodule's, which stays. */
    if (errno == EISDIR && folders_remove(fd, name) == 0 && renameat(c->staging, staged, fd, name) == 0)
        return ERR_OK;
    if (step->to->mode == GIT_FILEMODE_COMMIT && (errno == ENOTEMPTY || errno == EEXIST)) return ERR_OK;
    return err_errno("put %s in place", step->path);
}

static err files_swap(repo_apply *c)
{
    char name[24];
    err e = ERR_OK;

    for (size_t i = 0; i < c->plan.count && !e.code; i++)
        if (!c->plan.steps[i].to) e = remove_old(c, &c->plan.steps[i]);
    for (size_t i = 0; i < c->plan.count && !e.code; i++) {
        const repo_step *step = &c->plan.steps[i];
        if (!step->to || step->in_place) continue;
        staged_name(i, name);
        e = put(c, step, name);
    }
    return e;
}

/* Before the files are there their entries have no stat data: nobody takes them for clean unread. */
static err index_change(repo_apply *c, bool files_are_there)
{
    git_index *index = c->plan.index;
    err e = ERR_OK;

    for (size_t i = 0; i < c->plan.count && !e.code; i++) {
        const repo_step *step = &c->plan.steps[i];
        struct stat info = {0};
        git_index_conflict_remove(index, step->path);
        if (!step->to) {
            git_index_remove(index, step->path, GIT_INDEX_STAGE_NORMAL);
            continue;
        }
        if (files_are_there) repo_beneath_look(&c->comparer.below, step->path, &info);
        git_index_entry entry = repo_index_entry(step->to, &info);
        e = repo_git_check(git_index_add(index, &entry), step->path);
    }
    if (!e.code && c->how->index_also) e = c->how->index_also(c->how->index_context, index);
    return e.code ? e : repo_index_write(index);
}

err repo_apply_index(repo_apply *c, const repo_checkout_options *how)
{
    c->how = how;
    err e = index_change(c, true);
    if (!e.code) git_attr_cache_flush(c->maker.r->git);
    return e;
}

/* ---- the whole ---- */

repo_apply repo_apply_begin(repo_handle *r, repo_checkout_report *report)
{
    *report = (repo_checkout_report){0};
    return (repo_apply){
        .comparer = {.below = {.root = -1, .parent = -1}},
        .maker = {.r = r, .report = report, .progress = {.phase = REPO_FILES}},
        .staging = -1,
    };
}

err repo_apply_run(repo_apply *c, const repo_checkout_options *how)
{
    repo_handle *r = c->maker.r;

    c->how = how;
    if (!c->plan.count && !how->index_also) return ERR_OK;
    err e = lock_check(r);
    if (!e.code && !c->maker.attributes)
        e = repo_attributes_of_tree(r, &c->plan.target, &c->maker.attributes);
    if (!e.code && c->plan.to_write) e = files_prepare(c);
    if (!e.code && how->index_also) e = index_change(c, false);
    if (!e.code) e = files_swap(c);
    if (!e.code) e = index_change(c, true);
    if (!e.code) git_attr_cache_flush(r->git);
    if (e.code) c->maker.report->files_written = 0, c->maker.report->bytes_written = 0;
    return e;
}

void repo_apply_end(repo_apply *c)
{
    if (c->staging >= 0) {
        close(c->staging);
        repo_beneath_remove_tree(&c->comparer.below, REPO_STAGING_NAME);
    }
    repo_attributes_free(c->maker.attributes);
    repo_plan_free(&c->plan);
    repo_comparer_close(&c->comparer);
}
