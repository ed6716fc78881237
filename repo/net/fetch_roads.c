/* repo/net/fetch_roads.c: one fetch, by libgit2 or by the git program, and the judgement of what it brought.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/git.h"
#include "repo/net/bridge.h"
#include "repo/net/credentials_internal.h"
#include "repo/net/git_program.h"
#include "repo/net/network_internal.h"

enum { ARGUMENTS_MAX = 32 };

/* ---- one ref ---- */

/* What the remote has of that name: "refs/heads/x" before "refs/tags/x"; full names as they are. */
static const char *ref_choose(const char *wanted, const char *const *names, size_t count)
{
    static const char *const begins[] = {"", "refs/heads/", "refs/tags/", "refs/"};

    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        size_t size = strlen(begins[i]);
        for (size_t k = 0; k < count; k++)
            if (strncmp(names[k], begins[i], size) == 0 && strcmp(names[k] + size, wanted) == 0)
                return names[k];
    }
    return NULL;
}

static const char *plain_name(const char *full)
{
    if (text_starts_with(full, "refs/heads/")) return full + strlen("refs/heads/");
    if (text_starts_with(full, "refs/tags/")) return full + strlen("refs/tags/");
    return full;
}

static err no_ref(const repo_net_fetch *f, const char *const *names, size_t count)
{
    const char **plain = memory_resize_array(NULL, count + 1, sizeof *plain);

    for (size_t i = 0; i < count; i++) plain[i] = plain_name(names[i]);
    const char *near = text_nearest(f->ref, plain, count);
    err e = err_make(ERR_NOT_FOUND, "%s has no branch or tag '%s'%s%s%s", f->name, f->ref,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    free(plain);
    return e;
}

static err spec_make(repo_net_fetch *f, const char *const *names, size_t count)
{
    CLEANUP(bytes_free) bytes spec = {0};
    const char *full = ref_choose(f->ref, names, count);

    if (!full) return no_ref(f, names, count);
    if (text_starts_with(full, "refs/heads/"))
        bytes_printf(&spec, "+%s:refs/remotes/%s/%s", full, f->name, full + strlen("refs/heads/"));
    else if (text_starts_with(full, "refs/tags/"))
        bytes_printf(&spec, "%s:%s", full, full);
    else
        return err_make(ERR_USAGE, "'%s' of %s is neither a branch nor a tag", full, f->name);
    repo_names_add(&f->specs, bytes_text(&spec));
    return ERR_OK;
}

/* ---- libgit2's road ---- */

static err specs_by_libgit2(repo_net_fetch *f)
{
    const git_remote_head **heads = NULL;
    size_t count = 0;

    if (!f->ref) return ERR_OK;
    err e = repo_net_check(f->n, git_remote_ls(&heads, &count, f->remote), "list the remote's refs");
    if (e.code) return e;
    const char **names = memory_resize_array(NULL, count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++) names[i] = heads[i]->name;
    e = spec_make(f, names, count);
    free(names);
    return e;
}

/* While it is connected. None: no branch has HEAD's commit, or the remote is empty. */
static void head_by_libgit2(repo_net_fetch *f)
{
    git_buf name = {0};
    if (git_remote_default_branch(&name, f->remote) == 0) f->head = memory_text(name.ptr);
    git_buf_dispose(&name);
}

static void options_fill(repo_net_fetch *f, git_fetch_options *out)
{
    repo_net_callbacks(f->n, &out->callbacks);
    out->proxy_opts.type = GIT_PROXY_AUTO;
    out->follow_redirects = GIT_REMOTE_REDIRECT_NONE;
    if (f->tags) out->download_tags = GIT_REMOTE_DOWNLOAD_TAGS_ALL;
#if GIT_HAS_DEPTH
    if (f->depth) out->depth = f->depth;
    if (f->unshallow) out->depth = GIT_FETCH_DEPTH_UNSHALLOW;
#endif
}

/* Refs are moved inside the gate; the download before it leaves others free to work. */
static err refs_update(repo_net_fetch *f, const git_fetch_options *how)
{
    repo_gate *gate = NULL;

    err e = repo_gate_enter(f->r, "fetch", &gate);
    if (!e.code)
        e = repo_net_check(f->n,
                           git_remote_update_tips(f->remote, &how->callbacks, GIT_REMOTE_UPDATE_FETCHHEAD,
                                                  how->download_tags, "fetch"),
                           "update refs");
    if (!e.code && (f->prune || git_remote_prune_refs(f->remote)))
        e = repo_net_check(f->n, git_remote_prune(f->remote, &how->callbacks), "prune refs");
    repo_gate_leave(gate);
    return e;
}

static err by_libgit2(repo_net_fetch *f)
{
    git_fetch_options how = GIT_FETCH_OPTIONS_INIT;
    char *moved = NULL;

    err e = repo_net_connect(f->n, f->remote, GIT_DIRECTION_FETCH, &moved);
    if (moved) repo_report_line(f->report, "%s is now at %s", f->name, moved);
    free(moved);
    if (!e.code) e = specs_by_libgit2(f);
    if (!e.code && f->want_head) head_by_libgit2(f);
    options_fill(f, &how);
    git_strarray specs = {f->specs.names, f->specs.count};
    if (!e.code)
        e = repo_net_check(f->n, git_remote_download(f->remote, specs.count ? &specs : NULL, &how), f->name);
    if (!e.code) e = refs_update(f, &how);
    const git_indexer_progress *stats = git_remote_stats(f->remote);
    if (stats) f->n->objects = MAX_OF(f->n->objects, stats->received_objects);
    if (stats) f->n->bytes = MAX_OF(f->n->bytes, stats->received_bytes);
    git_remote_disconnect(f->remote);
    return e;
}

/* ---- the git program's road ---- */

static err specs_by_program(repo_net_fetch *f, const char *where)
{
    const char *const arguments[] = {"ls-remote", "--quiet", "--", where, NULL};
    CLEANUP(bytes_free) bytes output = {0};
    char *rest = NULL;
    size_t count = 0;

    if (!f->ref) return ERR_OK;
    err e = repo_git_program_run(f->n->context, f->n->folder, arguments, f->n->who, &output);
    if (e.code) return e;
    const char **names = memory_resize_array(NULL, output.size / 42 + 2, sizeof *names);
    char *text = output.size ? output.data : NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest)) {
        char *tab = strchr(line, '\t');
        if (tab && tab - line >= 40) names[count++] = tab + 1;
    }
    e = spec_make(f, names, count);
    free(names);
    return e;
}

/* A depth does nothing for a path: git wants it as an url, which knows no configured refspecs. */
static char *where_of(repo_net_fetch *f, bool shallow)
{
    const char *url = git_remote_url(f->remote);
    CLEANUP(bytes_free) bytes spec = {0};
    bytes where = {0};

    if (!shallow || !repo_net_is_path(url)) return memory_text(f->name);
    bytes_printf(&where, "file://%s", url);
    bytes_printf(&spec, "+refs/heads/*:refs/remotes/%s/*", f->name);
    if (!f->ref) repo_names_add(&f->specs, bytes_text(&spec));
    return bytes_take(&where);
}

static err program_run(repo_net_fetch *f, const char *where)
{
    const char *words[ARGUMENTS_MAX] = {"fetch", "--progress", "--no-auto-gc", "--no-recurse-submodules"};
    CLEANUP(bytes_free) bytes depth = {0};
    repo_gate *gate = NULL;
    size_t count = 4;

    if (f->prune) words[count++] = "--prune";
    if (f->tags) words[count++] = "--tags";
    if (f->unshallow) words[count++] = "--unshallow";
    bytes_printf(&depth, "--depth=%d", f->depth);
    if (f->depth) words[count++] = bytes_text(&depth);
    words[count++] = "--";
    words[count++] = where;
    for (size_t i = 0; i < f->specs.count; i++) words[count++] = f->specs.names[i];
    err e = repo_gate_enter(f->r, "fetch", &gate);
    if (!e.code) e = repo_git_program_run(f->n->context, f->n->folder, words, f->n->who, NULL);
    repo_gate_leave(gate);
    return e;
}

static err head_by_program(repo_net_fetch *f, const char *where)
{
    err e = repo_git_program_default_branch(f->n->context, f->n->folder, where, f->n->who, &f->head);
    return e.code == ERR_NOT_FOUND ? ERR_OK : e; /* a remote that has none, or is empty */
}

static err by_program(repo_net_fetch *f)
{
    bool shallow = f->depth || f->unshallow || git_repository_is_shallow(f->r->git);
    char *where = where_of(f, shallow);

    repo_credentials_learn(f->n->who, git_remote_url(f->remote));
    err e = specs_by_program(f, where);
    bool deepens = f->depth && git_repository_is_shallow(f->r->git);
    if (!e.code) e = program_run(f, where);
    /* With a new branch among them git (2.39) asks for that one's depth alone: the others follow now. */
    if (!e.code && deepens) e = program_run(f, where);
    if (!e.code && f->want_head) e = head_by_program(f, where);
    free(where);
    return e;
}

/* ---- either ---- */

/* Never in silence: a depth that cannot be had gives everything and a line. */
static err road_choose(repo_net_fetch *f, repo_net_road *out)
{
    const char *url = git_remote_url(f->remote);
    bool shallow = f->depth || f->unshallow || git_repository_is_shallow(f->r->git);

    repo_net_goes_to(f->n, url);
    err e = repo_net_road_of(f->n, url, shallow, out);
    if (e.code != ERR_UNSUPPORTED || !f->depth || git_repository_is_shallow(f->r->git)) return e;
    err whole = repo_net_road_of(f->n, url, false, out);
    if (whole.code) return e;
    repo_report_line(f->report, "the whole history was fetched, not %d commits: %s", f->depth, e.text);
    f->depth = 0;
    return ERR_OK;
}

err repo_net_fetch_run(repo_net_fetch *f, const repo_ref_rows *before)
{
    repo_net_road road;

    err e = road_choose(f, &road);
    if (e.code) return e;
    e = road == REPO_NET_LIBGIT2 ? by_libgit2(f) : by_program(f);
    if (e.code && road == REPO_NET_LIBGIT2 && repo_bridge_wants_git_program(git_remote_url(f->remote)))
        e = by_program(f);
    f->report->objects = f->n->objects;
    f->report->bytes = f->n->bytes;
    if (e.code == ERR_CANCELLED) return e;
    /* git moves what it can when one ref is refused. */
    err accepted = repo_arrivals_accept(f->n, f->r, f->name, before, f->report);
    return e.code ? e : accepted;
}

void repo_net_fetch_free(repo_net_fetch *f)
{
    git_remote_free(f->remote);
    free(f->name);
    free(f->head);
    repo_names_free(&f->specs);
}
