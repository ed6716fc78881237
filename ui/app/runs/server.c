#define _GNU_SOURCE
#include "ui/app/runs/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/queue.h"
#include "ui/app/runs/server_internal.h"

enum { REQUESTS_MAX = 1024, FLUSH_SECONDS = 1, READ_BYTES = 65536 };

typedef struct peer {
    int fd; /* -1: free */
    uint64_t id;
    bytes in, out;
} peer;

struct ui_run_server {
    char *path;
    int listener, wake; /* wake: an eventfd that the run's thread writes */
    pthread_t thread;
    pthread_mutex_t lock; /* over all below */
    bool closing;
    bytes greeting;
    uint64_t next_id;
    peer peers[UI_RUN_CLIENTS_MAX];
    queue *requests; /* has its own lock */
};

char *ui_run_socket_path(const env *environment, const char *run_folder, const char *id)
{
    const char *runtime = env_get(environment, "XDG_RUNTIME_DIR");
    bytes path = {0};
    if (runtime && file_is_folder(runtime)) bytes_printf(&path, "%s/hyprstream/run-%s.sock", runtime, id);
    if (!path.size || path.size >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        bytes_clear(&path);
        bytes_printf(&path, "%s/run.sock", run_folder);
    }
    return bytes_take(&path);
}

/* A path that is too long for a socket is reached through its folder's descriptor. */
err ui_run_socket_address(const char *path, struct sockaddr_un *out, int *folder)
{
    bytes through = {0};
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    *folder = -1;
    if (strlen(path) < sizeof out->sun_path) {
        memcpy(out->sun_path, path, strlen(path) + 1);
        return ERR_OK;
    }
    char *parent = file_parent(path);
    *folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    err e = *folder < 0 ? err_errno("open %s", parent) : ERR_OK;
    bytes_printf(&through, "/proc/self/fd/%d/%s", *folder, file_name(path));
    if (!e.code && through.size >= sizeof out->sun_path)
        e = err_make(ERR_LIMIT, "%s is too long a name", path);
    if (!e.code) memcpy(out->sun_path, bytes_text(&through), through.size + 1);
    if (e.code && *folder >= 0) close(*folder);
    free(parent);
    bytes_free(&through);
    return e;
}

/* -- the thread
 * ---------------------------------------------------------------------------------------------- */

static void request_free(void *item)
{
    ui_run_request *r = item;
    bytes_free(&r->line);
    free(r);
}

static void peer_close(peer *p)
{
    close(p->fd);
    bytes_free(&p->in);
    bytes_free(&p->out);
    *p = (peer){.fd = -1};
}

static void peer_queue(peer *p, bytes_view line)
{
    if (p->fd < 0 || p->out.size + line.size > UI_RUN_BACKLOG_BYTES_MAX) return; /* it does not read: lost */
    bytes_append_view(&p->out, line);
    bytes_append_byte(&p->out, '\n');
}

static void accept_peer(ui_run_server *s)
{
    int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++) {
        if (s->peers[i].fd >= 0) continue;
        s->peers[i] = (peer){.fd = fd, .id = ++s->next_id};
        if (s->greeting.size) peer_queue(&s->peers[i], bytes_borrow(&s->greeting));
        return;
    }
    close(fd);
}

static void take_lines(ui_run_server *s, peer *p)
{
    size_t begin = 0;
    for (const char *end; (end = memchr(p->in.data + begin, '\n', p->in.size - begin)) != NULL;) {
        ui_run_request *r = memory_alloc(sizeof *r);
        r->client = p->id;
        bytes_append(&r->line, p->in.data + begin, (size_t)(end - p->in.data) - begin);
        if (!queue_push(s->requests, r)) request_free(r);
        begin = (size_t)(end - p->in.data) + 1;
    }
    bytes_remove(&p->in, 0, begin);
}

static void peer_read(ui_run_server *s, peer *p)
{
    char block[READ_BYTES];
    ssize_t size = recv(p->fd, block, sizeof block, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || p->in.size + (size_t)size > UI_RUN_LINE_BYTES_MAX) {
        peer_close(p);
        return;
    }
    bytes_append(&p->in, block, (size_t)size);
    take_lines(s, p);
}

static void peer_write(peer *p)
{
    ssize_t size = send(p->fd, p->out.data, p->out.size, MSG_NOSIGNAL);
    if (size > 0) bytes_remove(&p->out, 0, (size_t)size);
    if (size < 0 && errno != EAGAIN && errno != EINTR) peer_close(p);
}

static size_t gather(ui_run_server *s, struct pollfd *fds, size_t *who)
{
    size_t count = 0;
    fds[count] = (struct pollfd){s->wake, POLLIN, 0};
    who[count++] = 0;
    fds[count] = (struct pollfd){s->listener, POLLIN, 0};
    who[count++] = 0;
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++) {
        if (s->peers[i].fd < 0) continue;
        fds[count] =
            (struct pollfd){s->peers[i].fd, (short)(POLLIN | (s->peers[i].out.size ? POLLOUT : 0)), 0};
        who[count++] = i;
    }
    return count;
}

static bool has_backlog(const ui_run_server *s)
{
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++)
        if (s->peers[i].fd >= 0 && s->peers[i].out.size) return true;
    return false;
}

static void serve(ui_run_server *s, const struct pollfd *fds, const size_t *who, size_t count)
{
    uint64_t woken;
    if (fds[0].revents) (void)!read(s->wake, &woken, sizeof woken);
    if (fds[1].revents) accept_peer(s);
    for (size_t i = 2; i < count; i++) {
        peer *p = &s->peers[who[i]];
        if (p->fd == fds[i].fd && (fds[i].revents & POLLOUT)) peer_write(p);
        if (p->fd == fds[i].fd && (fds[i].revents & (POLLIN | POLLHUP | POLLERR))) peer_read(s, p);
    }
}

static void *run_thread(void *context)
{
    ui_run_server *s = context;
    struct pollfd fds[UI_RUN_CLIENTS_MAX + 2];
    size_t who[UI_RUN_CLIENTS_MAX + 2];
    double deadline = 0;

    pthread_mutex_lock(&s->lock);
    while (!s->closing || (has_backlog(s) && clock_seconds() < deadline)) {
        size_t count = gather(s, fds, who);
        bool closing = s->closing;
        pthread_mutex_unlock(&s->lock);
        int ready = poll(fds, count, closing ? 50 : -1);
        pthread_mutex_lock(&s->lock);
        if (ready > 0) serve(s, fds, who, count);
        if (s->closing && deadline == 0) deadline = clock_seconds() + FLUSH_SECONDS;
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void wake(ui_run_server *s)
{
    uint64_t one = 1;
    (void)!write(s->wake, &one, sizeof one);
}

/* -- the run's side
 * ------------------------------------------------------------------------------------------ */

static err listen_at(const char *path, int *out)
{
    struct sockaddr_un address;
    int folder = -1;
    char *parent = file_parent(path);
    err e = file_make_folders(parent);
    free(parent);
    if (!e.code) e = ui_run_socket_address(path, &address, &folder);
    if (e.code) return e;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) e = err_errno("make a socket");
    if (!e.code) {
        mode_t before = umask(0177);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
            e = err_errno("listen at %s", path);
        umask(before);
    }
    if (folder >= 0) close(folder);
    if (e.code && fd >= 0) close(fd);
    if (!e.code) *out = fd;
    return e;
}

err ui_run_server_new(const char *path, ui_run_server **out)
{
    ui_run_client *other = NULL;
    int listener = -1;

    err e = ui_run_client_new(path, &other); /* takes a dead one away */
    ui_run_client_free(other);
    if (!e.code) return err_make(ERR_BUSY, "somebody listens at %s", path);
    e = listen_at(path, &listener);
    if (e.code) return e;
    ui_run_server *s = memory_alloc(sizeof *s);
    s->path = memory_text(path);
    s->listener = listener;
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++) s->peers[i].fd = -1;
    e = queue_new(REQUESTS_MAX, &s->requests);
    if (!e.code && pthread_create(&s->thread, NULL, run_thread, s) != 0) e = err_errno("start a thread");
    if (!e.code) *out = s;
    return e; /* a failure here ends the process: nothing is taken back */
}

void ui_run_server_free(ui_run_server *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    wake(s);
    pthread_join(s->thread, NULL);
    unlink(s->path);
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++)
        if (s->peers[i].fd >= 0) peer_close(&s->peers[i]);
    queue_free(s->requests, request_free);
    close(s->listener);
    close(s->wake);
    bytes_free(&s->greeting);
    pthread_mutex_destroy(&s->lock);
    free(s->path);
    free(s);
}

void ui_run_server_tell(ui_run_server *s, bytes_view line)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++) peer_queue(&s->peers[i], line);
    pthread_mutex_unlock(&s->lock);
    wake(s);
}

void ui_run_server_greeting(ui_run_server *s, bytes_view line)
{
    pthread_mutex_lock(&s->lock);
    bytes_clear(&s->greeting);
    bytes_append_view(&s->greeting, line);
    pthread_mutex_unlock(&s->lock);
}

bool ui_run_server_take(ui_run_server *s, ui_run_request *out)
{
    ui_run_request *r = queue_take(s->requests);
    if (!r) return false;
    *out = *r;
    free(r);
    return true;
}

void ui_run_server_wait(ui_run_server *s, int timeout_ms)
{
    struct pollfd fd = {queue_fd(s->requests), POLLIN, 0};
    poll(&fd, 1, timeout_ms);
}

void ui_run_server_answer(ui_run_server *s, uint64_t client, bytes_view line)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < UI_RUN_CLIENTS_MAX; i++)
        if (s->peers[i].fd >= 0 && s->peers[i].id == client) peer_queue(&s->peers[i], line);
    pthread_mutex_unlock(&s->lock);
    wake(s);
}
