#define _GNU_SOURCE
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

enum { STREAMS = 3, NAP_MS_MAX = 20, READ_BYTES = 1 << 16, STOP_GRACE_MS = 500 };

struct process {
    pid_t id;
    pid_t target;      /* of signals: -id, its group; id when it stays in ours */
    int ours[STREAMS]; /* our ends of the pipes; -1: none */
    bool ended;        /* and reaped: id means nothing any more */
    int status;
};

/* ---- start ---- */

/* What a start needs until the child runs. */
typedef struct starting {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int theirs[STREAMS]; /* descriptors above 2, copied over 0, 1, 2 in the child */
    int ours[STREAMS];
    char **environment;
} starting;

static void starting_end(starting *s)
{
    for (int i = 0; i < STREAMS; i++) {
        if (s->theirs[i] >= 0) close(s->theirs[i]);
        if (s->ours[i] >= 0) close(s->ours[i]);
    }
    posix_spawn_file_actions_destroy(&s->actions);
    posix_spawnattr_destroy(&s->attributes);
    free(s->environment);
}

/* A descriptor above 2, so that copying one stream into place never overwrites another. */
static int lifted(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, STREAMS); }

static err stream_pipe(starting *s, int i)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) return err_errno("make a pipe");
    s->theirs[i] = lifted(ends[i == 0 ? 0 : 1]);
    s->ours[i] = lifted(ends[i == 0 ? 1 : 0]);
    int reason = errno;
    close(ends[0]);
    close(ends[1]);
    errno = reason;
    return s->theirs[i] < 0 || s->ours[i] < 0 ? err_errno("make a pipe") : ERR_OK;
}

static err stream_prepare(starting *s, int i, int wanted)
{
    if (wanted == PROCESS_KEEP) return ERR_OK;
    if (wanted == PROCESS_NULL) {
        posix_spawn_file_actions_addopen(&s->actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
        return ERR_OK;
    }
    if (wanted == PROCESS_PIPE) {
        err e = stream_pipe(s, i);
        if (e.code) return e;
    } else {
        s->theirs[i] = lifted(wanted);
        if (s->theirs[i] < 0) return err_errno("copy a descriptor");
    }
    posix_spawn_file_actions_adddup2(&s->actions, s->theirs[i], i);
    return ERR_OK;
}

static size_t name_size(const char *assignment) { return strcspn(assignment, "="); }

static bool same_name(const char *a, const char *b)
{
    return name_size(a) == name_size(b) && strncmp(a, b, name_size(a)) == 0;
}

/* Ours with `set` over it; the texts stay where they are. */
static char **environment_make(const char *const *set)
{
    size_t ours = 0, more = 0, count = 0;

    while (environ[ours]) ours++;
    while (set && set[more]) more++;
    char **out = memory_resize_array(NULL, ours + more + 1, sizeof *out);
    for (size_t i = 0; i < ours; i++) {
        size_t k = 0;
        while (k < more && !same_name(environ[i], set[k])) k++;
        if (k == more) out[count++] = environ[i];
    }
    for (size_t k = 0; k < more; k++)
        if (strchr(set[k], '='))
            memcpy(&out[count++], &set[k], sizeof *out); /* exec's argument lacks const */
    out[count] = NULL;
    return out;
}

/* Own group; no signal blocked or ignored that we block or ignore (SIGPIPE above all). */
static void attributes_set(posix_spawnattr_t *attributes, bool in_group)
{
    static const int usual[] = {SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGCHLD, SIGWINCH, SIGTSTP};
    sigset_t none, defaults;

    sigemptyset(&none);
    sigemptyset(&defaults);
    for (size_t i = 0; i < COUNT_OF(usual); i++) sigaddset(&defaults, usual[i]);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (!in_group) flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes, flags);
}

static err starting_prepare(starting *s, const process_options *options)
{
    const int wanted[STREAMS] = {options->input, options->output, options->error};
    err e = ERR_OK;

    /* Asked first: in the child an absent folder and an absent program look the same. */
    if (options->folder && !file_is_folder(options->folder))
        return err_make(ERR_NOT_FOUND, "%s: no such folder", options->folder);
    attributes_set(&s->attributes, options->in_group);
    for (int i = 0; !e.code && i < STREAMS; i++) e = stream_prepare(s, i, wanted[i]);
    if (!e.code && options->folder) posix_spawn_file_actions_addchdir_np(&s->actions, options->folder);
    s->environment = environment_make(options->set);
    return e;
}

err process_start(const process_options *options, process **out)
{
    CLEANUP(starting_end) starting s = {.theirs = {-1, -1, -1}, .ours = {-1, -1, -1}};
    char **argv;
    pid_t id = 0;

    posix_spawn_file_actions_init(&s.actions);
    posix_spawnattr_init(&s.attributes);
    err e = starting_prepare(&s, options);
    if (e.code) return err_note(e, "run %s", options->argv[0]);
    memcpy(&argv, &options->argv, sizeof argv); /* exec's argument lacks const */
    const char *program = options->program ? options->program : argv[0];
    int reason = posix_spawnp(&id, program, &s.actions, &s.attributes, argv, s.environment);
    if (reason == ENOENT) return err_make(ERR_NOT_FOUND, "no program %s", program);
    errno = reason;
    if (reason) return err_errno("run %s", program);
    process *p = memory_alloc(sizeof *p);
    p->id = id;
    p->target = options->in_group ? id : -id;
    for (int i = 0; i < STREAMS; i++) {
        p->ours[i] = s.ours[i];
        s.ours[i] = -1;
    }
    *out = p;
    return ERR_OK;
}

pid_t process_id(const process *p) { return p->id; }
int process_input(const process *p) { return p->ours[0]; }
int process_output(const process *p) { return p->ours[1]; }
int process_error(const process *p) { return p->ours[2]; }

static void stream_close(process *p, int i)
{
    if (p->ours[i] >= 0) close(p->ours[i]);
    p->ours[i] = -1;
}

void process_close_input(process *p) { stream_close(p, 0); }

/* ---- end ---- */

static void nap(double *ms, double left_ms)
{
    double now = MAX_OF(MIN_OF(*ms, left_ms), 0.1);
    struct timespec length = {.tv_nsec = (long)(now * 1e6)};

    nanosleep(&length, NULL);
    *ms = MIN_OF(*ms * 2, NAP_MS_MAX);
}

/* Wait until the child has ended without reaping it, so that its id and group stay its own. timeout_ms -1:
 * without end. */
static bool wait_unreaped(const process *p, int timeout_ms)
{
    double until = clock_seconds() + timeout_ms / 1000.0, ms = 1;

    for (;;) {
        siginfo_t info = {0};
        int how = WEXITED | WNOWAIT | (timeout_ms < 0 ? 0 : WNOHANG);
        int got = waitid(P_PID, (id_t)p->id, &info, how);
        if (got == 0 && info.si_pid == p->id) return true;
        if (got != 0 && errno != EINTR) return true; /* somebody else reaped it */
        double left_ms = (until - clock_seconds()) * 1000;
        if (timeout_ms >= 0 && left_ms <= 0) return false;
        if (timeout_ms >= 0) nap(&ms, left_ms);
    }
}

static void reap(process *p)
{
    int status = 0;

    while (waitpid(p->id, &status, 0) < 0)
        if (errno != EINTR) break;
    p->ended = true;
    p->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

err process_wait(process *p, int timeout_ms, bool *ended, int *status)
{
    if (!p->ended && wait_unreaped(p, timeout_ms)) reap(p);
    *ended = p->ended;
    if (p->ended) *status = p->status;
    return ERR_OK;
}

void process_stop(process *p, int grace_ms)
{
    if (p->ended) return;
    kill(p->target, SIGTERM);
    kill(p->target, SIGCONT); /* a stopped one would not hear it */
    wait_unreaped(p, grace_ms);
    kill(p->target, SIGKILL); /* also what the leader left behind */
    reap(p);
}

void process_free(process *p)
{
    if (!p) return;
    for (int i = 0; i < STREAMS; i++) stream_close(p, i);
    process_stop(p, STOP_GRACE_MS);
    free(p);
}

/* ---- run to the end ---- */

typedef struct running {
    process *p;
    bytes_view input; /* what is left to feed */
    size_t output_bytes_max;
    bytes output, error;
} running;

/* write() to a pipe whose reader may be gone, without SIGPIPE, whatever the program does with that signal. */
static ssize_t write_quiet(int fd, const void *data, size_t size)
{
    sigset_t pipe_only, before, pending;
    static const struct timespec at_once = {0};

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    ssize_t put = write(fd, data, size);
    int reason = errno;
    if (put < 0 && reason == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_only, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = reason;
    return put;
}

static void feed(running *r)
{
    ssize_t put = r->input.size ? write_quiet(r->p->ours[0], r->input.data, r->input.size) : 0;

    if (put < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (put < 0) r->input.size = 0; /* a child need not read all */
    if (put > 0) {
        r->input.data += put;
        r->input.size -= (size_t)put;
    }
    if (!r->input.size) process_close_input(r->p);
}

/* One read of stream i. *more false: nothing there now. */
static err drain(running *r, int i, bool *more)
{
    bytes *to = i == 1 ? &r->output : &r->error;

    bytes_reserve(to, READ_BYTES);
    ssize_t got = read(r->p->ours[i], to->data + to->size, READ_BYTES);
    *more = got > 0 || (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return ERR_OK;
    if (got <= 0) {
        stream_close(r->p, i);
        return ERR_OK;
    }
    to->size += (size_t)got;
    to->data[to->size] = 0;
    return to->size > r->output_bytes_max
               ? err_make(ERR_LIMIT, "printed more than %zu bytes", r->output_bytes_max)
               : ERR_OK;
}

/* Move what is ready. The child's end is looked for now and then, since a daemon that it left behind may hold
 * the pipes open for ever. */
static err step(running *r, int wait_ms)
{
    struct pollfd fds[STREAMS];

    for (int i = 0; i < STREAMS; i++)
        fds[i] = (struct pollfd){.fd = r->p->ours[i], .events = i == 0 ? POLLOUT : POLLIN};
    if (poll(fds, STREAMS, wait_ms) < 0) return errno == EINTR ? ERR_OK : err_errno("poll");
    if (fds[0].revents) feed(r);
    for (int i = 1; i < STREAMS; i++) {
        bool more;
        if (!fds[i].revents) continue;
        err e = drain(r, i, &more);
        if (e.code) return e;
    }
    return ERR_OK;
}

static err drain_all(running *r)
{
    err e = ERR_OK;

    for (int i = 1; i < STREAMS; i++)
        for (bool more = true; !e.code && more && r->p->ours[i] >= 0;) e = drain(r, i, &more);
    return e;
}

static err run_through(running *r, int timeout_ms)
{
    double until = clock_seconds() + timeout_ms / 1000.0;

    for (int i = 0; i < STREAMS; i++)
        if (r->p->ours[i] >= 0) fcntl(r->p->ours[i], F_SETFL, fcntl(r->p->ours[i], F_GETFL) | O_NONBLOCK);
    if (!r->input.size && r->p->ours[0] >= 0) process_close_input(r->p);
    while (r->p->ours[0] >= 0 || r->p->ours[1] >= 0 || r->p->ours[2] >= 0) {
        err e = step(r, NAP_MS_MAX);
        if (e.code) return e;
        if (wait_unreaped(r->p, 0)) return drain_all(r);
        if (timeout_ms >= 0 && clock_seconds() > until)
            return err_make(ERR_IO, "did not end within %.3g s", timeout_ms / 1000.0);
    }
    double left_ms = MAX_OF((until - clock_seconds()) * 1000, 0);
    if (wait_unreaped(r->p, timeout_ms < 0 ? -1 : (int)left_ms)) return ERR_OK;
    return err_make(ERR_IO, "did not end within %.3g s", timeout_ms / 1000.0);
}

err process_run(const process_options *options, bytes_view input, size_t output_bytes_max, int timeout_ms,
                bytes *output, bytes *error_out, int *status)
{
    process_options all = *options;
    running r = {.input = input, .output_bytes_max = output_bytes_max};

    if (input.size) all.input = PROCESS_PIPE;
    all.output = PROCESS_PIPE;
    if (error_out) all.error = PROCESS_PIPE;
    err e = process_start(&all, &r.p);
    if (e.code) return e;
    e = run_through(&r, timeout_ms);
    if (!e.code) {
        reap(r.p);
        *status = r.p->status;
        bytes_free(output);
        *output = r.output;
        r.output = (bytes){0};
        if (error_out) {
            bytes_free(error_out);
            *error_out = r.error;
            r.error = (bytes){0};
        }
    }
    bytes_free(&r.output);
    bytes_free(&r.error);
    process_free(r.p);
    return err_note(e, "%s", options->argv[0]);
}
