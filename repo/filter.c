/* repo/filter.c: the stream contract of libgit2's filters.
 *
 * `next` is closed exactly once by our close, on every path: skipping it hides the error and leaks a
 * descriptor. An own error is set after that, since closing may overwrite it. libgit2 ORs the status of the
 * last write with that of close, so after a failed write close gives 0. */
#include "repo/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <git2/sys/filter.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "repo/git_version.h"
#include "repo/handle_internal.h"
#include "repo/store_internal.h"

enum { PART_BYTES = 1 << 20 };

typedef struct lfs_stream {
    git_writestream base; /* first: libgit2 hands this back */
    git_writestream *next;
    xet_store *store;
    bool clean, store_content;
    bool passing;       /* into the worktree: it is no pointer, all goes through */
    bool failed;        /* a write failed */
    bytes head;         /* the first XET_POINTER_BYTES_MAX + 1 bytes at most */
    xet_writer *writer; /* clean: the content on its way into the store */
    sha256 *hash;       /* clean for a comparison: nothing is stored */
    uint64_t size;
} lfs_stream;

/* Of the next stream only negative values are errors. */
static int pass(lfs_stream *s, const char *data, size_t size)
{
    int status = size ? s->next->write(s->next, data, size) : 0;
    return status < 0 ? status : 0;
}

/* ---- into the worktree ---- */

static int smudge_write(lfs_stream *s, const char *data, size_t size)
{
    if (s->passing) return pass(s, data, size);
    if (s->head.size + size <= XET_POINTER_BYTES_MAX) {
        bytes_append(&s->head, data, size);
        return 0;
    }
    s->passing = true;
    int status = pass(s, s->head.data, s->head.size);
    return status < 0 ? status : pass(s, data, size);
}

static err object_copy(lfs_stream *s, int fd, const char *oid, int *status)
{
    char *part = memory_alloc(PART_BYTES);
    err e = ERR_OK;

    for (;;) {
        ssize_t got = read(fd, part, PART_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) e = err_errno("read the stored object %s", oid);
        if (got <= 0) break;
        *status = pass(s, part, (size_t)got);
        if (*status < 0) break;
    }
    free(part);
    return e;
}

static err smudge_end(lfs_stream *s, int *status)
{
    xet_pointer pointer;

    if (s->passing) return ERR_OK;
    if (!xet_pointer_parse(bytes_borrow(&s->head), &pointer) || pointer.has_extensions ||
        !xet_store_has(s->store, pointer.oid, pointer.size)) {
        *status = pass(s, s->head.data, s->head.size);
        return ERR_OK;
    }
    char *path = xet_store_path(s->store, pointer.oid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    err e = fd < 0 ? err_errno("open %s", path) : object_copy(s, fd, pointer.oid, status);
    if (fd >= 0) close(fd);
    free(path);
    return e;
}

/* ---- into git ---- */

static err content_begin(lfs_stream *s)
{
    if (!s->store_content) {
        s->hash = sha256_new();
        return ERR_OK;
    }
    return xet_writer_open(s->store, &s->writer);
}

static err content_add(lfs_stream *s, const char *data, size_t size)
{
    s->size += size;
    if (s->writer) return xet_writer_write(s->writer, data, size);
    sha256_add(s->hash, data, size);
    return ERR_OK;
}

/* Up to a pointer's length nothing is begun: it may be a pointer already. */
static err clean_write(lfs_stream *s, const char *data, size_t size)
{
    if (!s->writer && !s->hash) {
        if (s->head.size + size <= XET_POINTER_BYTES_MAX) {
            bytes_append(&s->head, data, size);
            return ERR_OK;
        }
        err e = content_begin(s);
        if (!e.code) e = content_add(s, s->head.data, s->head.size);
        if (e.code) return e;
    }
    return content_add(s, data, size);
}

static err content_end(lfs_stream *s, xet_pointer *out)
{
    if (s->writer) {
        xet_writer *writer = s->writer;
        s->writer = NULL;
        return xet_writer_publish(writer, out);
    }
    *out = (xet_pointer){.size = s->size};
    sha256_end(s->hash, out->oid);
    s->hash = NULL;
    return ERR_OK;
}

static err clean_end(lfs_stream *s, int *status)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer pointer;
    err e = ERR_OK;

    if (!s->writer && !s->hash) {
        if (!s->head.size || xet_pointer_parse(bytes_borrow(&s->head), &pointer)) {
            *status = pass(s, s->head.data, s->head.size);
            return ERR_OK;
        }
        e = content_begin(s);
        if (!e.code) e = content_add(s, s->head.data, s->head.size);
    }
    if (!e.code) e = content_end(s, &pointer);
    if (e.code) return e;
    xet_pointer_write(&pointer, &text);
    *status = pass(s, text.data, text.size);
    return ERR_OK;
}

/* ---- the stream ---- */

static int refuse(err e)
{
    git_error_set_str(GIT_ERROR_FILTER, e.text);
    return e.code == ERR_CANCELLED ? GIT_EUSER : GIT_ERROR;
}

static int stream_write(git_writestream *base, const char *data, size_t size)
{
    lfs_stream *s = (lfs_stream *)base;
    int status = 0;

    if (s->clean) {
        err e = clean_write(s, data, size);
        if (e.code) status = refuse(e);
    } else {
        status = smudge_write(s, data, size);
    }
    s->failed = s->failed || status < 0;
    return status;
}

static int stream_close(git_writestream *base)
{
    lfs_stream *s = (lfs_stream *)base;
    int status = 0;
    err e = ERR_OK;

    if (!s->failed) e = s->clean ? clean_end(s, &status) : smudge_end(s, &status);
    int closed = s->next->close(s->next);
    if (s->failed) return 0;
    if (e.code) return refuse(e);
    if (status < 0) return status;
    return closed < 0 ? closed : 0;
}

static void stream_free(git_writestream *base)
{
    lfs_stream *s = (lfs_stream *)base;

    xet_writer_free(s->writer);
    sha256_free(s->hash);
    xet_store_free(s->store);
    bytes_free(&s->head);
    free(s);
}

static int stream_new(git_writestream **out, git_filter *self, void **payload,
                      const git_filter_source *source, git_writestream *next)
{
    (void)self, (void)payload;
    git_repository *git = git_filter_source_repo(source);
    if (!git) return refuse(err_make(ERR_STATE, "a large file without a repository"));

    lfs_stream *s = memory_alloc(sizeof *s);
    s->base = (git_writestream){stream_write, stream_close, stream_free};
    s->next = next;
    s->store = repo_store_of(git);
    s->clean = git_filter_source_mode(source) == GIT_FILTER_CLEAN;
    /* Comparisons ask with this flag: they want the pointer, not an object for each edit. */
    s->store_content = !(git_filter_source_flags(source) & GIT_FILTER_ALLOW_UNSAFE);
    *out = &s->base;
    return 0;
}

/* Always ours: what is no pointer passes through the stream, which alone sees the content. */
static int check(git_filter *self, void **payload, const git_filter_source *source, const char **values)
{
    (void)self, (void)payload, (void)source, (void)values;
    return 0;
}

err repo_filter_register(void)
{
    /* libgit2 keeps the pointer for the life of the process. */
    static git_filter lfs;

    if (git_filter_lookup("lfs")) return ERR_OK;
    int status = git_filter_init(&lfs, GIT_FILTER_VERSION);
    if (status < 0) return repo_git_check(status, "set up the filter of large files");
    lfs.attributes = "filter=lfs";
    lfs.check = check;
    lfs.stream = stream_new;
    status = git_filter_register("lfs", &lfs, GIT_FILTER_DRIVER_PRIORITY);
    return repo_git_check(status, "register the filter of large files");
}
