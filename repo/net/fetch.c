/* repo/net/fetch.c: what a remote has that we have not: its branches as refs/remotes/<remote>/, its tags. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/net/network_internal.h"
#include "repo/upstream_internal.h"

/* ---- the parent ---- */

err repo_fetch(repo_handle *r, const repo_fetch_options *options, repo_network_report *out)
{
    CLEANUP(bytes_free) bytes request = {0};

    if (options->depth < 0 || options->depth > REPO_COMMITS_DEPTH_MAX)
        return err_make(ERR_USAGE, "a depth of %d: expected 1 to %d commits", options->depth,
                        REPO_COMMITS_DEPTH_MAX);
    if (options->depth && options->unshallow)
        return err_make(ERR_USAGE, "a depth and --unshallow exclude each other");
    field_add(&request, "remote", options->remote);
    field_add(&request, "ref", options->ref);
    field_add_flag(&request, "prune", options->prune);
    field_add_flag(&request, "tags", options->tags);
    field_add_flag(&request, "unshallow", options->unshallow);
    field_add_number(&request, "depth", (uint64_t)options->depth);
    return repo_network_call(
        r->context,
        &(repo_network_call_options){.verb = "fetch",
                                     .folder = *r->path ? r->path : r->git_dir,
                                     .label = options->remote ? options->remote : "fetch",
                                     .request = bytes_borrow(&request)},
        out);
}

/* ---- the child ---- */

static err shallow_check(const repo_net_fetch *f)
{
    if (f->unshallow && !git_repository_is_shallow(f->r->git))
        return err_make(ERR_NOTHING, "the whole history is here already: there is nothing to unshallow");
    return ERR_OK;
}

/* Of the remote branch that ours follows: where it was, where it is. */
static void branch_tell(const repo_net_fetch *f, const char *head_ref, const repo_ref_rows *before)
{
    CLEANUP(bytes_free) bytes upstream = {0};
    git_oid id;

    if (text_starts_with(head_ref, "refs/heads/"))
        f->report->branch = memory_text(head_ref + strlen("refs/heads/"));
    if (!repo_upstream_ref(f->r->git, head_ref, &upstream)) return;
    const git_oid *old = repo_ref_rows_find(before, bytes_text(&upstream));
    if (old) repo_id_of(old, &f->report->before);
    if (git_reference_name_to_id(&id, f->r->git, bytes_text(&upstream)) == 0)
        repo_id_of(&id, &f->report->after);
}

static err fetch_in(repo_handle *r, repo_net *n, bytes_view request, repo_network_report *report)
{
    CLEANUP(repo_ref_rows_free) repo_ref_rows before = {0};
    CLEANUP(repo_net_fetch_free)
    repo_net_fetch f = {
        .n = n,
        .r = r,
        .report = report,
        .ref = field_text(request, "ref"),
        .prune = field_flag(request, "prune"),
        .tags = field_flag(request, "tags"),
        .unshallow = field_flag(request, "unshallow"),
        .depth = (int)MIN_OF(field_number(request, "depth"), REPO_COMMITS_DEPTH_MAX),
    };
    char *head_ref = repo_net_head_ref(r->git);

    err e = shallow_check(&f);
    if (!e.code) e = repo_net_remote(r->git, field_text(request, "remote"), head_ref, &f.remote, &f.name);
    if (!e.code) e = repo_ref_rows_read(r->git, f.name, &before);
    if (!e.code) {
        e = repo_net_fetch_run(&f, &before);
        branch_tell(&f, head_ref, &before);
    }
    if (!e.code && f.unshallow) repo_report_line(report, "the whole history is here now");
    if (!e.code && f.depth)
        repo_report_line(report, "the history is the last %d commits of each branch", f.depth);
    free(head_ref);
    return e;
}

err repo_net_verb_fetch(repo_net *n, bytes_view request, repo_network_report *report)
{
    repo_handle *r = NULL;

    err e = repo_open(n->context, n->folder, &r);
    if (!e.code) e = fetch_in(r, n, request, report);
    repo_close(r);
    return e;
}
