/* repo/net/network_git.c: libgit2's transports in the network child: who we are, how far it is, where to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/http.h"
#include "base/text.h"
#include "repo/git.h"
#include "repo/net/bridge.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/git_program.h"
#include "repo/net/network_internal.h"

enum { REDIRECTS_MAX = 5 };

/* ---- callbacks ---- */

static int credentials(git_credential **out, const char *url, const char *user, unsigned allowed,
                       void *payload)
{
    repo_net *n = payload;
    return repo_credentials_for_git(out, url, user, allowed, n->who);
}

static int told(repo_net *n)
{
    if (repo_watch_tell(&n->context->watch, &n->progress)) return 0;
    return repo_git_refuse(err_make(ERR_CANCELLED, "cancelled"));
}

/* One line of the server: its own progress, or words. */
static void sideband_line(void *context, const char *line)
{
    repo_net *n = context;
    if (!repo_line_progress(line, &n->progress))
        snprintf(n->progress.text, sizeof n->progress.text, "%.150s", line);
}

static int sideband(const char *text, int size, void *payload)
{
    repo_net *n = payload;
    repo_lines_feed(&n->sideband, (bytes_view){text, (size_t)MAX_OF(size, 0)}, sideband_line, n);
    return told(n);
}

static int received(const git_indexer_progress *stats, void *payload)
{
    repo_net *n = payload;
    bool resolving = stats->total_deltas && stats->received_objects == stats->total_objects;

    n->progress = (repo_progress){.phase = resolving ? REPO_RESOLVING : REPO_RECEIVING,
                                  .done = resolving ? stats->indexed_deltas : stats->received_objects,
                                  .total = resolving ? stats->total_deltas : stats->total_objects,
                                  .bytes_done = stats->received_bytes};
    return told(n);
}

static int packing(int stage, uint32_t current, uint32_t total, void *payload)
{
    (void)stage;
    repo_net *n = payload;
    n->progress = (repo_progress){.phase = REPO_COUNTING, .done = current, .total = total};
    return told(n);
}

static int sent(unsigned current, unsigned total, size_t byte_count, void *payload)
{
    repo_net *n = payload;
    n->progress =
        (repo_progress){.phase = REPO_SENDING, .done = current, .total = total, .bytes_done = byte_count};
    return told(n);
}

void repo_net_callbacks(repo_net *n, git_remote_callbacks *out)
{
    git_remote_init_callbacks(out, GIT_REMOTE_CALLBACKS_VERSION);
    out->credentials = credentials;
    out->sideband_progress = sideband;
    out->transfer_progress = received;
    out->pack_progress = packing;
    out->push_transfer_progress = sent;
    out->payload = n;
}

/* ---- failures ---- */

/* What servers say by number, where libgit2 says only that. */
static const struct {
    const char *words;
    err_code code;
} meanings[] = {
    {"status code: 401", ERR_DENIED},    {"status code: 403", ERR_DENIED},
    {"status code: 404", ERR_NOT_FOUND}, {"status code: 410", ERR_NOT_FOUND},
    {"not found", ERR_NOT_FOUND},        {"could not be resolved", ERR_IO},
};

static err_code code_of(int klass, const char *text, err_code code)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++)
        if (strstr(text, meanings[i].words)) return meanings[i].code;
    bool is_network = klass == GIT_ERROR_NET || klass == GIT_ERROR_OS || klass == GIT_ERROR_SSL ||
                      klass == GIT_ERROR_SSH || klass == GIT_ERROR_HTTP || klass == GIT_ERROR_ZLIB;
    return is_network && code == ERR_STATE ? ERR_IO : code;
}

err repo_net_check(repo_net *n, int status, const char *what)
{
    CLEANUP(bytes_free) bytes clean = {0};

    if (status >= 0) return ERR_OK;
    err failure = repo_credentials_failure(n->who);
    if (failure.code) return failure;
    const git_error *last = git_error_last();
    int klass = last ? last->klass : GIT_ERROR_NONE;
    err e = repo_git_check(status, what);
    if (e.code == ERR_CANCELLED) return err_make(ERR_CANCELLED, "cancelled");
    repo_line_clean(bytes_view_of(e.text), &clean);
    return err_make(code_of(klass, e.text, e.code), "%s", bytes_text(&clean));
}

/* ---- connecting ---- */

static const char info_refs[] = "/info/refs?service=";

/* Where url's repository is now, asked without any login. *out NULL: it is where it was. */
static err redirect_ask(repo_net *n, const char *url, const char *service, char **out)
{
    CLEANUP(bytes_free) bytes asked = {0};
    CLEANUP(http_answer_free) http_answer answer = {0};
    http_options how = {.environment = n->context->environment,
                        .silence_seconds = (int)settings_integer(n->context->settings, "network.timeout")};
    http *h = NULL;
    char *plain = repo_url_without_login(url);

    bytes_printf(&asked, "%s%s%s", plain, info_refs, service);
    free(plain);
    err e = http_new(&how, &h);
    if (!e.code) {
        http_request request = {.method = "GET",
                                .url = bytes_text(&asked),
                                .body_bytes_max = 1, /* only where it ends is of interest */
                                .redirects_max = REDIRECTS_MAX};
        e = http_send(h, &request, &answer);
        if (e.code == ERR_LIMIT) e = ERR_OK;
    }
    http_free(h);
    const char *end = answer.url ? strstr(answer.url, info_refs) : NULL;
    if (!e.code && end && strcmp(answer.url, bytes_text(&asked)) != 0)
        *out = memory_text_n(answer.url, (size_t)(end - answer.url));
    return e;
}

/* An unknown host is nobody to talk to; how it becomes known is said. */
static err host_key_note(err e, const char *address)
{
    repo_url url = {0};

    if (!strstr(e.text, "hostkey")) return e;
    bool parsed = repo_url_parse(address, &url);
    e = err_make(
        ERR_DENIED,
        "%s: the host's key is not in ~/.ssh/known_hosts, or not this one. If you trust it: ssh-keyscan "
        "-p %u %s >> ~/.ssh/known_hosts",
        address, parsed ? repo_url_port(&url) : 22, parsed ? url.host : "HOST");
    repo_url_free(&url);
    return e;
}

static int connect_once(repo_net *n, git_remote *remote, git_direction direction)
{
    git_remote_connect_options how = GIT_REMOTE_CONNECT_OPTIONS_INIT;
    repo_net_callbacks(n, &how.callbacks);
    how.proxy_opts.type = GIT_PROXY_AUTO;
    how.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    return git_remote_connect_ext(remote, direction, &how);
}

err repo_net_connect(repo_net *n, git_remote *remote, git_direction direction, char **moved_to)
{
    const char *push_url = git_remote_pushurl(remote), *url = git_remote_url(remote);
    bool push = direction == GIT_DIRECTION_PUSH;

    if (moved_to) *moved_to = NULL;
    if (push && push_url) url = push_url;
    CLEANUP(repo_names_free) repo_names kept = {0}; /* the url dies with the next one set */
    repo_names_add(&kept, url);
    n->progress = (repo_progress){.phase = REPO_CONNECT};
    if (told(n) < 0) return err_make(ERR_CANCELLED, "cancelled");
    repo_credentials_learn(n->who, url);
    char *plain = repo_url_without_login(url), *moved = NULL;
    err e = host_key_note(repo_net_check(n, connect_once(n, remote, direction), plain), plain);
    if (e.code && text_starts_with(url, "http") && strstr(e.text, "redirect")) {
        err asked = redirect_ask(n, kept.names[0], push ? "git-receive-pack" : "git-upload-pack", &moved);
        if (asked.code) e = asked;
    }
    if (moved) {
        int status = push ? git_remote_set_instance_pushurl(remote, moved)
                          : git_remote_set_instance_url(remote, moved);
        e = repo_git_check(status, "follow a redirect");
        if (!e.code) e = repo_net_check(n, connect_once(n, remote, direction), moved);
    }
    if (!e.code) repo_credentials_worked(n->who);
    if (moved_to && !e.code)
        *moved_to = moved;
    else
        free(moved);
    free(plain);
    return e;
}

/* ---- roads ---- */

bool repo_net_is_path(const char *url)
{
    size_t before = strcspn(url, ":/");
    return *url && (url[before] != ':' || before == 0);
}

static bool scheme_is(const char *url, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncmp(url, scheme, size) == 0 &&
           (text_starts_with(url + size, "://") || text_starts_with(url + size, "::"));
}

bool repo_net_is_here(const char *url) { return repo_net_is_path(url) || scheme_is(url, "file"); }

void repo_net_goes_to(repo_net *n, const char *url)
{
    bool was = n->is_here;
    n->is_here = repo_net_is_here(url);
    if (n->is_here != was) (void)repo_watch_tell(&n->context->watch, &n->progress);
}

/* user@host:path */
static bool is_scp(const char *url)
{
    return !repo_net_is_path(url) && !strstr(url, "://") && !strstr(url, "::");
}

/* A program of ssh's own, by git's ways to say so: libgit2 knows none of them. */
static bool ssh_has_program(const repo_net *n)
{
    static const char *const names[] = {"GIT_SSH_COMMAND", "GIT_SSH"};
    git_config *config = NULL;
    git_buf value = {0};
    CLEANUP(bytes_free) bytes path = {0};
    bool has = false;

    for (size_t i = 0; i < COUNT_OF(names); i++) has |= env_get(n->context->environment, names[i]) != NULL;
    if (has || git_config_open_default(&config) != 0) return has;
    bytes_printf(&path, "%s/.git/config", n->folder);
    git_config_add_file_ondisk(config, bytes_text(&path), GIT_CONFIG_LEVEL_LOCAL, NULL, 0);
    has = git_config_get_string_buf(&value, config, "core.sshCommand") == 0 && value.size;
    git_buf_dispose(&value);
    git_config_free(config);
    return has;
}

/* Aliases, jump hosts, keys by host: libssh2 reads no such file, ssh itself does. */
static bool ssh_has_config(const repo_net *n)
{
    char *path = file_join(settings_borrow_folders(n->context->settings)->home, ".ssh/config");
    bool has = file_exists(path);
    free(path);
    return has;
}

/* libgit2 goes through a proxy to https alone (1.5 to 1.9); what no_proxy exempts, git knows too. */
static bool http_has_proxy(const repo_net *n)
{
    git_config *config = NULL;
    git_buf value = {0};
    const char *lower = env_get(n->context->environment, "http_proxy");
    const char *upper = env_get(n->context->environment, "all_proxy");
    bool has = (lower && *lower) || (upper && *upper);

    if (has || git_config_open_default(&config) != 0) return has;
    has = git_config_get_string_buf(&value, config, "http.proxy") == 0 && value.size;
    git_buf_dispose(&value);
    git_config_free(config);
    return has;
}

err repo_net_road_of(repo_net *n, const char *url, bool shallow, repo_net_road *out)
{
    static const char *const own[] = {"http", "https", "git", "file", "ssh"};
    bool is_local = repo_net_is_here(url);
    bool known = is_local || is_scp(url);
    repo_road bridged = REPO_ROAD_LIBGIT2;

    for (size_t i = 0; i < COUNT_OF(own); i++) known |= scheme_is(url, own[i]) && strstr(url, "://");
    err allowed = known ? repo_bridge_allowed(n->context, n->folder, url, true)
                        : repo_bridge_road(n->context, n->folder, url, true, &bridged);
    if (allowed.code) return allowed;
    bool by_helper = !known && bridged == REPO_ROAD_GIT_PROGRAM;
    bool is_ssh = is_scp(url) || scheme_is(url, "ssh");
    bool no_ssh = is_ssh && (!(git_libgit2_features() & GIT_FEATURE_SSH) || ssh_has_program(n));
    bool by_program = by_helper || no_ssh || (shallow && (is_local || !GIT_HAS_DEPTH));
    bool rather_by_program = (is_ssh && ssh_has_config(n)) || (scheme_is(url, "http") && http_has_proxy(n));
    err e = by_program || rather_by_program ? repo_git_program_check(n->context) : ERR_OK;
    by_program |= rather_by_program && !e.code;
    *out = by_program ? REPO_NET_GIT_PROGRAM : REPO_NET_LIBGIT2;
    return by_program ? e : ERR_OK;
}

/* ---- which remote ---- */

char *repo_net_head_ref(git_repository *git)
{
    git_reference *head = NULL;
    char *out = NULL;

    if (git_reference_lookup(&head, git, "HEAD") == 0 && git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
        out = memory_text(git_reference_symbolic_target(head));
    git_reference_free(head);
    return out ? out : memory_text("");
}

static char *upstream_remote(git_repository *git, const char *branch_ref)
{
    git_config *config = NULL;
    CLEANUP(bytes_free) bytes key = {0};
    const char *value = NULL;
    char *out = NULL;

    if (!text_starts_with(branch_ref, "refs/heads/") || git_repository_config_snapshot(&config, git) != 0)
        return NULL;
    bytes_printf(&key, "branch.%s.remote", branch_ref + strlen("refs/heads/"));
    if (git_config_get_string(&value, config, bytes_text(&key)) == 0 && strcmp(value, ".") != 0)
        out = memory_text(value);
    git_config_free(config);
    return out;
}

static err no_remote(const git_strarray *names, const char *wanted)
{
    CLEANUP(bytes_free) bytes list = {0};

    for (size_t i = 0; i < names->count; i++) bytes_printf(&list, "%s%s", i ? ", " : "", names->strings[i]);
    if (!names->count)
        return err_make(ERR_NOT_FOUND, "there is no remote%s%s: add one with remote MODEL add NAME URL",
                        wanted ? " " : "", wanted ? wanted : "");
    char *plain = repo_url_without_login(wanted ? wanted : "");
    err e = wanted
                ? err_make(ERR_NOT_FOUND, "there is no remote '%s' (there are: %s)", plain, bytes_text(&list))
                : err_make(ERR_USAGE, "say which remote: %s", bytes_text(&list));
    free(plain);
    return e;
}

err repo_net_remote(git_repository *git, const char *wanted, const char *branch_ref, git_remote **out,
                    char **name)
{
    git_strarray names = {0};

    err e = repo_git_check(git_remote_list(&names, git), "list the remotes");
    if (e.code) return e;
    char *found = wanted ? memory_text(wanted) : upstream_remote(git, branch_ref);
    if (!found && names.count == 1) found = memory_text(names.strings[0]);
    if (!found) found = memory_text("origin");
    bool exists = false;
    for (size_t i = 0; i < names.count; i++) exists |= strcmp(names.strings[i], found) == 0;
    if (!exists) e = no_remote(&names, wanted || names.count == 0 ? wanted : NULL);
    if (!e.code) e = repo_git_check(git_remote_lookup(out, git, found), found);
    git_strarray_dispose(&names);
    if (e.code)
        free(found);
    else
        *name = found;
    return e;
}
