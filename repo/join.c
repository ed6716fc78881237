/* repo/join.c: the steps that every joining verb takes. */
#include "repo/join_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/checkout_internal.h"
#include "repo/git_version.h"

void repo_merge_report_free(repo_merge_report *report)
{
    for (size_t i = 0; i < report->conflict_count; i++) free(report->conflicts[i].path);
    free(report->conflicts);
    repo_names_free(&report->same_index);
    repo_checkout_report_free(&report->checkout);
    *report = (repo_merge_report){0};
}

/* ---- before ---- */

static const struct {
    git_repository_state_t state;
    const char *what, *cure;
} unfinished[] = {
    {GIT_REPOSITORY_STATE_MERGE, "a merge", "merge --continue or --abort"},
    {GIT_REPOSITORY_STATE_REVERT, "a revert", "revert --continue or --abort"},
    {GIT_REPOSITORY_STATE_REVERT_SEQUENCE, "a revert", "git revert --continue or --abort"},
    {GIT_REPOSITORY_STATE_CHERRYPICK, "a cherry-pick", "cherry-pick --continue or --abort"},
    {GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE, "a cherry-pick", "git cherry-pick --continue or --abort"},
    {GIT_REPOSITORY_STATE_REBASE, "a rebase", "git rebase --continue or --abort"},
    {GIT_REPOSITORY_STATE_REBASE_INTERACTIVE, "a rebase", "git rebase --continue or --abort"},
    {GIT_REPOSITORY_STATE_REBASE_MERGE, "a rebase", "git rebase --continue or --abort"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX, "git am", "git am --continue or --abort"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE, "a rebase", "git rebase --continue or --abort"},
};

static err index_unmerged(repo_handle *r)
{
    git_index *index = NULL;
    err e = repo_git_check(git_repository_index(&index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 0), "read the index");
    if (!e.code && git_index_has_conflicts(index))
        e = err_make(ERR_STATE,
                     "unmerged files are here: mend and stage them, or reset --merge takes them back");
    git_index_free(index);
    return e;
}

err join_ready(repo_handle *r)
{
    if (!*repo_borrow_path(r))
        return err_make(ERR_UNSUPPORTED, "a bare repository has no worktree to join in");
    int state = git_repository_state(r->git);
    for (size_t i = 0; i < COUNT_OF(unfinished); i++)
        if (unfinished[i].state == (git_repository_state_t)state)
            return err_make(ERR_STATE, "%s is not finished here: %s", unfinished[i].what, unfinished[i].cure);
    return index_unmerged(r);
}

err join_head(repo_handle *r, git_oid *commit, bool *born)
{
    return repo_git_check(repo_head_read(r, commit, born), "read HEAD");
}

err join_commit(repo_handle *r, const git_oid *id, git_commit **out)
{
    return repo_git_check(git_commit_lookup(out, r->git, id), "read a commit");
}

err join_tree_of(repo_handle *r, const git_oid *commit, git_oid *tree)
{
    git_commit *c = NULL;
    err e = join_commit(r, commit, &c);
    if (!e.code) *tree = *git_commit_tree_id(c);
    git_commit_free(c);
    return e;
}

static int delta_path(const git_diff_delta *delta, float progress, void *context)
{
    (void)progress;
    repo_names_add(context, delta->new_file.path);
    return 0;
}

static err diff_paths(git_diff *diff, repo_names *out)
{
    return repo_git_check(git_diff_foreach(diff, delta_path, NULL, NULL, NULL, out), "compare");
}

err join_index_changes(repo_handle *r, const git_oid *tree_id, repo_names *out)
{
    git_tree *tree = NULL;
    git_diff *diff = NULL;

    err e = ERR_OK;
    if (tree_id) e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read a tree");
    if (!e.code)
        e = repo_git_check(git_diff_tree_to_index(&diff, r->git, tree, NULL, NULL), "read the index");
    if (!e.code) e = diff_paths(diff, out);
    git_diff_free(diff);
    git_tree_free(tree);
    return e;
}

err join_nothing_staged(repo_handle *r, repo_merge_report *report)
{
    git_oid head, tree;
    bool born = false;
    repo_names *staged = &report->checkout.in_the_way;

    err e = join_head(r, &head, &born);
    if (!e.code && born) e = join_tree_of(r, &head, &tree);
    if (!e.code) e = join_index_changes(r, born ? &tree : NULL, staged);
    if (!e.code && staged->count)
        e = err_make(ERR_CONFLICT, "%s is staged%s: commit, unstage or stash it first", staged->names[0],
                     staged->count > 1 ? " (and more)" : "");
    return e;
}

err join_identity(repo_handle *r)
{
    git_signature *committer = NULL;
    err e = repo_signature_committer(r, &committer);
    if (!e.code) repo_ident_set(r, committer);
    git_signature_free(committer);
    return e;
}

err join_short_id(const git_commit *commit, char **out)
{
    git_buf id = {0};

    err e = repo_git_check(git_object_short_id(&id, (const git_object *)commit), "shorten a commit's id");
    if (!e.code) *out = memory_text(id.ptr);
    git_buf_dispose(&id);
    return e;
}

/* ---- making it so ---- */

err join_write_tree(repo_handle *r, git_index *joined, git_oid *tree)
{
    return repo_git_check(git_index_write_tree_to(tree, joined, r->git), "write the tree");
}

err join_checkout(repo_handle *r, const git_oid *tree, repo_merge_report *report)
{
    repo_id id;
    repo_checkout_options options = {0};

    repo_id_of(tree, &id);
    repo_checkout_report_free(&report->checkout);
    return repo_checkout_tree(r, &id, &options, &report->checkout);
}

/* A file that `tree` does not have goes, from the folder and from the index. */
static err added_remove(repo_handle *r, git_tree *tree, const repo_names *paths)
{
    repo_beneath below = {0};
    git_index *index = NULL;
    git_tree_entry *entry = NULL;

    err e = repo_beneath_open(repo_borrow_path(r), &below);
    if (!e.code) e = repo_git_check(git_repository_index(&index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 0), "read the index");
    for (size_t i = 0; i < paths->count && !e.code; i++) {
        const char *path = paths->names[i];
        int status = git_tree_entry_bypath(&entry, tree, path);
        git_tree_entry_free(entry);
        entry = NULL;
        if (status == 0) continue;
        e = repo_beneath_remove(&below, path);
        if (!e.code) git_index_conflict_remove(index, path);
        if (!e.code && (status = git_index_remove(index, path, 0)) < 0 && status != GIT_ENOTFOUND)
            e = repo_git_check(status, path);
    }
    if (!e.code) e = repo_index_write(index);
    git_index_free(index);
    repo_beneath_close(&below);
    return e;
}

err join_restore(repo_handle *r, const git_oid *tree_id, const repo_names *paths,
                 repo_checkout_report *report)
{
    git_tree *tree = NULL;
    repo_id id;

    if (!paths->count) return ERR_OK;
    repo_id_of(tree_id, &id);
    repo_checkout_options options = {
        .force = true, .paths = (const char *const *)paths->names, .path_count = paths->count};
    err e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read a tree");
    if (!e.code) e = added_remove(r, tree, paths);
    if (!e.code) e = repo_checkout_tree(r, &id, &options, report);
    git_tree_free(tree);
    return e;
}

/* What the checkout has just written is taken back, and nothing of a person's. */
static void files_back(repo_handle *r, const git_oid *before, const git_oid *after)
{
    git_tree *old = NULL, *new = NULL;
    git_diff *diff = NULL;
    repo_names paths = {0};
    repo_checkout_report report = {0};

    if (git_tree_lookup(&old, r->git, before) == 0 && git_tree_lookup(&new, r->git, after) == 0 &&
        git_diff_tree_to_tree(&diff, r->git, old, new, NULL) == 0 && !diff_paths(diff, &paths).code)
        (void)join_restore(r, before, &paths, &report);
    git_diff_free(diff);
    git_tree_free(old);
    git_tree_free(new);
    repo_names_free(&paths);
    repo_checkout_report_free(&report);
}

err join_advance(repo_handle *r, const git_oid *from, const git_oid *to, const char *reflog,
                 repo_merge_report *report)
{
    git_oid before, after;

    err e = join_tree_of(r, to, &after);
    if (!e.code && from) e = join_tree_of(r, from, &before);
    if (!e.code) e = join_checkout(r, &after, report);
    if (e.code) return e;
    e = repo_git_check(repo_ref_move(r, "HEAD", from, to, reflog), "move HEAD");
    if (e.code && from) files_back(r, &before, &after);
    if (!e.code) repo_id_of(to, &report->after);
    return e;
}

err join_orig_head(repo_handle *r, const git_oid *commit)
{
    git_reference *made = NULL;
    err e =
        repo_git_check(git_reference_create(&made, r->git, "ORIG_HEAD", commit, 1, NULL), "write ORIG_HEAD");
    git_reference_free(made);
    return e;
}

err join_state_write(repo_handle *r, const char *name, const char *text)
{
    char *path = file_join(repo_borrow_git_dir(r), name);
    err e = file_write(path, bytes_view_of(text));
    free(path);
    return e;
}

/* ---- adapters with one number ---- */

enum { ADAPTER_NUMBERS = 100 };

/* For each number the names that carry it, "01_a, 01_b". */
typedef struct numbered {
    bytes names[ADAPTER_NUMBERS];
    size_t counts[ADAPTER_NUMBERS];
} numbered;

static void numbered_free(numbered *n)
{
    for (size_t i = 0; i < ADAPTER_NUMBERS; i++) bytes_free(&n->names[i]);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void number_take(numbered *n, const char *name)
{
    static const char end[] = ".safetensors";
    size_t size = strlen(name), stem = size - (sizeof end - 1);

    if (size < sizeof end + 2 || strcmp(name + stem, end) != 0) return;
    if (!is_digit(name[0]) || !is_digit(name[1]) || name[2] != '_') return;
    int number = (name[0] - '0') * 10 + name[1] - '0';
    if (n->counts[number]++) bytes_append_text(&n->names[number], ", ");
    bytes_append(&n->names[number], name, stem);
}

static err numbered_read(repo_handle *r, const git_oid *tree_id, numbered *out)
{
    git_tree *tree = NULL, *adapters = NULL;

    err e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read a tree");
    const git_tree_entry *folder = e.code ? NULL : git_tree_entry_byname(tree, "adapters");
    if (folder && git_tree_entry_type(folder) == GIT_OBJECT_TREE)
        e = repo_git_check(git_tree_lookup(&adapters, r->git, git_tree_entry_id(folder)), "read adapters");
    for (size_t i = 0; adapters && i < git_tree_entrycount(adapters); i++)
        number_take(out, git_tree_entry_name(git_tree_entry_byindex(adapters, i)));
    git_tree_free(adapters);
    git_tree_free(tree);
    return e;
}

err join_same_index(repo_handle *r, const git_oid *ours, const git_oid *theirs, const git_oid *joined,
                    repo_names *out)
{
    CLEANUP(numbered_free) numbered a = {0}, b = {0}, both = {0};

    err e = numbered_read(r, ours, &a);
    if (!e.code) e = numbered_read(r, theirs, &b);
    if (!e.code) e = numbered_read(r, joined, &both);
    for (size_t i = 0; i < ADAPTER_NUMBERS && !e.code; i++)
        if (both.counts[i] > 1 && both.counts[i] > a.counts[i] && both.counts[i] > b.counts[i])
            repo_names_add(out, bytes_text(&both.names[i]));
    return e;
}
