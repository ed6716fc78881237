/* repo/stash.c: the list of stashes, and bringing one back. */
#include "repo/stash.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/checkout_internal.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/stash_internal.h"

enum { STASHES_MAX = 100000 };

/* ---- list ---- */

static int row_add(size_t index, const char *message, const git_oid *id, void *context)
{
    repo_stashes *list = context;
    if (index >= STASHES_MAX) return GIT_EUSER;
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    repo_stash *row = &list->rows[list->count++];
    row->subject = memory_text(message ? message : "");
    repo_id_of(id, &row->commit);
    return 0;
}

err repo_stash_list(repo_handle *r, repo_stashes *out)
{
    return repo_git_check(git_stash_foreach(r->git, row_add, out), "list the stashes");
}

void repo_stashes_free(repo_stashes *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].subject);
    free(list->rows);
    *list = (repo_stashes){0};
}

err stash_find(repo_handle *r, size_t index, git_oid *out)
{
    CLEANUP(repo_stashes_free) repo_stashes list = {0};

    err e = repo_stash_list(r, &list);
    if (e.code) return e;
    if (!list.count) return err_make(ERR_NOT_FOUND, "there is no stash");
    if (index >= list.count)
        return err_make(ERR_NOT_FOUND, "there is no stash %zu (there are 0 to %zu)", index, list.count - 1);
    return repo_oid_read(&list.rows[index].commit, out);
}

/* ---- apply ---- */

typedef struct applying {
    repo_handle *r;
    size_t number;
    repo_favor favor;
    git_oid head_tree, base_tree, tree, untracked_tree, target;
    bool has_untracked;
    git_index *joined;
} applying;

static err parent_tree(git_commit *stash, unsigned at, git_oid *out)
{
    git_commit *parent = NULL;
    err e = repo_git_check(git_commit_parent(&parent, stash, at), "read the stash");
    if (!e.code) *out = *git_commit_tree_id(parent);
    git_commit_free(parent);
    return e;
}

static err stash_read(applying *a)
{
    git_oid id, head;
    git_commit *stash = NULL;
    bool born = false;

    err e = stash_find(a->r, a->number, &id);
    if (!e.code) e = join_commit(a->r, &id, &stash);
    if (!e.code && git_commit_parentcount(stash) < 2)
        e = err_make(ERR_FORMAT, "stash %zu is no stash: it has %u parents, expected 2 or 3", a->number,
                     git_commit_parentcount(stash));
    if (!e.code) e = parent_tree(stash, 0, &a->base_tree);
    if (!e.code) a->tree = *git_commit_tree_id(stash);
    a->has_untracked = !e.code && git_commit_parentcount(stash) > 2;
    if (a->has_untracked) e = parent_tree(stash, 2, &a->untracked_tree);
    git_commit_free(stash);
    if (!e.code) e = join_head(a->r, &head, &born);
    if (!e.code && !born) e = err_make(ERR_NOTHING, "there is no commit yet to bring it back onto");
    return e.code ? e : join_tree_of(a->r, &head, &a->head_tree);
}

static err trees_join(applying *a)
{
    git_tree *base = NULL, *ours = NULL, *theirs = NULL;
    git_merge_options how = GIT_MERGE_OPTIONS_INIT;
    git_repository *git = a->r->git;

    err e = repo_git_check(git_tree_lookup(&base, git, &a->base_tree), "read the stash");
    if (!e.code) e = repo_git_check(git_tree_lookup(&ours, git, &a->head_tree), "read HEAD");
    if (!e.code) e = repo_git_check(git_tree_lookup(&theirs, git, &a->tree), "read the stash");
    if (!e.code) e = repo_git_check(git_merge_trees(&a->joined, git, base, ours, theirs, &how), "merge");
    if (!e.code) e = join_guard_large(a->r, a->joined, &a->head_tree, &a->tree);
    git_tree_free(base);
    git_tree_free(ours);
    git_tree_free(theirs);
    return e;
}

/* Untracked files come along as if they were tracked: a file that is in the way stops all of it. */
static err untracked_add(applying *a, git_index *untracked, repo_names *in_the_way)
{
    err e = ERR_OK;
    for (size_t i = 0; i < git_index_entrycount(untracked) && !e.code; i++) {
        const git_index_entry *entry = git_index_get_byindex(untracked, i);
        if (git_index_find(NULL, a->joined, entry->path) == 0)
            repo_names_add(in_the_way, entry->path);
        else
            e = repo_git_check(git_index_add(a->joined, entry), entry->path);
    }
    if (!e.code && in_the_way->count)
        e = err_make(ERR_CONFLICT, "%s is tracked by now: nothing was changed", in_the_way->names[0]);
    return e;
}

static err untracked_read(applying *a, git_index **out)
{
    git_tree *tree = NULL;

    if (!a->has_untracked) return ERR_OK;
    err e = repo_git_check(git_index_new(out), "make an index");
    if (!e.code) e = repo_git_check(git_tree_lookup(&tree, a->r->git, &a->untracked_tree), "read the stash");
    if (!e.code) e = repo_git_check(git_index_read_tree(*out, tree), "read the stash");
    git_tree_free(tree);
    return e;
}

static int as_head(const git_diff_delta *delta, float progress, void *context)
{
    (void)progress;
    git_index *index = context;
    git_index_entry entry = {
        .mode = delta->old_file.mode, .id = delta->old_file.id, .path = delta->old_file.path};
    if (delta->status == GIT_DELTA_ADDED) return 0;
    return git_index_add(index, &entry);
}

static err untracked_forget(git_index *index, git_index *untracked)
{
    err e = ERR_OK;
    for (size_t i = 0; untracked && i < git_index_entrycount(untracked) && !e.code; i++)
        e = repo_git_check(git_index_remove(index, git_index_get_byindex(untracked, i)->path, 0), "unstage");
    return e;
}

/* Of what the checkout has staged only new files stay so: those git would otherwise not know. */
static err unstage(applying *a, git_index *untracked)
{
    git_tree *head = NULL, *target = NULL;
    git_diff *diff = NULL;
    git_index *index = NULL;
    git_repository *git = a->r->git;

    err e = repo_git_check(git_repository_index(&index, git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 1), "read the index");
    if (!e.code) e = repo_git_check(git_tree_lookup(&head, git, &a->head_tree), "read HEAD");
    if (!e.code) e = repo_git_check(git_tree_lookup(&target, git, &a->target), "read a tree");
    if (!e.code) e = repo_git_check(git_diff_tree_to_tree(&diff, git, head, target, NULL), "compare");
    if (!e.code) e = repo_git_check(git_diff_foreach(diff, as_head, NULL, NULL, NULL, index), "unstage");
    if (!e.code) e = untracked_forget(index, untracked);
    if (!e.code) e = repo_index_write(index);
    git_diff_free(diff);
    git_tree_free(head);
    git_tree_free(target);
    git_index_free(index);
    return e;
}

/* As git does: what can be joined is joined and staged, the untracked files are there again, and the stash
 * stays. */
static err leave_markers(applying *a, const join_conflicts *left, git_index *untracked, const char *name,
                         repo_merge_report *report)
{
    git_index *index = NULL;
    join_marking m = {.joined = a->joined,
                      .ours_tree = a->head_tree,
                      .theirs_tree = a->tree,
                      .our_label = "Updated upstream",
                      .their_label = "Stashed changes",
                      .what = name,
                      .way_back = "reset --merge"};

    err e = join_leave_markers(a->r, &m, left, report);
    if (!report->in_progress || !untracked) return e;
    err also = repo_git_check(git_repository_index(&index, a->r->git), "read the index");
    if (!also.code) also = repo_git_check(git_index_read(index, 1), "read the index");
    if (!also.code) also = untracked_forget(index, untracked);
    if (!also.code) also = repo_index_write(index);
    git_index_free(index);
    return also.code ? err_note(also, "%s", e.text) : e;
}

static err apply_inside(applying *a, repo_merge_report *report)
{
    CLEANUP(join_conflicts_free) join_conflicts left = {0};
    CLEANUP(bytes_free) bytes name = {0};
    git_index *untracked = NULL;

    bytes_printf(&name, "stash@{%zu}", a->number);
    err e = join_ready(a->r);
    if (!e.code) e = stash_read(a);
    if (!e.code) e = join_nothing_staged(a->r, report);
    if (!e.code) e = trees_join(a);
    if (!e.code) e = join_settle(a->r, a->joined, a->favor, true, &left);
    if (!e.code) e = untracked_read(a, &untracked);
    if (!e.code && untracked) e = untracked_add(a, untracked, &report->checkout.in_the_way);
    if (!e.code) e = join_conflicts_report(&left, bytes_text(&name), report);
    if (left.count && report->conflict_count && join_can_mark(&left))
        e = leave_markers(a, &left, untracked, bytes_text(&name), report);
    if (!e.code) e = join_write_tree(a->r, a->joined, &a->target);
    if (!e.code) e = join_checkout(a->r, &a->target, report);
    if (!e.code) e = unstage(a, untracked);
    git_index_free(untracked);
    return e;
}

/* ---- verbs ---- */

static err drop_inside(repo_handle *r, size_t index, repo_id *dropped)
{
    git_oid id;

    err e = stash_find(r, index, &id);
    if (!e.code) e = repo_git_check(git_stash_drop(r->git, index), "drop the stash");
    if (!e.code) repo_id_of(&id, dropped);
    return e;
}

static err bring_back(repo_handle *r, size_t index, repo_favor favor, bool drop, repo_merge_report *report)
{
    applying a = {.r = r, .number = index, .favor = favor};
    repo_gate *gate = NULL;

    err e = repo_gate_enter(r, "stash", &gate);
    if (!e.code) e = apply_inside(&a, report);
    if (!e.code && drop) e = drop_inside(r, index, &report->after);
    git_index_free(a.joined);
    repo_gate_leave(gate);
    return e;
}

err repo_stash_apply(repo_handle *r, size_t index, repo_favor favor, repo_merge_report *report)
{
    return bring_back(r, index, favor, false, report);
}

err repo_stash_pop(repo_handle *r, size_t index, repo_favor favor, repo_merge_report *report)
{
    return bring_back(r, index, favor, true, report);
}

err repo_stash_drop(repo_handle *r, size_t index, repo_id *dropped)
{
    repo_gate *gate = NULL;

    err e = repo_gate_enter(r, "stash", &gate);
    if (!e.code) e = drop_inside(r, index, dropped);
    repo_gate_leave(gate);
    return e;
}
