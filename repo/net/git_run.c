#include "repo/net/git_run.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/process.h"
#include "base/text.h"
#include "repo/net/askpass.h"
#include "repo/net/git_program.h"

enum {
    SLICE_MS = 100, /* how soon a cancel is seen */
    TELL_EVERY_MS = 50,
    STOP_GRACE_MS = 2000,
    READ_BYTES = 16384,
    OUTPUT_BYTES_MAX = 64 << 20,
    LOGINS_MAX = 8,
    VARIABLES_MAX = 64,
};

/* ---- last words ---- */

/* Advice and boilerplate around the reason. */
static const char *const idle_words[] = {
    "hint:",
    "Please make sure you have",
    "and the repository exists.",
    "fatal: Could not read from remote",
    "remote:",
    "To ",
    "error: failed to push some refs",
};

static bool is_idle(const char *line)
{
    for (size_t i = 0; i < COUNT_OF(idle_words); i++)
        if (text_starts_with(line, idle_words[i])) return true;
    return false;
}

void repo_last_words_add(repo_last_words *words, const char *line)
{
    if (words->count == REPO_LAST_WORDS_MAX) {
        free(words->lines[0]);
        words->count--;
        memmove(words->lines, words->lines + 1, words->count * sizeof *words->lines);
    }
    words->lines[words->count++] = memory_text(line);
}

void repo_last_words_free(repo_last_words *words)
{
    for (size_t i = 0; i < words->count; i++) free(words->lines[i]);
    words->count = 0;
}

static const struct {
    const char *words;
    err_code code;
} meanings[] = {
    {"Authentication failed", ERR_DENIED},
    {"could not read Username", ERR_DENIED},
    {"could not read Password", ERR_DENIED},
    {"Permission denied", ERR_DENIED},
    {"Host key verification failed", ERR_DENIED},
    {"certificate", ERR_DENIED},
    {"not allowed", ERR_DENIED},
    {"returned error: 403", ERR_DENIED},
    {"Unable to find remote helper", ERR_NOT_FOUND},
    {"not found", ERR_NOT_FOUND},
    {"does not appear to be a git repository", ERR_NOT_FOUND},
    {"couldn't find remote ref", ERR_NOT_FOUND},
    {"[rejected]", ERR_CONFLICT},
    {".lock': File exists", ERR_BUSY},
    {"cannot lock ref", ERR_BUSY},
    {"No space left on device", ERR_IO},
    {"Could not resolve host", ERR_IO},
    {"Connection", ERR_IO},
    {"early EOF", ERR_IO},
};

static err_code code_of(const char *text)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (strstr(text, meanings[i].words)) return meanings[i].code;
    return ERR_STATE;
}

/* "fatal: Unable to find remote helper for 'x'", or git: 'remote-x' is not a git command. */
static bool helper_absent(const char *text, char *scheme, size_t size)
{
    static const char *const begins[] = {"Unable to find remote helper for '", "git: 'remote-"};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        const char *at = strstr(text, begins[i]);
        if (!at) continue;
        at += strlen(begins[i]);
        snprintf(scheme, size, "%.*s", (int)strcspn(at, "'"), at);
        return true;
    }
    return false;
}

err repo_last_words_err(const repo_last_words *words, const char *verb, int status)
{
    CLEANUP(bytes_free) bytes text = {0};
    char scheme[40];

    for (size_t i = 0; i < words->count; i++)
        bytes_printf(&text, "%s%s", text.size ? "; " : "", words->lines[i]);
    if (helper_absent(bytes_text(&text), scheme, sizeof scheme))
        return err_make(ERR_NOT_FOUND, "install git-remote-%s to use %s:// addresses", scheme, scheme);
    if (!text.size) return err_make(ERR_STATE, "git %s ended with status %d and no words", verb, status);
    return err_make(code_of(bytes_text(&text)), "git %s: %s", verb, bytes_text(&text));
}

/* ---- environment ---- */

/* Of the caller: git would work elsewhere, or print what it sends. */
static const char *const unwanted[] = {
    "GIT_DIR",       "GIT_WORK_TREE",        "GIT_INDEX_FILE",
    "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",    "GIT_COMMON_DIR",       "GIT_CEILING_DIRECTORIES",
    "GIT_TRACE",     "GIT_TRACE_CURL",       "GIT_CURL_VERBOSE",
    "GIT_TRACE2",    "GIT_TRACE_PACKET",     "GIT_LITERAL_PATHSPECS",
};

static const char *const wanted[] = {
    "LC_ALL=C", "LANGUAGE=", "GIT_TERMINAL_PROMPT=0", "GIT_LFS_SKIP_SMUDGE=1", "GIT_OPTIONAL_LOCKS=0",
};

/* Over every config file. The helpers of credential.helper are asked by repo/net/credentials.h in its order,
 * so git's own asking is off. */
static const struct {
    const char *key, *value;
} configuration[] = {
    {"core.hooksPath", "/dev/null"},  {"core.fsmonitor", "false"}, {"gc.auto", "0"},
    {"maintenance.auto", "false"},    {"protocol.version", "2"},   {"credential.helper", ""},
    {"advice.detachedHead", "false"},
};

typedef struct variables {
    arena memory;
    const char *list[VARIABLES_MAX + 1];
    size_t count;
} variables;

static void variables_free(variables *v) { arena_free(&v->memory); }

static void variable_add(variables *v, const char *text)
{
    if (v->count < VARIABLES_MAX) v->list[v->count++] = text;
}

static void variables_make(const repo_context *c, const repo_askpass *asking, variables *v)
{
    const char *given = env_get(c->environment, "GIT_CONFIG_COUNT");
    size_t first = given ? strtoul(given, NULL, 10) : 0; /* the caller's pairs stay, ours come after */

    for (size_t i = 0; i < COUNT_OF(unwanted); i++) variable_add(v, unwanted[i]);
    for (size_t i = 0; i < COUNT_OF(wanted); i++) variable_add(v, wanted[i]);
    for (size_t i = 0; i < COUNT_OF(configuration); i++) {
        variable_add(v, arena_printf(&v->memory, "GIT_CONFIG_KEY_%zu=%s", first + i, configuration[i].key));
        variable_add(v,
                     arena_printf(&v->memory, "GIT_CONFIG_VALUE_%zu=%s", first + i, configuration[i].value));
    }
    variable_add(v, arena_printf(&v->memory, "GIT_CONFIG_COUNT=%zu", first + COUNT_OF(configuration)));
    for (size_t i = 0; asking && i < REPO_ASKPASS_VARIABLES; i++)
        variable_add(v, repo_askpass_borrow_variable(asking, i));
    if (!asking) variable_add(v, "GIT_ASKPASS=");
    /* The authorities that everything else here trusts: git's curl may not read that variable. */
    const char *authorities = env_get(c->environment, "SSL_CERT_FILE");
    if (authorities && !env_get(c->environment, "GIT_SSL_CAINFO"))
        variable_add(v, arena_printf(&v->memory, "GIT_SSL_CAINFO=%s", authorities));
}

/* ---- one run ---- */

typedef struct run {
    const repo_context *context;
    repo_askpass *asking;
    process *process;
    repo_lines lines;
    repo_last_words words;
    repo_progress progress;
    double told_at;
    bool cancelled;
    bytes *output;
    bool output_too_long;
} run;

static void tell(run *r)
{
    double now = clock_seconds();
    if ((now - r->told_at) * 1000 < TELL_EVERY_MS) return;
    r->told_at = now;
    if (!repo_watch_tell(&r->context->watch, &r->progress)) r->cancelled = true;
}

static void line_told(void *context, const char *line)
{
    run *r = context;
    if (!repo_line_progress(line, &r->progress)) {
        if (!is_idle(line)) repo_last_words_add(&r->words, line);
        snprintf(r->progress.text, sizeof r->progress.text, "%.150s", line);
    } else if (r->progress.done == r->progress.total) {
        r->told_at = 0; /* how many there were in all is told however quick it was */
    }
    tell(r);
}

static void output_take(run *r, bytes_view piece)
{
    if (!r->output) return;
    if (r->output->size + piece.size > OUTPUT_BYTES_MAX)
        r->output_too_long = true;
    else
        bytes_append_view(r->output, piece);
}

/* False: the stream is at its end. */
static bool stream_read(run *r, int fd, bool is_error)
{
    char piece[READ_BYTES];
    ssize_t got = read(fd, piece, sizeof piece);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    if (got == 0) return false;
    bytes_view view = {piece, (size_t)got};
    if (is_error)
        repo_lines_feed(&r->lines, view, line_told, r);
    else
        output_take(r, view);
    return true;
}

/* Until both streams end, or git has ended and nothing more comes: a connection that ssh keeps for later
 * holds standard error open. */
static err streams_follow(run *r)
{
    struct pollfd fds[3] = {
        {.fd = process_output(r->process), .events = POLLIN},
        {.fd = process_error(r->process), .events = POLLIN},
        {.fd = r->asking ? repo_askpass_fd(r->asking) : -1, .events = POLLIN},
    };

    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int ready = poll(fds, 3, SLICE_MS);
        if (ready < 0 && errno != EINTR) return err_errno("wait for git");
        for (int i = 0; i < 2; i++)
            if (ready > 0 && fds[i].revents && !stream_read(r, fds[i].fd, i == 1)) fds[i].fd = -1;
        if (ready > 0 && fds[2].revents) repo_askpass_serve(r->asking);
        tell(r);
        if (r->cancelled) return err_make(ERR_CANCELLED, "cancelled");
        if (ready == 0) {
            bool ended = false;
            int status = 0;
            err e = process_wait(r->process, 0, &ended, &status);
            if (e.code || ended) return e;
        }
    }
    return ERR_OK;
}

static err run_once(run *r, const char *folder, const char *const *argv, int *status)
{
    CLEANUP(variables_free) variables v = {0};
    bool ended = false;

    variables_make(r->context, r->asking, &v);
    process_options options = {.argv = argv,
                               .folder = folder,
                               .set = v.list,
                               .input = PROCESS_NULL,
                               .output = PROCESS_PIPE,
                               .error = PROCESS_PIPE,
                               .in_group = r->context->in_group};
    err e = process_start(&options, &r->process);
    if (e.code) return e;
    e = streams_follow(r);
    if (!e.code) e = process_wait(r->process, -1, &ended, status);
    if (e.code) process_stop(r->process, STOP_GRACE_MS);
    repo_lines_end(&r->lines, line_told, r);
    process_free(r->process);
    r->process = NULL;
    if (!e.code && r->output_too_long)
        e = err_make(ERR_LIMIT, "git printed more than %d bytes", OUTPUT_BYTES_MAX);
    return e;
}

static void run_free(run *r)
{
    repo_askpass_free(r->asking);
    repo_lines_free(&r->lines);
    repo_last_words_free(&r->words);
}

/* A login of ours that was refused: another run asks for the next one. */
static bool wants_next_login(const run *r, err e, size_t logins_before)
{
    return e.code == ERR_DENIED && r->asking && repo_askpass_login_count(r->asking) > logins_before &&
           !repo_askpass_problem(r->asking).code;
}

/* "[host]:22 ..." or "host ..." as ssh writes it; false: nothing that could be put into a command line. */
static bool host_read(const char *text, bytes *host, int *port)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-";
    bool bracket = *text == '[';
    size_t size = strspn(text + bracket, allowed);

    *port = 22;
    if (!size || text[bracket] == '-') return false;
    bytes_append(host, text + bracket, size);
    if (bracket && sscanf(text + bracket + size, "]:%d", port) != 1) *port = 22;
    return true;
}

/* A host that nobody knows: how it becomes known. */
static err host_key_note(err e)
{
    static const char *const begins[] = {"authenticity of host '", "host key is known for "};
    CLEANUP(bytes_free) bytes host = {0};
    int port = 22;

    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        const char *at = strstr(e.text, begins[i]);
        if (e.code && at && host_read(at + strlen(begins[i]), &host, &port))
            return err_make(ERR_DENIED,
                            "the key of %s is not in ~/.ssh/known_hosts. If you trust it: ssh-keyscan -p %d "
                            "%s >> ~/.ssh/known_hosts",
                            bytes_text(&host), port, bytes_text(&host));
    }
    return e;
}

static err run_until_let_in(run *r, const char *folder, const char *const *argv, repo_credentials *who)
{
    err e = ERR_OK;
    for (int attempt = 0; attempt < LOGINS_MAX; attempt++) {
        size_t logins = r->asking ? repo_askpass_login_count(r->asking) : 0;
        int status = 0;
        repo_last_words_free(&r->words);
        if (r->output) bytes_clear(r->output);
        e = run_once(r, folder, argv, &status);
        if (e.code) return e;
        bool used = r->asking && repo_askpass_login_count(r->asking) > logins;
        if (status == 0) {
            if (used && who) repo_credentials_worked(who);
            return ERR_OK;
        }
        e = repo_last_words_err(&r->words, argv[1], status);
        if (!wants_next_login(r, e, logins)) break;
        repo_credentials_refused(who);
    }
    err problem = r->asking ? repo_askpass_problem(r->asking) : ERR_OK;
    return host_key_note(problem.code ? problem : e);
}

err repo_git_program_run(const repo_context *c, const char *folder, const char *const *arguments,
                         repo_credentials *who, bytes *output)
{
    CLEANUP(run_free) run r = {.context = c, .output = output, .progress = {.phase = REPO_CONNECT}};
    size_t count = 0;

    err e = repo_git_program_check(c);
    if (!e.code && (who || c->ask.ask)) e = repo_askpass_open(c, who, &r.asking);
    if (e.code) return e;
    while (arguments[count]) count++;
    const char **argv = memory_resize_array(NULL, count + 2, sizeof *argv);
    argv[0] = "git";
    memcpy(argv + 1, arguments, (count + 1) * sizeof *argv);
    e = run_until_let_in(&r, folder, argv, who);
    free(argv);
    return e;
}
