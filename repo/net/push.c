/* repo/net/push.c: branches and tags of ours to a remote, their large files before them. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"
#include "repo/git.h"
#include "repo/net/bridge.h"
#include "repo/net/git_program.h"
#include "repo/net/push_internal.h"

/* ---- the parent ---- */

static err options_check(const repo_push_options *o)
{
    if (o->force && o->force_with_lease)
        return err_make(ERR_USAGE, "--force and --force-with-lease exclude each other");
    if (o->delete_refs && (o->tags || o->set_upstream))
        return err_make(ERR_USAGE, "--delete goes with neither --tags nor --set-upstream");
    return ERR_OK;
}

err repo_push(repo_handle *r, const repo_push_options *options, repo_network_report *out)
{
    CLEANUP(bytes_free) bytes request = {0};

    err e = options_check(options);
    if (e.code) return e;
    field_add(&request, "remote", options->remote);
    for (size_t i = 0; i < options->ref_count; i++) field_add(&request, "ref", options->refs[i]);
    field_add_flag(&request, "force", options->force);
    field_add_flag(&request, "lease", options->force_with_lease);
    field_add_flag(&request, "delete", options->delete_refs);
    field_add_flag(&request, "set_upstream", options->set_upstream);
    field_add_flag(&request, "tags", options->tags);
    field_add_flag(&request, "dry_run", options->dry_run);
    e = repo_network_call(r->context,
                          &(repo_network_call_options){.verb = "push",
                                                       .folder = *r->path ? r->path : r->git_dir,
                                                       .label = options->remote ? options->remote : "push",
                                                       .request = bytes_borrow(&request)},
                          out);
    if (!e.code && !options->dry_run && repo_hooks_tell_push(r))
        repo_report_line(out, "the pre-push hook was not run: git push runs it");
    return e;
}

/* ---- the child ---- */

/* branch.x.pushRemote, remote.pushDefault; NULL: as fetch. The caller frees. */
static char *push_remote(const repo_net_push *p)
{
    git_config *config = NULL;
    CLEANUP(bytes_free) bytes key = {0};
    const char *value = NULL;

    if (git_repository_config_snapshot(&config, p->r->git) != 0) return NULL;
    if (text_starts_with(p->head_ref, "refs/heads/"))
        bytes_printf(&key, "branch.%s.pushRemote", p->head_ref + strlen("refs/heads/"));
    if (!key.size || git_config_get_string(&value, config, bytes_text(&key)) != 0) value = NULL;
    if (!value && git_config_get_string(&value, config, "remote.pushDefault") != 0) value = NULL;
    char *out = value ? memory_text(value) : NULL;
    git_config_free(config);
    return out;
}

static err upstream_set(repo_net_push *p, git_config *config, const push_row *row)
{
    const char *branch = row->source + strlen("refs/heads/");
    CLEANUP(bytes_free) bytes remote = {0}, merge = {0};

    bytes_printf(&remote, "branch.%s.remote", branch);
    bytes_printf(&merge, "branch.%s.merge", branch);
    int status = git_config_set_string(config, bytes_text(&remote), p->name);
    if (status == 0) status = git_config_set_string(config, bytes_text(&merge), row->target);
    if (status == 0)
        repo_report_line(p->report, "%s follows %s/%s now", branch, p->name,
                         row->target + strlen("refs/heads/"));
    return repo_git_check(status, "set the upstream");
}

static err upstreams_set(repo_net_push *p)
{
    git_config *config = NULL;
    repo_gate *gate = NULL;

    err e = repo_gate_enter(p->r, "push", &gate);
    if (!e.code) e = repo_git_check(git_repository_config(&config, p->r->git), "open the configuration");
    for (size_t i = 0; i < p->count && !e.code; i++)
        if (p->rows[i].source && text_starts_with(p->rows[i].source, "refs/heads/") &&
            text_starts_with(p->rows[i].target, "refs/heads/"))
            e = upstream_set(p, config, &p->rows[i]);
    git_config_free(config);
    repo_gate_leave(gate);
    return e;
}

/* libgit2 pushes refs alone. */
static bool has_plain_commit(const repo_net_push *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->rows[i].source && !text_starts_with(p->rows[i].source, "refs/")) return true;
    return false;
}

static const char *push_url_of(const repo_net_push *p)
{
    const char *url = git_remote_pushurl(p->remote);
    return url ? url : git_remote_url(p->remote);
}

/* libgit2 pushes to no repository with a worktree, and knows no hooks there: on this machine git does. */
static err road_choose(repo_net_push *p, repo_net_road *out)
{
    const char *url = push_url_of(p);

    repo_net_goes_to(p->n, url);
    err e = repo_net_road_of(p->n, url, git_repository_is_shallow(p->r->git) == 1, out);
    if (!e.code && has_plain_commit(p)) {
        e = repo_git_program_check(p->n->context);
        *out = REPO_NET_GIT_PROGRAM;
    }
    if (!e.code && repo_net_is_here(url) && !repo_git_program_check(p->n->context).code)
        *out = REPO_NET_GIT_PROGRAM;
    return e;
}

/* That a helper cannot connect is known only when it was asked, before anything was sent. */
static err push_on(repo_net_push *p, repo_net_road road)
{
    err e = road == REPO_NET_LIBGIT2 ? push_by_libgit2(p) : push_by_program(p);
    bool other = e.code && road == REPO_NET_LIBGIT2 && repo_bridge_wants_git_program(push_url_of(p));
    return other ? push_by_program(p) : e;
}

static err push_in(repo_net_push *p, bytes_view request)
{
    const char *wanted = field_text(request, "remote");
    repo_net_road road = REPO_NET_LIBGIT2;

    p->head_ref = repo_net_head_ref(p->r->git);
    char *configured = wanted ? NULL : push_remote(p);
    err e = repo_net_remote(p->r->git, wanted ? wanted : configured, p->head_ref, &p->remote, &p->name);
    free(configured);
    if (!e.code) e = push_rows_read(p, request);
    if (!e.code) e = road_choose(p, &road);
    if (text_starts_with(p->head_ref, "refs/heads/"))
        p->report->branch = memory_text(p->head_ref + strlen("refs/heads/"));
    if (!e.code) e = push_on(p, road);
    if (!e.code && p->set_upstream && !p->dry_run) e = upstreams_set(p);
    return e;
}

err repo_net_verb_push(repo_net *n, bytes_view request, repo_network_report *report)
{
    CLEANUP(repo_net_push_free)
    repo_net_push p = {
        .n = n,
        .report = report,
        .force = field_flag(request, "force"),
        .lease = field_flag(request, "lease"),
        .delete_refs = field_flag(request, "delete"),
        .set_upstream = field_flag(request, "set_upstream"),
        .tags = field_flag(request, "tags"),
        .dry_run = field_flag(request, "dry_run"),
    };
    repo_handle *r = NULL;

    err e = repo_open(n->context, n->folder, &r);
    p.r = r;
    if (!e.code) e = push_in(&p, request);
    repo_net_push_free(&p);
    p = (repo_net_push){0};
    repo_close(r);
    return e;
}
