#include "repo/reset.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/commit_internal.h"
#include "repo/gate.h"
#include "repo/status.h"

void repo_reset_report_free(repo_reset_report *report)
{
    repo_names_free(&report->lost);
    repo_checkout_report_free(&report->checkout);
    *report = (repo_reset_report){0};
}

/* ---- look ---- */

static bool in_tree(git_tree *tree, const char *path)
{
    git_tree_entry *entry = NULL;
    bool is = git_tree_entry_bypath(&entry, tree, path) == 0;
    git_tree_entry_free(entry);
    return is;
}

/* A tracked file that was only deleted comes back: nothing of it is lost. An untracked one stays, unless the
 * target has a file of its name. */
static bool is_lost(const repo_status_row *row, git_tree *target)
{
    if (row->unstaged == '?') return in_tree(target, row->path);
    if (row->staged == ' ' && row->unstaged == 'D') return false;
    return row->staged != ' ' || row->unstaged != ' ';
}

static err lost_find(repo_handle *r, const git_oid *tree_id, repo_names *lost)
{
    repo_status status = {0};
    git_tree *tree = NULL;

    err e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read the tree");
    if (!e.code) e = repo_status_read(r, &(repo_status_options){.untracked = true}, &status);
    for (size_t i = 0; i < status.count && !e.code; i++)
        if (is_lost(&status.rows[i], tree)) repo_names_add(lost, status.rows[i].path);
    repo_status_free(&status);
    git_tree_free(tree);
    return e;
}

static int left_count(repo_handle *r, const git_oid *before, const git_oid *after)
{
    size_t ahead = 0, behind = 0;
    if (git_graph_ahead_behind(&ahead, &behind, r->git, before, after) != 0) return -1;
    return (int)MIN_OF(ahead, INT32_MAX);
}

err repo_reset_look(repo_handle *r, const repo_ref *to, repo_reset_kind kind, repo_reset_report *report)
{
    git_oid before, after, tree;
    bool born = false;

    err e = repo_oid_read(&to->commit, &after);
    if (!e.code) e = repo_oid_read(&to->tree, &tree);
    if (!e.code) e = repo_git_check(repo_head_read(r, &before, &born), "read HEAD");
    if (e.code) return e;
    report->after = to->commit;
    if (born) {
        repo_id_of(&before, &report->before);
        report->commits_left = left_count(r, &before, &after);
    }
    return kind == REPO_RESET_HARD ? lost_find(r, &tree, &report->lost) : ERR_OK;
}

/* ---- reset ---- */

static const char *spoken(const repo_ref *to)
{
    static const char *const prefixes[] = {"refs/heads/", "refs/tags/", "refs/remotes/"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++)
        if (strncmp(to->name, prefixes[i], strlen(prefixes[i])) == 0) return to->name + strlen(prefixes[i]);
    return *to->name ? to->name : to->commit.hex;
}

static err index_become(repo_handle *r, const repo_ref *to)
{
    git_index *index = NULL;
    git_tree *tree = NULL;
    git_oid id;

    err e = repo_oid_read(&to->tree, &id);
    if (!e.code) e = repo_git_check(git_tree_lookup(&tree, r->git, &id), "read the tree");
    if (!e.code) e = repo_git_check(git_repository_index(&index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 0), "read the index");
    if (!e.code) e = repo_git_check(git_index_read_tree(index, tree), "change the index");
    if (!e.code) e = repo_git_check(git_index_write(index), "write the index");
    git_index_free(index);
    git_tree_free(tree);
    return e;
}

static err files_become(repo_handle *r, const repo_ref *to, repo_reset_kind kind, repo_reset_report *report)
{
    if (kind == REPO_RESET_SOFT) return ERR_OK;
    err e =
        kind == REPO_RESET_MIXED
            ? index_become(r, to)
            : repo_checkout_tree(r, &to->tree, &(repo_checkout_options){.force = true}, &report->checkout);
    if (!e.code) e = repo_git_check(git_repository_state_cleanup(r->git), "end what was going on");
    if (!e.code) repo_git_file_drop(r, "AUTO_MERGE"); /* libgit2 does not know it */
    return e;
}

static err branch_become(repo_handle *r, const repo_ref *to)
{
    git_reference *original = NULL;
    git_oid before, after;
    bool born = false;
    bytes line = {0};

    err e = repo_git_check(repo_head_read(r, &before, &born), "read HEAD");
    if (!e.code) e = repo_oid_read(&to->commit, &after);
    if (!e.code && born)
        e = repo_git_check(git_reference_create(&original, r->git, "ORIG_HEAD", &before, 1, NULL),
                           "write ORIG_HEAD");
    bytes_printf(&line, "reset: moving to %s", spoken(to));
    if (!e.code)
        e = repo_git_check(repo_ref_move(r, "HEAD", born ? &before : NULL, &after, bytes_text(&line)),
                           "move HEAD");
    bytes_free(&line);
    git_reference_free(original);
    return e;
}

static err possible(repo_handle *r, repo_reset_kind kind)
{
    if (kind != REPO_RESET_SOFT && git_repository_is_bare(r->git))
        return err_make(ERR_STATE, "%s has no worktree: only a soft reset can be", r->git_dir);
    if (kind == REPO_RESET_SOFT && git_repository_state(r->git) == GIT_REPOSITORY_STATE_MERGE)
        return err_make(ERR_STATE, "a merge is going on here: a soft reset would leave half of it");
    return ERR_OK;
}

err repo_reset(repo_handle *r, const repo_ref *to, repo_reset_kind kind, bool force,
               repo_reset_report *report)
{
    repo_gate *gate = NULL;
    git_signature *committer = NULL;

    err e = possible(r, kind);
    if (!e.code) e = repo_reset_look(r, to, kind, report);
    if (!e.code && report->lost.count && !force)
        e = err_make(ERR_CONFLICT, "%zu uncommitted %s would be lost", report->lost.count,
                     report->lost.count == 1 ? "change" : "changes");
    if (e.code) return e;
    if (!repo_signature_committer(r, &committer).code) repo_ident_set(r, committer);
    git_signature_free(committer);
    e = repo_gate_enter(r, "reset", &gate);
    if (!e.code) e = files_become(r, to, kind, report);
    if (!e.code) e = branch_become(r, to);
    repo_gate_leave(gate);
    return e;
}
