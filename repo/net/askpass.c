#define _GNU_SOURCE
#include "repo/net/askpass.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/net/frame.h"

enum {
    QUESTION_BYTES_MAX = 4096,
    ANSWER_BYTES_MAX = 16384,
    ASKED_MAX = 8, /* a program that asks again and again is refused */
    QUESTION_WAIT_S = 5,
    NAME_RANDOM_BYTES = 16,
};

#define VARIABLE "HYPRSTREAM_ASKPASS"
#define COMMAND  "__askpass"

struct repo_askpass {
    const repo_context *context;
    repo_credentials *who;
    int fd;
    char *variables[REPO_ASKPASS_VARIABLES];
    repo_login login; /* its user was told, its password will be asked for next */
    size_t asked, login_count;
    err problem;
};

/* ---- socket: an abstract name, nothing to clean up after a kill ---- */

static socklen_t address_of(const char *name, struct sockaddr_un *out)
{
    size_t size = MIN_OF(strlen(name), sizeof out->sun_path - 1);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path + 1, name, size);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
}

static err name_make(char *out, size_t out_size)
{
    unsigned char random[NAME_RANDOM_BYTES];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return err_errno("get random bytes");
    size_t at = (size_t)snprintf(out, out_size, "hyprstream-ask-%ld-", (long)getpid());
    for (size_t i = 0; i < sizeof random; i++)
        at += (size_t)snprintf(out + at, out_size - at, "%02x", random[i]);
    return ERR_OK;
}

static bool peer_is_ours(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void patience(int fd, int seconds)
{
    struct timeval time = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

static bool read_to_end(int fd, size_t bytes_max, bytes *out)
{
    for (;;) {
        bytes_reserve(out, 512);
        ssize_t got = read(fd, out->data + out->size, 512);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return false;
        if (got == 0) return true;
        out->size += (size_t)got;
        out->data[out->size] = 0;
        if (out->size > bytes_max) return false;
    }
}

/* ---- the side that answers ---- */

static char *program_of_this(void)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
    return size > 0 ? memory_text_n(path, (size_t)size) : memory_text("");
}

static char *variable(const char *name, const char *value)
{
    bytes text = {0};
    bytes_printf(&text, "%s=%s", name, value);
    return bytes_take(&text);
}

err repo_askpass_open(const repo_context *c, repo_credentials *who, repo_askpass **out)
{
    char name[100];
    struct sockaddr_un address;
    err e = name_make(name, sizeof name);
    if (e.code) return e;
    socklen_t size = address_of(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_errno("make a socket");
    if (bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 4) != 0) {
        e = err_errno("listen for questions of git");
        close(fd);
        return e;
    }
    char *program = program_of_this();
    repo_askpass *a = memory_alloc(sizeof *a);
    *a = (repo_askpass){.context = c, .who = who, .fd = fd};
    a->variables[0] = variable("GIT_ASKPASS", program);
    a->variables[1] = variable("SSH_ASKPASS", program);
    a->variables[2] = variable("SSH_ASKPASS_REQUIRE", "force");
    a->variables[3] = variable(VARIABLE, name);
    free(program);
    *out = a;
    return ERR_OK;
}

void repo_askpass_free(repo_askpass *a)
{
    if (!a) return;
    close(a->fd);
    for (size_t i = 0; i < REPO_ASKPASS_VARIABLES; i++) free(a->variables[i]);
    repo_login_free(&a->login);
    free(a);
}

int repo_askpass_fd(const repo_askpass *a) { return a->fd; }
size_t repo_askpass_login_count(const repo_askpass *a) { return a->login_count; }
err repo_askpass_problem(const repo_askpass *a) { return a->problem; }
const char *repo_askpass_borrow_variable(const repo_askpass *a, size_t i) { return a->variables[i]; }

/* The url in "Password for 'https://me@host': ", split into what is without a user and the user (NULL: none).
 */
static bool url_in(const char *question, char **url, char **user)
{
    const char *begin = strchr(question, '\''), *end = strrchr(question, '\'');
    if (!begin || end <= begin) return false;
    char *whole = memory_text_n(begin + 1, (size_t)(end - begin - 1));
    char *host = strstr(whole, "://"), *at = host ? strchr(host, '@') : NULL;
    *user = at ? memory_text_n(host + 3, (size_t)(at - host - 3)) : NULL;
    *url = repo_url_without_login(whole);
    free(whole);
    return true;
}

static err login_next(repo_askpass *a, const char *question)
{
    char *url = NULL, *user = NULL;
    if (!a->who) return err_make(ERR_DENIED, "the server wants a login");
    if (!url_in(question, &url, &user)) return err_make(ERR_DENIED, "git asks for a login without a url");
    repo_login_free(&a->login);
    a->login = (repo_login){0};
    err e = repo_credentials_next(a->who, url, user, &a->login);
    if (!e.code) a->login_count++;
    free(url);
    free(user);
    return e;
}

static err user_answer(repo_askpass *a, const char *question, bytes *answer)
{
    err e = login_next(a, question);
    if (!e.code) bytes_append_text(answer, a->login.user ? a->login.user : "");
    return e;
}

static err password_answer(repo_askpass *a, const char *question, bytes *answer)
{
    err e = a->login.password ? ERR_OK : login_next(a, question);
    if (!e.code) bytes_append_text(answer, a->login.password ? a->login.password : "");
    repo_login_free(&a->login);
    a->login = (repo_login){0};
    return e;
}

/* What ssh wants to know: a passphrase, or whether to trust a host. */
static err person_answer(repo_askpass *a, const char *question, bytes *answer)
{
    const repo_ask *ask = &a->context->ask;
    if (!ask->ask) return err_make(ERR_DENIED, "nobody is there to answer: %s", question);
    return ask->ask(ask->context, question, !strstr(question, "(yes/no"), answer);
}

static const struct {
    const char *begin;
    err (*answer)(repo_askpass *a, const char *question, bytes *answer);
} questions[] = {{"Username for ", user_answer}, {"Password for ", password_answer}, {"", person_answer}};

static err answer_find(repo_askpass *a, const char *question, bytes *answer)
{
    size_t i = 0;
    if (++a->asked > ASKED_MAX) return err_make(ERR_DENIED, "git asked %d questions", ASKED_MAX);
    while (!text_starts_with(question, questions[i].begin)) i++;
    return questions[i].answer(a, question, answer);
}

static void wipe(bytes *b)
{
    if (b->data) explicit_bzero(b->data, b->capacity);
    bytes_free(b);
}

void repo_askpass_serve(repo_askpass *a)
{
    CLEANUP(bytes_free) bytes question = {0};
    CLEANUP(wipe) bytes answer = {0};
    int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) return;
    patience(fd, QUESTION_WAIT_S);
    if (peer_is_ours(fd) && read_to_end(fd, QUESTION_BYTES_MAX, &question)) {
        bytes_reserve(&answer, ANSWER_BYTES_MAX); /* so that no growth leaves a copy behind */
        a->problem = answer_find(a, bytes_text(&question), &answer);
        if (!a->problem.code && socket_send_all(fd, "+", 1)) socket_send_all(fd, answer.data, answer.size);
    }
    close(fd);
}

/* ---- the side that asks ---- */

/* git and ssh give one argument, a sentence; no command of ours is a word with a space. */
bool repo_askpass_is(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], COMMAND) == 0) return true;
    return argc == 2 && getenv(VARIABLE) && strchr(argv[1], ' ');
}

int repo_askpass_main(int argc, char **argv)
{
    CLEANUP(wipe) bytes answer = {0};
    const char *name = getenv(VARIABLE), *question = argv[argc - 1];
    struct sockaddr_un address;

    if (!name) return 1;
    socklen_t size = address_of(name, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0 || !peer_is_ours(fd)) return 1;
    bytes_reserve(&answer, ANSWER_BYTES_MAX);
    bool told = socket_send_all(fd, question, strlen(question)) && shutdown(fd, SHUT_WR) == 0 &&
                read_to_end(fd, ANSWER_BYTES_MAX, &answer);
    close(fd);
    if (!told || !answer.size || answer.data[0] != '+') return 1;
    bytes_append_byte(&answer, '\n');
    return fwrite(answer.data + 1, 1, answer.size - 1, stdout) == answer.size - 1 ? 0 : 1;
}
