/* repo/net/clone.c: the parent's half of clone: what is meant, a place for it, the child, its publication. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/modelref.h"
#include "repo/net/network_internal.h"
#include "repo/net/url.h"
#include "repo/registry/operation.h"

enum { REMOTES_MAX = 32 };

/* ---- what is cloned ---- */

/* An address as the child uses it (with a login that stood in it) and as everybody else sees it. */
typedef struct source {
    char *url, *shown;
    bool hub;
} source;

static void source_free(source *s)
{
    if (s->url) explicit_bzero(s->url, strlen(s->url));
    free(s->url);
    free(s->shown);
}

/* org/name, no more and no less. */
static bool is_hub_name(const char *word)
{
    const char *slash = strchr(word, '/');
    return slash && slash > word && slash[1] && !repo_model_name_check(word).code;
}

static char *hub_url(const repo_context *c, const char *word)
{
    const char *given = env_get(c->environment, "HF_ENDPOINT");
    const char *endpoint = given ? given : settings_text(c->settings, "hub.endpoint");
    size_t size = strlen(endpoint);
    bytes url = {0};

    while (size && endpoint[size - 1] == '/') size--;
    bytes_printf(&url, "%.*s/%s", (int)size, endpoint, word);
    return bytes_take(&url);
}

static err path_of(const repo_context *c, const char *word, char **out)
{
    char *path = file_expand_home(word, settings_borrow_folders(c->settings)->home);
    char *real = realpath(path, NULL);
    err e = real ? ERR_OK : err_errno("open %s", path);
    free(path);
    *out = real;
    return e;
}

err repo_net_address(const repo_context *c, const char *word, char **url, bool *is_hub)
{
    err e = ERR_OK;

    if (*word == '-') return err_make(ERR_USAGE, "an address does not begin with '-': %s", word);
    if (strlen(word) > REPO_URL_BYTES_MAX)
        return err_make(ERR_USAGE, "an address of %zu bytes: at most %d are allowed", strlen(word),
                        REPO_URL_BYTES_MAX);
    if (strpbrk(word, "\r\n\t\x1b")) return err_make(ERR_USAGE, "the address holds a control character");
    repo_word_kind kind = repo_word_kind_of(word);
    if (kind == REPO_WORD_PATH) e = path_of(c, word, url);
    /* "host:path", as git reads it: no model's name has a colon. */
    if (kind == REPO_WORD_NAME && strchr(word, ':')) kind = REPO_WORD_URL;
    if (kind == REPO_WORD_URL) *url = memory_text(word);
    *is_hub = kind == REPO_WORD_NAME && is_hub_name(word);
    if (*is_hub) {
        *url = hub_url(c, word);
    } else if (kind == REPO_WORD_NAME) {
        return err_make(ERR_USAGE,
                        "'%s' is no url, no path (one begins with /, ./, ../ or ~) and no name of the hub "
                        "(org/name)",
                        word);
    }
    return e;
}

static err source_find(const repo_context *c, const char *word, source *out)
{
    err e = repo_net_address(c, word, &out->url, &out->hub);
    if (!e.code) out->shown = repo_url_without_login(out->url);
    return e;
}

/* The last part of the address, without ".git". */
static err name_of(const source *s, char **out)
{
    const char *text = s->shown;
    size_t size = strcspn(text, "?#");

    while (size && text[size - 1] == '/') size--;
    if (size > 5 && memcmp(text + size - 5, "/.git", 5) == 0) size -= 5;
    if (size > 4 && memcmp(text + size - 4, ".git", 4) == 0) size -= 4;
    size_t begin = size;
    while (begin && text[begin - 1] != '/' && text[begin - 1] != ':') begin--;
    char *name = memory_text_n(text + begin, size - begin);
    err e = repo_model_name_check(name);
    if (e.code) e = err_make(ERR_USAGE, "no name can be made of %s: give one (clone URL NAME)", text);
    if (e.code)
        free(name);
    else
        *out = name;
    return e;
}

/* ---- the request ---- */

static err remotes_check(const repo_clone_options *o)
{
    if (o->remote_count > REMOTES_MAX)
        return err_make(ERR_LIMIT, "%zu more remotes: at most %d are allowed", o->remote_count, REMOTES_MAX);
    for (size_t i = 0; i < o->remote_count; i++) {
        const char *equals = strchr(o->remotes[i], '=');
        char *shown = repo_url_without_login(o->remotes[i]);
        err e = ERR_OK;
        if (!equals || equals == o->remotes[i] || !equals[1] || equals[1] == '-')
            e = err_make(ERR_USAGE, "the remote '%s': expected NAME=URL", shown);
        else if (strncmp(o->remotes[i], "origin=", 7) == 0)
            e = err_make(ERR_USAGE,
                         "the remote origin is what is cloned from: give the other one another name");
        free(shown);
        if (e.code) return e;
    }
    return ERR_OK;
}

static err options_check(const repo_clone_options *o)
{
    if (o->depth < 0 || o->depth > REPO_COMMITS_DEPTH_MAX)
        return err_make(ERR_USAGE, "a depth of %d: expected 1 to %d commits", o->depth,
                        REPO_COMMITS_DEPTH_MAX);
    if (o->ref && (!*o->ref || *o->ref == '-'))
        return err_make(ERR_USAGE, "'%s' is no branch, tag or commit", o->ref);
    return remotes_check(o);
}

static void request_make(const repo_context *c, const repo_clone_options *o, const source *s, bytes *out)
{
    int depth = o->depth ? o->depth : settings_bool(c->settings, "repo.prefer_shallow");

    field_add(out, "url", s->url);
    field_add(out, "ref", o->ref);
    field_add_number(out, "depth", (uint64_t)depth);
    field_add_flag(out, "no_files", o->no_files);
    for (size_t i = 0; i < o->remote_count; i++) field_add(out, "remote", o->remotes[i]);
}

/* ---- the verb ---- */

/* A hub does not tell strangers what there is. */
static err hub_note(const source *s, err e)
{
    if (!s->hub || e.code != ERR_DENIED) return e;
    return err_make(
        ERR_DENIED,
        "%s. A hub says the same of a model that does not exist, is private, or wants its licence "
        "accepted on its page",
        e.text);
}

static err clone_into(repo_operation *operation, const repo_context *c, const repo_clone_options *o,
                      const source *s, repo_network_report *out)
{
    CLEANUP(frame_wipe) bytes request = {0};

    request_make(c, o, s, &request);
    repo_network_call_options call = {.verb = "clone",
                                      .folder = repo_operation_borrow_folder(operation),
                                      .label = s->shown,
                                      .request = bytes_borrow(&request)};
    err e = repo_operation_phase(operation, "fetch");
    if (!e.code) e = hub_note(s, repo_network_call(c, &call, out));
    if (!e.code) e = repo_operation_phase(operation, "publish");
    if (!e.code) e = repo_operation_publish(operation, s->shown);
    return e;
}

err repo_clone(repo_models *m, const repo_clone_options *options, repo_network_report *out)
{
    const repo_context *c = repo_models_borrow_context(m);
    CLEANUP(source_free) source s = {0};
    repo_operation *operation = NULL;
    char *name = NULL;

    err e = options_check(options);
    if (!e.code) e = source_find(c, options->url, &s);
    if (!e.code && options->name)
        name = memory_text(options->name);
    else if (!e.code)
        e = name_of(&s, &name);
    if (!e.code) e = repo_operation_begin(m, "clone", name, 0, &operation);
    if (!e.code) e = clone_into(operation, c, options, &s, out);
    repo_operation_free(operation);
    free(out->name);
    out->name = e.code ? NULL : name;
    if (e.code) free(name);
    return e;
}
