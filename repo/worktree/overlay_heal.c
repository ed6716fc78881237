/* repo/worktree/overlay_heal.c: what a reboot, a kill or a dead fuse-overlayfs left, made true again.
 *
 * Nothing that a person may have written is ever deleted: an upper with more in it than the `.git` file
 * stays, and the log says where. */
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/overlay_internal.h"

enum { YOUNG_SECONDS = 60 };

typedef struct healing {
    const repo_context *c;
    const char *models;
    repo_mounts mounts;
    char boot[REPO_BOOT_SIZE];
    repo_names known; /* mount points that have a record */
} healing;

/* ---- overlays that have a record ---- */

/* Nothing but the `.git` file: no change would be lost. */
static bool is_empty(const char *upper)
{
    file_list names = {0};
    bool empty = true;

    if (file_list_folder(upper, &names).code) return true;
    for (size_t i = 0; i < names.count; i++) empty = empty && strcmp(names.names[i], ".git") == 0;
    file_list_free(&names);
    return empty;
}

/* In <models>/.worktrees: a place that we made. */
static bool is_below_ours(const healing *h, const char *path)
{
    CLEANUP(bytes_free) bytes ours = {0};
    bytes_printf(&ours, "%s/.worktrees/", h->models);
    return text_starts_with(path, bytes_text(&ours));
}

/* Git knows no such worktree any more, or never came to: a kill in the middle of making or removing it. */
static void orphan_end(healing *h, repo_overlay *o)
{
    int lock = -1;

    if (overlay_lock_take(o, &lock).code) return;
    if (!is_empty(o->upper)) {
        log_write(h->c->log, LOG_WARNING, "%s: git knows no such worktree, its changes are in %s", o->path,
                  o->upper);
    } else if (!overlay_is_at(o->path) || !o->backend->unmount(o->path, false).code) {
        if (is_below_ours(h, o->path)) (void)rmdir(o->path);
        (void)overlay_discard(o);
        log_write(h->c->log, LOG_INFO, "%s: a half-made worktree is undone", o->path);
    }
    close(lock);
}

static void overlay_heal(void *context, repo_overlay *o)
{
    healing *h = context;
    bool mounted = overlay_is_at(o->path);

    repo_names_add(&h->known, o->path);
    if (mounted && overlay_is_dead(o->path)) {
        err e = o->backend->unmount(o->path, true);
        mounted = e.code != 0;
        log_write(h->c->log, LOG_WARNING, "%s: its fuse-overlayfs had died%s%s", o->path,
                  e.code ? ", and it cannot be unmounted: " : "", e.code ? e.text : "");
    }
    if (!file_is_folder(o->git_dir)) {
        orphan_end(h, o);
        return;
    }
    bool is_gone = o->boot[0] && !mounted && (o->backend->outlives_us || strcmp(o->boot, h->boot) != 0);
    if (!is_gone) return;
    o->boot[0] = 0;
    (void)overlay_record_write(o);
}

/* ---- mounts and folders that have none ---- */

static bool is_known(const healing *h, const char *path)
{
    for (size_t i = 0; i < h->known.count; i++)
        if (strcmp(h->known.names[i], path) == 0) return true;
    return false;
}

/* An overlay at a place of ours that nobody wrote down. One in which git works is left to the person. */
static void stray_end(healing *h, const repo_mount *m)
{
    if (is_known(h, m->path) || !overlay_is_at(m->path)) return;
    const overlay_backend *backend = overlay_backend_find(strcmp(m->type, "overlay") ? "fuse" : "kernel");
    char *link = file_join(m->path, ".git");
    bool dead = overlay_is_dead(m->path);
    if (!dead && file_exists(link))
        log_write(h->c->log, LOG_WARNING, "%s: a mounted worktree that is not written down is left alone",
                  m->path);
    else if (!backend->unmount(m->path, dead).code)
        log_write(h->c->log, LOG_INFO, "%s: a stray mount is undone", m->path);
    free(link);
}

/* What a probe mounted in .staging, whose note went with the dead process that wrote it. */
static void probe_end(const healing *h, const repo_mount *m)
{
    CLEANUP(bytes_free) bytes folder = {0}, note = {0};

    bytes_printf(&folder, "%s/" STAGING_FOLDER "/", h->models);
    if (!text_starts_with(m->path, bytes_text(&folder)) || !overlay_is_at(m->path)) return;
    const char *name = m->path + folder.size;
    bytes_append(&folder, name, strcspn(name, "/"));
    bytes_printf(&note, "%s.json", bytes_text(&folder));
    if (file_exists(bytes_text(&note))) return; /* at work, or seen to the next time */
    const overlay_backend *backend = overlay_backend_find(strcmp(m->type, "overlay") ? "fuse" : "kernel");
    if (!backend->unmount(m->path, true).code) (void)overlay_folder_remove(bytes_text(&folder));
}

static void strays_end(healing *h)
{
    for (size_t i = 0; i < h->mounts.count; i++) probe_end(h, &h->mounts.rows[i]);
    for (size_t i = 0; i < h->mounts.count; i++)
        if (is_below_ours(h, h->mounts.rows[i].path)) stray_end(h, &h->mounts.rows[i]);
}

/* One that is being made just now has no record yet either. */
static bool is_young(const char *folder)
{
    struct stat info;
    return stat(folder, &info) == 0 && info.st_mtime + YOUNG_SECONDS > clock_unix_seconds();
}

/* Made by somebody else, or what a disk lost: never by us, who rename it into place with its record. */
static void without_record_end(healing *h)
{
    char *all = file_join(h->models, OVERLAY_FOLDER);
    file_list names = {0};

    if (file_list_folder(all, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        repo_overlay o = {0};
        char *folder = file_join(all, names.names[i]), *upper = file_join(folder, "upper");
        err e = overlay_record_read(h->models, names.names[i], &o);
        if (e.code == ERR_NOT_FOUND && !is_young(folder) && is_empty(upper))
            (void)overlay_folder_remove(folder);
        else if (e.code && e.code != ERR_NOT_FOUND)
            log_write(h->c->log, LOG_WARNING, "%s", e.text);
        repo_overlay_free(&o);
        free(folder);
        free(upper);
    }
    file_list_free(&names);
    free(all);
}

static bool has_entries(const char *models, const char *name)
{
    char *folder = file_join(models, name);
    file_list names = {0};
    bool has = !file_list_folder(folder, &names).code && names.count;
    file_list_free(&names);
    free(folder);
    return has;
}

void repo_overlay_heal(const char *models, const repo_context *c)
{
    healing h = {.c = c, .models = models};

    /* Most models folders have none of this: two looks. */
    if (!has_entries(models, OVERLAY_FOLDER) && !has_entries(models, STAGING_FOLDER)) return;
    repo_mounts_read(&h.mounts);
    repo_boot_id(h.boot);
    repo_overlay_each(models, overlay_heal, &h);
    strays_end(&h);
    without_record_end(&h);
    repo_mounts_free(&h.mounts);
    repo_names_free(&h.known);
}
