#define _GNU_SOURCE
#include "training/ranks_watch.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"

enum { TEXT_SIZE = 480, CONNECT_MS = 5000, GRACE_MS = 400, LOOK_MS = 20, RANKS_WATCHED_MAX = 4096 };

typedef enum note_kind { NOTE_HELLO = 1, NOTE_CALLS, NOTE_STOP, NOTE_FAILED, NOTE_LOST, NOTE_BYE } note_kind;

/* What goes over a connection, whole or not at all. */
typedef struct note {
    uint32_t kind;
    int32_t number, pid;
    uint64_t value; /* key of a hello; calls */
    char text[TEXT_SIZE];
} note;

typedef struct peer {
    int fd; /* -1: none */
    bool known, left;
    int number, pid;
    uint64_t calls;
    char host[256];
    note in;
    size_t in_size;
} peer;

struct ranks_watch {
    ranks_watch_who who;
    char host[256];
    int listener, wake; /* listener -1: not rank 0 */
    uint64_t key;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    peer *peers;          /* of rank 0: the others; else rank 0 alone */
    size_t peer_count, peer_room;
    bool closing, seen, stop_asked;
    char text[TEXT_SIZE]; /* who is gone; "": nobody */
    uint64_t calls;
    void (*lost)(void *context, const char *text);
    void *context;
};

/* -- notes
 * -------------------------------------------------------------------------------------------------- */

/* A note is smaller than any socket's buffer; one that does not fit any more is lost with its receiver. */
static void note_send(const ranks_watch *w, const peer *p, note_kind kind, uint64_t value, const char *text)
{
    note n = {.kind = kind, .number = w->who.number, .pid = getpid(), .value = value};
    if (p->fd < 0) return;
    snprintf(n.text, sizeof n.text, "%s", text);
    (void)!send(p->fd, &n, sizeof n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tell_all(const ranks_watch *w, const peer *but, note_kind kind, uint64_t value, const char *text)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (&w->peers[i] != but) note_send(w, &w->peers[i], kind, value, text);
}

/* The first one counts: others end because of it. */
static void lose(ranks_watch *w, const peer *p, const char *text)
{
    if (w->text[0] || w->closing) return;
    snprintf(w->text, sizeof w->text, "%s", text);
    tell_all(w, p, NOTE_LOST, 0, text);
    atomic_store(w->who.lost, 1);
}

static void lose_peer(ranks_watch *w, const peer *p, const char *why)
{
    char text[TEXT_SIZE];
    if (why && strncmp(why, "rank ", 5) == 0) /* it names itself */
        snprintf(text, sizeof text, "%.*s", TEXT_SIZE - 1, why);
    else if (why)
        snprintf(text, sizeof text, "rank %d on %s: %.*s", p->number, p->host, TEXT_SIZE - 300, why);
    else
        snprintf(text, sizeof text, "rank %d on %s (process %d) has died", p->number, p->host, p->pid);
    lose(w, p, text);
}

static void note_take(ranks_watch *w, peer *p)
{
    note *n = &p->in;
    n->text[TEXT_SIZE - 1] = 0;
    if (n->kind == NOTE_HELLO && n->value == w->key) {
        p->known = true;
        p->number = n->number;
        p->pid = n->pid;
        snprintf(p->host, sizeof p->host, "%.255s", n->text);
    }
    if (!p->known) return;
    if (n->kind == NOTE_CALLS) p->calls = n->value;
    if (n->kind == NOTE_STOP) w->stop_asked = true;
    if (n->kind == NOTE_FAILED) lose_peer(w, p, n->text);
    if (n->kind == NOTE_LOST) lose(w, p, n->text);
    if (n->kind == NOTE_BYE) p->left = true;
}

static void peer_read(ranks_watch *w, peer *p)
{
    for (;;) {
        ssize_t size = recv(p->fd, (char *)&p->in + p->in_size, sizeof p->in - p->in_size, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size <= 0) break;
        p->in_size += (size_t)size;
        if (p->in_size < sizeof p->in) continue;
        note_take(w, p);
        p->in_size = 0;
    }
    if (p->known && !p->left) lose_peer(w, p, NULL);
    close(p->fd);
    p->fd = -1;
}

/* -- the thread
 * ------------------------------------------------------------------------------------------------- */

/* A host that vanishes closes nothing: ask now and then. */
static void keep_alive(int fd)
{
    const int on = 1, idle = 60, interval = 20, tries = 5;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

static bool accept_peer(ranks_watch *w)
{
    int fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return false;
    keep_alive(fd);
    size_t at = 0;
    while (at < w->peer_count && w->peers[at].fd >= 0) at++;
    if (at == w->peer_room) {
        close(fd);
        return false;
    }
    w->peers[at] = (peer){.fd = fd};
    if (at == w->peer_count) w->peer_count++;
    return true;
}

static size_t gather(const ranks_watch *w, struct pollfd *fds)
{
    fds[0] = (struct pollfd){w->wake, POLLIN, 0};
    fds[1] = (struct pollfd){w->listener, POLLIN, 0}; /* -1 is passed over */
    for (size_t i = 0; i < w->peer_count; i++) fds[2 + i] = (struct pollfd){w->peers[i].fd, POLLIN, 0};
    return 2 + w->peer_count;
}

/* Somebody is gone. The rank's own thread ends the process with its sentence when it hears of it; when it
 * computes or waits where it cannot hear, this does. */
static void end_process(ranks_watch *w)
{
    for (int waited = 0; waited < GRACE_MS; waited += LOOK_MS) {
        pthread_mutex_lock(&w->lock);
        bool others_do = w->seen || w->closing;
        pthread_mutex_unlock(&w->lock);
        if (others_do) return;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    if (w->lost) w->lost(w->context, w->text);
    _exit(1);
}

static void *look(void *context)
{
    ranks_watch *w = context;
    struct pollfd *fds = memory_alloc((w->peer_room + 2) * sizeof *fds);
    bool told = false;
    pthread_mutex_lock(&w->lock);
    while (!w->closing) {
        size_t count = gather(w, fds);
        pthread_mutex_unlock(&w->lock);
        int ready = poll(fds, count, -1);
        pthread_mutex_lock(&w->lock);
        if (ready <= 0) continue;
        if (fds[1].revents) (void)accept_peer(w);
        for (size_t i = 2; i < count; i++)
            if (fds[i].revents && w->peers[i - 2].fd >= 0) peer_read(w, &w->peers[i - 2]);
        if (!w->text[0] || told) continue;
        told = true;
        pthread_mutex_unlock(&w->lock);
        end_process(w);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    free(fds);
    return NULL;
}

/* -- beginning and end
 * ------------------------------------------------------------------------------------------ */

static ranks_watch *watch_new(const ranks_watch_who *who, size_t room)
{
    ranks_watch *w = memory_alloc(sizeof *w);
    w->who = *who;
    snprintf(w->host, sizeof w->host, "%s", who->host);
    w->peers = memory_alloc((room + 1) * sizeof *w->peers);
    w->peer_room = room;
    w->listener = w->wake = -1;
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

static void watch_drop(ranks_watch *w)
{
    for (size_t i = 0; i < w->peer_count; i++)
        if (w->peers[i].fd >= 0) close(w->peers[i].fd);
    if (w->listener >= 0) close(w->listener);
    if (w->wake >= 0) close(w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w->peers);
    free(w);
}

static bool watch_start(ranks_watch *w)
{
    w->wake = eventfd(0, EFD_CLOEXEC);
    return w->wake >= 0 && pthread_create(&w->thread, NULL, look, w) == 0;
}

/* The port of *fd, 0: none. */
static int listen_somewhere(bool one_host, int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    at.sin_addr.s_addr = htonl(one_host ? INADDR_LOOPBACK : INADDR_ANY);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&at, size) != 0 || listen(*fd, 128) != 0 ||
        getsockname(*fd, (struct sockaddr *)&at, &size) != 0)
        return 0;
    return ntohs(at.sin_port);
}

ranks_watch *ranks_watch_listen(const ranks_watch_who *who, ranks_watch_place *place)
{
    *place = (ranks_watch_place){.pid = getpid()};
    ranks_watch *w = watch_new(who, MIN_OF((size_t)who->count - 1, (size_t)RANKS_WATCHED_MAX));
    snprintf(place->host, sizeof place->host, "%s", who->host);
    int port = listen_somewhere(who->one_host, &w->listener);
    if (port && getrandom(&w->key, sizeof w->key, 0) == (ssize_t)sizeof w->key && watch_start(w)) {
        place->port = port;
        place->key = w->key;
        return w;
    }
    watch_drop(w);
    return NULL;
}

static int connect_within(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol), problem = 0;
    socklen_t size = sizeof problem;
    if (fd < 0) return -1;
    int code = connect(fd, a->ai_addr, a->ai_addrlen);
    if (code != 0 && errno == EINPROGRESS) {
        struct pollfd one = {fd, POLLOUT, 0};
        code = poll(&one, 1, CONNECT_MS) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 &&
                       problem == 0
                   ? 0
                   : -1;
    }
    if (code == 0) return fd;
    close(fd);
    return -1;
}

ranks_watch *ranks_watch_connect(const ranks_watch_who *who, const ranks_watch_place *place)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[16];
    int fd = -1;
    snprintf(port, sizeof port, "%d", place->port);
    if (!place->port || getaddrinfo(who->one_host ? "127.0.0.1" : place->host, port, &hints, &list) != 0)
        return NULL;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) fd = connect_within(a);
    freeaddrinfo(list);
    if (fd < 0) return NULL;
    keep_alive(fd);
    ranks_watch *w = watch_new(who, 1);
    w->peers[0] = (peer){.fd = fd, .known = true, .pid = place->pid};
    memcpy(w->peers[0].host, place->host, sizeof place->host);
    w->peer_count = 1;
    note_send(w, &w->peers[0], NOTE_HELLO, place->key, w->host);
    if (watch_start(w)) return w;
    watch_drop(w);
    return NULL;
}

void ranks_watch_free(ranks_watch *w, const char *why)
{
    uint64_t one = 1;
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    /* Who connected a moment ago is to hear it too. */
    while (w->listener >= 0 && accept_peer(w)) continue;
    if (!w->text[0]) tell_all(w, NULL, why ? NOTE_FAILED : NOTE_BYE, 0, why ? why : "");
    w->closing = true;
    pthread_mutex_unlock(&w->lock);
    (void)!write(w->wake, &one, sizeof one);
    pthread_join(w->thread, NULL);
    watch_drop(w);
}

/* -- asking
 * ----------------------------------------------------------------------------------------------------- */

bool ranks_watch_seen(ranks_watch *w, char text[TEXT_SIZE])
{
    text[0] = 0;
    if (!w) return false;
    pthread_mutex_lock(&w->lock);
    memcpy(text, w->text, TEXT_SIZE);
    w->seen = text[0] != 0;
    pthread_mutex_unlock(&w->lock);
    return text[0] != 0;
}

void ranks_watch_on_loss(ranks_watch *w, void (*lost)(void *context, const char *text), void *context)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->lost = lost;
    w->context = context;
    pthread_mutex_unlock(&w->lock);
}

void ranks_watch_count_call(ranks_watch *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->calls++;
    if (w->who.number) tell_all(w, NULL, NOTE_CALLS, w->calls, "");
    pthread_mutex_unlock(&w->lock);
}

void ranks_watch_missing(ranks_watch *w, char text[TEXT_SIZE])
{
    size_t used = 0;
    text[0] = 0;
    if (!w || w->who.number) return;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->peer_count && used + 300 < TEXT_SIZE; i++) {
        const peer *p = &w->peers[i];
        if (!p->known || p->calls >= w->calls) continue;
        used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%srank %d on %s", used ? ", " : "",
                                 p->number, p->host);
    }
    pthread_mutex_unlock(&w->lock);
}

void ranks_watch_ask_stop(ranks_watch *w)
{
    if (!w || !w->who.number) return;
    pthread_mutex_lock(&w->lock);
    tell_all(w, NULL, NOTE_STOP, 0, "");
    pthread_mutex_unlock(&w->lock);
}

bool ranks_watch_stop_asked(ranks_watch *w)
{
    if (!w) return false;
    pthread_mutex_lock(&w->lock);
    bool asked = w->stop_asked;
    pthread_mutex_unlock(&w->lock);
    return asked;
}
