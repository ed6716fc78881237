/* repo/worktree/worktree_remove.c: take a worktree away, mount and unmount it; nothing is lost unsaid. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"
#include "repo/status.h"
#include "repo/worktree/worktree_internal.h"

enum { NAMED_MAX = 3 };

/* ---- which ---- */

/* By its name, the branch that it is on, or its folder. */
static err admin_find(const repo_handle *r, const char *name, worktree_admin *out)
{
    char *all = file_join(r->common_dir, "worktrees");
    file_list names = {0};
    bool found = false;

    if (file_list_folder(all, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count && !found; i++) {
        worktree_admin a;
        if (worktree_admin_read(r->common_dir, names.names[i], &a).code) continue;
        bool is_branch = a.branch && text_starts_with(a.branch, "refs/heads/") &&
                         strcmp(a.branch + strlen("refs/heads/"), name) == 0;
        found = strcmp(a.name, name) == 0 || strcmp(a.path, name) == 0 || is_branch;
        if (found)
            *out = a;
        else
            worktree_admin_free(&a);
    }
    const char *nearest = found ? NULL : text_nearest(name, (const char *const *)names.names, names.count);
    err e = found ? ERR_OK
                  : err_make(ERR_NOT_FOUND, "there is no worktree '%s'%s%s%s", name,
                             nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    file_list_free(&names);
    free(all);
    return e;
}

static worktree_site site_of(const repo_models *m, const repo_handle *r, const worktree_admin *a)
{
    return (worktree_site){r->context, m->folder, r->common_dir, a->path, a->git_dir};
}

/* ---- what would be lost ---- */

static err changes_check(const repo_handle *at)
{
    CLEANUP(bytes_free) bytes named = {0};
    const repo_status_options options = {.untracked = true};
    repo_status status = {0};
    repo_handle *r = NULL;

    err e = repo_open(at->context, at->path, &r);
    if (!e.code) e = repo_status_read(r, &options, &status);
    for (size_t i = 0; i < status.count && i < NAMED_MAX; i++)
        bytes_printf(&named, "%s%.100s", i ? ", " : "", status.rows[i].path);
    if (!e.code && status.count)
        e = err_make(ERR_CONFLICT,
                     "the worktree has changes that would be lost (%s%s): commit them, or --force",
                     bytes_text(&named), status.count > NAMED_MAX ? ", ..." : "");
    repo_status_free(&status);
    repo_close(r);
    return e;
}

/* A detached HEAD whose commits no ref has. */
static err commits_check(const repo_handle *r, const worktree_admin *a)
{
    git_revwalk *walk = NULL;
    git_oid id, lost;

    if (a->branch || !*a->head.hex) return ERR_OK;
    err e = repo_oid_read(&a->head, &id);
    if (!e.code) e = repo_git_check(git_revwalk_new(&walk, r->git), "look for commits");
    if (!e.code) e = repo_git_check(git_revwalk_push(walk, &id), "look for commits");
    if (!e.code) (void)git_revwalk_hide_glob(walk, "*");
    if (!e.code && git_revwalk_next(&lost, walk) == 0)
        e = err_make(ERR_CONFLICT,
                     "the commit %.8s of the worktree is on no branch: make one at it, or --force",
                     a->head.hex);
    git_revwalk_free(walk);
    return e;
}

static err loss_check(const repo_models *m, const repo_handle *r, const worktree_admin *a)
{
    const worktree_site site = site_of(m, r, a);
    char *dot_git = file_join(a->path, ".git");
    err e = ERR_OK;
    repo_handle at = {.context = r->context, .path = a->path};

    bool ours =
        a->locked && (strcmp(a->locked, OVERLAY_LOCK_REASON) == 0 || strcmp(a->locked, MAKING_REASON) == 0);
    if (a->locked && !ours)
        e = err_make(ERR_CONFLICT, "the worktree is locked (%s): git worktree unlock, or --force",
                     *a->locked ? a->locked : "no reason given");
    /* What is not mounted has to be, to be looked at. */
    if (!e.code && a->driver && a->driver->mount) {
        e = a->driver->mount(&site);
        if (e.code == ERR_NOT_FOUND) e = ERR_OK;
    }
    if (!e.code && file_exists(dot_git)) e = changes_check(&at);
    if (!e.code) e = commits_check(r, a);
    free(dot_git);
    return e;
}

/* ---- the verbs ---- */

static err remove_inside(const repo_models *m, repo_handle *r, const worktree_admin *a, bool force)
{
    const worktree_site site = site_of(m, r, a);

    bool left = false;
    err e = force ? ERR_OK : loss_check(m, r, a);
    if (!e.code && a->driver && a->driver->remove) e = a->driver->remove(&site, force);
    if (!e.code) e = worktree_folder_remove(m->folder, a, &left);
    if (!e.code && left && !force)
        e = err_make(ERR_CONFLICT,
                     "%s holds something that is not this worktree: --force forgets the worktree and "
                     "leaves that alone",
                     a->path);
    if (!e.code) e = worktree_admin_remove(m->folder, a->git_dir);
    worktree_parent_clear(m->folder, a->path);
    return e;
}

err repo_worktree_remove(repo_models *m, repo_handle *r, const char *name, bool force)
{
    CLEANUP(worktree_admin_free) worktree_admin a = {0};
    repo_gate *gate = NULL;

    err e = repo_gate_enter(r, "worktree remove", &gate);
    if (!e.code) e = admin_find(r, name, &a);
    if (!e.code && strcmp(a.git_dir, r->git_dir) == 0)
        e = err_make(ERR_STATE, "%s is this worktree: remove it from another place", a.path);
    if (!e.code) e = remove_inside(m, r, &a, force);
    repo_gate_leave(gate);
    return e;
}

static err plain(const worktree_admin *a)
{
    return err_make(ERR_UNSUPPORTED, "the worktree %s is a plain folder (%s): there is nothing to mount",
                    a->name, a->driver ? a->driver->name : "git");
}

err repo_worktree_mount(repo_models *m, repo_handle *r, const char *name)
{
    CLEANUP(worktree_admin_free) worktree_admin a = {0};

    err e = admin_find(r, name, &a);
    if (e.code) return e;
    const worktree_site site = site_of(m, r, &a);
    return a.driver && a.driver->mount ? a.driver->mount(&site) : plain(&a);
}

err repo_worktree_unmount(repo_models *m, repo_handle *r, const char *name, bool force)
{
    CLEANUP(worktree_admin_free) worktree_admin a = {0};

    err e = admin_find(r, name, &a);
    if (e.code) return e;
    const worktree_site site = site_of(m, r, &a);
    return a.driver && a.driver->unmount ? a.driver->unmount(&site, force) : plain(&a);
}

/* ---- without a model: by folder ---- */

err repo_worktree_wake(const repo_context *c, const char *path)
{
    /* Without settings there is no models folder. */
    char *models = c->settings ? repo_context_models_folder(c) : NULL;
    char *real_models = models ? realpath(models, NULL) : NULL;
    char *real = realpath(path, NULL);
    CLEANUP(repo_overlay_free) repo_overlay o = {0};

    err e = real && real_models ? repo_overlay_find(real_models, real, &o)
                                : err_make(ERR_NOT_FOUND, "%s is no overlay of ours", path);
    if (!e.code) e = repo_overlay_mount(&o, c);
    free(models);
    free(real_models);
    free(real);
    return e;
}
