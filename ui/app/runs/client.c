/* ui/app/runs/client.c: the client's end of ui/app/runs/server.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "ui/app/runs/server_internal.h"

enum { READ_BYTES = 65536 };

struct ui_run_client {
    int fd;
    bytes in;
    bool closed;
};

err ui_run_client_new(const char *path, ui_run_client **out)
{
    struct sockaddr_un address;
    int folder = -1;
    if (!file_exists(path)) return err_make(ERR_NOT_FOUND, "nobody listens at %s", path);
    err e = ui_run_socket_address(path, &address, &folder);
    if (e.code) return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) e = err_errno("make a socket");
    if (!e.code && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == ECONNREFUSED) unlink(path);
        e = err_make(ERR_NOT_FOUND, "nobody listens at %s", path);
    }
    if (folder >= 0) close(folder);
    if (e.code) {
        if (fd >= 0) close(fd);
        return e;
    }
    ui_run_client *c = memory_alloc(sizeof *c);
    c->fd = fd;
    *out = c;
    return ERR_OK;
}

void ui_run_client_free(ui_run_client *c)
{
    if (!c) return;
    close(c->fd);
    bytes_free(&c->in);
    free(c);
}

err ui_run_client_send(ui_run_client *c, bytes_view line)
{
    CLEANUP(bytes_free) bytes whole = {0};
    bytes_append_view(&whole, line);
    bytes_append_byte(&whole, '\n');
    for (size_t at = 0; at < whole.size;) {
        ssize_t size = send(c->fd, whole.data + at, whole.size - at, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return err_errno("speak to the run");
        at += (size_t)size;
    }
    return ERR_OK;
}

static bool take_line(ui_run_client *c, bytes *line)
{
    const char *end = c->in.size ? memchr(c->in.data, '\n', c->in.size) : NULL;
    if (!end) return false;
    size_t size = (size_t)(end - c->in.data);
    bytes_append(line, c->in.data, size);
    bytes_remove(&c->in, 0, size + 1);
    return true;
}

err ui_run_client_read(ui_run_client *c, int timeout_ms, bytes *line, bool *got, bool *ended)
{
    char block[READ_BYTES];
    bytes_clear(line);
    *ended = false;
    *got = take_line(c, line);
    if (*got) return ERR_OK;
    struct pollfd fd = {c->fd, POLLIN, 0};
    int ready = poll(&fd, 1, timeout_ms);
    if (ready < 0 && errno != EINTR) return err_errno("wait for the run");
    if (ready <= 0) return ERR_OK;
    ssize_t size = recv(c->fd, block, sizeof block, 0);
    if (size < 0 && errno == EINTR) return ERR_OK;
    if (size <= 0) {
        *ended = true;
        return ERR_OK;
    }
    if (c->in.size + (size_t)size > 2 * (size_t)UI_RUN_BACKLOG_BYTES_MAX)
        return err_make(ERR_LIMIT, "the run sends a line without an end");
    bytes_append(&c->in, block, (size_t)size);
    *got = take_line(c, line);
    return ERR_OK;
}
