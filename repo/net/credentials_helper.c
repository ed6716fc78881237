/* git's credential helpers, through the git program: libgit2 runs none. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/process.h"
#include "repo/net/credentials_internal.h"

enum { HELPER_TIMEOUT_MS = 15000, HELPER_ANSWER_BYTES_MAX = 64 << 10 };

static const char *const verbs[] = {
    [HELPER_FILL] = "fill", [HELPER_APPROVE] = "approve", [HELPER_REJECT] = "reject"};

/* A value with a line end would be a line of its own. */
static bool add_line(bytes *out, const char *key, const char *value)
{
    if (!value) return true;
    if (strpbrk(value, "\r\n")) return false;
    bytes_printf(out, "%s=%s\n", key, value);
    return true;
}

static bool write_question(bytes *out, helper_verb verb, const login_place *place, const char *user,
                           const repo_login *login)
{
    const char *host = strstr(place->origin, "://");
    char *protocol = memory_text_n(place->origin, (size_t)(host - place->origin));

    bool fine = add_line(out, "protocol", protocol) && add_line(out, "host", host + 3) &&
                add_line(out, "path", place->path) && add_line(out, "username", user);
    if (verb != HELPER_FILL) fine = fine && add_line(out, "password", login->password);
    bytes_append_byte(out, '\n');
    free(protocol);
    return fine;
}

/* The value of "key=..." in a helper's answer; NULL: not there. */
static char *read_line(const char *text, const char *key)
{
    size_t size = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, key, size) == 0 && line[size] == '=')
            return memory_text_n(line + size + 1, strcspn(line + size + 1, "\r\n"));
    return NULL;
}

static bool read_answer(const bytes *answer, repo_login *out)
{
    char *user = read_line(bytes_text(answer), "username"),
         *password = read_line(bytes_text(answer), "password");
    bool found = user && password && *password;

    if (found) {
        repo_login_free(out);
        *out = (repo_login){.user = user, .password = password};
        return true;
    }
    login_wipe(&user);
    login_wipe(&password);
    return false;
}

/* For fill: true when *login is filled. The others are only told; what they think of it does not matter. */
bool login_helper(const repo_credentials *k, helper_verb verb, const login_place *place, const char *user,
                  repo_login *login)
{
    const char *const argv[] = {"git", "credential", verbs[verb], NULL};
    /* Git would ask on the terminal or with a window; we ask ourselves, last. */
    static const char *const set[] = {"GIT_TERMINAL_PROMPT=0",
                                      "GIT_ASKPASS=",
                                      "SSH_ASKPASS=",
                                      "GIT_DIR",
                                      "GIT_WORK_TREE",
                                      "LC_ALL=C",
                                      NULL};
    process_options options = {.argv = argv, .folder = k->folder, .set = set};
    options.input = options.output = PROCESS_PIPE;
    options.error = PROCESS_NULL;
    CLEANUP(bytes_free) bytes question = {0}, answer = {0};
    int status = 0;
    bool found = false;

    if (write_question(&question, verb, place, user, login)) {
        err e = process_run(&options, bytes_borrow(&question), HELPER_ANSWER_BYTES_MAX, HELPER_TIMEOUT_MS,
                            &answer, NULL, &status);
        found = !e.code && status == 0 && verb == HELPER_FILL && read_answer(&answer, login);
    }
    if (question.data) explicit_bzero(question.data, question.size);
    if (answer.data) explicit_bzero(answer.data, answer.size);
    return found;
}
