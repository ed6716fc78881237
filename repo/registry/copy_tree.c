/* repo/registry/copy_tree.c: a folder copied, blocks shared where the file system can. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/registry/models_internal.h"

enum { COPY_DEPTH_MAX = 64, COPY_PART_BYTES = 1 << 20 };

typedef struct copy {
    const repo_watch *watch;
    repo_progress progress;
} copy;

static err told(copy *c)
{
    if (repo_watch_tell(c->watch, &c->progress)) return ERR_OK;
    return err_make(ERR_CANCELLED, "the copy was cancelled");
}

static err bytes_copy(copy *c, int from, int to, const char *path)
{
    char *part = memory_alloc(COPY_PART_BYTES);
    err e = ERR_OK;

    for (;;) {
        ssize_t got = read(from, part, COPY_PART_BYTES), put = 0;
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) e = err_errno("read %s", path);
        if (got <= 0) break;
        while (put < got) {
            ssize_t more = write(to, part + put, (size_t)(got - put));
            if (more < 0 && errno == EINTR) continue;
            if (more < 0) break;
            put += more;
        }
        if (put < got) e = err_errno("write a copy of %s", path);
        c->progress.bytes_done += (uint64_t)put;
        if (!e.code) e = told(c);
        if (e.code) break;
    }
    free(part);
    return e;
}

/* Mode and time of change go along: git's index, which is copied too, then still fits. */
static err file_copy_open(copy *c, int from, int folder, const char *name, const char *path)
{
    struct stat info;

    if (fstat(from, &info) != 0) return err_errno("look at %s", path);
    int to = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, info.st_mode & 0777);
    if (to < 0) return err_errno("make a copy of %s", path);
    err e = ERR_OK;
    if (ioctl(to, FICLONE, from) == 0)
        c->progress.bytes_done += (uint64_t)info.st_size;
    else
        e = bytes_copy(c, from, to, path);
    struct timespec times[] = {info.st_atim, info.st_mtim};
    if (!e.code && futimens(to, times) != 0) e = err_errno("date a copy of %s", path);
    if (close(to) != 0 && !e.code) e = err_errno("write a copy of %s", path);
    return e;
}

static err link_copy(int from, int folder, const char *name, const char *path)
{
    char target[4096];
    ssize_t size = readlinkat(from, name, target, sizeof target - 1);

    if (size < 0) return err_errno("read the link %s", path);
    target[size] = 0;
    return symlinkat(target, folder, name) == 0 ? ERR_OK : err_errno("make a copy of %s", path);
}

static err folder_copy(copy *c, int from, int to, const char *path, int depth);

static err folder_below_copy(copy *c, int from, int to, const char *name, const char *path, int depth)
{
    err e = ERR_OK;
    int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), made = -1;

    if (below < 0) e = err_errno("open %s", path);
    if (!e.code && mkdirat(to, name, 0777) != 0) e = err_errno("make a copy of %s", path);
    if (!e.code) {
        made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (made < 0) e = err_errno("open the copy of %s", path);
    }
    if (!e.code) e = folder_copy(c, below, made, path, depth + 1);
    if (below >= 0) close(below);
    if (made >= 0) close(made);
    return e;
}

static err entry_copy(copy *c, int from, int to, const char *name, const char *path, int depth)
{
    struct stat info;

    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return err_errno("look at %s", path);
    if (S_ISDIR(info.st_mode)) return folder_below_copy(c, from, to, name, path, depth);
    if (S_ISLNK(info.st_mode)) return link_copy(from, to, name, path);
    if (!S_ISREG(info.st_mode)) return ERR_OK; /* sockets and pipes are no part of a model */
    int fd = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return err_errno("open %s", path);
    snprintf(c->progress.text, sizeof c->progress.text, "%.150s", name);
    err e = file_copy_open(c, fd, to, name, path);
    close(fd);
    c->progress.done++;
    return e.code ? e : told(c);
}

static err folder_copy(copy *c, int from, int to, const char *path, int depth)
{
    struct dirent *entry;
    err e = ERR_OK;

    if (depth > COPY_DEPTH_MAX)
        return err_make(ERR_LIMIT, "%s: folders are nested deeper than %d", path, COPY_DEPTH_MAX);
    int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    if (!d) {
        e = err_errno("open %s", path);
        if (again >= 0) close(again);
        return e;
    }
    while (!e.code && (entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *below = file_join(path, entry->d_name);
        e = entry_copy(c, from, to, entry->d_name, below, depth);
        free(below);
    }
    closedir(d);
    return e;
}

err tree_copy(const char *from, const char *to, const repo_watch *watch)
{
    copy c = {.watch = watch, .progress = {.phase = REPO_FILES}};
    int from_fd = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    err e = ERR_OK;
    if (from_fd < 0 || to_fd < 0)
        e = err_errno("open %s", from_fd < 0 ? from : to);
    else
        e = folder_copy(&c, from_fd, to_fd, from, 0);
    if (from_fd >= 0) close(from_fd);
    if (to_fd >= 0) close(to_fd);
    return e;
}
