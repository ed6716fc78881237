/* repo/worktree/driver_files.c: worktrees whose files lie in their own folder.
 *
 * reflink shares blocks with the store until one is written; hardlink is the store's file under another name,
 * read-only, and safe because those who write replace files; vfs copies. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/registry/uuid.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/worktree_internal.h"

enum {
    PROBE_BYTES = 4096,
};

/* ---- probes ---- */

static char *scratch(const char *folder, const char *end)
{
    CLEANUP(bytes_free) bytes path = {0};
    char nonce[17];
    repo_nonce_make(nonce);
    bytes_printf(&path, "%s/.probe-%s-%s", folder, nonce, end);
    return bytes_take(&path);
}

/* A file of one block without a name, or -1: nothing is left of it whatever happens. */
static int nameless(const char *folder)
{
    char block[PROBE_BYTES];
    int fd = open(folder, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);

    memset(block, 'x', sizeof block);
    if (fd >= 0 && write(fd, block, sizeof block) == (ssize_t)sizeof block) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static err reflink_try(const worktree_site *site, int *reason)
{
    int from = nameless(site->store), to = nameless(site->path);
    err e = ERR_OK;

    if (from < 0 || to < 0)
        e = err_errno("make a file in %s", from < 0 ? site->store : site->path);
    else
        *reason = ioctl(to, FICLONE, from) == 0 ? 0 : errno;
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    return e;
}

/* A file where objects lie, with a second name where the worktree will be. */
static err link_try(const worktree_site *site, int *reason)
{
    char *from = scratch(site->store, "from"), *to = scratch(site->path, "to");
    err e = ERR_OK;

    int fd = open(from, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) e = err_errno("write %s", from);
    if (fd >= 0) {
        *reason = link(from, to) == 0 ? 0 : errno;
        unlink(from);
        unlink(to);
        close(fd);
    }
    free(from);
    free(to);
    return e;
}

err worktree_reflink_probe(const worktree_site *site, const overlay_backend *backend)
{
    int reason = 0;
    (void)backend;
    /* No files without a name on a file system: none that shares blocks either. */
    err e = reflink_try(site, &reason);
    if (e.code || !reason) return e;
    if (reason == EXDEV)
        return err_make(ERR_UNSUPPORTED, "the store of large files is on another file system");
    return err_make(ERR_UNSUPPORTED,
                    "this file system shares no blocks (%s): btrfs, xfs with reflink=1 and "
                    "bcachefs do",
                    strerror(reason));
}

err worktree_hardlink_probe(const worktree_site *site, const overlay_backend *backend)
{
    int reason = 0;
    (void)backend;
    err e = link_try(site, &reason);
    if (e.code || !reason) return e;
    return err_make(ERR_UNSUPPORTED, "the store's files cannot be linked there: %s", strerror(reason));
}

err worktree_vfs_probe(const worktree_site *site, const overlay_backend *backend)
{
    (void)site;
    (void)backend;
    return ERR_OK;
}

/* ---- files ---- */

static err link_place(void *context, const char *object, int folder_fd, const char *name)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = REPO_LINKED_DATE}};
    struct stat info;
    (void)context;

    if (linkat(AT_FDCWD, object, folder_fd, name, 0) != 0)
        return err_make(ERR_UNSUPPORTED, "link %s: %s", name, strerror(errno));
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_mode & 0222)
        (void)fchmodat(folder_fd, name, info.st_mode & 0555, 0);
    if (utimensat(folder_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0) return err_errno("link %s", name);
    return ERR_OK;
}

/* Bytes that are this worktree's alone, although the file system could share them. */
static err copy_place(void *context, const char *object, int folder_fd, const char *name)
{
    char *part = NULL;
    struct stat info;
    err e = ERR_OK;
    (void)context;

    int from = open(object, O_RDONLY | O_CLOEXEC);
    if (from < 0) return err_errno("open the object of %s", name);
    int to = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (to < 0 || fstat(from, &info) != 0) e = err_errno("write %s", name);
    if (!e.code && info.st_size && fallocate(to, 0, 0, info.st_size) != 0 && errno == ENOSPC)
        e = err_errno("make room for %s", name);
    part = memory_alloc(1 << 20);
    while (!e.code) {
        ssize_t size = read(from, part, 1 << 20);
        if (size < 0) e = err_errno("read the object of %s", name);
        if (size <= 0) break;
        for (ssize_t at = 0, put; !e.code && at < size; at += put)
            if ((put = write(to, part + at, (size_t)(size - at))) < 0) e = err_errno("write %s", name);
    }
    if (!e.code) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {0}};
        clock_gettime(CLOCK_REALTIME, &times[1]);
        times[1] = (struct timespec){.tv_sec = times[1].tv_sec - REPO_DATE_BACK_S};
        (void)futimens(to, times);
    }
    free(part);
    close(from);
    if (to >= 0) close(to);
    return e;
}

static err files_create(const worktree_site *site, repo_place place, const repo_id *tree,
                        repo_checkout_report *report)
{
    repo_handle *r = NULL;
    err e = repo_open(site->c, site->path, &r);
    if (!e.code) e = repo_checkout_into_empty(r, tree, place, NULL, report);
    repo_close(r);
    return e;
}

err worktree_reflink_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                            const repo_id *tree, repo_checkout_report *report)
{
    (void)backend;
    (void)r;
    return files_create(site, NULL, tree, report);
}

err worktree_hardlink_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                             const repo_id *tree, repo_checkout_report *report)
{
    (void)backend;
    err e = repo_layers_config(r);
    return e.code ? e : files_create(site, link_place, tree, report);
}

err worktree_vfs_create(const worktree_site *site, const overlay_backend *backend, repo_handle *r,
                        const repo_id *tree, repo_checkout_report *report)
{
    (void)backend;
    (void)r;
    return files_create(site, copy_place, tree, report);
}

void worktree_files_measure(const worktree_site *site, repo_worktree_row *row)
{
    worktree_bytes measured;
    worktree_bytes_measure(site->path, &measured);
    row->mounted = file_is_folder(site->path);
    row->bytes_apparent = measured.apparent;
    row->bytes_used = measured.used;
    row->bytes_known = row->mounted;
}
