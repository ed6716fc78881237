/* repo/worktree/worktree_heal.c: what a kill between git's folder of a worktree and its files left.
 *
 * A worktree that was being made is undone by its note in .staging. Without one there are: a folder that is
 * empty and that git does not know, and git's folder of a worktree whose files are gone. Files that somebody
 * may have written are never deleted. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay_internal.h"
#include "repo/worktree/worktree_internal.h"

enum { YOUNG_SECONDS = 60 };

/* ---- half-made ---- */

/* Killed between the making of the `.git` file and its one line: it points nowhere, and not back either. */
static void link_begun_remove(const char *folder)
{
    char *link = file_join(folder, ".git");
    struct stat info;

    if (lstat(link, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0) (void)unlink(link);
    free(link);
}

static err half_undo(const repo_context *c, const char *models, const worktree_admin *a)
{
    const worktree_site site = {.c = c, .models = models, .path = a->path, .git_dir = a->git_dir};
    bool left = false;

    err e = a->driver && a->driver->remove ? a->driver->remove(&site, true) : ERR_OK;
    if (!e.code) link_begun_remove(a->path);
    if (!e.code) e = worktree_folder_remove(models, a, &left);
    worktree_parent_clear(models, a->path);
    return e.code ? e : worktree_admin_remove(models, a->git_dir);
}

void worktree_undo(const repo_context *c, const char *models, const char *git_dir)
{
    CLEANUP(bytes_free) bytes common = {0}, reason = {0};
    char *lock = file_join(git_dir, "locked");
    worktree_admin a;

    /* What is locked otherwise, or not, is whole: its maker died after it was done. */
    err seen = file_read(lock, WORKTREE_LINE_BYTES_MAX, &reason);
    bool half = !seen.code && text_starts_with(bytes_text(&reason), MAKING_REASON);
    free(lock);
    bytes_printf(&common, "%s/../..", git_dir);
    if (worktree_admin_read(bytes_text(&common), file_name(git_dir), &a).code) {
        /* It has not said where; the lock, which is written first, may be empty still. */
        if (half || (!seen.code && !reason.size)) (void)file_remove_tree(git_dir);
        (void)rmdir(git_dir);
        return;
    }
    if (half) {
        err e = half_undo(c, models, &a);
        log_write(c->log, e.code ? LOG_WARNING : LOG_INFO, "%s: a half-made worktree is undone%s%s", a.path,
                  e.code ? ", but " : "", e.code ? e.text : "");
    }
    worktree_admin_free(&a);
}

/* ---- one without the other ---- */

/* One that is being made just now is empty for a moment, too. */
static void empty_end(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    struct stat info;

    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode) &&
        info.st_mtime + YOUNG_SECONDS < clock_unix_seconds())
        (void)rmdir(path);
    free(path);
}

static bool is_known(const char *common_dir, const char *folder, const char *name)
{
    repo_names paths = {0};
    char *path = file_join(folder, name);
    bool known = false;

    worktrees_paths(common_dir, &paths);
    for (size_t i = 0; i < paths.count && !known; i++) known = strcmp(paths.names[i], path) == 0;
    repo_names_free(&paths);
    free(path);
    return known;
}

/* Its maker, alive, has a note that names it. */
static bool is_being_made(const repo_models *m, const worktree_admin *a)
{
    char *staging = file_join(m->folder, STAGING_FOLDER);
    file_list names = {0};
    bool found = false;

    if (file_list_folder(staging, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count && !found; i++) {
        CLEANUP(bytes_free) bytes note = {0};
        char *path = file_join(staging, names.names[i]);
        found = text_starts_with(names.names[i], WORKTREE_KIND "-") &&
                !file_read(path, WORKTREE_LINE_BYTES_MAX, &note).code && strstr(bytes_text(&note), a->name);
        free(path);
    }
    file_list_free(&names);
    free(staging);
    return found;
}

/* Ours, below .worktrees, and nothing is there: no drive that is away, nothing that could come back. */
static bool is_lost(const repo_models *m, const char *folder, const worktree_admin *a)
{
    CLEANUP(repo_overlay_free) repo_overlay o = {0};
    struct stat info;
    size_t size = strlen(folder);

    if (a->locked && strcmp(a->locked, MAKING_REASON) == 0) return false; /* alive, or its note is seen to */
    if (!a->driver || strncmp(a->path, folder, size) != 0 || a->path[size] != '/') return false;
    if (a->driver->mount) /* a removal that was cut off: its record is gone, and so is what was written */
        return repo_overlay_find(m->folder, a->path, &o).code == ERR_NOT_FOUND &&
               (rmdir(a->path) == 0 || errno == ENOENT);
    return !a->locked && lstat(a->path, &info) != 0 && errno == ENOENT;
}

static void admins_heal(const repo_models *m, const char *common_dir, const char *folder)
{
    char *all = file_join(common_dir, "worktrees");
    file_list names = {0};

    if (file_list_folder(all, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        worktree_admin a;
        if (worktree_admin_read(common_dir, names.names[i], &a).code) continue;
        bool half = a.locked && strcmp(a.locked, MAKING_REASON) == 0;
        if (half && !is_being_made(m, &a)) worktree_undo(m->context, m->folder, a.git_dir);
        if (is_lost(m, folder, &a)) {
            err e = worktree_admin_remove(m->folder, a.git_dir);
            log_write(m->context->log, e.code ? LOG_WARNING : LOG_INFO,
                      "%s: a worktree whose files are gone is forgotten", a.path);
        }
        worktree_admin_free(&a);
    }
    file_list_free(&names);
    free(all);
}

/* Of the probe for links: one that is at work just now loses nothing by it. */
static void probe_files_end(const char *folder)
{
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        if (!text_starts_with(names.names[i], ".probe-")) continue;
        char *path = file_join(folder, names.names[i]);
        (void)unlink(path);
        free(path);
    }
    file_list_free(&names);
}

/* .worktrees/<folder of a model> */
static void model_heal(const repo_models *m, const char *all, const char *model)
{
    CLEANUP(bytes_free) bytes common = {0};
    char *folder = file_join(all, model);
    file_list names = {0};

    bytes_printf(&common, "%s/%s/.git", m->folder, model);
    probe_files_end(folder);
    probe_files_end(bytes_text(&common));
    if (file_is_folder(bytes_text(&common))) admins_heal(m, bytes_text(&common), folder);
    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++)
        if (!is_known(bytes_text(&common), folder, names.names[i])) empty_end(folder, names.names[i]);
    file_list_free(&names);
    empty_end(all, model);
    free(folder);
}

/* ---- probes ---- */

/* A fuse-overlayfs outlives who asked for it, and what is mounted cannot be deleted. No note beside the
 * folder: its maker is dead. */
static void probe_end(const char *staging, const char *name)
{
    CLEANUP(bytes_free) bytes note = {0}, point = {0};
    const overlay_backend *fuse = overlay_backend_find("fuse");
    char *folder = file_join(staging, name);

    bytes_printf(&note, "%s.json", folder);
    bytes_printf(&point, "%s/point", folder);
    if (!file_exists(bytes_text(&note))) {
        if (overlay_is_at(bytes_text(&point))) (void)fuse->unmount(bytes_text(&point), true);
        (void)overlay_folder_remove(folder);
    }
    free(folder);
}

static void probes_heal(const repo_models *m)
{
    char *staging = file_join(m->folder, STAGING_FOLDER);
    file_list names = {0};

    if (file_list_folder(staging, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++)
        if (text_starts_with(names.names[i], PROBE_KIND "-") && !strstr(names.names[i], ".json"))
            probe_end(staging, names.names[i]);
    file_list_free(&names);
    free(staging);
}

err repo_worktree_heal(repo_models *m)
{
    char *all = file_join(m->folder, WORKTREES_FOLDER);
    file_list names = {0};

    probes_heal(m);
    repo_overlay_heal(m->folder, m->context);
    err e = file_is_folder(all) ? file_list_folder(all, &names) : ERR_OK;
    for (size_t i = 0; i < names.count; i++) model_heal(m, all, names.names[i]);
    file_list_free(&names);
    free(all);
    return e;
}

/* ---- layers that nobody stands on ---- */

static void used_add(void *context, repo_overlay *o) { repo_names_add(context, o->layer); }

err repo_worktree_layers_gc(repo_models *m, bool dry_run, uint64_t *freed)
{
    repo_names used = {0};
    char *all = file_join(m->folder, LAYERS_FOLDER);
    bool none = !file_is_folder(all);
    int lock = -1;

    *freed = 0;
    free(all);
    if (none) return ERR_OK;
    err e = repo_layers_lock(m->context, m->folder, &lock);
    if (e.code) return e;
    repo_overlay_each(m->folder, used_add, &used);
    e = dry_run ? repo_layers_unused(m->folder, &used, freed) : repo_layers_prune(m->folder, &used, 0, freed);
    close(lock);
    repo_names_free(&used);
    return e;
}
