#include "repo/undo.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/branch_internal.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"

void repo_undo_free(repo_undo *undo)
{
    free(undo->action);
    free(undo->says);
    free(undo->branch);
    *undo = (repo_undo){0};
}

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static err unchanged_check(repo_handle *r, const repo_undo *undo)
{
    repo_undo now = {0};

    err e = repo_undo_find(r, undo->redo, &now);
    if (!e.code &&
        (!same_text(now.action, undo->action) || !same_text(now.branch, undo->branch) ||
         strcmp(now.before.hex, undo->before.hex) != 0 || strcmp(now.after.hex, undo->after.hex) != 0))
        e = err_make(ERR_BUSY, "HEAD moved meanwhile; nothing was changed");
    repo_undo_free(&now);
    return e;
}

static err files_become(repo_handle *r, const git_oid *commit_id, repo_checkout_report *report)
{
    git_commit *commit = NULL;
    repo_id tree;

    err e = repo_git_check(git_commit_lookup(&commit, r->git, commit_id), "read the commit");
    if (e.code) return err_note(e, "git has thrown it away");
    repo_id_of(git_commit_tree_id(commit), &tree);
    git_commit_free(commit);
    e = repo_checkout_tree(r, &tree, &(repo_checkout_options){.force = false}, report);
    if (e.code == ERR_CONFLICT && report->in_the_way.count)
        return err_make(ERR_CONFLICT,
                        "uncommitted work would be lost (%s%s): commit it or put it on the stash first",
                        report->in_the_way.names[0], report->in_the_way.count > 1 ? ", ..." : "");
    return e;
}

/* HEAD onto the branch, or onto the commit itself, with our line in its log. */
static err head_become(repo_handle *r, const repo_undo *undo, const git_oid *to, const char *line)
{
    git_reference *made = NULL;
    bytes full = {0};
    int status = 0;

    bytes_printf(&full, "refs/heads/%s", undo->branch ? undo->branch : "");
    status = undo->branch ? git_reference_symbolic_create(&made, r->git, "HEAD", bytes_text(&full), 1, line)
                          : git_reference_create(&made, r->git, "HEAD", to, 1, line);
    git_reference_free(made);
    bytes_free(&full);
    return repo_git_check(status, "move HEAD");
}

static err free_check(repo_handle *r, const repo_undo *undo)
{
    if (undo->moves_branch || !undo->branch) return ERR_OK;
    bytes full = {0};
    bytes_printf(&full, "refs/heads/%s", undo->branch);
    err e = repo_places_check(r, bytes_text(&full));
    bytes_free(&full);
    return e;
}

static err undo_inside(repo_handle *r, const repo_undo *undo, repo_checkout_report *report)
{
    git_oid before, after;
    bytes line = {0};

    err e = unchanged_check(r, undo);
    if (!e.code) e = free_check(r, undo);
    if (!e.code) e = repo_oid_read(&undo->before, &before);
    if (!e.code) e = repo_oid_read(&undo->after, &after);
    if (!e.code) e = files_become(r, &after, report);
    bytes_printf(&line, "%s: %s", undo->redo ? "redo" : "undo", undo->action);
    if (!e.code)
        e = undo->moves_branch
                ? repo_git_check(repo_ref_move(r, "HEAD", &before, &after, bytes_text(&line)), "move HEAD")
                : head_become(r, undo, &after, bytes_text(&line));
    bytes_free(&line);
    return e;
}

err repo_undo_run(repo_handle *r, const repo_undo *undo, repo_checkout_report *report)
{
    repo_gate *gate = NULL;
    git_signature *committer = NULL;

    if (!repo_signature_committer(r, &committer).code) repo_ident_set(r, committer);
    git_signature_free(committer);
    err e = repo_gate_enter(r, undo->redo ? "redo" : "undo", &gate);
    if (!e.code) e = undo_inside(r, undo, report);
    repo_gate_leave(gate);
    return e;
}
