/* Tokens of the environment and of files: the hub's, the access token, netrc. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/netrc.h"

enum { TOKEN_BYTES_MAX = 64 << 10 };

/* Over plain http a token can be read on the way. */
static bool is_safe(const repo_url *url)
{
    return strcmp(url->scheme, "https") == 0 || repo_url_is_loopback(url);
}

/* ---- hub ---- */

/* "huggingface.co", "hub.example:8443": the same host and the same port. */
static bool is_host(const repo_url *url, const char *host)
{
    CLEANUP(bytes_free) bytes whole = {0};
    repo_url other = {0};

    bytes_printf(&whole, "%s%s", strstr(host, "://") ? "" : "https://", host);
    bool same = repo_url_parse(bytes_text(&whole), &other) && strcmp(other.host, url->host) == 0 &&
                repo_url_port(&other) == repo_url_port(url);
    repo_url_free(&other);
    return same;
}

static bool is_hub(const repo_credentials *k, const repo_url *url)
{
    const char *endpoint = env_get(k->context->environment, "HF_ENDPOINT");
    if (!endpoint) endpoint = settings_text(k->context->settings, "hub.endpoint");
    if (is_host(url, endpoint)) return true;

    char *hosts = memory_text(settings_text(k->context->settings, "hub.hosts")), *rest = NULL;
    bool found = false;
    for (char *host = strtok_r(hosts, " ,", &rest); host && !found; host = strtok_r(NULL, " ,", &rest))
        found = is_host(url, host);
    free(hosts);
    return found;
}

static char *token_of_file(const char *path)
{
    CLEANUP(bytes_free) bytes text = {0};

    if (file_read(path, TOKEN_BYTES_MAX, &text).code) return NULL;
    const char *begin = bytes_text(&text);
    begin += strspn(begin, " \t\r\n");
    size_t size = strcspn(begin, " \t\r\n");
    char *token = size ? memory_text_n(begin, size) : NULL;
    explicit_bzero(text.data, text.size);
    return token;
}

/* As the hub's own programs look for it. */
static char *hub_token(const repo_credentials *k)
{
    static const char *const names[] = {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"};
    const env *e = k->context->environment;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (env_get(e, names[i])) return memory_text(env_get(e, names[i]));
    const char *path = env_get(e, "HF_TOKEN_PATH"), *home = env_get(e, "HF_HOME"),
               *cache = env_get(e, "XDG_CACHE_HOME");
    if (path) return token_of_file(path);
    char *folder = home ? memory_text(home)
                   : cache
                       ? file_join(cache, "huggingface")
                       : file_join(settings_borrow_folders(k->context->settings)->home, ".cache/huggingface");
    char *file = file_join(folder, "token");
    char *token = token_of_file(file);
    free(file);
    free(folder);
    return token;
}

bool login_from_hub(repo_credentials *k, const repo_url *url, const char *user, repo_login *out)
{
    if (!is_safe(url) || !is_hub(k, url)) return false;
    char *token = hub_token(k);
    if (!token) return false;
    *out = (repo_login){.user = memory_text(user ? user : settings_text(k->context->settings, "hub.user")),
                        .password = token};
    return true;
}

/* ---- access token ---- */

static const struct {
    const char *host, *user;
} forges[] = {{"github.com", "x-access-token"}, {"gitlab.com", "oauth2"}};

static const char *token_user(const repo_url *url)
{
    for (size_t i = 0; i < COUNT_OF(forges); i++)
        if (strcmp(forges[i].host, url->host) == 0) return forges[i].user;
    return "git";
}

/* A token without a host could belong anywhere: only the person knows. */
static bool person_agrees(const repo_credentials *k, const repo_url *url)
{
    const repo_ask *person = &k->context->ask;
    CLEANUP(bytes_free) bytes question = {0}, answer = {0};

    if (!person->ask) return false;
    bytes_printf(&question, "Send the token of GIT2DB_NETWORK__ACCESS_TOKEN to %s? [y/N] ", url->host);
    err e = person->ask(person->context, bytes_text(&question), false, &answer);
    return !e.code && (*bytes_text(&answer) == 'y' || *bytes_text(&answer) == 'Y');
}

bool login_from_access_token(repo_credentials *k, const repo_url *url, repo_login *out)
{
    const char *token = env_get(k->context->environment, "GIT2DB_NETWORK__ACCESS_TOKEN");
    const char *host = env_get(k->context->environment, "GIT2DB_NETWORK__ACCESS_TOKEN_HOST");

    if (!token || !is_safe(url)) return false;
    if (host ? !is_host(url, host) : !person_agrees(k, url)) return false;
    *out = (repo_login){.user = memory_text(token_user(url)), .password = memory_text(token)};
    return true;
}

/* ---- netrc ---- */

/* A file that others can read or write is no secret. */
static bool is_private(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
           !(info.st_mode & 077);
}

bool login_from_netrc(repo_credentials *k, login_place *place, const repo_url *url, const char *user,
                      repo_login *out)
{
    const char *named = env_get(k->context->environment, "NETRC"), *found_user = NULL, *password = NULL;
    const char *home = settings_borrow_folders(k->context->settings)->home;
    char *path = named ? memory_text(named) : file_join(home, ".netrc");
    bytes text = {0};
    bool found = false;

    if (file_exists(path) && !is_private(path))
        login_tried(place, "netrc (left out: others can read it, or it is not yours)");
    else if (!file_read(path, NETRC_BYTES_MAX, &text).code)
        found = netrc_find(&text, url->host, user, &found_user, &password);
    if (found) *out = (repo_login){.user = memory_text(found_user), .password = memory_text(password)};
    if (text.data) explicit_bzero(text.data, text.size);
    bytes_free(&text);
    free(path);
    return found;
}
