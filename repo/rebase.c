/* repo/rebase.c: our commits again, on top of another: all of them in memory, then one move. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/merge_internal.h"

enum { REBASE_COMMITS_MAX = 100000 };

typedef struct rebasing {
    repo_handle *r;
    git_oid ours, onto, tip; /* tip: what has been made so far */
    git_oid *commits;        /* oldest first, merges left out */
    size_t count;
} rebasing;

/* base..ours, oldest first. Merges are left out, as git does: their commits come one by one. */
static err commits_list(rebasing *b, const git_oid *base)
{
    git_revwalk *walk = NULL;
    git_oid id;
    int status = 0;

    err e = repo_git_check(git_revwalk_new(&walk, b->r->git), "walk the commits");
    if (e.code) return e;
    git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME | GIT_SORT_REVERSE);
    e = repo_git_check(git_revwalk_push(walk, &b->ours), "walk the commits");
    if (!e.code) e = repo_git_check(git_revwalk_hide(walk, &b->onto), "walk the commits");
    if (!e.code) e = repo_git_check(git_revwalk_hide(walk, base), "walk the commits");
    while (!e.code && (status = git_revwalk_next(&id, walk)) == 0) {
        git_commit *commit = NULL;
        e = join_commit(b->r, &id, &commit);
        if (!e.code && b->count == REBASE_COMMITS_MAX)
            e = err_make(ERR_LIMIT, "more than %d commits to rebase", REBASE_COMMITS_MAX);
        if (!e.code && git_commit_parentcount(commit) < 2) {
            b->commits = memory_resize_array(b->commits, b->count + 1, sizeof *b->commits);
            b->commits[b->count++] = id;
        }
        git_commit_free(commit);
    }
    if (!e.code && status != GIT_ITEROVER) e = repo_git_check(status, "walk the commits");
    git_revwalk_free(walk);
    return e;
}

/* "could not apply 1a2b3c4d (subject)": as an err's context. */
static err note_commit(err e, git_commit *commit)
{
    char subject[128];
    repo_id id;
    repo_message_subject(git_commit_message(commit), subject, sizeof subject);
    repo_id_of(git_commit_id(commit), &id);
    return err_note(e, "could not apply %.8s (%s)", id.hex, subject);
}

static err tree_join(rebasing *b, git_commit *commit, git_commit *tip, git_oid *tree,
                     repo_merge_report *report)
{
    CLEANUP(join_conflicts_free) join_conflicts left = {0};
    git_merge_options options = GIT_MERGE_OPTIONS_INIT;
    git_index *joined = NULL;

    err e = repo_git_check(git_cherrypick_commit(&joined, b->r->git, commit, tip, 0, &options), "rebase");
    if (!e.code) e = join_guard_large(b->r, joined, git_commit_tree_id(tip), git_commit_tree_id(commit));
    if (!e.code) e = join_settle(b->r, joined, REPO_FAVOR_NONE, false, &left);
    if (!e.code) e = join_conflicts_report(&left, "rebase", report);
    if (!e.code) e = join_write_tree(b->r, joined, tree);
    git_index_free(joined);
    return e;
}

/* A commit that changed something and now changes nothing is already there: left out. */
static bool became_empty(git_commit *commit, git_commit *tip, const git_oid *tree)
{
    git_commit *parent = NULL;
    bool was_empty = git_commit_parentcount(commit) && git_commit_parent(&parent, commit, 0) == 0 &&
                     git_oid_equal(git_commit_tree_id(parent), git_commit_tree_id(commit));
    git_commit_free(parent);
    return !was_empty && git_oid_equal(tree, git_commit_tree_id(tip));
}

static err commit_again(rebasing *b, git_commit *commit, git_commit *tip, repo_merge_report *report)
{
    git_oid tree;
    repo_id tree_id, parent, author, made;

    err e = tree_join(b, commit, tip, &tree, report);
    if (e.code || became_empty(commit, tip, &tree)) return e;
    repo_id_of(&tree, &tree_id);
    repo_id_of(&b->tip, &parent);
    repo_id_of(git_commit_id(commit), &author);
    repo_commit_plan plan = {
        .tree = &tree_id,
        .parents = &parent,
        .parent_count = 1,
        .message = git_commit_message(commit),
        .author_of = &author,
    };
    e = repo_commit_make(b->r, &plan, &made);
    return e.code ? e : repo_oid_read(&made, &b->tip);
}

static err apply(rebasing *b, const git_oid *id, repo_merge_report *report)
{
    git_commit *commit = NULL, *tip = NULL;

    err e = join_commit(b->r, id, &commit);
    if (!e.code) e = join_commit(b->r, &b->tip, &tip);
    if (!e.code) {
        const git_oid *parent = git_commit_parent_id(commit, 0);
        if (parent && git_oid_equal(parent, &b->tip))
            b->tip = *id; /* where it stands already */
        else
            e = commit_again(b, commit, tip, report);
        if (e.code) e = note_commit(e, commit);
    }
    git_commit_free(commit);
    git_commit_free(tip);
    return e;
}

static err finish(rebasing *b, repo_merge_report *report)
{
    git_reference *head = NULL;
    bytes line = {0};
    repo_id onto;

    repo_id_of(&b->onto, &onto);
    if (git_repository_head_detached(b->r->git) == 0 && git_repository_head(&head, b->r->git) == 0)
        bytes_printf(&line, "rebase (finish): %s onto %s", git_reference_name(head), onto.hex);
    else
        bytes_printf(&line, "rebase (finish): HEAD onto %s", onto.hex);
    git_reference_free(head);
    err e = join_orig_head(b->r, &b->ours);
    if (!e.code) e = join_advance(b->r, &b->ours, &b->tip, bytes_text(&line), report);
    bytes_free(&line);
    return e;
}

static err rebase_inside(rebasing *b, const repo_ref *onto, repo_merge_report *report)
{
    git_oid base;
    bool born = false;

    err e = join_ready(b->r);
    if (!e.code) e = join_head(b->r, &b->ours, &born);
    if (!e.code && !born) e = err_make(ERR_NOTHING, "there is no commit to rebase");
    if (!e.code) e = join_identity(b->r);
    if (!e.code) e = join_nothing_staged(b->r, report);
    if (!e.code) e = repo_oid_read(&onto->commit, &b->onto);
    if (!e.code) e = merge_base_find(b->r, &b->ours, &b->onto, &base);
    if (!e.code) e = commits_list(b, &base);
    if (e.code) return e;
    repo_id_of(&b->ours, &report->before);
    report->after = report->before;
    b->tip = b->onto;
    for (size_t i = 0; i < b->count && !e.code; i++) e = apply(b, &b->commits[i], report);
    if (e.code) return e;
    report->up_to_date = git_oid_equal(&b->tip, &b->ours);
    if (report->up_to_date) return ERR_OK;
    report->fast_forward = git_oid_equal(&base, &b->ours);
    return finish(b, report);
}

err repo_rebase(repo_handle *r, const repo_ref *onto, repo_merge_report *report)
{
    repo_gate *gate = NULL;
    rebasing b = {.r = r};

    err e = repo_gate_enter(r, "rebase", &gate);
    if (!e.code) e = rebase_inside(&b, onto, report);
    free(b.commits);
    repo_gate_leave(gate);
    return e;
}
