/* repo/net/bridge.c: which schemes there are, which may be used, and which road leads there. */
#define _GNU_SOURCE
#include "repo/net/bridge.h"

#include <ctype.h>
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/git.h"
#include "repo/net/bridge_internal.h"
#include "repo/net/url.h"

enum { SCHEMES_MAX = 64, PATH_FOLDERS_MAX = 256, CONTROL_MAX = 0x20 };

static const char program_begin[] = "git-remote-";

/* ---- forms ---- */

static size_t scheme_size(const char *text)
{
    size_t size = 0;
    if (!isalnum((unsigned char)*text)) return 0;
    while (isalnum((unsigned char)text[size]) || (text[size] && strchr("+.-", text[size]))) size++;
    return size;
}

bool repo_bridge_scheme(const char *url, char scheme[REPO_SCHEME_BYTES_MAX + 1])
{
    size_t size = scheme_size(url), before = strcspn(url, ":/");
    bool formed = size && (text_starts_with(url + size, "://") || text_starts_with(url + size, "::"));

    if (formed && size > REPO_SCHEME_BYTES_MAX) return false;
    if (!formed && !*url) return false;
    const char *said = formed ? url : url[before] == ':' && before ? "ssh" : "file";
    if (!formed) size = strlen(said);
    for (size_t i = 0; i < size; i++) scheme[i] = (char)tolower((unsigned char)said[i]);
    scheme[size] = 0;
    return true;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0) return true;
    return false;
}

/* libgit2's own, git's own, and those that run whatever the url says. */
static bool needs_no_helper(const char *scheme)
{
    static const char *const own[] = {"http", "https", "ssh", "git", "file",
                                      "ftp",  "ftps",  "ext", "fd",  NULL};
    return is_one_of(scheme, own);
}

/* gittorrent://<40 or 64 hex>, gittorrent://name, gittorrent://host/path: a form and no more. */
static err form_check(const char *url)
{
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    if (*url == '-') return err_make(ERR_USAGE, "an address does not begin with '-': %.100s", url);
    if (strlen(url) > REPO_URL_BYTES_MAX)
        return err_make(ERR_LIMIT, "an address has at most %d bytes", REPO_URL_BYTES_MAX);
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c < CONTROL_MAX || *c == 0x7f)
            return err_make(ERR_USAGE, "an address holds no control characters");
    if (!repo_bridge_scheme(url, scheme))
        return err_make(ERR_USAGE, "'%.100s' is no address: its scheme is longer than %d bytes", url,
                        REPO_SCHEME_BYTES_MAX);
    const char *rest = strchr(url, ':');
    if (strcmp(scheme, "gittorrent") == 0 && (!rest || !rest[strspn(rest, ":/")] || rest[3] == '?'))
        return err_make(ERR_USAGE, "gittorrent:// is followed by 40 or 64 hex digits, a name or host/path");
    return ERR_OK;
}

/* ---- policy ---- */

typedef enum policy { POLICY_NEVER, POLICY_USER, POLICY_ALWAYS } policy;

static policy policy_default(const char *scheme)
{
    static const char *const always[] = {"http", "https", "git", "ssh", "file", NULL};
    return is_one_of(scheme, always) ? POLICY_ALWAYS : POLICY_USER;
}

static bool policy_read(git_config *config, const char *key, policy *out)
{
    static const struct {
        const char *word;
        policy policy;
    } words[] = {{"never", POLICY_NEVER}, {"user", POLICY_USER}, {"always", POLICY_ALWAYS}};
    git_buf value = {0};
    bool found = git_config_get_string_buf(&value, config, key) == 0;

    /* A word that is none is no permission. */
    if (found) *out = POLICY_NEVER;
    for (size_t i = 0; found && i < COUNT_OF(words); i++)
        if (strcasecmp(value.ptr, words[i].word) == 0) *out = words[i].policy;
    git_buf_dispose(&value);
    return found;
}

static policy policy_configured(const repo_context *c, const char *folder, const char *scheme)
{
    CLEANUP(bytes_free) bytes key = {0};
    policy found = policy_default(scheme);
    git_config *config = NULL;
    const char *global = env_get(c->environment, "GIT_CONFIG_GLOBAL"); /* libgit2 does not know it */

    if (git_config_open_default(&config) != 0) return found;
    if (global && file_exists(global))
        git_config_add_file_ondisk(config, global, GIT_CONFIG_LEVEL_GLOBAL, NULL, 1);
    static const char *const places[] = {".git/config", "config"};
    for (size_t i = 0; folder && i < COUNT_OF(places); i++) {
        char *path = file_join(folder, places[i]);
        if (file_exists(path)) git_config_add_file_ondisk(config, path, GIT_CONFIG_LEVEL_LOCAL, NULL, 1);
        free(path);
    }
    bytes_printf(&key, "protocol.%s.allow", scheme);
    if (!policy_read(config, bytes_text(&key), &found)) policy_read(config, "protocol.allow", &found);
    git_config_free(config);
    return found;
}

/* "a:b:c" */
static bool list_has(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (;;) {
        size_t part = strcspn(list, ":");
        if (part == size && strncmp(list, word, size) == 0) return true;
        if (!list[part]) return false;
        list += part + 1;
    }
}

err repo_bridge_allowed(const repo_context *c, const char *folder, const char *url, bool typed_by_user)
{
    static const char *const never[] = {"ext", "fd", NULL};
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    err e = form_check(url);
    if (e.code) return e;
    repo_bridge_scheme(url, scheme);
    if (is_one_of(scheme, never))
        return err_make(ERR_DENIED, "addresses of %s:: run programs: they are never used", scheme);
    const char *only = env_get(c->environment, "GIT_ALLOW_PROTOCOL");
    if (only)
        return list_has(only, scheme)
                   ? ERR_OK
                   : err_make(ERR_DENIED, "%s is none of the protocols that GIT_ALLOW_PROTOCOL allows",
                              scheme);
    const char *from_user = env_get(c->environment, "GIT_PROTOCOL_FROM_USER");
    bool typed = typed_by_user && !(from_user && strcmp(from_user, "0") == 0);
    policy found = policy_configured(c, folder, scheme);
    if (found == POLICY_ALWAYS || (found == POLICY_USER && typed)) return ERR_OK;
    return err_make(ERR_DENIED, "%s:// is not allowed here%s: git config protocol.%s.allow says so", scheme,
                    found == POLICY_USER ? " unless a person types it" : "", scheme);
}

/* ---- helpers that cannot connect ---- */

/* What this process has learned, as libgit2 keeps its transports: for everybody in it. */
static struct {
    pthread_mutex_t lock;
    size_t count;
    char schemes[SCHEMES_MAX][REPO_SCHEME_BYTES_MAX + 1];
} cannot = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool cannot_has(const char *scheme)
{
    for (size_t i = 0; i < cannot.count; i++)
        if (strcmp(cannot.schemes[i], scheme) == 0) return true;
    return false;
}

void bridge_cannot_connect(const char *url)
{
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    if (!repo_bridge_scheme(url, scheme)) return;
    pthread_mutex_lock(&cannot.lock);
    if (!cannot_has(scheme) && cannot.count < SCHEMES_MAX)
        memcpy(cannot.schemes[cannot.count++], scheme, sizeof scheme);
    pthread_mutex_unlock(&cannot.lock);
}

bool repo_bridge_wants_git_program(const char *url)
{
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    if (!repo_bridge_scheme(url, scheme)) return false;
    pthread_mutex_lock(&cannot.lock);
    bool found = cannot_has(scheme);
    pthread_mutex_unlock(&cannot.lock);
    return found;
}

/* ---- roads ---- */

static bool on_path(const repo_context *c, const char *scheme)
{
    const char *path = env_get(c->environment, "PATH");
    bool found = false;

    while (path && *path && !found) {
        CLEANUP(bytes_free) bytes file = {0};
        size_t size = strcspn(path, ":");
        bytes_append(&file, path, size);
        bytes_printf(&file, "%s%s%s", size ? "/" : "./", program_begin, scheme);
        found = access(bytes_text(&file), X_OK) == 0;
        path += size + (path[size] == ':');
    }
    return found;
}

err repo_bridge_road(const repo_context *c, const char *folder, const char *url, bool typed_by_user,
                     repo_road *out)
{
    char scheme[REPO_SCHEME_BYTES_MAX + 1];

    err e = repo_bridge_allowed(c, folder, url, typed_by_user);
    if (e.code) return e;
    repo_bridge_scheme(url, scheme);
    /* One that is not on PATH may lie in git's own folder; git says what to install when it does not. */
    bool bridged = strstr(url, "://") && !repo_bridge_wants_git_program(url) && on_path(c, scheme);
    *out = bridged ? REPO_ROAD_LIBGIT2 : REPO_ROAD_GIT_PROGRAM;
    return ERR_OK;
}

/* ---- start ---- */

static err scheme_register(const repo_context *c, const char *scheme)
{
    if (needs_no_helper(scheme)) return ERR_OK;
    if (scheme_size(scheme) != strlen(scheme) || strlen(scheme) > REPO_SCHEME_BYTES_MAX) return ERR_OK;
    /* An older start's, whose context may be gone. */
    git_transport_unregister(scheme);
    return repo_git_check(git_transport_register(scheme, bridge_transport, (void *)(uintptr_t)c), scheme);
}

static err folder_register(const repo_context *c, const char *folder, size_t *count)
{
    DIR *dir = opendir(folder);
    err e = ERR_OK;

    for (struct dirent *d; dir && !e.code && *count < SCHEMES_MAX && (d = readdir(dir));) {
        if (!text_starts_with(d->d_name, program_begin)) continue;
        e = scheme_register(c, d->d_name + sizeof program_begin - 1);
        ++*count;
    }
    if (dir) closedir(dir);
    return e;
}

static err named_register(const repo_context *c, const char *list)
{
    static const char between[] = " ,\t";
    err e = ERR_OK;

    while (!e.code && *(list += strspn(list, between))) {
        size_t size = strcspn(list, between);
        char *scheme = memory_text_n(list, size);
        e = scheme_register(c, scheme);
        free(scheme);
        list += size;
    }
    return e;
}

err repo_bridge_start(const repo_context *c)
{
    const char *path = env_get(c->environment, "PATH");
    size_t count = 0;

    err e = scheme_register(c, "gittorrent");
    if (!e.code) e = named_register(c, settings_text(c->settings, "transports.helpers"));
    for (size_t i = 0; path && *path && i < PATH_FOLDERS_MAX && !e.code; i++) {
        size_t size = strcspn(path, ":");
        char *folder = memory_text_n(path, size);
        if (size) e = folder_register(c, folder, &count);
        free(folder);
        path += size + (path[size] == ':');
    }
    return e;
}
