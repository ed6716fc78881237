/* repo/worktree/overlay_mount.c: mount and unmount one overlay, never twice. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay_internal.h"

enum { LOCK_MS_MAX = 5000, POLL_MS = 10, HOLDER_BYTES_MAX = 32 };

/* ---- the lock ---- */

static err lock_busy(const repo_overlay *o, int fd)
{
    char holder[HOLDER_BYTES_MAX] = "";
    ssize_t size = pread(fd, holder, sizeof holder - 1, 0);
    holder[size > 0 ? size : 0] = 0;
    long pid = strtol(holder, NULL, 10);
    if (!o->backend->outlives_us && pid)
        return err_make(
            ERR_BUSY,
            "%s is mounted in the namespace of process %ld: it and its children alone see it, and "
            "it must end first",
            o->path, pid);
    return err_make(ERR_BUSY, "%s is being mounted or unmounted by process %ld", o->path, pid);
}

err overlay_lock_take(const repo_overlay *o, int *out)
{
    char *path = file_join(o->folder, "lock");
    double end = clock_seconds() + (o->backend->outlives_us ? LOCK_MS_MAX / 1000.0 : 0);
    err e = ERR_OK;

    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0) e = err_errno("open %s", path);
    while (!e.code && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        struct timespec time = {0, POLL_MS * 1000000L};
        if (errno != EWOULDBLOCK && errno != EINTR)
            e = err_errno("lock %s", path);
        else if (clock_seconds() > end)
            e = lock_busy(o, fd);
        else
            nanosleep(&time, NULL);
    }
    free(path);
    if (e.code) {
        if (fd >= 0) close(fd);
        return e;
    }
    if (ftruncate(fd, 0) == 0) dprintf(fd, "%ld\n", (long)getpid());
    *out = fd;
    return ERR_OK;
}

/* A mount in our namespace lives as long as any process in it: its lock is handed down to all of them. */
static void lock_keep(const repo_overlay *o, int fd)
{
    if (o->backend->outlives_us)
        close(fd);
    else
        (void)fcntl(fd, F_SETFD, 0);
}

/* What lock_keep kept, found again among our descriptors. */
static void lock_forget(const repo_overlay *o)
{
    char *path = file_join(o->folder, "lock");
    struct stat lock, info;
    file_list names = {0};

    if (stat(path, &lock) == 0 && !file_list_folder("/proc/self/fd", &names).code)
        for (size_t i = 0; i < names.count; i++) {
            int fd = atoi(names.names[i]);
            if (fd <= STDERR_FILENO || fstat(fd, &info) != 0 || info.st_ino != lock.st_ino ||
                info.st_dev != lock.st_dev)
                continue;
            (void)flock(fd, LOCK_UN); /* our children have it too */
            close(fd);
        }
    file_list_free(&names);
    free(path);
}

/* ---- looking ---- */

bool overlay_is_at(const char *point)
{
    CLEANUP(repo_mounts_free) repo_mounts list = {0};
    repo_mounts_read(&list);
    const repo_mount *m = repo_mounts_at(&list, point);
    return m && (strcmp(m->type, "overlay") == 0 || strcmp(m->type, "fuse.fuse-overlayfs") == 0);
}

bool repo_overlay_is_mounted(const repo_overlay *o)
{
    return overlay_is_at(o->path) && !overlay_is_dead(o->path);
}

bool overlay_is_dead(const char *point)
{
    struct statx info; /* the file system itself is asked: what the kernel remembers outlives it */
    return statx(AT_FDCWD, point, AT_STATX_FORCE_SYNC, STATX_MODE, &info) != 0 &&
           (errno == ENOTCONN || errno == EIO || errno == ECONNABORTED);
}

static err point_check(const char *path)
{
    file_list names = {0};

    err e = file_make_folders(path);
    if (!e.code) e = file_list_folder(path, &names);
    if (!e.code && names.count)
        e = err_make(ERR_STATE,
                     "%s is not mounted, and %s lies in it, which the mount would hide: move it away first",
                     path, names.names[0]);
    file_list_free(&names);
    return e;
}

/* A layer that somebody deleted is made again: a tree is the same files each time. */
static err layer_check(repo_overlay *o, const repo_context *c)
{
    CLEANUP(bytes_free) bytes common = {0};
    repo_checkout_report report = {0};
    repo_layer layer = {0};
    repo_handle *r = NULL;
    int lock = -1;

    if (file_is_folder(o->lower)) return ERR_OK;
    bytes_printf(&common, "%s/../..", o->git_dir);
    err e = repo_open(c, bytes_text(&common), &r);
    if (!e.code) e = repo_layers_lock(c, o->models, &lock);
    if (!e.code) e = repo_layer_get(o->models, r, &o->tree, &layer, &report);
    if (lock >= 0) close(lock);
    if (!e.code && strcmp(layer.name, o->layer) != 0) {
        free(o->layer), free(o->lower);
        o->layer = memory_text(layer.name);
        o->lower = memory_text(layer.path);
        o->boot[0] = 0; /* to be written down */
    }
    repo_layer_free(&layer);
    repo_checkout_report_free(&report);
    repo_close(r);
    return e.code ? err_note(e, "the layer below %s is gone", o->path) : e;
}

/* ---- the verbs ---- */

/* The record first: a mount that it does not know would be a stray one. */
static err mount_now(repo_overlay *o)
{
    const overlay_paths paths = {o->lower, o->upper, o->work, o->path};
    char boot[REPO_BOOT_SIZE];
    err e = ERR_OK;

    if (overlay_is_at(o->path) && overlay_is_dead(o->path)) (void)o->backend->unmount(o->path, true);
    repo_boot_id(boot);
    if (strcmp(boot, o->boot) != 0) {
        memcpy(o->boot, boot, sizeof boot);
        e = overlay_record_write(o);
    }
    if (!e.code) e = point_check(o->path);
    return e.code ? e : o->backend->mount(&paths);
}

err repo_overlay_mount(repo_overlay *o, const repo_context *c)
{
    int lock = -1;

    if (repo_overlay_is_mounted(o)) return ERR_OK;
    err e = layer_check(o, c);
    if (!e.code) e = overlay_lock_take(o, &lock);
    if (e.code) return e;
    if (!repo_overlay_is_mounted(o)) e = mount_now(o); /* another may have been faster */
    if (e.code)
        close(lock);
    else
        lock_keep(o, lock);
    return e;
}

static err busy(const repo_overlay *o)
{
    CLEANUP(bytes_free) bytes users = {0};
    repo_mounts_users(o->path, &users);
    if (!users.size) return err_make(ERR_BUSY, "%s is in use by a process that cannot be looked at", o->path);
    return err_make(ERR_BUSY, "%s is in use by %.300s: end it or leave the folder, or say --force", o->path,
                    bytes_text(&users));
}

/* Each of what may lie over another there. */
static err unmount_all(const repo_overlay *o, bool force)
{
    err e = ERR_OK;
    while (!e.code && overlay_is_at(o->path)) {
        bool dead = overlay_is_dead(o->path);
        e = o->backend->unmount(o->path, force || dead);
    }
    return e.code == ERR_BUSY ? busy(o) : e;
}

err repo_overlay_unmount(repo_overlay *o, bool force)
{
    int lock = -1;
    err e = ERR_OK;

    if (!overlay_is_at(o->path)) return ERR_OK;
    if (o->backend->outlives_us) e = overlay_lock_take(o, &lock);
    if (!e.code) e = unmount_all(o, force);
    if (!e.code) {
        o->boot[0] = 0;
        e = overlay_record_write(o);
    }
    if (lock >= 0) close(lock);
    if (!e.code && !o->backend->outlives_us) lock_forget(o);
    return e;
}
