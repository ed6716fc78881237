#define _GNU_SOURCE
#include "xet/store.h"

#include <assert.h>
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
#include "xet/store_internal.h"

enum { COPY_BYTES = 1 << 20, OBJECT_MODE = 0444, TEMPORARY_TRIES = 100 };

struct xet_store {
    char *folder;
};

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
}

static void text_free(char **text) { free(*text); }

xet_store *xet_store_new(const char *folder)
{
    xet_store *s = memory_alloc(sizeof *s);
    s->folder = memory_text(folder);
    return s;
}

void xet_store_free(xet_store *s)
{
    if (!s) return;
    free(s->folder);
    free(s);
}

const char *xet_store_borrow_folder(const xet_store *s) { return s->folder; }

/* ---- places ---- */

char *xet_store_path(const xet_store *s, const char *oid)
{
    bytes path = {0};

    assert(sha256_is_hex(oid)); /* a name from outside is checked before it becomes a path */
    bytes_printf(&path, "%s/objects/%.2s/%.2s/%s", s->folder, oid, oid + 2, oid);
    return bytes_take(&path);
}

char *xet_store_part_path(const xet_store *s, const char *oid)
{
    bytes path = {0};

    assert(sha256_is_hex(oid));
    bytes_printf(&path, "%s/incomplete/%s", s->folder, oid);
    return bytes_take(&path);
}

bool xet_store_has(const xet_store *s, const char *oid, uint64_t size)
{
    CLEANUP(text_free) char *path = xet_store_path(s, oid);
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == size;
}

err xet_store_verify(const xet_store *s, const char *oid)
{
    CLEANUP(text_free) char *path = xet_store_path(s, oid);
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char found[SHA256_HEX_SIZE];

    if (fd < 0) return err_errno("large file %s", oid);
    err e = sha256_of_file(fd, found, NULL, NULL, NULL);
    if (e.code) return err_note(e, "large file %s", oid);
    if (strcmp(found, oid) != 0)
        return err_make(ERR_FORMAT, "large file %s is damaged: its bytes hash to %s", oid, found);
    return ERR_OK;
}

/* ---- new objects ---- */

err xet_store_temporary(const xet_store *s, char **path, int *fd)
{
    CLEANUP(text_free) char *folder = file_join(s->folder, "tmp");
    struct timespec now;

    err e = file_make_folders(folder);
    if (e.code) return e;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (unsigned tries = 0; tries < TEMPORARY_TRIES; tries++) {
        bytes name = {0};
        bytes_printf(&name, "%s/hyprstream-%ld-%ld-%u", folder, (long)getpid(), now.tv_nsec, tries);
        int opened = open(name.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (opened >= 0) {
            *path = bytes_take(&name);
            *fd = opened;
            return ERR_OK;
        }
        bytes_free(&name);
        if (errno != EEXIST) break;
    }
    return err_errno("write in %s", folder);
}

err xet_store_install(const xet_store *s, const char *path, int fd, const char *oid, uint64_t size)
{
    CLEANUP(text_free) char *place = xet_store_path(s, oid);
    CLEANUP(text_free) char *folder = file_parent(place);

    if (xet_store_has(s, oid, size)) {
        unlink(path);
        return ERR_OK;
    }
    err e = file_make_folders(folder);
    if (e.code) return e;
    if (fchmod(fd, OBJECT_MODE) != 0 || fsync(fd) != 0 || rename(path, place) != 0)
        return err_errno("store large file %s", oid);
    return file_sync_folder(folder);
}

struct xet_writer {
    const xet_store *store;
    sha256 *hash;
    char *path;
    int fd;
    uint64_t size;
};

err xet_writer_open(xet_store *s, xet_writer **out)
{
    xet_writer *w = memory_alloc(sizeof *w);

    err e = xet_store_temporary(s, &w->path, &w->fd);
    if (e.code) {
        free(w);
        return e;
    }
    w->store = s;
    w->hash = sha256_new();
    *out = w;
    return ERR_OK;
}

err xet_writer_write(xet_writer *w, const void *data, size_t size)
{
    const char *from = data;

    sha256_add(w->hash, data, size);
    w->size += size;
    while (size) {
        ssize_t put = write(w->fd, from, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_errno("write %s", w->path);
        from += put;
        size -= (size_t)put;
    }
    return ERR_OK;
}

static void writer_end(xet_writer *w, xet_pointer *out)
{
    *out = (xet_pointer){.size = w->size, .canonical = w->size > 0};
    sha256_end(w->hash, out->oid);
    w->hash = NULL;
}

static err writer_install(xet_writer *w, const char *oid)
{
    err e = xet_store_install(w->store, w->path, w->fd, oid, w->size);
    if (e.code) return e;
    free(w->path);
    w->path = NULL;
    return ERR_OK;
}

err xet_writer_publish(xet_writer *w_taken, xet_pointer *out)
{
    xet_pointer pointer;

    writer_end(w_taken, &pointer);
    err e = writer_install(w_taken, pointer.oid);
    if (!e.code) *out = pointer;
    xet_writer_free(w_taken);
    return e;
}

static err not_what_it_says(const char *oid, uint64_t size, const char *found, uint64_t found_size)
{
    return err_make(ERR_FORMAT, "large file %s of %llu bytes: %llu bytes with hash %s came instead", oid,
                    (unsigned long long)size, (unsigned long long)found_size, found);
}

err xet_writer_publish_as(xet_writer *w_taken, const char *oid, uint64_t size)
{
    xet_pointer found;

    writer_end(w_taken, &found);
    err e = found.size != size || strcmp(found.oid, oid) != 0
                ? not_what_it_says(oid, size, found.oid, found.size)
                : writer_install(w_taken, oid);
    xet_writer_free(w_taken);
    return e;
}

void xet_writer_free(xet_writer *w)
{
    if (!w) return;
    if (w->path) unlink(w->path);
    free(w->path);
    close(w->fd);
    sha256_free(w->hash);
    free(w);
}

/* What xet_writer_fill reads, block by block. */
typedef struct filling {
    xet_writer *w;
    int from;
    const char *path;
    bool (*go_on)(void *context, uint64_t done);
    void *context;
    bool shared; /* the blocks are there already: only hash them */
} filling;

static err fill_block(filling *f, char *block, bool *end)
{
    ssize_t got = pread(f->from, block, COPY_BYTES, (off_t)f->w->size);

    *end = got == 0;
    if (got < 0 && errno == EINTR) return ERR_OK;
    if (got < 0) return err_errno("read %s", f->path);
    if (f->shared) {
        sha256_add(f->w->hash, block, (size_t)got);
        f->w->size += (uint64_t)got;
    } else {
        err e = xet_writer_write(f->w, block, (size_t)got);
        if (e.code) return e;
    }
    return f->go_on && !f->go_on(f->context, f->w->size) ? err_make(ERR_CANCELLED, "cancelled") : ERR_OK;
}

err xet_writer_fill(xet_writer *w, int from, const char *path, bool (*go_on)(void *context, uint64_t done),
                    void *context)
{
    CLEANUP(bytes_free) bytes block = {0};
    filling f = {.w = w, .from = from, .path = path, .go_on = go_on, .context = context};
    bool end = false;
    err e = ERR_OK;

    if (ioctl(w->fd, FICLONE, from) == 0) {
        /* Hashed from the copy: what is stored is what was hashed, whoever writes to `from` meanwhile. */
        f.shared = true;
        f.from = w->fd;
    }
    bytes_reserve(&block, COPY_BYTES);
    while (!e.code && !end) e = fill_block(&f, block.data, &end);
    return e;
}

err xet_store_add_file(xet_store *s, const char *path, xet_pointer *out)
{
    CLEANUP(fd_close) int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    xet_writer *w = NULL;

    if (from < 0 || fstat(from, &info) != 0) return err_errno("open %s", path);
    if (!S_ISREG(info.st_mode)) return err_make(ERR_IO, "open %s: is no regular file", path);
    err e = xet_writer_open(s, &w);
    if (e.code) return e;
    e = xet_writer_fill(w, from, path, NULL, NULL);
    if (e.code) {
        xet_writer_free(w);
        return e;
    }
    return xet_writer_publish(w, out);
}

err xet_store_adopt(xet_store *s, const char *path, const char *oid, uint64_t size)
{
    CLEANUP(fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char found[SHA256_HEX_SIZE];
    uint64_t found_size = 0;

    if (fd < 0) return err_errno("open %s", path);
    err e = sha256_of_file(fd, found, &found_size, NULL, NULL);
    if (e.code) return err_note(e, "%s", path);
    if (found_size != size || strcmp(found, oid) != 0) {
        unlink(path);
        return not_what_it_says(oid, size, found, found_size);
    }
    return xet_store_install(s, path, fd, oid, size);
}

/* ---- all of them ---- */

typedef struct walk {
    bool (*each)(void *context, const char *oid, uint64_t size);
    void *context;
    bool stopped;
} walk;

static bool is_pair(const char *name) { return strspn(name, "0123456789abcdef") == 2 && !name[2]; }

/* Objects of FOLDER/objects/ab/cd. */
static err walk_objects(walk *w, const char *folder)
{
    CLEANUP(file_list_free) file_list names = {0};
    struct stat info;

    err e = file_list_folder(folder, &names);
    for (size_t i = 0; !e.code && !w->stopped && i < names.count; i++) {
        if (!sha256_is_hex(names.names[i])) continue;
        CLEANUP(text_free) char *path = file_join(folder, names.names[i]);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            w->stopped = !w->each(w->context, names.names[i], (uint64_t)info.st_size);
    }
    return e;
}

static err walk_pairs(walk *w, const char *folder, unsigned depth)
{
    CLEANUP(file_list_free) file_list names = {0};

    if (!depth) return walk_objects(w, folder);
    err e = file_list_folder(folder, &names);
    for (size_t i = 0; !e.code && !w->stopped && i < names.count; i++) {
        CLEANUP(text_free) char *path = file_join(folder, names.names[i]);
        if (is_pair(names.names[i]) && file_is_folder(path)) e = walk_pairs(w, path, depth - 1);
    }
    return e;
}

err xet_store_each(const xet_store *s, bool (*each)(void *context, const char *oid, uint64_t size),
                   void *context)
{
    CLEANUP(text_free) char *folder = file_join(s->folder, "objects");
    walk w = {.each = each, .context = context};

    return file_exists(folder) ? walk_pairs(&w, folder, 2) : ERR_OK;
}

err xet_store_remove(xet_store *s, const char *oid)
{
    CLEANUP(text_free) char *path = xet_store_path(s, oid);

    if (unlink(path) != 0) return err_errno("remove large file %s", oid);
    /* The two folders go when this was the last object in them; otherwise rmdir refuses. */
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(path, '/');
        *slash = 0;
        if (rmdir(path) != 0) break;
    }
    return ERR_OK;
}
