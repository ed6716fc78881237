/* repo/join_conflict.c: what two sides cannot agree on, by kind, and choosing sides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/git_version.h"
#include "repo/join_internal.h"
#include "xet/pointer.h"

enum { TEXT_BYTES_MAX = 64 << 20, NAMED_MAX = 3, BOTH_NAMES_MAX = 100 };

static const char *const kind_names[] = {
    [REPO_CONFLICT_TEXT] = "text",
    [REPO_CONFLICT_LARGE] = "large",
    [REPO_CONFLICT_DELETED] = "deleted",
};

const char *repo_conflict_kind_name(repo_conflict_kind kind) { return kind_names[kind]; }

/* ---- lists ---- */

static join_side side_copy(const git_index_entry *entry, char *path)
{
    join_side side = {.present = entry != NULL};
    if (!entry) return side;
    side.entry = *entry;
    side.entry.path = path;
    side.entry.flags = 0; /* the stage and the name's length are libgit2's to fill in */
    side.entry.flags_extended = 0;
    return side;
}

static void conflict_push(join_conflicts *list, const git_index_entry *base, const git_index_entry *ours,
                          const git_index_entry *theirs)
{
    char *path = memory_text(ours ? ours->path : theirs ? theirs->path : base->path);
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    list->rows[list->count++] = (join_conflict){
        .path = path,
        .base = side_copy(base, path),
        .ours = side_copy(ours, path),
        .theirs = side_copy(theirs, path),
    };
}

void join_conflicts_free(join_conflicts *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].path);
    free(list->rows);
    *list = (join_conflicts){0};
}

/* ---- kinds ---- */

static bool name_is_large(const char *path)
{
    static const char *const ends[] = {".safetensors", ".bin", ".gguf",    ".pt", ".pth",
                                       ".onnx",        ".h5",  ".msgpack", ".npz"};
    size_t size = strlen(path);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t end = strlen(ends[i]);
        if (size > end && strcmp(path + size - end, ends[i]) == 0) return true;
    }
    return false;
}

static bool content_is_text(git_repository *git, const git_oid *id)
{
    git_blob *blob = NULL;
    xet_pointer pointer;

    if (git_blob_lookup(&blob, git, id) != 0) return false;
    bytes_view view = {git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)};
    bool text = !git_blob_is_binary(blob);
    if (view.size <= XET_POINTER_BYTES_MAX && xet_pointer_parse(view, &pointer)) text = false;
    git_blob_free(blob);
    return text;
}

/* A side that may be merged line by line. The header is read first: a big blob never comes into memory. */
static bool side_is_text(repo_handle *r, const join_side *side)
{
    git_odb *odb = NULL;
    size_t size = 0;
    git_object_t type = GIT_OBJECT_INVALID;

    if (!side->present) return true;
    if ((side->entry.mode & 0170000) != 0100000 || name_is_large(side->entry.path)) return false;
    bool read =
        git_repository_odb(&odb, r->git) == 0 && git_odb_read_header(&size, &type, odb, &side->entry.id) == 0;
    git_odb_free(odb);
    return read && type == GIT_OBJECT_BLOB && size <= TEXT_BYTES_MAX &&
           content_is_text(r->git, &side->entry.id);
}

static void kind_find(repo_handle *r, join_conflict *c)
{
    c->markable = side_is_text(r, &c->base) && side_is_text(r, &c->ours) && side_is_text(r, &c->theirs);
    if (!c->ours.present || !c->theirs.present)
        c->kind = REPO_CONFLICT_DELETED;
    else
        c->kind = c->markable ? REPO_CONFLICT_TEXT : REPO_CONFLICT_LARGE;
}

static err conflicts_collect(repo_handle *r, git_index *joined, join_conflicts *out)
{
    git_index_conflict_iterator *walk = NULL;
    const git_index_entry *base, *ours, *theirs;
    int status = git_index_conflict_iterator_new(&walk, joined);

    while (status == 0 && (status = git_index_conflict_next(&base, &ours, &theirs, walk)) == 0)
        conflict_push(out, base, ours, theirs);
    err e = status == GIT_ITEROVER ? ERR_OK : repo_git_check(status, "read the conflicts");
    git_index_conflict_iterator_free(walk);
    for (size_t i = 0; i < out->count; i++) kind_find(r, &out->rows[i]);
    return e;
}

/* ---- weights are never merged as text ---- */

typedef struct known_ids {
    git_oid *ids;
    size_t count;
    git_index *entries; /* of one side */
} known_ids;

static void known_free(known_ids *k)
{
    free(k->ids);
    git_index_free(k->entries);
}

static int id_order(const void *a, const void *b) { return git_oid_cmp(a, b); }

static bool known_has(const known_ids *k, const git_oid *id)
{
    return k->count && bsearch(id, k->ids, k->count, sizeof *k->ids, id_order);
}

static err known_read(repo_handle *r, const git_oid *tree_id, known_ids *out)
{
    git_tree *tree = NULL;

    err e = repo_git_check(git_tree_lookup(&tree, r->git, tree_id), "read a tree");
    if (!e.code) e = repo_git_check(git_index_new(&out->entries), "make an index");
    if (!e.code) e = repo_git_check(git_index_read_tree(out->entries, tree), "read a tree");
    git_tree_free(tree);
    if (e.code) return e;
    out->count = git_index_entrycount(out->entries);
    out->ids = memory_resize_array(NULL, out->count + 1, sizeof *out->ids);
    for (size_t i = 0; i < out->count; i++) out->ids[i] = git_index_get_byindex(out->entries, i)->id;
    qsort(out->ids, out->count, sizeof *out->ids, id_order);
    return ERR_OK;
}

/* A blob that neither side has was made by a merge of lines. */
static void made_by_merge(repo_handle *r, git_index *joined, known_ids *ours, known_ids *theirs,
                          join_conflicts *out)
{
    for (size_t i = 0; i < git_index_entrycount(joined); i++) {
        const git_index_entry *entry = git_index_get_byindex(joined, i);
        if (git_index_entry_stage(entry) || known_has(ours, &entry->id) || known_has(theirs, &entry->id))
            continue;
        join_conflicts one = {0};
        conflict_push(&one, entry, git_index_get_bypath(ours->entries, entry->path, 0),
                      git_index_get_bypath(theirs->entries, entry->path, 0));
        kind_find(r, &one.rows[0]);
        if (!one.rows[0].markable)
            conflict_push(out, NULL, one.rows[0].ours.present ? &one.rows[0].ours.entry : NULL,
                          one.rows[0].theirs.present ? &one.rows[0].theirs.entry : NULL);
        join_conflicts_free(&one);
    }
}

int join_conflict_put(git_index *index, const join_conflict *c)
{
    int status = git_index_remove(index, c->path, 0);
    if (status == GIT_ENOTFOUND) status = 0;
    if (status == 0)
        status = git_index_conflict_add(index, c->base.present ? &c->base.entry : NULL,
                                        c->ours.present ? &c->ours.entry : NULL,
                                        c->theirs.present ? &c->theirs.entry : NULL);
    return status;
}

err join_guard_large(repo_handle *r, git_index *joined, const git_oid *ours, const git_oid *theirs)
{
    CLEANUP(known_free) known_ids a = {0}, b = {0};
    CLEANUP(join_conflicts_free) join_conflicts made = {0};

    err e = known_read(r, ours, &a);
    if (!e.code) e = known_read(r, theirs, &b);
    if (e.code) return e;
    made_by_merge(r, joined, &a, &b, &made);
    for (size_t i = 0; i < made.count && !e.code; i++) {
        if (!made.rows[i].ours.present && !made.rows[i].theirs.present) continue;
        e = repo_git_check(join_conflict_put(joined, &made.rows[i]), "keep weights from being merged");
    }
    return e;
}

/* ---- choosing ---- */

/* "model.safetensors" -> "model.theirs.safetensors", or model.theirs-2.safetensors when that is taken. */
static err name_beside(git_index *joined, const char *path, bytes *out)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem = dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);

    for (int n = 1; n <= BOTH_NAMES_MAX; n++) {
        bytes_clear(out);
        bytes_append(out, path, stem);
        bytes_append_text(out, ".theirs");
        if (n > 1) bytes_printf(out, "-%d", n);
        bytes_append_text(out, path + stem);
        if (git_index_find(NULL, joined, bytes_text(out)) == GIT_ENOTFOUND) return ERR_OK;
    }
    return err_make(ERR_LIMIT, "%s: too many files are called .theirs", path);
}

static int side_take(git_index *joined, const join_side *side, const char *path)
{
    git_index_entry entry = side->entry;
    entry.path = path;
    return side->present ? git_index_add(joined, &entry) : 0;
}

static err take_both(git_index *joined, const join_conflict *c)
{
    CLEANUP(bytes_free) bytes name = {0};
    bool beside = c->ours.present && c->theirs.present;

    err e = beside ? name_beside(joined, c->path, &name) : ERR_OK;
    if (!e.code) e = repo_git_check(git_index_conflict_remove(joined, c->path), c->path);
    if (!e.code) e = repo_git_check(side_take(joined, &c->ours, c->path), c->path);
    if (!e.code)
        e = repo_git_check(side_take(joined, &c->theirs, beside ? bytes_text(&name) : c->path), c->path);
    return e;
}

static err take_one(git_index *joined, const join_conflict *c, const join_side *side)
{
    err e = repo_git_check(git_index_conflict_remove(joined, c->path), c->path);
    return e.code ? e : repo_git_check(side_take(joined, side, c->path), c->path);
}

/* The lines of one side where they conflict, both sides' elsewhere. */
static err take_lines(repo_handle *r, git_index *joined, const join_conflict *c, repo_favor favor)
{
    git_merge_file_options options = GIT_MERGE_FILE_OPTIONS_INIT;
    git_merge_file_result merged = {0};
    join_side side = c->ours;

    options.favor = favor == REPO_FAVOR_OURS ? GIT_MERGE_FILE_FAVOR_OURS : GIT_MERGE_FILE_FAVOR_THEIRS;
    err e = repo_git_check(git_merge_file_from_index(&merged, r->git, c->base.present ? &c->base.entry : NULL,
                                                     &c->ours.entry, &c->theirs.entry, &options),
                           c->path);
    if (!e.code)
        e = repo_git_check(git_blob_create_from_buffer(&side.entry.id, r->git, merged.ptr, merged.len),
                           c->path);
    if (!e.code) side.entry.mode = merged.mode ? merged.mode : c->ours.entry.mode;
    git_merge_file_result_free(&merged);
    return e.code ? e : take_one(joined, c, &side);
}

static bool can_settle(const join_conflict *c, repo_favor favor, bool texts)
{
    if (favor == REPO_FAVOR_NONE) return false;
    return c->kind != REPO_CONFLICT_TEXT || (texts && favor != REPO_FAVOR_BOTH);
}

static err settle_one(repo_handle *r, git_index *joined, const join_conflict *c, repo_favor favor)
{
    if (c->kind == REPO_CONFLICT_TEXT) return take_lines(r, joined, c, favor);
    if (favor == REPO_FAVOR_BOTH) return take_both(joined, c);
    return take_one(joined, c, favor == REPO_FAVOR_OURS ? &c->ours : &c->theirs);
}

err join_settle(repo_handle *r, git_index *joined, repo_favor favor, bool texts, join_conflicts *left)
{
    CLEANUP(join_conflicts_free) join_conflicts all = {0};

    err e = conflicts_collect(r, joined, &all);
    for (size_t i = 0; i < all.count && !e.code; i++)
        if (can_settle(&all.rows[i], favor, texts)) e = settle_one(r, joined, &all.rows[i], favor);
    return e.code ? e : conflicts_collect(r, joined, left);
}

/* ---- saying ---- */

err join_conflicts_report(const join_conflicts *left, const char *what, repo_merge_report *report)
{
    CLEANUP(bytes_free) bytes named = {0};

    if (!left->count) return ERR_OK;
    report->conflicts = memory_resize_array(NULL, left->count, sizeof *report->conflicts);
    for (size_t i = 0; i < left->count; i++) {
        report->conflicts[i] = (repo_conflict){memory_text(left->rows[i].path), left->rows[i].kind};
        if (i < NAMED_MAX) bytes_printf(&named, "%s%s", i ? ", " : "", left->rows[i].path);
    }
    report->conflict_count = left->count;
    if (left->count > NAMED_MAX) bytes_printf(&named, " and %zu more", left->count - NAMED_MAX);
    return err_make(ERR_CONFLICT, "%s: conflicts in %.300s; nothing was changed", what, bytes_text(&named));
}
