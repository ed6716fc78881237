/* repo/stash_save.c: uncommitted work as commits, then the files as HEAD has them.
 *
 * Not git_stash_save: it reads changed files whole, and its checkout writes what ours links. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/stage_internal.h"
#include "repo/stash_internal.h"

typedef struct saving {
    repo_handle *r;
    const repo_stash_options *options;
    repo_status status;
    git_index *index;
    git_oid head, head_tree, index_tree, tree, untracked_tree, commit;
    bool has_untracked;
    char *on; /* "main: 1a2b3c4 subject" */
    char *branch;
    bytes subject;
    repo_names untracked;
} saving;

static void saving_free(saving *s)
{
    repo_status_free(&s->status);
    git_index_free(s->index);
    free(s->on);
    free(s->branch);
    bytes_free(&s->subject);
    repo_names_free(&s->untracked);
}

/* ---- words ---- */

static err names_find(saving *s)
{
    char subject[512];
    git_commit *commit = NULL;
    char *id = NULL;
    bytes on = {0};

    err e = join_commit(s->r, &s->head, &commit);
    if (!e.code) e = join_short_id(commit, &id);
    if (!e.code) {
        repo_message_subject(git_commit_message(commit), subject, sizeof subject);
        s->branch = memory_text(s->status.branch ? s->status.branch : "(no branch)");
        bytes_printf(&on, "%s: %s %s", s->branch, id, subject);
        s->on = bytes_take(&on);
        if (s->options->message)
            bytes_printf(&s->subject, "On %s: %s", s->branch, s->options->message);
        else
            bytes_printf(&s->subject, "WIP on %s", s->on);
    }
    free(id);
    git_commit_free(commit);
    return e;
}

/* ---- trees ---- */

/* Untracked files have a tree of their own. */
static err untracked_tree(saving *s)
{
    git_index *alone = NULL;

    err e = repo_stage_in_memory(s->r, &s->status, true, &s->untracked);
    if (!e.code) e = repo_git_check(git_index_new(&alone), "make an index");
    for (size_t i = 0; i < s->untracked.count && !e.code; i++) {
        const git_index_entry *entry = git_index_get_bypath(s->index, s->untracked.names[i], 0);
        if (entry) e = repo_git_check(git_index_add(alone, entry), s->untracked.names[i]);
    }
    if (!e.code) e = join_write_tree(s->r, alone, &s->untracked_tree);
    s->has_untracked = !e.code && s->untracked.count;
    git_index_free(alone);
    return e;
}

static err trees_make(saving *s)
{
    err e = join_write_tree(s->r, s->index, &s->index_tree);
    if (!e.code) e = repo_stage_in_memory(s->r, &s->status, false, NULL);
    if (!e.code) e = join_write_tree(s->r, s->index, &s->tree);
    if (!e.code && s->options->untracked) e = untracked_tree(s);
    /* What is in memory is not what is staged. */
    err read = repo_git_check(git_index_read(s->index, 1), "read the index");
    return e.code ? e : read;
}

/* ---- commits ---- */

static err commit_make(saving *s, const git_oid *tree, const git_oid *parents, size_t count,
                       const char *message, git_oid *out)
{
    git_signature *who = NULL;

    err e = repo_signature_committer(s->r, &who);
    if (e.code) return e;
    repo_commit_parts parts = {.tree = tree,
                               .parents = parents,
                               .parent_count = count,
                               .author = who,
                               .committer = who,
                               .message = message};
    e = repo_commit_object(s->r, &parts, out);
    git_signature_free(who);
    return e;
}

static err commits_make(saving *s)
{
    CLEANUP(bytes_free) bytes of_index = {0}, of_untracked = {0};
    git_oid parents[3] = {s->head};

    bytes_printf(&of_index, "index on %s\n", s->on);
    bytes_printf(&of_untracked, "untracked files on %s\n", s->on);
    err e = commit_make(s, &s->index_tree, &s->head, 1, bytes_text(&of_index), &parents[1]);
    if (!e.code && s->has_untracked)
        e = commit_make(s, &s->untracked_tree, NULL, 0, bytes_text(&of_untracked), &parents[2]);
    return e.code ? e
                  : commit_make(s, &s->tree, parents, s->has_untracked ? 3 : 2, bytes_text(&s->subject),
                                &s->commit);
}

static err ref_move(saving *s)
{
    git_oid old;
    bool is_first = git_reference_name_to_id(&old, s->r->git, STASH_REF) != 0;

    err e = repo_git_check(git_reference_ensure_log(s->r->git, STASH_REF), "write the stash's log");
    return e.code ? e
                  : repo_git_check(repo_ref_move(s->r, STASH_REF, is_first ? NULL : &old, &s->commit,
                                                 bytes_text(&s->subject)),
                                   "write " STASH_REF);
}

/* ---- the verb ---- */

static size_t paths_find(const saving *s, repo_names *out)
{
    for (size_t i = 0; i < s->status.count; i++) {
        const char *path = s->status.rows[i].path;
        bool nested = path[strlen(path) - 1] == '/';
        if (!nested && (s->options->untracked || !repo_row_is_stranger(&s->status, i)))
            repo_names_add(out, path);
    }
    return out->count;
}

static err begin(saving *s)
{
    const repo_status_options how = {.untracked = true, .untracked_files = true};
    bool born = false;

    err e = join_ready(s->r);
    if (!e.code) e = join_head(s->r, &s->head, &born);
    if (!e.code && !born) e = err_make(ERR_NOTHING, "there is no commit yet to put work aside from");
    if (!e.code) e = join_identity(s->r);
    if (!e.code) e = join_tree_of(s->r, &s->head, &s->head_tree);
    if (!e.code) e = repo_status_read(s->r, &how, &s->status);
    if (!e.code) e = repo_git_check(git_repository_index(&s->index, s->r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(s->index, 1), "read the index");
    return e.code ? e : names_find(s);
}

static err save_inside(saving *s, repo_stash_report *report)
{
    CLEANUP(repo_names_free) repo_names paths = {0};

    err e = begin(s);
    if (!e.code && !paths_find(s, &paths))
        e = err_make(ERR_NOTHING, "there are no local changes to put aside");
    if (!e.code) e = trees_make(s);
    if (!e.code) e = commits_make(s);
    if (!e.code) e = ref_move(s);
    if (e.code) return e;
    repo_id_of(&s->commit, &report->commit);
    report->subject = memory_text(bytes_text(&s->subject));
    report->files = paths.count;
    e = join_restore(s->r, &s->head_tree, &paths, &report->checkout);
    return e.code ? err_note(e, "the stash is made, but not every file is put back") : e;
}

err repo_stash_save(repo_handle *r, const repo_stash_options *options, repo_stash_report *report)
{
    CLEANUP(saving_free) saving s = {.r = r, .options = options};
    repo_gate *gate = NULL;

    err e = repo_gate_enter(r, "stash", &gate);
    if (!e.code) e = save_inside(&s, report);
    repo_gate_leave(gate);
    return e;
}

void repo_stash_report_free(repo_stash_report *report)
{
    free(report->subject);
    repo_checkout_report_free(&report->checkout);
    *report = (repo_stash_report){0};
}
