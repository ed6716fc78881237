#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"

enum { FILE_PART_BYTES = 1 << 20 };

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
}

/* Opens a regular file (not a folder, pipe or device, which could block or never end). */
static err regular_open(const char *path, int *fd, struct stat *info)
{
    CLEANUP(fd_close) int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0) return err_errno("open %s", path);
    if (fstat(opened, info) != 0) return err_errno("look at %s", path);
    if (S_ISDIR(info->st_mode)) return err_make(ERR_IO, "open %s: is a folder, expected a file", path);
    if (!S_ISREG(info->st_mode)) return err_make(ERR_IO, "open %s: is no regular file", path);
    *fd = opened;
    opened = -1;
    return ERR_OK;
}

/* read() that goes on after signals: the bytes read, fewer only at the end of the file; -1 with errno. */
static ssize_t read_fully(int fd, char *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, to + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static int write_fully(int fd, const char *from, size_t size)
{
    while (size) {
        ssize_t put = write(fd, from, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        from += put;
        size -= (size_t)put;
    }
    return 0;
}

err file_read(const char *path, size_t bytes_max, bytes *out)
{
    CLEANUP(fd_close) int fd = -1;
    CLEANUP(bytes_free) bytes all = {0};
    struct stat info;
    err e = regular_open(path, &fd, &info);
    if (e.code) return e;
    if ((uint64_t)info.st_size > bytes_max)
        return err_make(ERR_LIMIT, "%s: %lld bytes, the limit is %zu", path, (long long)info.st_size,
                        bytes_max);
    /* Files under /proc say 0 and hold more, so the end of the file decides. */
    size_t part = info.st_size ? (size_t)info.st_size + 1 : 4096;
    for (;;) {
        part = MIN_OF(part, bytes_max - all.size + 1);
        bytes_reserve(&all, part);
        ssize_t got = read_fully(fd, all.data + all.size, part);
        if (got < 0) return err_errno("read %s", path);
        all.size += (size_t)got;
        all.data[all.size] = 0;
        if (all.size > bytes_max)
            return err_make(ERR_LIMIT, "%s: more than the limit of %zu bytes", path, bytes_max);
        if ((size_t)got < part) break;
    }
    bytes_free(out);
    *out = all;
    all = (bytes){0};
    return ERR_OK;
}

err file_map(const char *path, file_mapping *out)
{
    CLEANUP(fd_close) int fd = -1;
    struct stat info;
    err e = regular_open(path, &fd, &info);
    if (e.code) return e;
    if (!info.st_size) {
        *out = (file_mapping){"", 0};
        return ERR_OK;
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return err_errno("map %s", path);
    *out = (file_mapping){data, (size_t)info.st_size};
    return ERR_OK;
}

void file_unmap(file_mapping *m)
{
    if (m->size) {
        void *data;
        memcpy(&data, &m->data, sizeof data); /* munmap wants the const off */
        munmap(data, m->size);
    }
    *m = (file_mapping){0};
}

void file_mapping_let_go(const file_mapping *m, const char *data, size_t size)
{
    if (!m->size || !size) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), begin = (size_t)(data - m->data) / page * page;
    void *pages;
    const char *at = m->data + begin;
    memcpy(&pages, &at, sizeof pages); /* madvise wants the const off */
    madvise(pages, (size_t)(data - at) + size, MADV_DONTNEED);
}

/* ---- writing ---- */

typedef struct file_draft {
    char *target;    /* where it goes: links resolved */
    char *temporary; /* beside the target, so that rename stays on one file system; NULL when given away */
    int fd;
} file_draft;

static void draft_drop(file_draft *d)
{
    fd_close(&d->fd);
    if (d->temporary) unlink(d->temporary);
    free(d->temporary);
    free(d->target);
}

static err draft_open(const char *path, file_draft *out)
{
    char *real = realpath(path, NULL); /* NULL: does not exist yet */
    out->target = real ? real : memory_text(path);
    char *folder = file_parent(out->target);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (unsigned tries = 0; tries < 100 && out->fd < 0; tries++) {
        char name[NAME_MAX + 1];
        snprintf(name, sizeof name, ".%.100s.%ld-%ld-%u.tmp", file_name(out->target), (long)getpid(),
                 now.tv_nsec, tries);
        free(out->temporary);
        out->temporary = file_join(folder, name);
        out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd < 0 && errno != EEXIST) break;
    }
    free(folder);
    if (out->fd >= 0) return ERR_OK;
    free(out->temporary);
    out->temporary = NULL;
    return err_errno("write %s", path);
}

static err draft_finish(file_draft *d, const char *path, const struct stat *like)
{
    struct stat old;
    if (!like && stat(d->target, &old) == 0) like = &old;
    if (like && fchmod(d->fd, like->st_mode & 07777) != 0) return err_errno("write %s", path);
    if (fsync(d->fd) != 0 || rename(d->temporary, d->target) != 0) return err_errno("write %s", path);
    free(d->temporary);
    d->temporary = NULL;
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(d->target)};
    return file_sync_folder(folder.data);
}

err file_write(const char *path, bytes_view data)
{
    CLEANUP(draft_drop) file_draft draft = {.fd = -1};
    err e = draft_open(path, &draft);
    if (e.code) return e;
    if (write_fully(draft.fd, data.data, data.size) != 0) return err_errno("write %s", path);
    return draft_finish(&draft, path, NULL);
}

err file_copy(const char *from, const char *to)
{
    CLEANUP(fd_close) int fd = -1;
    CLEANUP(draft_drop) file_draft draft = {.fd = -1};
    CLEANUP(bytes_free) bytes part = {0};
    struct stat info;
    err e = regular_open(from, &fd, &info);
    if (e.code) return e;
    e = draft_open(to, &draft);
    if (e.code) return e;
    bytes_reserve(&part, FILE_PART_BYTES);
    for (;;) {
        ssize_t got = read_fully(fd, part.data, FILE_PART_BYTES);
        if (got < 0) return err_errno("read %s", from);
        if (!got) break;
        if (write_fully(draft.fd, part.data, (size_t)got) != 0) return err_errno("write %s", to);
    }
    return draft_finish(&draft, to, &info);
}

err file_sync_folder(const char *path)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_errno("open %s", path);
    /* Some file systems have no fsync of folders; there is nothing more to be done on those. */
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS) return err_errno("sync %s", path);
    return ERR_OK;
}
