/* One attempt to download: resumed from what lies there, hashed while it arrives. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "xet/lfs_internal.h"
#include "xet/store_internal.h"

enum { OPEN_TRIES = 10, HASH_BYTES = 1 << 20 };

typedef struct landing {
    xet_transfer *t;
    char *path; /* of the part; NULL: it is an object now, or gone */
    int fd;
    bool resumable; /* stays for another time */
    sha256 *hash;   /* of the first `size` bytes */
    uint64_t size;
    bool ours; /* what went wrong is this machine's: the next object would fare no better */
} landing;

static void landing_end(landing *l)
{
    if (l->path && !l->resumable) unlink(l->path);
    free(l->path);
    if (l->fd >= 0) close(l->fd); /* and the lock with it */
    sha256_free(l->hash);
}

/* *open_now: the part is ours; false with ERR_OK: try again. */
static err part_try(landing *l, const char *path, bool *open_now)
{
    struct stat here, there;

    *open_now = false;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EACCES && unlink(path) == 0) return ERR_OK; /* made read-only, then a crash */
    if (fd < 0) return err_errno("write %s", path);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    /* Whoever held it before may have made it an object since we opened it. */
    if (locked && (fstat(fd, &here) != 0 || stat(path, &there) != 0 || here.st_ino != there.st_ino)) {
        close(fd);
        return ERR_OK;
    }
    *open_now = true;
    if (locked) {
        l->fd = fd;
        l->path = memory_text(path);
        l->resumable = true;
        return ERR_OK;
    }
    close(fd); /* another process downloads the same: a private part for us, and the first one wins */
    return xet_store_temporary(l->t->store, &l->path, &l->fd);
}

static err part_open(landing *l)
{
    CLEANUP(bytes_free) bytes path = {.data = xet_store_part_path(l->t->store, l->t->object->oid)};
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(path.data)};
    bool open_now = false;

    err e = file_make_folders(folder.data);
    for (int i = 0; !e.code && !open_now && i < OPEN_TRIES; i++) e = part_try(l, path.data, &open_now);
    if (!e.code && !open_now) return err_make(ERR_BUSY, "%s is in use", path.data);
    return e;
}

/* Begin anew. */
static err part_empty(landing *l)
{
    sha256_free(l->hash);
    l->hash = sha256_new();
    l->size = 0;
    atomic_store(&l->t->bytes, 0);
    return ftruncate(l->fd, 0) != 0 ? err_errno("empty %s", l->path) : ERR_OK;
}

/* Hash what lies there from an earlier time. */
static err part_read(landing *l)
{
    CLEANUP(bytes_free) bytes block = {0};
    struct stat info;

    if (fstat(l->fd, &info) != 0) return err_errno("look at %s", l->path);
    if ((uint64_t)info.st_size > l->t->object->size) return part_empty(l);
    l->hash = sha256_new();
    bytes_reserve(&block, HASH_BYTES);
    while (l->size < (uint64_t)info.st_size) {
        ssize_t got = pread(l->fd, block.data, HASH_BYTES, (off_t)l->size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return err_errno("read %s", l->path);
        if (!xet_lfs_transfer_goes_on(l->t, 0, 0)) return err_make(ERR_CANCELLED, "cancelled");
        sha256_add(l->hash, block.data, (size_t)got);
        l->size += (uint64_t)got;
        atomic_store(&l->t->bytes, l->size);
    }
    return ERR_OK;
}

static err on_begin(void *context, uint64_t offset)
{
    landing *l = context;

    if (offset == l->size) return ERR_OK;
    err e = part_empty(l);
    l->ours = e.code != ERR_NONE;
    return e;
}

static err on_bytes(void *context, const void *data, size_t size)
{
    landing *l = context;
    const char *from = data;

    if (size > l->t->object->size - l->size)
        return err_make(ERR_FORMAT, "large file %s: more than its %llu bytes came", l->t->object->oid,
                        (unsigned long long)l->t->object->size);
    sha256_add(l->hash, data, size);
    while (size) {
        ssize_t put = pwrite(l->fd, from, size, (off_t)l->size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            l->ours = true;
            return err_errno("write %s", l->path);
        }
        from += put;
        size -= (size_t)put;
        l->size += (uint64_t)put;
    }
    atomic_store(&l->t->bytes, l->size);
    return ERR_OK;
}

/* All bytes are there: are they the right ones? */
static xet_outcome landing_finish(landing *l, bool resumed)
{
    const xet_lfs_object *object = l->t->object;
    char found[SHA256_HEX_SIZE];

    sha256_end(l->hash, found);
    l->hash = NULL;
    if (l->size != object->size || strcmp(found, object->oid) != 0) {
        l->resumable = false;
        err e = err_make(ERR_FORMAT, "large file %s: other bytes came (%llu of %llu, hash %s)", object->oid,
                         (unsigned long long)l->size, (unsigned long long)object->size, found);
        /* The part that lay there may be to blame. */
        return (xet_outcome){resumed ? XET_AGAIN : XET_FAILED, e, -1};
    }
    err e = xet_store_install(l->t->store, l->path, l->fd, object->oid, object->size);
    if (e.code) return (xet_outcome){XET_FATAL, e, -1};
    free(l->path);
    l->path = NULL;
    return (xet_outcome){XET_DONE, ERR_OK, -1};
}

static xet_outcome landing_judge(landing *l, const http_answer *answer, err e, uint64_t kept)
{
    const char *url = l->t->plan->transfer.href;

    if (e.code == ERR_FORMAT) l->resumable = false;
    if (e.code && l->ours) return (xet_outcome){XET_FATAL, e, -1};
    if (e.code) return xet_lfs_outcome_of_err(e);
    if (answer->status == 200 || answer->range_obeyed) return landing_finish(l, answer->range_obeyed && kept);
    xet_outcome out = xet_lfs_outcome_of_status(answer, url, XET_DOWNLOAD);
    if (answer->status == 416 || answer->status == 206) {
        l->resumable = false; /* this server and this part do not fit: from the start */
        out.kind = XET_AGAIN;
        out.wait_seconds = 0;
    }
    return out;
}

xet_outcome xet_lfs_download_once(http *h, xet_transfer *t)
{
    CLEANUP(landing_end) landing l = {.t = t, .fd = -1};
    const xet_login *login = t->login;
    http_sink sink = {on_begin, on_bytes, &l};
    http_answer answer = {0};

    err e = part_open(&l);
    if (!e.code) e = part_read(&l);
    if (e.code) return (xet_outcome){XET_FATAL, e, -1};
    uint64_t kept = l.size;
    if (kept && kept == t->object->size) return landing_finish(&l, true);
    http_request request = {.method = "GET",
                            .url = t->plan->transfer.href,
                            .headers = t->plan->transfer.headers,
                            .user = login ? login->user : NULL,
                            .password = login ? login->password : NULL,
                            .sink = &sink,
                            .resume_from = kept,
                            .resume_size = t->object->size,
                            .redirects_max = XET_LFS_REDIRECTS_MAX,
                            .progress = xet_lfs_transfer_goes_on,
                            .context = t};
    e = http_send(h, &request, &answer);
    xet_outcome out = landing_judge(&l, &answer, e, kept);
    http_answer_free(&answer);
    return out;
}
