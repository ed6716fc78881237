/* repo/net/bridge_stream.c: the conversation with a helper, and git's stream through it.
 *
 * One socket in both directions; standard error is read whenever the socket is waited for. libgit2 writes a
 * last flush after the helper has ended: MSG_NOSIGNAL, and EPIPE is an answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/process.h"
#include "repo/git.h"
#include "repo/git_version.h"
#include "repo/net/bridge_internal.h"
#include "repo/net/git_run.h"

enum {
    CAPABILITIES_MAX = 64,
    LINE_MAX_BYTES = 1024,
    ANSWER_SECONDS = 30,
    SLICE_MS = 200,
    GRACE_MS = 2000,
    ERROR_READ_BYTES = 4096,
};

typedef struct bridge bridge;

typedef struct bridge_stream {
    git_smart_subtransport_stream parent;
    bridge *owner;
} bridge_stream;

struct bridge {
    git_smart_subtransport parent;
    const repo_context *context;
    git_remote *remote; /* whose transport it is: outlives it */
    bridge_stream stream;
    process *helper;
    int socket;
    bool is_stream, error_ended;
    char program[REPO_SCHEME_BYTES_MAX + 16];
    repo_lines lines;
    repo_last_words words;
    repo_progress progress;
};

/* ---- failures ---- */

static int fail(bridge *b, const char *what)
{
    CLEANUP(bytes_free) bytes text = {0};

    bytes_printf(&text, "%s %s", b->program, what);
    for (size_t i = 0; i < b->words.count; i++)
        bytes_printf(&text, "%s%s", i ? "; " : ": ", b->words.lines[i]);
    git_error_set_str(GIT_ERROR_NET, bytes_text(&text));
    return -1;
}

static void line_told(void *context, const char *line)
{
    bridge *b = context;
    if (!repo_line_progress(line, &b->progress)) repo_last_words_add(&b->words, line);
    snprintf(b->progress.text, sizeof b->progress.text, "%.150s", line);
    (void)repo_watch_tell(&b->context->watch, &b->progress);
}

static void error_read(bridge *b)
{
    char piece[ERROR_READ_BYTES];
    ssize_t got = read(process_error(b->helper), piece, sizeof piece);
    if (got > 0)
        repo_lines_feed(&b->lines, (bytes_view){piece, (size_t)got}, line_told, b);
    else if (got == 0 || (errno != EINTR && errno != EAGAIN))
        b->error_ended = true;
}

/* Until the socket is ready. Cancel is seen here only before the stream begins: later libgit2's callbacks and
 * whoever watches this process for silence see to it. */
static int wait_for(bridge *b, short events, double deadline)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = b->socket, .events = events},
                                {.fd = b->error_ended ? -1 : process_error(b->helper), .events = POLLIN}};
        int ready = poll(fds, 2, SLICE_MS);
        if (ready < 0 && errno != EINTR) return fail(b, strerror(errno));
        if (ready > 0 && fds[1].revents) error_read(b);
        if (ready > 0 && fds[0].revents) return 0;
        if (!b->is_stream && !repo_watch_tell(&b->context->watch, &b->progress))
            return repo_git_refuse(err_make(ERR_CANCELLED, "cancelled"));
        if (deadline > 0 && clock_seconds() > deadline) return fail(b, "does not answer");
    }
}

/* What it said last, when it has ended badly. */
static int ended(bridge *b)
{
    bool over = false;
    int status = 0;
    char what[64];

    for (int i = 0; i < GRACE_MS / SLICE_MS && !over; i++) {
        struct pollfd fd = {.fd = b->error_ended ? -1 : process_error(b->helper), .events = POLLIN};
        if (poll(&fd, 1, b->error_ended ? 0 : SLICE_MS) > 0) error_read(b);
        if (b->error_ended || i) process_wait(b->helper, SLICE_MS, &over, &status);
    }
    repo_lines_end(&b->lines, line_told, b);
    if (over && status == 0) return 0;
    snprintf(what, sizeof what, over ? "ended with status %d" : "has closed the connection", status);
    return fail(b, what);
}

/* ---- git's stream ---- */

static int stream_read(git_smart_subtransport_stream *s, char *buffer, size_t size, size_t *got_out)
{
    bridge *b = ((bridge_stream *)s)->owner;

    *got_out = 0;
    for (;;) {
        int status = wait_for(b, POLLIN, 0);
        if (status < 0) return status;
        ssize_t got = recv(b->socket, buffer, size, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return ended(b);
        *got_out = (size_t)got;
        return 0;
    }
}

static int write_all(bridge *b, const char *data, size_t size, double deadline)
{
    while (size) {
        ssize_t put = send(b->socket, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EAGAIN) {
            int status = wait_for(b, POLLOUT, deadline);
            if (status < 0) return status;
        } else if (put < 0 && errno != EINTR) {
            return fail(b, errno == EPIPE ? "has closed the connection" : strerror(errno));
        } else if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

static int stream_write(git_smart_subtransport_stream *s, const char *data, size_t size)
{
    return write_all(((bridge_stream *)s)->owner, data, size, 0);
}

/* The helper lives with the subtransport, whose only stream this is. */
static void stream_free(git_smart_subtransport_stream *s) { (void)s; }

/* ---- the conversation ---- */

/* One byte at a time: what follows the answer is git's. */
static int line_read(bridge *b, double deadline, char line[LINE_MAX_BYTES + 1])
{
    for (size_t size = 0; size < LINE_MAX_BYTES;) {
        int status = wait_for(b, POLLIN, deadline);
        if (status < 0) return status;
        ssize_t got = recv(b->socket, line + size, 1, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got <= 0) return ended(b) < 0 ? -1 : fail(b, "has ended without an answer");
        if (line[size] == '\n') {
            line[size] = 0;
            return 0;
        }
        size++;
    }
    return fail(b, "says too long a line");
}

static int say(bridge *b, const char *text)
{
    return write_all(b, text, strlen(text), clock_seconds() + ANSWER_SECONDS);
}

static int can_connect(bridge *b, bool *out)
{
    double deadline = clock_seconds() + ANSWER_SECONDS;
    char line[LINE_MAX_BYTES + 1];

    *out = false;
    int status = say(b, "capabilities\n");
    for (int i = 0; status == 0; i++) {
        if (i == CAPABILITIES_MAX) return fail(b, "says too many capabilities");
        status = line_read(b, deadline, line);
        if (status == 0 && !*line) return 0;
        if (status == 0) *out |= strcmp(line + (*line == '*'), "connect") == 0;
    }
    return status;
}

static int connect_service(bridge *b, bool push, bool *connected)
{
    char line[LINE_MAX_BYTES + 1];

    *connected = false;
    int status = can_connect(b, connected);
    if (status < 0 || !*connected) return status;
    status = say(b, push ? "connect git-receive-pack\n" : "connect git-upload-pack\n");
    if (status == 0) status = line_read(b, clock_seconds() + ANSWER_SECONDS, line);
    *connected = status == 0 && !*line;
    return status;
}

/* ---- the helper ---- */

static void helper_end(bridge *b)
{
    bool over = false;
    int status = 0;

    if (b->socket >= 0) close(b->socket);
    b->socket = -1;
    b->is_stream = false;
    if (!b->helper) return;
    process_wait(b->helper, GRACE_MS, &over, &status);
    if (!over) process_stop(b->helper, GRACE_MS);
    process_free(b->helper);
    b->helper = NULL;
    repo_lines_free(&b->lines);
    repo_last_words_free(&b->words);
}

static err helper_start(bridge *b, const char *url)
{
    git_repository *git = git_remote_owner(b->remote);
    const char *name = git_remote_name(b->remote);
    const char *const argv[] = {b->program, name && *name && *name != '-' ? name : url, url, NULL};
    CLEANUP(bytes_free) bytes folder = {0};
    int ends[2];

    /* A caller's git would lead the helper elsewhere; libgit2 speaks the protocol's first version. */
    bytes_printf(&folder, "GIT_DIR%s%s", git ? "=" : "", git ? git_repository_path(git) : "");
    const char *const set[] = {
        bytes_text(&folder),    "GIT_WORK_TREE", "GIT_INDEX_FILE",        "GIT_PROTOCOL", "GIT_COMMON_DIR",
        "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",     NULL};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return err_errno("make a socket");
    process_options how = {.argv = argv,
                           .set = set,
                           .input = ends[1],
                           .output = ends[1],
                           .error = PROCESS_PIPE,
                           .in_group = b->context->in_group};
    err e = process_start(&how, &b->helper);
    close(ends[1]);
    b->socket = ends[0];
    b->error_ended = false;
    b->progress = (repo_progress){.phase = REPO_CONNECT};
    if (e.code == ERR_NOT_FOUND)
        e = err_make(ERR_NOT_FOUND, "install %s to use %s:// addresses", b->program,
                     b->program + strlen("git-remote-"));
    return e;
}

static int open_service(bridge *b, const char *url, bool push)
{
    char scheme[REPO_SCHEME_BYTES_MAX + 1];
    bool connected = false;

    if (*url == '-' || !repo_bridge_scheme(url, scheme))
        return repo_git_refuse(err_make(ERR_USAGE, "this is no address for a helper"));
    helper_end(b);
    snprintf(b->program, sizeof b->program, "git-remote-%s", scheme);
    err e = helper_start(b, url);
    if (e.code) return repo_git_refuse(e);
    int status = connect_service(b, push, &connected);
    if (status == 0 && !connected) {
        bridge_cannot_connect(url);
        fail(b, "cannot connect");
        status = GIT_PASSTHROUGH;
    }
    if (status < 0) {
        helper_end(b);
        return status;
    }
    b->is_stream = true;
    return 0;
}

/* ---- the subtransport ---- */

static int action(git_smart_subtransport_stream **out, git_smart_subtransport *transport, const char *url,
                  git_smart_service_t service)
{
    bridge *b = (bridge *)transport;
    int status = 0;

    if (service == GIT_SERVICE_UPLOADPACK_LS || service == GIT_SERVICE_RECEIVEPACK_LS)
        status = open_service(b, url, service == GIT_SERVICE_RECEIVEPACK_LS);
    else if (!b->is_stream)
        status = fail(b, "is not connected");
    if (status == 0) *out = &b->stream.parent;
    return status;
}

static int bridge_close(git_smart_subtransport *transport)
{
    helper_end((bridge *)transport);
    return 0;
}

static void bridge_free(git_smart_subtransport *transport)
{
    helper_end((bridge *)transport);
    free(transport);
}

typedef struct owner {
    const repo_context *context;
    git_remote *remote;
} owner;

static int subtransport(git_smart_subtransport **out, git_transport *transport, void *param)
{
    const owner *o = param;
    bridge *b = memory_alloc(sizeof *b);

    (void)transport;
    *b = (bridge){.parent = {.action = action, .close = bridge_close, .free = bridge_free},
                  .context = o->context,
                  .remote = o->remote,
                  .socket = -1};
    b->stream = (bridge_stream){.parent = {.subtransport = &b->parent,
                                           .read = stream_read,
                                           .write = stream_write,
                                           .free = stream_free},
                                .owner = b};
    *out = &b->parent;
    return 0;
}

int bridge_transport(git_transport **out, git_remote *remote, void *context)
{
    owner o = {.context = context, .remote = remote};
    git_smart_subtransport_definition definition = {.callback = subtransport, .rpc = 0, .param = &o};
    return git_transport_smart(out, remote, &definition);
}
