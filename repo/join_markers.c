/* repo/join_markers.c: text conflicts brought into the worktree, and taking them back.
 *
 * In this order: MERGE_HEAD (or its kin); the index, with the unmerged entries; the files of all that merged,
 * with our side of what did not; the files with markers. Killed anywhere between, git sees what was begun,
 * all of it can be taken back, and never does a conflict count as resolved. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/compare_internal.h"
#include "repo/gate.h"
#include "repo/git_version.h"
#include "repo/join_internal.h"

bool join_can_mark(const join_conflicts *left)
{
    for (size_t i = 0; i < left->count; i++)
        if (!left->rows[i].markable) return false;
    return true;
}

/* ---- before a byte is written ---- */

/* Ours as HEAD has it, or nothing where we have nothing. */
static err is_clean(repo_comparer *c, const join_conflict *conflict, bool *clean)
{
    repo_likeness likeness = REPO_ABSENT;
    struct stat info = {0};

    bool there = repo_beneath_look(&c->below, conflict->path, &info);
    if (!conflict->ours.present || !there) {
        *clean = !there;
        return ERR_OK;
    }
    err e = repo_compare_content(c, conflict->path, &conflict->ours.entry.id, conflict->ours.entry.mode,
                                 &info, &likeness);
    *clean = likeness == REPO_SAME;
    return e;
}

/* A file of the person's stands where a conflict's text will: changed, or not git's at all. */
static err in_the_way(repo_handle *r, const join_conflicts *left, repo_names *list)
{
    repo_comparer comparer = {0};
    bool clean = true;

    err e = repo_comparer_open(r, &comparer);
    for (size_t i = 0; i < left->count && !e.code; i++) {
        e = is_clean(&comparer, &left->rows[i], &clean);
        if (!e.code && !clean) repo_names_add(list, left->rows[i].path);
    }
    repo_comparer_close(&comparer);
    if (!e.code && list->count)
        e = err_make(ERR_CONFLICT, "%s has local changes that would be overwritten%s: nothing was changed",
                     list->names[0], list->count > 1 ? " (and more)" : "");
    return e;
}

/* The joined tree with our side (or nothing) where there are conflicts. */
static err tree_of_ours(repo_handle *r, join_marking *m, const join_conflicts *left, git_oid *tree)
{
    err e = ERR_OK;
    for (size_t i = 0; i < left->count && !e.code; i++) {
        const join_conflict *c = &left->rows[i];
        e = repo_git_check(git_index_conflict_remove(m->joined, c->path), c->path);
        if (!e.code && c->ours.present) e = repo_git_check(git_index_add(m->joined, &c->ours.entry), c->path);
    }
    return e.code ? e : join_write_tree(r, m->joined, tree);
}

/* ---- state files ---- */

static void state_remove(repo_handle *r, const join_marking *m)
{
    if (m->head_file) repo_git_file_drop(r, m->head_file);
    if (m->message) repo_git_file_drop(r, "MERGE_MSG");
    if (m->mode) repo_git_file_drop(r, "MERGE_MODE");
}

static err message_write(repo_handle *r, const char *text, const join_conflicts *left)
{
    CLEANUP(bytes_free) bytes message = {0};

    bytes_append_text(&message, text);
    if (!message.size || message.data[message.size - 1] != '\n') bytes_append_byte(&message, '\n');
    bytes_append_text(&message, "\n# Conflicts:\n");
    for (size_t i = 0; i < left->count; i++) bytes_printf(&message, "#\t%s\n", left->rows[i].path);
    return join_state_write(r, "MERGE_MSG", bytes_text(&message));
}

static err state_begin(repo_handle *r, const join_marking *m, const join_conflicts *left)
{
    repo_id id;
    char head[sizeof id.hex + 1];

    repo_id_of(&m->head, &id);
    snprintf(head, sizeof head, "%s\n", id.hex);
    err e = m->before ? join_orig_head(r, m->before) : ERR_OK;
    if (!e.code && m->message) e = message_write(r, m->message, left);
    if (!e.code && m->mode) e = join_state_write(r, "MERGE_MODE", m->mode);
    if (!e.code && m->head_file) e = join_state_write(r, m->head_file, head);
    return e;
}

/* ---- index and files ---- */

typedef struct index_marking {
    const join_conflicts *left;
    bool begun; /* from here on there is something to take back */
} index_marking;

static err index_mark(void *context, git_index *index)
{
    index_marking *m = context;
    err e = ERR_OK;

    m->begun = true;
    for (size_t i = 0; i < m->left->count && !e.code; i++)
        e = repo_git_check(join_conflict_put(index, &m->left->rows[i]), m->left->rows[i].path);
    return e;
}

/* Line ends and the like, as a checkout writes them. */
static err file_write_smudged(repo_handle *r, const char *path, const char *text, size_t size, unsigned mode)
{
    git_filter_list *filters = NULL;
    git_buf smudged = {0};
    char *full = file_join(repo_borrow_path(r), path), *folder = file_parent(full);
    struct stat info;

    err e =
        repo_git_check(git_filter_list_load(&filters, r->git, NULL, path, GIT_FILTER_TO_WORKTREE, 0), path);
    if (!e.code) e = repo_git_check(git_filter_list_apply_to_buffer(&smudged, filters, text, size), path);
    if (!e.code) e = file_make_folders(folder);
    if (!e.code) e = file_write(full, (bytes_view){smudged.ptr, smudged.size});
    /* Whoever may read a program may run it. */
    if (!e.code && (mode & 0111) && stat(full, &info) == 0 &&
        chmod(full, info.st_mode | (info.st_mode & 0444) >> 2))
        e = err_errno("chmod %s", full);
    git_filter_list_free(filters);
    git_buf_dispose(&smudged);
    free(full);
    free(folder);
    return e;
}

static err text_write(repo_handle *r, const join_marking *m, const join_conflict *c)
{
    git_merge_file_options options = GIT_MERGE_FILE_OPTIONS_INIT;
    git_merge_file_result merged = {0};

    options.our_label = m->our_label;
    options.their_label = m->their_label;
    err e = repo_git_check(git_merge_file_from_index(&merged, r->git, c->base.present ? &c->base.entry : NULL,
                                                     &c->ours.entry, &c->theirs.entry, &options),
                           c->path);
    if (!e.code) e = file_write_smudged(r, c->path, merged.ptr, merged.len, merged.mode);
    git_merge_file_result_free(&merged);
    return e;
}

/* What one side deleted stands in the worktree as the other side has it. */
static err survivor_write(repo_handle *r, const join_side *side)
{
    git_blob *blob = NULL;
    err e = repo_git_check(git_blob_lookup(&blob, r->git, &side->entry.id), side->entry.path);
    if (!e.code)
        e = file_write_smudged(r, side->entry.path, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob),
                               side->entry.mode);
    git_blob_free(blob);
    return e;
}

static err files_mark(repo_handle *r, const join_marking *m, const join_conflicts *left)
{
    err e = ERR_OK;
    for (size_t i = 0; i < left->count && !e.code; i++) {
        const join_conflict *c = &left->rows[i];
        if (c->ours.present && c->theirs.present)
            e = text_write(r, m, c);
        else if (c->theirs.present)
            e = survivor_write(r, &c->theirs);
        /* Ours alone is there already; of neither there is nothing. */
    }
    return e;
}

static err files_become(repo_handle *r, const git_oid *tree, index_marking *how, repo_merge_report *report)
{
    repo_id id;

    repo_id_of(tree, &id);
    repo_checkout_report_free(&report->checkout);
    const repo_checkout_options options = {.index_also = index_mark, .index_context = how};
    return repo_checkout_tree(r, &id, &options, &report->checkout);
}

err join_leave_markers(repo_handle *r, join_marking *m, const join_conflicts *left, repo_merge_report *report)
{
    index_marking how = {.left = left};
    git_oid tree;

    err e = in_the_way(r, left, &report->checkout.in_the_way);
    if (!e.code) e = tree_of_ours(r, m, left, &tree);
    if (!e.code) e = join_same_index(r, &m->ours_tree, &m->theirs_tree, &tree, &report->same_index);
    if (!e.code) e = state_begin(r, m, left);
    if (!e.code) e = files_become(r, &tree, &how, report);
    if (e.code && !how.begun) {
        state_remove(r, m);
        return e;
    }
    report->in_progress = true;
    if (!e.code) e = files_mark(r, m, left);
    if (e.code) return err_note(e, "what was begun stays (%s takes it back)", m->way_back);
    return err_make(ERR_CONFLICT, "%s: %zu file%s with conflicts: mend, stage and commit, or %s", m->what,
                    left->count, left->count > 1 ? "s" : "", m->way_back);
}

/* ---- taking it back ---- */

static const struct {
    git_repository_state_t state;
    const char *name;
} kinds[] = {
    [REPO_JOIN_MERGE] = {GIT_REPOSITORY_STATE_MERGE, "merge"},
    [REPO_JOIN_CHERRY_PICK] = {GIT_REPOSITORY_STATE_CHERRYPICK, "cherry-pick"},
    [REPO_JOIN_REVERT] = {GIT_REPOSITORY_STATE_REVERT, "revert"},
};

err repo_join_check(repo_handle *r, repo_join_kind kind)
{
    if (kind == REPO_JOIN_ANY || git_repository_state(r->git) == (int)kinds[kind].state) return ERR_OK;
    return err_make(ERR_NOTHING, "there is no %s going on", kinds[kind].name);
}

/* What is unmerged, beside what the index has changed. */
static err unmerged_paths(git_index *index, repo_names *out)
{
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);
        bool again = out->count && strcmp(out->names[out->count - 1], entry->path) == 0;
        if (git_index_entry_stage(entry) && !again) repo_names_add(out, entry->path);
    }
    return ERR_OK;
}

/* A file that is neither as it was staged nor as HEAD has it: somebody worked on it after it was staged. */
static err worked_on(repo_comparer *c, git_tree *head, const git_index_entry *staged, bool *so)
{
    git_tree_entry *old = NULL;
    repo_likeness likeness;
    struct stat info;
    bool read;

    *so = false;
    err e = repo_compare(c, staged, &likeness, &info, &read);
    if (e.code || likeness == REPO_SAME || likeness == REPO_ABSENT) return e;
    if (git_tree_entry_bypath(&old, head, staged->path) == 0)
        e = repo_compare_content(c, staged->path, git_tree_entry_id(old), git_tree_entry_filemode(old), &info,
                                 &likeness);
    git_tree_entry_free(old);
    *so = likeness != REPO_SAME;
    return e;
}

static err worked_on_list(repo_handle *r, git_index *index, const git_oid *tree_id, const repo_names *staged,
                          repo_names *out)
{
    repo_comparer comparer = {0};
    git_tree *tree = NULL;

    err e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read a tree");
    if (!e.code) e = repo_comparer_open(r, &comparer);
    for (size_t i = 0; i < staged->count && !e.code; i++) {
        const git_index_entry *entry = git_index_get_bypath(index, staged->names[i], GIT_INDEX_STAGE_NORMAL);
        bool so = false;
        if (entry) e = worked_on(&comparer, tree, entry, &so);
        if (!e.code && so) repo_names_add(out, staged->names[i]);
    }
    repo_comparer_close(&comparer);
    git_tree_free(tree);
    if (!e.code && out->count)
        e = err_make(ERR_CONFLICT, "%s was changed after it was staged%s: stage or discard it first",
                     out->names[0], out->count > 1 ? " (and more)" : "");
    return e;
}

static err abort_inside(repo_handle *r, repo_join_kind kind, repo_merge_report *report)
{
    CLEANUP(repo_names_free) repo_names paths = {0};
    git_index *index = NULL;
    git_oid head, tree;
    bool born = false;

    err e = repo_join_check(r, kind);
    if (!e.code) e = join_head(r, &head, &born);
    if (!e.code && !born) e = err_make(ERR_STATE, "there is no commit to go back to");
    if (!e.code) e = join_tree_of(r, &head, &tree);
    if (!e.code) e = repo_git_check(git_repository_index(&index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 1), "read the index");
    if (!e.code) e = join_index_changes(r, &tree, &paths);
    if (!e.code) e = worked_on_list(r, index, &tree, &paths, &report->checkout.in_the_way);
    if (!e.code) e = unmerged_paths(index, &paths);
    if (!e.code) e = join_restore(r, &tree, &paths, &report->checkout);
    if (!e.code) e = repo_git_check(git_repository_state_cleanup(r->git), "end what was going on");
    git_index_free(index);
    if (e.code) return e;
    repo_git_file_drop(r, "AUTO_MERGE"); /* libgit2 does not know it */
    repo_id_of(&head, &report->before);
    report->after = report->before;
    return ERR_OK;
}

err repo_join_abort(repo_handle *r, repo_join_kind kind, repo_merge_report *report)
{
    repo_gate *gate = NULL;

    if (!*repo_borrow_path(r)) return err_make(ERR_UNSUPPORTED, "a bare repository has no files to put back");
    err e = repo_gate_enter(r, "abort", &gate);
    if (!e.code) e = abort_inside(r, kind, report);
    repo_gate_leave(gate);
    return e;
}
