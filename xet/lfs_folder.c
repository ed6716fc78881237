/* A remote that is a folder of this machine: its store and ours, object by object. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "xet/lfs_internal.h"
#include "xet/store_internal.h"

static const double tell_seconds = 0.05;

bool xet_lfs_is_folder(const char *url, char **folder)
{
    static const char scheme[] = "file://";

    if (text_starts_with(url, scheme))
        *folder = memory_text(url + sizeof scheme - 1);
    else if (!strstr(url, "://"))
        *folder = memory_text(url);
    else
        return false;
    return true;
}

typedef struct copying {
    const xet_lfs_server *server;
    const char *oid;
    uint64_t done, total; /* of the objects before this one; of all */
    double told_at;
} copying;

static bool tell(void *context, uint64_t done)
{
    copying *c = context;
    double now = clock_seconds();

    if (!c->server->progress || now - c->told_at < tell_seconds) return true;
    c->told_at = now;
    return c->server->progress(c->server->context, c->done + done, c->total, c->oid);
}

static err copy_one(copying *c, const xet_store *from, xet_store *to, const xet_lfs_object *object)
{
    CLEANUP(bytes_free) bytes path = {.data = xet_store_path(from, object->oid)};
    xet_writer *w = NULL;

    if (xet_store_has(to, object->oid, object->size)) return ERR_OK;
    if (!xet_store_has(from, object->oid, object->size))
        return err_make(ERR_NOT_FOUND, "large file %s is not in %s", object->oid,
                        xet_store_borrow_folder(from));
    int fd = open(path.data, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno("open %s", path.data);
    err e = xet_writer_open(to, &w);
    if (!e.code) e = xet_writer_fill(w, fd, path.data, tell, c);
    if (!e.code)
        e = xet_writer_publish_as(w, object->oid, object->size);
    else
        xet_writer_free(w);
    close(fd);
    return e;
}

err xet_lfs_folder_run(const xet_lfs_server *server, const char *folder, xet_store *store,
                       xet_lfs_object *objects, size_t count, xet_operation operation)
{
    copying c = {.server = server};
    xet_store *other = xet_store_new(folder);
    err e = ERR_OK;

    for (size_t i = 0; i < count; i++) c.total += objects[i].size;
    for (size_t i = 0; !e.code && i < count; i++) {
        c.oid = objects[i].oid;
        err problem = operation == XET_UPLOAD ? copy_one(&c, store, other, &objects[i])
                                              : copy_one(&c, other, store, &objects[i]);
        objects[i].done = !problem.code;
        objects[i].problem = problem;
        /* Absent or damaged is this object's matter; a disk that refuses is everyone's. */
        if (problem.code && problem.code != ERR_NOT_FOUND && problem.code != ERR_FORMAT) e = problem;
        if (!problem.code) c.done += objects[i].size;
    }
    if (!e.code && server->progress && !server->progress(server->context, c.done, c.total, ""))
        e = err_make(ERR_CANCELLED, "cancelled");
    xet_store_free(other);
    return e;
}
