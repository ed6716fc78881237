/* repo/net/network.c: the parent's side of the network child: starts it, hears it, answers it, ends it. */
#define _GNU_SOURCE
#include "repo/net/network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/net/network_internal.h"

enum {
    SLICE_MS = 50,    /* how soon a cancel is seen */
    CANCEL_MS = 2000, /* to end by itself after the message */
    STOP_GRACE_MS = 2000,
    END_MS = 5000, /* to exit after the report */
    READ_BYTES = 64 << 10,
};

typedef struct call {
    const repo_context *context;
    const repo_network_call_options *options;
    process *child;
    int fd; /* our end of the socket */
    frame_reader frames;
    repo_lines errors;
    char last_words[REPO_LINE_BYTES_MAX]; /* the child's last line on standard error */
    repo_progress progress;
    bool is_here; /* what is talked to is a folder, whose disk may take its time */
    double told_at, heard_at, cancel_at;
    int64_t began_at; /* as files are dated */
    err reason;       /* why we cancelled */
    bool reported;
    err verdict; /* the verb's */
    repo_network_report *report;
} call;

/* ---- beginning ---- */

/* What was given for this process alone: the child reads the rest itself. */
static void settings_add(const settings *s, bytes *request)
{
    for (const setting_row *row = setting_rows; row->name; row++) {
        CLEANUP(bytes_free) bytes line = {0};
        if (strcmp(settings_source(s, row->name), "flag") != 0) continue;
        bytes_printf(&line, "%s=%s", row->name, settings_text(s, row->name));
        field_add(request, "set", bytes_text(&line));
    }
}

static err request_send(const call *k)
{
    CLEANUP(frame_wipe) bytes request = {0};

    field_add(&request, "verb", k->options->verb);
    field_add(&request, "folder", k->options->folder);
    field_add_flag(&request, "ask", k->context->ask.ask);
    settings_add(k->context->settings, &request);
    bytes_append_view(&request, k->options->request);
    if (frame_send(k->fd, FRAME_REQUEST, bytes_borrow(&request))) return ERR_OK;
    return err_make(ERR_IO, "the network process does not listen");
}

/* The program that runs now, also when its file was replaced meanwhile. */
static err child_start(call *k)
{
    static const char *const argv[] = {"hyprstream", REPO_NETWORK_COMMAND, NULL};
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return err_errno("make a socket");
    process_options options = {.argv = argv,
                               .program = "/proc/self/exe",
                               .input = ends[1],
                               .output = PROCESS_NULL,
                               .error = PROCESS_PIPE};
    err e = process_start(&options, &k->child);
    close(ends[1]);
    k->fd = ends[0];
    return e.code ? err_note(e, "start the network process") : request_send(k);
}

/* ---- cancel and silence ---- */

static void cancel(call *k, err reason)
{
    if (k->reason.code) return;
    k->reason = reason;
    k->cancel_at = clock_seconds();
    frame_send(k->fd, FRAME_CANCEL, (bytes_view){0});
}

static void tell(call *k, double now)
{
    if ((now - k->told_at) * 1000 < SLICE_MS) return;
    k->told_at = now;
    if (!repo_watch_tell(&k->context->watch, &k->progress)) cancel(k, err_make(ERR_CANCELLED, "cancelled"));
}

/* Work of this machine may be quiet; large files have a limit of their own (base/http.h). */
static bool waits_for_server(repo_phase phase)
{
    return phase == REPO_CONNECT || phase == REPO_COUNTING || phase == REPO_RECEIVING ||
           phase == REPO_SENDING;
}

static void silence_look(call *k, double now)
{
    int64_t limit = settings_integer(k->context->settings, "network.timeout");

    if (!waits_for_server(k->progress.phase) || k->is_here) return;
    if (now - k->heard_at < (double)limit) return;
    char *label = repo_url_without_login(k->options->label);
    cancel(k, err_make(ERR_IO, "%s: the server was silent for %lld s: given up", label, (long long)limit));
    free(label);
}

/* ---- hearing ---- */

static void progress_read(call *k, bytes_view payload)
{
    uint64_t phase = field_number(payload, "phase");
    const char *text = field_text(payload, "text");

    if (phase >= REPO_PHASE_COUNT) return;
    k->progress = (repo_progress){.phase = (repo_phase)phase,
                                  .done = field_number(payload, "done"),
                                  .total = field_number(payload, "total"),
                                  .bytes_done = field_number(payload, "bytes_done"),
                                  .bytes_total = field_number(payload, "bytes_total")};
    snprintf(k->progress.text, sizeof k->progress.text, "%s", text ? text : "");
    k->is_here = field_flag(payload, "here");
}

static void question_answer(call *k, bytes_view payload)
{
    CLEANUP(frame_wipe) bytes answer = {0}, frame = {0};
    const char *question = field_text(payload, "question");
    const repo_ask *ask = &k->context->ask;

    bytes_reserve(&answer, FRAME_SMALL_BYTES_MAX / 2); /* so that no growth leaves a copy behind */
    bytes_reserve(&frame, FRAME_SMALL_BYTES_MAX);
    err e = ask->ask
                ? ask->ask(ask->context, question ? question : "", field_flag(payload, "secret"), &answer)
                : err_make(ERR_DENIED, "nobody is there to ask");
    field_add_number(&frame, "code", e.code);
    field_add(&frame, "text", e.text);
    if (!e.code) field_add(&frame, "answer", bytes_text(&answer));
    frame_send(k->fd, FRAME_ANSWER, bytes_borrow(&frame));
    if (e.code == ERR_CANCELLED) cancel(k, e);
}

static err report_take(call *k, bytes_view payload)
{
    const char *text = field_text(payload, "text");
    uint64_t code = field_number(payload, "code");

    if (code) k->verdict = err_make(code <= ERR_NOTHING ? (err_code)code : ERR_STATE, "%s", text ? text : "");
    k->reported = true;
    return repo_report_read(payload, k->report);
}

static err frame_obey(call *k, frame_kind kind, bytes_view payload)
{
    err e = fields_check(payload);
    if (e.code) return e;
    switch (kind) {
    case FRAME_PROGRESS: progress_read(k, payload); return ERR_OK;
    case FRAME_QUESTION: question_answer(k, payload); return ERR_OK;
    case FRAME_REPORT: return report_take(k, payload);
    default: return err_make(ERR_FORMAT, "the network process sent a message that is not its to send");
    }
}

/* Socket readable. *open false: it is at its end. */
static err socket_read(call *k, bool *open)
{
    CLEANUP(bytes_free) bytes payload = {0};
    char piece[READ_BYTES];
    frame_kind kind;
    bool found = true;

    ssize_t got = read(k->fd, piece, sizeof piece);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return ERR_OK;
    *open = got > 0;
    if (got <= 0) return ERR_OK;
    frame_feed(&k->frames, (bytes_view){piece, (size_t)got});
    while (!k->reported) {
        err e = frame_take(&k->frames, &kind, &payload, &found);
        if (!e.code && found) e = frame_obey(k, kind, bytes_borrow(&payload));
        if (e.code || !found) return e;
        k->heard_at = clock_seconds();
    }
    return ERR_OK;
}

static void error_line(void *context, const char *line)
{
    call *k = context;
    snprintf(k->last_words, sizeof k->last_words, "%s", line);
}

static bool errors_read(call *k)
{
    char piece[4096];
    ssize_t got = read(process_error(k->child), piece, sizeof piece);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got > 0) repo_lines_feed(&k->errors, (bytes_view){piece, (size_t)got}, error_line, k);
    return got > 0;
}

/* ---- following ---- */

/* Until its report, its end, or the end of our patience. */
static err follow(call *k)
{
    struct pollfd fds[2] = {{.fd = k->fd, .events = POLLIN},
                            {.fd = process_error(k->child), .events = POLLIN}};
    bool open = true;

    k->heard_at = clock_seconds();
    while (open && !k->reported) {
        int ready = poll(fds, 2, SLICE_MS);
        if (ready < 0 && errno != EINTR) return err_errno("wait for the network process");
        if (ready > 0 && fds[1].revents && !errors_read(k)) fds[1].fd = -1;
        if (ready > 0 && fds[0].revents) {
            err e = socket_read(k, &open);
            if (e.code) return e;
        }
        double now = clock_seconds();
        tell(k, now);
        silence_look(k, now);
        if (k->reason.code && (now - k->cancel_at) * 1000 > CANCEL_MS) return k->reason;
    }
    return ERR_OK;
}

/* What a child that ended without a report leaves to say. */
static err died(call *k, int status)
{
    while (errors_read(k)) continue;
    repo_lines_end(&k->errors, error_line, k);
    if (k->reason.code) return k->reason;
    if (status > 128)
        return err_make(ERR_IO, "%s: the network process was killed (signal %d)%s%s", k->options->verb,
                        status - 128, k->last_words[0] ? ": " : "", k->last_words);
    return err_make(ERR_IO, "%s: the network process ended with status %d and no report%s%s",
                    k->options->verb, status, k->last_words[0] ? ": " : "", k->last_words);
}

/* A half pack, as git and libgit2 name them. Only the dead one's: young, and open to nobody, which a lease
 * tells.
 */
static void half_pack_drop(const char *folder, const char *name, int64_t since)
{
    struct stat info;
    bool is_half = text_starts_with(name, "tmp_") || text_starts_with(name, "pack_git2_");
    char *path = is_half ? file_join(folder, name) : NULL;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (int64_t)info.st_mtime >= since &&
        fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
        unlink(path);
    if (fd >= 0) close(fd);
    free(path);
}

static void half_packs_drop(const char *common_dir, int64_t since)
{
    char *folder = file_join(common_dir, "objects/pack");
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) half_pack_drop(folder, names.names[i], since);
    file_list_free(&names);
    free(folder);
}

/* What it left in a repository. Locks: entering the gate after the death of who was inside takes them away.
 */
static void leftovers_clear(const call *k)
{
    repo_handle *r = NULL;
    repo_gate *gate = NULL;

    if (repo_open(k->context, k->options->folder, &r).code) return;
    if (repo_gate_enter(r, "clean", &gate).code == 0) {
        half_packs_drop(repo_borrow_common_dir(r), k->began_at);
        repo_gate_leave(gate);
    }
    repo_close(r);
}

/* Its helpers are in its group: they go with it, whether it ended well or not. */
static err child_end(call *k, err e)
{
    bool ended = false;
    int status = 0;

    if (k->reported) process_wait(k->child, END_MS, &ended, &status);
    process_stop(k->child, STOP_GRACE_MS);
    process_wait(k->child, 0, &ended, &status);
    if (!k->reported || e.code) leftovers_clear(k);
    if (e.code) return e;
    if (!k->reported) return died(k, status);
    /* It gave in to our cancel: why is ours to say. */
    return k->verdict.code == ERR_CANCELLED && k->reason.code ? k->reason : k->verdict;
}

static void call_free(call *k)
{
    if (k->fd >= 0) close(k->fd);
    process_free(k->child);
    frame_reader_free(&k->frames);
    repo_lines_free(&k->errors);
}

err repo_network_call(const repo_context *c, const repo_network_call_options *options,
                      repo_network_report *out)
{
    CLEANUP(call_free)
    call k = {.context = c, .options = options, .fd = -1, .report = out, .began_at = clock_unix_seconds()};

    err e = child_start(&k);
    if (!e.code) e = follow(&k);
    return k.child ? child_end(&k, e) : e;
}
