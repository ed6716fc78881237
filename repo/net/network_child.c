/* repo/net/network_child.c: the child's side: one request, one verb, one report.
 *
 * Its standard input is the socket to the parent. It leads its own process group, and what it starts stays in
 * there: who kills the group takes all. When the parent dies, so does the group. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "repo/net/bridge.h"
#include "repo/net/network_internal.h"

enum { SOCKET = 0, TELL_EVERY_MS = 50, READ_BYTES = 4096 };

/* A new verb is a new row. */
const repo_net_verb repo_net_verbs[] = {
    {"fetch", repo_net_verb_fetch},
    {"clone", repo_net_verb_clone},
    {"push", repo_net_verb_push},
    {"fetch-files", repo_net_verb_fetch_files},
    {0},
};

typedef struct child {
    env environment;
    folders where;
    settings *settings;
    repo_context context;
    repo_net net;
    frame_reader frames;
    bytes request;
    repo_progress told; /* last */
    bool told_here;
    double told_at;
    size_t counted; /* objects, by the server */
    bool cancelled;
} child;

/* ---- hearing the parent ---- */

/* wait false: only what has come already. *found false: nothing did. */
static err hear(child *c, bool wait, frame_kind *kind, bytes *payload, bool *found)
{
    char piece[READ_BYTES];

    for (;;) {
        err e = frame_take(&c->frames, kind, payload, found);
        if (e.code || *found) return e;
        ssize_t got = recv(SOCKET, piece, sizeof piece, wait ? 0 : MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return ERR_OK;
        if (got <= 0) return err_make(ERR_CANCELLED, "the parent is gone");
        frame_feed(&c->frames, (bytes_view){piece, (size_t)got});
        explicit_bzero(piece, (size_t)got);
    }
}

static void cancel_look(child *c)
{
    CLEANUP(frame_wipe) bytes payload = {0};
    frame_kind kind;
    bool found = false;

    err e = hear(c, false, &kind, &payload, &found);
    if (e.code || (found && kind == FRAME_CANCEL)) c->cancelled = true;
}

/* ---- progress ---- */

static bool same_progress(const repo_progress *a, const repo_progress *b)
{
    return a->phase == b->phase && a->done == b->done && a->total == b->total &&
           a->bytes_done == b->bytes_done && a->bytes_total == b->bytes_total &&
           strcmp(a->text, b->text) == 0;
}

/* Only news: the parent takes silence for a silent server. */
static void progress_send(child *c, const repo_progress *p)
{
    CLEANUP(bytes_free) bytes payload = {0};
    double now = clock_seconds();

    bool same_place = c->told_here == c->net.is_here;
    if (same_place && same_progress(&c->told, p) && c->told_at > 0) return;
    if (same_place && p->phase == c->told.phase && (now - c->told_at) * 1000 < TELL_EVERY_MS) return;
    c->told = *p;
    c->told_at = now;
    c->told_here = c->net.is_here;
    field_add_number(&payload, "phase", p->phase);
    field_add_number(&payload, "done", p->done);
    field_add_number(&payload, "total", p->total);
    field_add_number(&payload, "bytes_done", p->bytes_done);
    field_add_number(&payload, "bytes_total", p->bytes_total);
    field_add(&payload, "text", p->text);
    field_add_flag(&payload, "here", c->net.is_here);
    frame_send(SOCKET, FRAME_PROGRESS, bytes_borrow(&payload));
}

static bool tell(void *context, const repo_progress *p)
{
    child *c = context;
    bool moves_objects = p->phase == REPO_RECEIVING || p->phase == REPO_SENDING;

    /* git says nothing of a small pack that it receives; the server has counted what it sends. */
    if (p->phase == REPO_COUNTING && !c->net.objects) c->counted = (size_t)p->total;
    if (moves_objects && p->done > c->net.objects) c->net.objects = (size_t)p->done;
    if (moves_objects && p->bytes_done > c->net.bytes) c->net.bytes = p->bytes_done;
    progress_send(c, p);
    cancel_look(c);
    return !c->cancelled;
}

/* ---- questions ---- */

static err answer_read(bytes_view payload, bytes *answer)
{
    uint64_t code = field_number(payload, "code");
    const char *text = field_text(payload, "text"), *said = field_text(payload, "answer");

    if (code) return err_make(code <= ERR_NOTHING ? (err_code)code : ERR_STATE, "%s", text ? text : "");
    if (!said) return err_make(ERR_CANCELLED, "no answer was given");
    bytes_append_text(answer, said);
    return ERR_OK;
}

static err ask(void *context, const char *question, bool secret, bytes *answer)
{
    child *c = context;
    CLEANUP(bytes_free) bytes asked = {0};
    CLEANUP(frame_wipe) bytes payload = {0};
    frame_kind kind;
    bool found = false;

    field_add(&asked, "question", question);
    field_add_flag(&asked, "secret", secret);
    frame_send(SOCKET, FRAME_QUESTION, bytes_borrow(&asked));
    bytes_reserve(&payload, FRAME_SMALL_BYTES_MAX); /* so that no growth leaves a copy behind */
    bytes_reserve(answer, FRAME_SMALL_BYTES_MAX);
    for (;;) {
        err e = hear(c, true, &kind, &payload, &found);
        if (!e.code && kind == FRAME_CANCEL) e = err_make(ERR_CANCELLED, "cancelled");
        if (!e.code) e = fields_check(bytes_borrow(&payload));
        if (e.code) c->cancelled = true;
        if (e.code) return e;
        if (kind == FRAME_ANSWER) return answer_read(bytes_borrow(&payload), answer);
    }
}

/* ---- the verb ---- */

static err settings_take(child *c)
{
    const char *key, *value;
    size_t at = 0;
    err e = folders_find(&c->environment, &c->where);

    if (!e.code) e = settings_open(&c->where, &c->environment, &c->settings);
    while (!e.code && field_next(bytes_borrow(&c->request), &at, &key, &value)) {
        const char *equals = strcmp(key, "set") == 0 ? strchr(value, '=') : NULL;
        char name[64];
        if (!equals) continue;
        snprintf(name, sizeof name, "%.*s", (int)(equals - value), value);
        e = settings_override(c->settings, name, equals + 1);
    }
    return e;
}

static err request_take(child *c)
{
    frame_kind kind;
    bool found = false;

    err e = hear(c, true, &kind, &c->request, &found);
    if (!e.code) e = fields_check(bytes_borrow(&c->request));
    if (!e.code && kind != FRAME_REQUEST) e = err_make(ERR_FORMAT, "the first message is no request");
    return e;
}

static err verb_run(child *c, repo_network_report *report)
{
    bytes_view request = bytes_borrow(&c->request);
    const char *name = field_text(request, "verb");
    const repo_net_verb *verb = repo_net_verbs;

    c->net = (repo_net){.context = &c->context, .folder = field_text(request, "folder")};
    while (verb->name && (!name || strcmp(verb->name, name) != 0)) verb++;
    if (!verb->name || !c->net.folder)
        return err_make(ERR_USAGE, "the network process knows no verb '%s'", name ? name : "");
    err e = repo_start(&c->context);
    if (!e.code) e = repo_bridge_start(&c->context);
    if (!e.code) e = repo_credentials_new(&c->context, c->net.folder, &c->net.who);
    if (!e.code) e = verb->run(&c->net, request, report);
    if (!report->objects && report->refs_changed) report->objects = c->counted;
    repo_credentials_free(c->net.who);
    repo_lines_free(&c->net.sideband);
    return e;
}

/* It may have been killed before we asked to be told of it, and the next start have cleaned up after it. */
static bool parent_is_gone(void)
{
    struct pollfd socket = {.fd = SOCKET};
    return poll(&socket, 1, 0) > 0 && (socket.revents & (POLLHUP | POLLERR));
}

static err serve(child *c, repo_network_report *report)
{
    err e = request_take(c);
    if (!e.code && parent_is_gone()) e = err_make(ERR_CANCELLED, "who asked is gone");
    if (!e.code) e = settings_take(c);
    if (e.code) return e;
    c->context = (repo_context){
        .settings = c->settings, .environment = &c->environment, .watch = {tell, c}, .in_group = true};
    if (field_flag(bytes_borrow(&c->request), "ask")) c->context.ask = (repo_ask){ask, c};
    return verb_run(c, report);
}

/* ---- the process ---- */

/* All of us at once: git and its helpers too. */
static void end_group(int number)
{
    (void)number;
    kill(0, SIGKILL);
}

static void process_prepare(void)
{
    struct sigaction action = {.sa_handler = end_group};
    struct rlimit none = {0, 0};

    /* Memory may hold a password. */
    setrlimit(RLIMIT_CORE, &none);
    /* In somebody else's group (a person who tries this by hand) plain death is enough. */
    if (getpgrp() == getpid()) sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static bool is_socket(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_UNIX;
}

static void child_free(child *c)
{
    settings_free(c->settings);
    folders_free(&c->where);
    frame_reader_free(&c->frames);
    frame_wipe(&c->request);
}

bool repo_network_is(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], REPO_NETWORK_COMMAND) == 0;
}

int repo_network_child(int argc, char **argv)
{
    (void)argc, (void)argv;
    CLEANUP(child_free) child c = {.environment = env_of_process()};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    CLEANUP(bytes_free) bytes payload = {0};

    process_prepare();
    if (!is_socket(SOCKET)) {
        fprintf(stderr, "hyprstream: " REPO_NETWORK_COMMAND " is for hyprstream itself\n");
        return 2;
    }
    err e = serve(&c, &report);
    field_add_number(&payload, "code", e.code);
    field_add(&payload, "text", e.text);
    repo_report_write(&report, &payload);
    return frame_send(SOCKET, FRAME_REPORT, bytes_borrow(&payload)) ? 0 : 1;
}
