/* repo/source.c: a commit's tree as files. Names are git's own: nothing of them reaches a path of ours. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/source_internal.h"

enum { PATH_BYTES_MAX = 4096 };

err source_add(repo_source *s, const char *name, const source_file *file)
{
    if (s->count == REPO_SOURCE_FILES_MAX)
        return err_make(ERR_LIMIT, "%s holds more than %d files", s->place, REPO_SOURCE_FILES_MAX);
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 32;
        s->files = memory_resize_array(s->files, s->capacity, sizeof *s->files);
    }
    s->files[s->count] = *file;
    s->files[s->count++].name = memory_text(name);
    return ERR_OK;
}

err source_object_path(const repo_source *s, const source_file *file, char **path)
{
    if (!xet_store_has(s->store, file->pointer.oid, file->pointer.size))
        return err_make(
            ERR_NOT_FOUND,
            "%s of %s is only a pointer: its bytes are not here (hyprstream fetch-files brings them)",
            file->name, s->place);
    *path = xet_store_path(s->store, file->pointer.oid);
    return ERR_OK;
}

/* ---- a tree ---- */

/* A blob small enough to be a pointer is looked into. */
static err blob_look(repo_source *s, git_odb *odb, source_file *file)
{
    git_object_t type;
    git_odb_object *object = NULL;
    size_t size = 0;

    err e = repo_git_check(git_odb_read_header(&size, &type, odb, &file->blob), s->place);
    if (e.code) return e;
    file->size = size;
    if (size == 0 || size > XET_POINTER_BYTES_MAX) return ERR_OK;
    e = repo_git_check(git_odb_read(&object, odb, &file->blob), s->place);
    if (e.code) return e;
    bytes_view text = {git_odb_object_data(object), git_odb_object_size(object)};
    file->is_large = xet_pointer_parse(text, &file->pointer);
    if (file->is_large) file->size = file->pointer.size;
    git_odb_object_free(object);
    return ERR_OK;
}

typedef struct tree_walk {
    repo_source *s;
    git_odb *odb;
    bytes path;
} tree_walk;

static err tree_add(tree_walk *w, const git_oid *id, unsigned depth);

static err entry_add(tree_walk *w, const git_tree_entry *entry, unsigned depth)
{
    source_file file = {.blob = *git_tree_entry_id(entry)};
    size_t before = w->path.size;
    err e = ERR_OK;

    bytes_printf(&w->path, "%s%s", before ? "/" : "", git_tree_entry_name(entry));
    if (w->path.size > PATH_BYTES_MAX)
        e = err_make(ERR_LIMIT, "%s holds a path longer than %d bytes", w->s->place, PATH_BYTES_MAX);
    else if (git_tree_entry_type(entry) == GIT_OBJECT_TREE)
        e = tree_add(w, &file.blob, depth + 1);
    else if (git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB ||
             git_tree_entry_filemode(entry) == GIT_FILEMODE_BLOB_EXECUTABLE) { /* no links, no submodules */
        e = blob_look(w->s, w->odb, &file);
        if (!e.code) e = source_add(w->s, bytes_text(&w->path), &file);
    }
    bytes_remove(&w->path, before, w->path.size - before);
    return e;
}

static err tree_add(tree_walk *w, const git_oid *id, unsigned depth)
{
    git_tree *tree = NULL;

    if (depth > REPO_SOURCE_DEPTH_MAX)
        return err_make(ERR_LIMIT, "%s has folders deeper than %d", w->s->place, REPO_SOURCE_DEPTH_MAX);
    err e = repo_git_check(git_tree_lookup(&tree, w->s->git, id), w->s->place);
    for (size_t i = 0; !e.code && i < git_tree_entrycount(tree); i++)
        e = entry_add(w, git_tree_entry_byindex(tree, i), depth);
    git_tree_free(tree);
    return e;
}

static err tree_content_id(repo_source *s, const source_file *file, bytes *out)
{
    (void)s;
    if (file->is_large)
        bytes_printf(out, "sha256:%s", file->pointer.oid);
    else
        bytes_printf(out, "blob:%s", git_oid_tostr_s(&file->blob));
    return ERR_OK;
}

static err tree_path(repo_source *s, const source_file *file, char **path)
{
    *path = NULL;
    return file->is_large ? source_object_path(s, file, path) : ERR_OK;
}

static err tree_read(repo_source *s, const source_file *file, size_t bytes_max, bytes *out)
{
    git_blob *blob = NULL;
    char *path = NULL;

    if (file->size > bytes_max)
        return err_make(ERR_LIMIT, "%s of %s is larger than %zu bytes", file->name, s->place, bytes_max);
    err e = tree_path(s, file, &path);
    if (e.code) return e;
    if (path) {
        e = file_read(path, bytes_max, out);
    } else {
        e = repo_git_check(git_blob_lookup(&blob, s->git, &file->blob), file->name);
        if (!e.code) bytes_append(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    }
    git_blob_free(blob);
    free(path);
    return e;
}

static const source_kind tree_kind = {tree_content_id, tree_read, tree_path};

err source_open_tree(repo_source *s, const git_oid *tree)
{
    tree_walk w = {.s = s};

    s->kind = &tree_kind;
    err e = repo_git_check(git_repository_odb(&w.odb, s->git), s->place);
    if (!e.code) e = tree_add(&w, tree, 0);
    git_odb_free(w.odb);
    bytes_free(&w.path);
    return e;
}

/* ---- either kind ---- */

/* The worktree stands for what HEAD is on: its branch, or, detached, its commit. */
static bool is_checked_out(repo_handle *r, const repo_ref *ref)
{
    git_reference *head = NULL;
    git_oid at;
    repo_id commit;
    bool is = false;

    if (!*r->path || git_reference_name_to_id(&at, r->git, "HEAD") != 0) return false;
    repo_id_of(&at, &commit);
    if (strcmp(commit.hex, ref->commit.hex) != 0) return false;
    if (git_repository_head_detached(r->git) == 1) return ref->kind == REPO_REF_COMMIT;
    if (git_repository_head(&head, r->git) == 0)
        is = ref->kind == REPO_REF_BRANCH && strcmp(git_reference_name(head), ref->name) == 0;
    git_reference_free(head);
    return is;
}

static int file_compare(const void *a, const void *b)
{
    return strcmp(((const source_file *)a)->name, ((const source_file *)b)->name);
}

static char *place_of(const repo_handle *r, const repo_ref *ref)
{
    bytes place = {0};
    const char *folder = *r->path ? r->path : r->common_dir, *name = strrchr(folder, '/');

    bytes_printf(&place, "%s:", name ? name + 1 : folder);
    repo_ref_print_short(ref, &place);
    return bytes_take(&place);
}

err repo_source_open(repo_handle *r, const repo_ref *ref, repo_source **out)
{
    git_oid tree;
    repo_source *s = memory_alloc(sizeof *s);

    s->place = place_of(r, ref);
    s->store = xet_store_new(xet_store_borrow_folder(r->store));
    err e = repo_oid_read(&ref->tree, &tree);
    if (!e.code) e = repo_git_check(git_repository_open(&s->git, r->git_dir), s->place);
    if (!e.code && is_checked_out(r, ref)) {
        s->folder = memory_text(r->path);
        e = source_open_worktree(s);
    } else if (!e.code) {
        e = source_open_tree(s, &tree);
    }
    if (e.code) {
        repo_source_free(s);
        return e;
    }
    if (s->count) qsort(s->files, s->count, sizeof *s->files, file_compare);
    *out = s;
    return ERR_OK;
}

void repo_source_free(repo_source *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->count; i++) free(s->files[i].name);
    free(s->files);
    free(s->folder);
    free(s->place);
    xet_store_free(s->store);
    git_repository_free(s->git);
    free(s);
}

size_t repo_source_count(const repo_source *s) { return s->count; }
const char *repo_source_borrow_name(const repo_source *s, size_t i) { return s->files[i].name; }
uint64_t repo_source_size(const repo_source *s, size_t i) { return s->files[i].size; }

err repo_source_content_id(repo_source *s, size_t i, bytes *out)
{
    return s->kind->content_id(s, &s->files[i], out);
}

err repo_source_read(repo_source *s, size_t i, size_t bytes_max, bytes *out)
{
    return s->kind->read(s, &s->files[i], bytes_max, out);
}

err repo_source_path(repo_source *s, size_t i, char **path) { return s->kind->path(s, &s->files[i], path); }
