/* repo/checkpoint_files.c: the files of a checkpoint: in the store, in git, in the worktree, in the index. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/checkout_internal.h"
#include "repo/checkpoint_internal.h"

enum { SMALL_BYTES_MAX = 256 << 20 };

static const char attributes_name[] = ".gitattributes";

/* ---- which are large ---- */

static bool is_adapter(const char *path)
{
    return fnmatch("adapters/*.safetensors", path, FNM_PATHNAME) == 0;
}

static err small_read(const repo_checkpoint_file *file, bytes *out)
{
    if (file->from_path) return file_read(file->from_path, SMALL_BYTES_MAX, out);
    bytes_append_view(out, file->content);
    return ERR_OK;
}

static err blob_make(repo_checkpoint_work *w, bytes_view content, git_oid *out)
{
    return repo_git_check(
        git_blob_create_from_buffer(out, w->r->git, content.data ? content.data : "", content.size),
        "write an object");
}

/* The .gitattributes of the commit to be: the tip's, and those of the files themselves. */
static err attributes_list(repo_checkpoint_work *w, repo_tree_list *list)
{
    git_commit *tip = NULL;
    err e = ERR_OK;

    if (w->born) {
        e = repo_git_check(git_commit_lookup(&tip, w->r->git, &w->tip), "read the branch");
        if (!e.code) e = repo_tree_read(w->r, git_commit_tree_id(tip), list);
        git_commit_free(tip);
    }
    for (size_t i = 0; i < w->what->file_count && !e.code; i++) {
        const repo_checkpoint_file *file = &w->what->files[i];
        if (file->remove || strcmp(file_name(file->path), attributes_name) != 0) continue;
        bytes text = {0};
        repo_tree_entry entry = {.path = file->path, .mode = GIT_FILEMODE_BLOB};
        e = small_read(file, &text);
        if (!e.code) e = blob_make(w, bytes_borrow(&text), &entry.id);
        bytes_free(&text);
        list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
        list->rows[list->count++] = entry; /* the last of a name counts */
    }
    return e;
}

static err attributes_open(repo_checkpoint_work *w, repo_attributes **out)
{
    repo_tree_list list = {0};
    err e = attributes_list(w, &list);
    if (!e.code) e = repo_attributes_of_tree(w->r, &list, out);
    repo_tree_list_free(&list);
    return e;
}

err repo_checkpoint_uncovered(repo_checkpoint_work *w, bool *uncovered)
{
    repo_attributes *attributes = NULL;
    err e = attributes_open(w, &attributes);
    *uncovered = false;
    for (size_t i = 0; i < w->what->file_count && !e.code; i++) {
        const char *path = w->what->files[i].path;
        if (w->what->files[i].remove) continue;
        if (is_adapter(path) && !repo_attributes_tree_large(attributes, path)) *uncovered = true;
    }
    repo_attributes_free(attributes);
    return e;
}

/* ---- objects ---- */

static err store_add(repo_checkpoint_work *w, const repo_checkpoint_file *file, xet_pointer *out)
{
    xet_writer *writer = NULL;

    if (file->from_path) return xet_store_add_file(w->r->store, file->from_path, out);
    err e = xet_writer_open(w->r->store, &writer);
    if (e.code) return e;
    e = xet_writer_write(writer, file->content.data, file->content.size);
    if (!e.code) return xet_writer_publish(writer, out);
    xet_writer_free(writer);
    return e;
}

/* A file that is a pointer already goes in as it is, and an empty one has none: as git-lfs does. */
static err is_content(const repo_checkpoint_file *file, bool *is)
{
    bytes head = {0};
    xet_pointer pointer;
    uint64_t size = file->content.size;

    err e = file->from_path ? file_size(file->from_path, &size) : ERR_OK;
    *is = size > 0;
    if (!e.code && size && size <= XET_POINTER_BYTES_MAX) {
        e = small_read(file, &head);
        *is = !xet_pointer_parse(bytes_borrow(&head), &pointer);
    }
    bytes_free(&head);
    return e;
}

static err file_make(repo_checkpoint_work *w, const repo_checkpoint_file *file, bool large,
                     repo_made_file *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    bool content = false;
    err e = large && !out->stored ? is_content(file, &content) : ERR_OK;

    if (!e.code && content) {
        e = store_add(w, file, &out->pointer);
        out->stored = !e.code;
    }
    if (!e.code && out->stored)
        xet_pointer_write(&out->pointer, &text);
    else if (!e.code)
        e = small_read(file, &text);
    if (!e.code) e = blob_make(w, bytes_borrow(&text), &out->entry.id);
    out->entry.path = file->path;
    out->entry.mode = GIT_FILEMODE_BLOB;
    return e.code ? err_note(e, "%s", file->path) : e;
}

/* NULL: there is no commit yet. */
static err baseline_read(repo_checkpoint_work *w, git_tree **out)
{
    git_commit *tip = NULL;

    if (!w->born) return ERR_OK;
    err e = repo_git_check(git_commit_lookup(&tip, w->r->git, &w->tip), "read the branch");
    if (!e.code) e = repo_git_check(git_commit_tree(out, tip), "read the branch");
    git_commit_free(tip);
    return e;
}

static bool is_in(const git_tree *tree, const char *path)
{
    git_tree_entry *entry = NULL;
    bool is = tree && git_tree_entry_bypath(&entry, tree, path) == 0;
    git_tree_entry_free(entry);
    return is;
}

static err tree_make(repo_checkpoint_work *w)
{
    git_tree *baseline = NULL;
    size_t count = 0;
    git_tree_update *updates = memory_alloc(w->what->file_count * sizeof *updates);

    err e = baseline_read(w, &baseline);
    for (size_t i = 0; i < w->what->file_count; i++) {
        bool remove = w->what->files[i].remove;
        if (remove && !is_in(baseline, w->what->files[i].path)) continue;
        updates[count++] =
            (git_tree_update){.action = remove ? GIT_TREE_UPDATE_REMOVE : GIT_TREE_UPDATE_UPSERT,
                              .id = w->files[i].entry.id,
                              .filemode = GIT_FILEMODE_BLOB,
                              .path = w->files[i].entry.path};
    }
    if (!e.code)
        e = repo_git_check(git_tree_create_updated(&w->tree, w->r->git, baseline, count, updates),
                           "make the tree");
    git_tree_free(baseline);
    free(updates);
    return e;
}

err repo_checkpoint_objects(repo_checkpoint_work *w)
{
    repo_attributes *attributes = NULL;

    err e = attributes_open(w, &attributes);
    for (size_t i = 0; i < w->what->file_count && !e.code; i++) {
        const repo_checkpoint_file *file = &w->what->files[i];
        w->files[i].entry.path = file->path;
        if (file->remove) continue;
        bool large = is_adapter(file->path) || repo_attributes_tree_large(attributes, file->path);
        e = file_make(w, file, large, &w->files[i]);
    }
    repo_attributes_free(attributes);
    return e.code ? e : tree_make(w);
}

/* ---- the worktree ---- */

/* The folder's own descriptor may be one that only names it. */
static bool synced(int folder, const char *name, int flags)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    return ok;
}

static err synced_rename(int folder, const char *from, const char *to)
{
    if (synced(folder, from, 0) && renameat(folder, from, folder, to) == 0 &&
        synced(folder, ".", O_DIRECTORY))
        return ERR_OK;
    return err_errno("write %s", to);
}

static err file_place(repo_maker *maker, repo_beneath *below, const repo_tree_entry *entry)
{
    int folder = -1;
    const char *name = NULL;
    char part[64];

    /* Files that end so are ignored by the exclude block. */
    snprintf(part, sizeof part, ".hyprstream-%ld.tmp", (long)getpid());
    err e = repo_beneath_parent(below, entry->path, true, &folder, &name);
    if (e.code) return e;
    unlinkat(folder, part, 0);
    e = repo_maker_make(maker, entry, folder, part);
    if (!e.code) e = synced_rename(folder, part, name);
    if (e.code) unlinkat(folder, part, 0);
    return e;
}

err repo_checkpoint_write_files(repo_checkpoint_work *w)
{
    repo_checkout_report report = {0};
    repo_maker maker = {.r = w->place, .report = &report};
    repo_beneath below;

    if (!w->place || w->keeps_files) return ERR_OK;
    maker.progress = (repo_progress){.phase = REPO_FILES, .total = w->what->file_count};
    err e = attributes_open(w, &maker.attributes);
    if (e.code) return e;
    e = repo_beneath_open(w->place->path, &below);
    for (size_t i = 0; i < w->what->file_count && !e.code; i++)
        e = w->what->files[i].remove ? repo_beneath_remove(&below, w->what->files[i].path)
                                     : file_place(&maker, &below, &w->files[i].entry);
    repo_beneath_close(&below);
    repo_attributes_free(maker.attributes);
    repo_checkout_report_free(&report);
    return e;
}

/* ---- the index ---- */

err repo_checkpoint_refresh_index(repo_checkpoint_work *w)
{
    git_index *index = NULL;
    repo_beneath below;
    struct stat info;

    if (!w->place) return ERR_OK;
    err e = repo_git_check(git_repository_index(&index, w->place->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(index, 0), "read the index");
    if (e.code) {
        git_index_free(index);
        return e;
    }
    e = repo_beneath_open(w->place->path, &below);
    for (size_t i = 0; i < w->what->file_count && !e.code; i++) {
        if (w->what->files[i].remove) {
            int status = git_index_remove(index, w->what->files[i].path, 0);
            if (status != GIT_ENOTFOUND) e = repo_git_check(status, w->what->files[i].path);
            continue;
        }
        /* Without stat data git looks into the file. */
        if (w->keeps_files || !repo_beneath_look(&below, w->files[i].entry.path, &info))
            info = (struct stat){0};
        git_index_entry entry = repo_index_entry(&w->files[i].entry, &info);
        e = repo_git_check(git_index_add(index, &entry), entry.path);
    }
    if (!e.code) e = repo_index_write(index);
    repo_beneath_close(&below);
    git_index_free(index);
    return e;
}
