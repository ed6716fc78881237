/* repo/merge.c: merge, fast-forward and squash; what markers leave is repo/join_markers.c's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/date.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/merge_internal.h"

/* ---- how ---- */

/* merge.ff of the configuration, where no option says otherwise. */
static err how_read(repo_handle *r, const repo_merge_options *options, merge_work *w)
{
    git_config *config = NULL;
    const char *value = NULL;
    int flag = 1;

    if (options->ff_only && options->no_ff)
        return err_make(ERR_USAGE, "--ff-only and --no-ff exclude each other");
    if (options->squash && options->no_ff)
        return err_make(ERR_USAGE, "--squash and --no-ff exclude each other");
    if (options->squash && options->leave_markers)
        return err_make(ERR_USAGE, "--squash leaves no markers: merge without it, or choose sides");
    w->ff_only = options->ff_only;
    w->no_ff = options->no_ff;
    if (w->ff_only || w->no_ff || options->squash) return ERR_OK;
    err e = repo_git_check(git_repository_config_snapshot(&config, r->git), "read git's configuration");
    if (!e.code && git_config_get_string(&value, config, "merge.ff") == 0) {
        w->ff_only = strcmp(value, "only") == 0;
        w->no_ff = !w->ff_only && git_config_get_bool(&flag, config, "merge.ff") == 0 && !flag;
    }
    git_config_free(config);
    return e;
}

/* What a person calls it: "x", "origin/x", "v1", or all digits. */
const char *merge_name(const repo_ref *ref)
{
    static const char *const begins[] = {"refs/heads/", "refs/tags/", "refs/remotes/"};
    for (size_t i = 0; i < COUNT_OF(begins); i++)
        if (text_starts_with(ref->name, begins[i])) return ref->name + strlen(begins[i]);
    return *ref->name ? ref->name : ref->commit.hex;
}

static const char *const kind_words[] = {
    [REPO_REF_BRANCH] = "branch",
    [REPO_REF_TAG] = "tag",
    [REPO_REF_REMOTE] = "remote-tracking branch",
    [REPO_REF_COMMIT] = "commit",
};

/* git leaves the name of the usual branches out. */
static bool is_usual_branch(const char *name)
{
    return strcmp(name, "main") == 0 || strcmp(name, "master") == 0;
}

static void message_make(repo_handle *r, const repo_ref *theirs, bytes *out)
{
    git_reference *head = NULL;
    const char *onto = "HEAD";

    bytes_printf(out, "Merge %s '%s'", kind_words[theirs->kind], merge_name(theirs));
    if (git_repository_head_detached(r->git) == 0 && git_repository_head(&head, r->git) == 0)
        onto = git_reference_shorthand(head);
    if (!is_usual_branch(onto)) bytes_printf(out, " into %s", onto);
    bytes_append_byte(out, '\n');
    git_reference_free(head);
}

static char *reflog_line(const merge_work *w, const char *what)
{
    bytes line = {0};
    if (w->options->reflog)
        bytes_printf(&line, "%s: %s", w->options->reflog, what);
    else
        bytes_printf(&line, "merge %s: %s", merge_name(w->theirs_ref), what);
    return bytes_take(&line);
}

/* ---- where the two histories part ---- */

static err no_base(repo_handle *r, int status)
{
    if (git_repository_is_shallow(r->git) == 1)
        return err_make(ERR_UNSUPPORTED,
                        "the common history lies beyond a shallow edge: fetch --unshallow first");
    if (status == GIT_ENOTFOUND) return err_make(ERR_USAGE, "the two histories have no commit in common");
    return repo_git_check(status, "look for the common commit");
}

err merge_base_find(repo_handle *r, const git_oid *ours, const git_oid *theirs, git_oid *base)
{
    bool is_shallow = git_repository_is_shallow(r->git) == 1;

    /* First without libgit2, which fails at the edge (1.5) and leaks then. */
    if (is_shallow && merge_is_ancestor(r, ours, theirs)) {
        *base = *ours;
        return ERR_OK;
    }
    if (is_shallow && merge_is_ancestor(r, theirs, ours)) {
        *base = *theirs;
        return ERR_OK;
    }
    int status = git_merge_base(base, r->git, ours, theirs);
    return status == 0 ? ERR_OK : no_base(r, status);
}

/* ---- the kinds of merge ---- */

static err fast_forward(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    char *line = reflog_line(w, "Fast-forward");
    err e = join_orig_head(r, &w->ours);
    if (!e.code) e = join_advance(r, &w->ours, &w->theirs, line, report);
    report->fast_forward = !e.code;
    free(line);
    return e;
}

/* A branch without a commit takes theirs. */
static err born(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    err e = w->options->squash || w->no_ff
                ? err_make(ERR_USAGE, "there is no commit yet: only a plain merge can begin the branch")
                : join_advance(r, NULL, &w->theirs, "initial pull", report);
    report->fast_forward = !e.code;
    return e;
}

static err joined_make(repo_handle *r, merge_work *w)
{
    git_merge_options options = GIT_MERGE_OPTIONS_INIT;
    git_commit *ours = NULL, *theirs = NULL;

    err e = join_commit(r, &w->ours, &ours);
    if (!e.code) e = join_commit(r, &w->theirs, &theirs);
    if (!e.code) {
        w->ours_tree = *git_commit_tree_id(ours);
        w->theirs_tree = *git_commit_tree_id(theirs);
        e = repo_git_check(git_merge_commits(&w->joined, r->git, ours, theirs, &options), "merge");
    }
    if (!e.code) e = join_guard_large(r, w->joined, &w->ours_tree, &w->theirs_tree);
    git_commit_free(ours);
    git_commit_free(theirs);
    return e;
}

static err commit_make(repo_handle *r, merge_work *w, const git_oid *tree, git_oid *made)
{
    repo_id tree_id, parents[2], id;
    repo_commit_plan plan = {
        .tree = &tree_id, .parents = parents, .parent_count = 2, .message = bytes_text(&w->message)};

    repo_id_of(tree, &tree_id);
    repo_id_of(&w->ours, &parents[0]);
    repo_id_of(&w->theirs, &parents[1]);
    err e = repo_commit_make(r, &plan, &id);
    return e.code ? e : repo_oid_read(&id, made);
}

static err finish(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    git_oid tree, made;
    char *line = reflog_line(w, "Merge made by the 'recursive' strategy.");

    err e = join_write_tree(r, w->joined, &tree);
    if (!e.code) e = join_same_index(r, &w->ours_tree, &w->theirs_tree, &tree, &report->same_index);
    if (!e.code && w->options->squash) {
        e = join_checkout(r, &tree, report);
        if (!e.code) e = merge_squash_message(r, w);
    } else if (!e.code) {
        e = commit_make(r, w, &tree, &made);
        if (!e.code) e = join_orig_head(r, &w->ours);
        if (!e.code) e = join_advance(r, &w->ours, &made, line, report);
    }
    free(line);
    return e;
}

static err leave_markers(repo_handle *r, merge_work *w, const join_conflicts *left, repo_merge_report *report)
{
    join_marking m = {.joined = w->joined,
                      .ours_tree = w->ours_tree,
                      .theirs_tree = w->theirs_tree,
                      .our_label = "HEAD",
                      .their_label = merge_name(w->theirs_ref),
                      .head_file = "MERGE_HEAD",
                      .head = w->theirs,
                      .message = bytes_text(&w->message),
                      .mode = w->no_ff ? "no-ff" : "",
                      .before = &w->ours,
                      .what = merge_name(w->theirs_ref),
                      .way_back = "merge --abort"};
    return join_leave_markers(r, &m, left, report);
}

static err true_merge(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    CLEANUP(join_conflicts_free) join_conflicts left = {0};
    bool markers = w->options->leave_markers;

    err e = join_identity(r);
    if (!e.code) e = join_nothing_staged(r, report);
    if (!e.code) e = joined_make(r, w);
    if (!e.code) e = join_settle(r, w->joined, w->options->favor, !markers, &left);
    if (e.code) return e;
    if (!left.count) return finish(r, w, report);
    e = join_conflicts_report(&left, merge_name(w->theirs_ref), report);
    return markers && join_can_mark(&left) ? leave_markers(r, w, &left, report) : e;
}

static err merge_decide(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    git_oid base;

    err e = merge_base_find(r, &w->ours, &w->theirs, &base);
    if (e.code) return e;
    report->after = report->before;
    report->up_to_date = git_oid_equal(&base, &w->theirs);
    if (report->up_to_date) return ERR_OK;
    bool behind = git_oid_equal(&base, &w->ours);
    if (behind && !w->no_ff && !w->options->squash) return fast_forward(r, w, report);
    if (!behind && w->ff_only)
        return err_make(ERR_CONFLICT, "not possible to fast-forward: both sides have commits");
    return true_merge(r, w, report);
}

static err merge_inside(repo_handle *r, merge_work *w, repo_merge_report *report)
{
    bool is_born = false;

    err e = join_ready(r);
    if (!e.code) e = how_read(r, w->options, w);
    if (!e.code) e = repo_oid_read(&w->theirs_ref->commit, &w->theirs);
    if (!e.code) e = join_head(r, &w->ours, &is_born);
    if (e.code) return e;
    if (w->options->message)
        bytes_append_text(&w->message, w->options->message);
    else
        message_make(r, w->theirs_ref, &w->message);
    if (!is_born) return born(r, w, report);
    repo_id_of(&w->ours, &report->before);
    return merge_decide(r, w, report);
}

err repo_merge(repo_handle *r, const repo_ref *theirs, const repo_merge_options *options,
               repo_merge_report *report)
{
    repo_gate *gate = NULL;
    merge_work w = {.options = options, .theirs_ref = theirs};

    err e = repo_gate_enter(r, "merge", &gate);
    if (!e.code) e = merge_inside(r, &w, report);
    git_index_free(w.joined);
    bytes_free(&w.message);
    repo_gate_leave(gate);
    return e;
}
