#define _GNU_SOURCE
#include "repo/diff.h"

#include <stdlib.h>
#include <string.h>

#include "repo/checkout_plan_internal.h"
#include "repo/compare_internal.h"
#include "repo/diff_internal.h"
#include "repo/status.h"

/* ---- the two lists ---- */

static void list_add(diff_list *list, const diff_entry *entry)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->rows = memory_resize_array(list->rows, list->capacity, sizeof *list->rows);
    }
    list->rows[list->count++] = *entry;
}

static err list_read_tree(repo_handle *r, const git_oid *tree, diff_list *out)
{
    err e = repo_tree_read(r, tree, &out->tree);
    for (size_t i = 0; !e.code && i < out->tree.count; i++) {
        const repo_tree_entry *row = &out->tree.rows[i];
        list_add(out, &(diff_entry){.path = row->path, .id = row->id, .mode = row->mode});
    }
    return e;
}

static err list_read_ref(repo_handle *r, const repo_ref *ref, diff_list *out)
{
    git_oid tree;
    err e = repo_oid_read(&ref->tree, &tree);
    return e.code ? e : list_read_tree(r, &tree, out);
}

static err list_read_head(repo_handle *r, diff_list *out)
{
    git_object *tree = NULL;
    int found = git_revparse_single(&tree, r->git, "HEAD^{tree}");
    err e = found < 0 ? ERR_OK : list_read_tree(r, git_object_id(tree), out); /* no commit yet: empty */
    git_object_free(tree);
    return e;
}

/* A path in conflict has no entry of stage 0 and so none here. */
static err list_read_index(repo_handle *r, diff_list *out)
{
    err e = repo_git_check(git_repository_index(&out->index, r->git), "open the index");
    if (!e.code) e = repo_git_check(git_index_read(out->index, 0), "read the index");
    size_t count = e.code ? 0 : git_index_entrycount(out->index);
    for (size_t i = 0; i < count; i++) {
        const git_index_entry *entry = git_index_get_byindex(out->index, i);
        bool intended = entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD;
        if (!intended && git_index_entry_stage(entry) == 0)
            list_add(out, &(diff_entry){.path = entry->path, .id = entry->id, .mode = entry->mode});
    }
    return e;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const diff_entry *)a)->path, ((const diff_entry *)b)->path);
}

/* The index with what status says of the worktree over it. */
static err list_read_worktree(repo_handle *r, const repo_diff_options *o, diff_list *out)
{
    repo_status_options options = {.paths = o->paths, .path_count = o->path_count};

    if (!*r->path) return err_make(ERR_USAGE, "a bare repository has no worktree: name two commits");
    err e = repo_status_read(r, &options, &out->status);
    if (!e.code) e = list_read_index(r, out);
    if (e.code) return e;
    size_t indexed = out->count;
    for (size_t i = 0; i < out->status.count; i++) {
        const repo_status_row *row = &out->status.rows[i];
        diff_entry changed = {.path = row->path, .kind = row->unmerged ? DIFF_UNMERGED : DIFF_WORKTREE};
        if (!row->unmerged && (row->unstaged == ' ' || row->unstaged == '?')) continue;
        diff_entry *there = indexed ? bsearch(&changed, out->rows, indexed, sizeof changed, by_path) : NULL;
        if (row->unstaged == 'D' && !row->unmerged) changed.kind = DIFF_ABSENT;
        if (there)
            *there = changed;
        else if (changed.kind != DIFF_ABSENT)
            list_add(out, &changed);
    }
    qsort(out->rows, out->count, sizeof *out->rows, by_path);
    return ERR_OK;
}

static void list_free(diff_list *list)
{
    free(list->rows);
    git_index_free(list->index);
    repo_status_free(&list->status);
    repo_tree_list_free(&list->tree);
    *list = (diff_list){0};
}

/* ---- the rows ---- */

static repo_diff_row *row_add(repo_diff *diff, const char *path, char status)
{
    size_t count = diff->count;
    if ((count & (count - 1)) == 0)
        diff->rows = memory_resize_array(diff->rows, count ? count * 2 : 1, sizeof *diff->rows);
    repo_diff_row *row = &diff->rows[diff->count++];
    *row = (repo_diff_row){.path = memory_text(path), .status = status};
    return row;
}

static bool is_other_type(uint32_t a, uint32_t b) { return (a & S_IFMT) != (b & S_IFMT); }

static err sides_look(diff_reading *d, repo_diff_row *row, const diff_entry *before, const diff_entry *after)
{
    err e = ERR_OK;
    if (before) e = repo_diff_side_look(d, before, &row->before);
    if (!e.code && after) e = repo_diff_side_look(d, after, &row->after);
    return e;
}

/* Both are there. A changed file of the worktree may be what another commit has. */
static err pair_compare(diff_reading *d, const diff_entry *before, const diff_entry *after, repo_diff *out)
{
    if (after->kind != DIFF_WORKTREE && after->mode == before->mode && git_oid_equal(&before->id, &after->id))
        return ERR_OK;
    if (after->kind == DIFF_WORKTREE) {
        repo_likeness likeness = REPO_CHANGED;
        struct stat info = {0};
        if (repo_beneath_look(&d->comparer.below, after->path, &info)) {
            err e =
                repo_compare_content(&d->comparer, before->path, &before->id, before->mode, &info, &likeness);
            if (e.code) return e;
        }
        if (likeness == REPO_SAME) return ERR_OK;
    }
    repo_diff_row *row = row_add(out, before->path, 'M');
    err e = sides_look(d, row, before, after);
    if (is_other_type(row->before.mode, row->after.mode)) row->status = 'T';
    return e;
}

static bool is_wanted(const repo_diff_options *o, const char *path)
{
    return repo_paths_hold(o->paths, o->path_count, path);
}

static err lists_join(diff_reading *d, const diff_list *before, const diff_list *after, repo_diff *out)
{
    err e = ERR_OK;
    size_t i = 0, j = 0;

    while (!e.code && (i < before->count || j < after->count)) {
        const diff_entry *a = i < before->count ? &before->rows[i] : NULL;
        const diff_entry *b = j < after->count ? &after->rows[j] : NULL;
        int order = !a ? 1 : !b ? -1 : strcmp(a->path, b->path);
        i += order <= 0;
        j += order >= 0;
        if (order >= 0 && b->kind == DIFF_ABSENT) b = NULL;
        if (order > 0) a = NULL;
        if (order < 0) b = NULL;
        if ((!a && !b) || !is_wanted(d->options, a ? a->path : b->path)) continue;
        if (b && b->kind == DIFF_UNMERGED)
            row_add(out, b->path, 'U');
        else if (a && b)
            e = pair_compare(d, a, b, out);
        else
            e = sides_look(d, row_add(out, a ? a->path : b->path, a ? 'D' : 'A'), a, b);
    }
    return e;
}

/* A file that went and came back whole under another name is one row. */
static void renames_join(repo_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        repo_diff_row *added = &diff->rows[i];
        for (size_t j = 0; added->status == 'A' && *added->after.blob.hex && j < diff->count; j++) {
            repo_diff_row *gone = &diff->rows[j];
            if (gone->status != 'D' || gone->before.size == 0 || gone->before.mode != added->after.mode ||
                strcmp(gone->before.blob.hex, added->after.blob.hex) != 0)
                continue;
            added->status = 'R';
            added->old_path = gone->path;
            added->before = gone->before;
            *gone = (repo_diff_row){0};
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < diff->count; i++)
        if (diff->rows[i].path) diff->rows[kept++] = diff->rows[i];
    diff->count = kept;
}

static err lists_read(repo_handle *r, const repo_diff_options *o, diff_list *before, diff_list *after)
{
    bool to_worktree = !o->to && !o->staged;

    err e = o->from     ? list_read_ref(r, o->from, before)
            : o->staged ? list_read_head(r, before)
                        : list_read_index(r, before);
    if (e.code) return e;
    return o->to         ? list_read_ref(r, o->to, after)
           : to_worktree ? list_read_worktree(r, o, after)
                         : list_read_index(r, after);
}

err repo_diff_read(repo_handle *r, const repo_diff_options *options, repo_diff *out)
{
    CLEANUP(list_free) diff_list before = {0}, after = {0};
    diff_reading d = {.r = r, .options = options, .comparer = {.below = {.root = -1, .parent = -1}}};

    if (options->to && options->staged)
        return err_make(ERR_USAGE,
                        "--staged compares a commit with the index: two refs leave no room for it");
    err e = lists_read(r, options, &before, &after);
    if (!e.code && *r->path) e = repo_comparer_open(r, &d.comparer);
    if (!e.code) e = lists_join(&d, &before, &after, out);
    repo_comparer_close(&d.comparer);
    if (e.code)
        repo_diff_free(out);
    else
        renames_join(out);
    return e;
}

void repo_diff_free(repo_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        free(diff->rows[i].path);
        free(diff->rows[i].old_path);
        free(diff->rows[i].before.location);
        free(diff->rows[i].after.location);
    }
    free(diff->rows);
    *diff = (repo_diff){0};
}
