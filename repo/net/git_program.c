#include "repo/net/git_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/process.h"
#include "base/text.h"
#include "repo/net/git_run.h"

enum {
    VERSION_MAJOR_MIN = 2,
    VERSION_MINOR_MIN = 20,
    VERSION_WAIT_MS = 10000,
    VERSION_BYTES_MAX = 4096,
    ARGUMENTS_MAX = 256,
};

/* ---- can it be used ---- */

err repo_git_program_check(const repo_context *c)
{
    static const char *const argv[] = {"git", "--version", NULL};
    CLEANUP(bytes_free) bytes output = {0};
    int status = 0, major = 0, minor = 0;

    if (!settings_bool(c->settings, "repo.git_program"))
        return err_make(ERR_UNSUPPORTED,
                        "this needs the git program, which repo.git-program = false forbids");
    process_options options = {
        .argv = argv, .input = PROCESS_NULL, .output = PROCESS_PIPE, .error = PROCESS_NULL};
    err e =
        process_run(&options, (bytes_view){0}, VERSION_BYTES_MAX, VERSION_WAIT_MS, &output, NULL, &status);
    if (e.code == ERR_NOT_FOUND)
        return err_make(ERR_UNSUPPORTED, "this needs the git program, which is not installed");
    if (e.code) return err_note(e, "run git --version");
    if (sscanf(bytes_text(&output), "git version %d.%d", &major, &minor) != 2 || status != 0)
        return err_make(ERR_UNSUPPORTED, "the program git on PATH does not say its version");
    if (major < VERSION_MAJOR_MIN || (major == VERSION_MAJOR_MIN && minor < VERSION_MINOR_MIN))
        return err_make(ERR_UNSUPPORTED, "git %d.%d is too old: %d.%d is needed", major, minor,
                        VERSION_MAJOR_MIN, VERSION_MINOR_MIN);
    return ERR_OK;
}

/* ---- arguments ---- */

typedef struct words {
    const char *list[ARGUMENTS_MAX + 1];
    size_t count;
    bool too_many;
} words;

static void word_add(words *w, const char *word)
{
    if (w->count == ARGUMENTS_MAX)
        w->too_many = true;
    else
        w->list[w->count++] = word;
}

/* "--" keeps a remote or a refspec from being read as an option, whatever it begins with. */
static err words_end(words *w, const char *remote, const char *const *refspecs)
{
    word_add(w, "--");
    word_add(w, remote);
    for (size_t i = 0; refspecs && refspecs[i]; i++) word_add(w, refspecs[i]);
    if (*remote == '-') return err_make(ERR_USAGE, "a remote does not begin with '-': %s", remote);
    if (w->too_many) return err_make(ERR_LIMIT, "more than %d refs at once", ARGUMENTS_MAX);
    return ERR_OK;
}

/* ---- verbs ---- */

err repo_git_program_fetch(const repo_context *c, const char *folder, const char *remote,
                           const char *const *refspecs, int depth, bool tags, repo_credentials *who)
{
    words w = {0};
    char depth_word[32];

    word_add(&w, "fetch");
    word_add(&w, "--progress");
    word_add(&w, "--no-auto-gc");
    word_add(&w, "--no-recurse-submodules");
    if (tags) word_add(&w, "--tags");
    if (depth) {
        snprintf(depth_word, sizeof depth_word, "--depth=%d", depth);
        word_add(&w, depth_word);
    }
    err e = words_end(&w, remote, refspecs);
    return e.code ? e : repo_git_program_run(c, folder, w.list, who, NULL);
}

/* After the last "refs/heads/" or "refs/tags/" of "from:to": what the ref is called there. */
static const char *ref_name(const char *pair)
{
    static const char *const begins[] = {"refs/heads/", "refs/tags/"};
    const char *to = strrchr(pair, ':') ? strrchr(pair, ':') + 1 : pair;
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (text_starts_with(to, begins[i])) return to + strlen(begins[i]);
    return to;
}

/* One line of --porcelain, "<flag>\t<from>:<to>\t<summary>", as a line for a person; refused gets the first
 * that was refused. */
static void push_line(char *line, repo_names *lines, bytes *refused)
{
    char *pair = strchr(line, '\t'), *summary = pair ? strchr(pair + 1, '\t') : NULL;
    CLEANUP(bytes_free) bytes text = {0}, clean = {0};

    if (!summary || pair != line + 1) return;
    *summary++ = 0;
    bytes_printf(&text, "%s %s", ref_name(pair + 1), summary);
    repo_line_clean(bytes_borrow(&text), &clean);
    repo_names_add(lines, bytes_text(&clean));
    if (*line == '!' && !refused->size) bytes_append_text(refused, bytes_text(&clean));
}

static void push_lines(bytes *output, repo_names *lines, bytes *refused)
{
    char *rest = NULL, *text = output->size ? output->data : NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        push_line(line, lines, refused);
}

err repo_git_program_push(const repo_context *c, const char *folder, const char *remote,
                          const char *const *refspecs, repo_credentials *who, repo_names *lines)
{
    return repo_git_program_push_with(c, folder, NULL, remote, refspecs, who, lines);
}

err repo_git_program_push_with(const repo_context *c, const char *folder, const char *const *options,
                               const char *remote, const char *const *refspecs, repo_credentials *who,
                               repo_names *lines)
{
    CLEANUP(bytes_free) bytes output = {0}, refused = {0};
    words w = {0};

    word_add(&w, "push");
    word_add(&w, "--porcelain");
    word_add(&w, "--progress");
    for (size_t i = 0; options && options[i]; i++) word_add(&w, options[i]);
    err e = words_end(&w, remote, refspecs);
    if (e.code) return e;
    e = repo_git_program_run(c, folder, w.list, who, &output);
    push_lines(&output, lines, &refused);
    if (!refused.size) return e;
    bool by_server = strstr(bytes_text(&refused), "[remote rejected]") != NULL;
    return err_make(by_server ? ERR_DENIED : ERR_CONFLICT, "push: %s", bytes_text(&refused));
}

/* ---- default branch ---- */

/* What `ls-remote --symref` said: HEAD's branch, else the branch at HEAD's commit (main and master first),
 * else the only branch. Helpers that know no symbolic refs say only ids. */
typedef struct advertised {
    char *symbolic, *first, *at_head, *usual;
    char head[REPO_LINE_BYTES_MAX];
    size_t branch_count;
} advertised;

static void advertised_free(advertised *a)
{
    free(a->symbolic);
    free(a->first);
    free(a->at_head);
    free(a->usual);
}

static void keep_first(char **place, const char *text)
{
    if (!*place) *place = memory_text(text);
}

static void advertised_read(advertised *a, char *line)
{
    char *name = strchr(line, '\t');
    if (!name) return;
    *name++ = 0;
    if (strcmp(name, "HEAD") == 0 && text_starts_with(line, "ref: refs/heads/"))
        keep_first(&a->symbolic, line + strlen("ref: "));
    else if (strcmp(name, "HEAD") == 0)
        snprintf(a->head, sizeof a->head, "%s", line);
    if (!text_starts_with(name, "refs/heads/")) return;
    a->branch_count++;
    keep_first(&a->first, name);
    bool usual = strcmp(name, "refs/heads/main") == 0 || strcmp(name, "refs/heads/master") == 0;
    bool at_head = a->head[0] && strcmp(a->head, line) == 0;
    if (at_head) keep_first(&a->at_head, name);
    if (usual && (at_head || !a->head[0])) keep_first(&a->usual, name);
}

static const char *advertised_choose(const advertised *a)
{
    if (a->symbolic) return a->symbolic;
    if (a->usual) return a->usual;
    if (a->at_head) return a->at_head;
    return a->branch_count == 1 ? a->first : NULL;
}

err repo_git_program_default_branch(const repo_context *c, const char *folder, const char *remote,
                                    repo_credentials *who, char **out)
{
    CLEANUP(bytes_free) bytes output = {0};
    CLEANUP(advertised_free) advertised a = {0};
    words w = {0};
    char *rest = NULL;

    word_add(&w, "ls-remote");
    word_add(&w, "--symref");
    err e = words_end(&w, remote, NULL);
    if (!e.code) e = repo_git_program_run(c, folder, w.list, who, &output);
    if (e.code) return e;
    char *text = output.size ? output.data : NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        advertised_read(&a, line);
    const char *found = advertised_choose(&a);
    if (!found) return err_make(ERR_NOT_FOUND, "the remote has no default branch");
    *out = memory_text(found);
    return ERR_OK;
}
