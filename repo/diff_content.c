/* repo/diff_content.c: the two contents of a row, and their lines. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/diff_internal.h"
#include "repo/store_internal.h"

/* ---- where a content is ---- */

static void pointer_take(repo_handle *r, const xet_pointer *pointer, repo_diff_side *out)
{
    out->large = true;
    out->size = pointer->size;
    out->missing = !xet_store_has(r->store, pointer->oid, pointer->size);
    if (!out->missing) out->location = xet_store_path(r->store, pointer->oid);
}

static err blob_look(repo_handle *r, const diff_entry *entry, repo_diff_side *out)
{
    git_blob *blob = NULL;
    git_odb *odb = NULL;
    git_object_t type;
    size_t size = 0;
    xet_pointer pointer;

    out->mode = entry->mode;
    repo_id_of(&entry->id, &out->blob);
    if (entry->mode == GIT_FILEMODE_COMMIT) return ERR_OK;
    err e = repo_git_check(git_repository_odb(&odb, r->git), "open the objects");
    if (!e.code) e = repo_git_check(git_odb_read_header(&size, &type, odb, &entry->id), entry->path);
    git_odb_free(odb);
    out->size = size;
    if (e.code || size == 0 || size > XET_POINTER_BYTES_MAX || entry->mode == GIT_FILEMODE_LINK) return e;
    e = repo_git_check(git_blob_lookup(&blob, r->git, &entry->id), entry->path);
    if (e.code) return e;
    bytes_view text = {git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)};
    if (xet_pointer_parse(text, &pointer)) pointer_take(r, &pointer, out);
    git_blob_free(blob);
    return ERR_OK;
}

static err worktree_look(diff_reading *d, const diff_entry *entry, repo_diff_side *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer pointer;
    struct stat info = {0};

    if (!repo_beneath_look(&d->comparer.below, entry->path, &info))
        return err_make(ERR_BUSY, "%s went away while it was compared", entry->path);
    out->size = (uint64_t)info.st_size;
    out->mode = S_ISLNK(info.st_mode)    ? GIT_FILEMODE_LINK
                : S_ISDIR(info.st_mode)  ? GIT_FILEMODE_COMMIT
                : info.st_mode & S_IXUSR ? GIT_FILEMODE_BLOB_EXECUTABLE
                                         : GIT_FILEMODE_BLOB;
    if (!S_ISREG(info.st_mode)) return ERR_OK;
    if (repo_worktree_pointer(&d->comparer.below, entry->path, &text, &pointer))
        pointer_take(d->r, &pointer, out);
    else
        out->location = file_join(d->r->path, entry->path);
    return ERR_OK;
}

err repo_diff_side_look(diff_reading *d, const diff_entry *entry, repo_diff_side *out)
{
    return entry->kind == DIFF_WORKTREE ? worktree_look(d, entry, out) : blob_look(d->r, entry, out);
}

/* ---- reading it ---- */

static err blob_read(repo_handle *r, const repo_diff_row *row, const repo_id *blob_id, bytes *out)
{
    git_blob *blob = NULL;
    git_oid id;

    err e = repo_oid_read(blob_id, &id);
    if (!e.code) e = repo_git_check(git_blob_lookup(&blob, r->git, &id), row->path);
    if (!e.code) bytes_append(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
    git_blob_free(blob);
    return e;
}

static err link_read(repo_handle *r, const char *path, bytes *out)
{
    char target[PATH_MAX];
    char *place = file_join(r->path, path);
    ssize_t size = readlink(place, target, sizeof target);
    free(place);
    if (size < 0) return err_make(ERR_IO, "%s: the link cannot be read", path);
    bytes_append(out, target, (size_t)size);
    return ERR_OK;
}

err repo_diff_content(repo_handle *r, const repo_diff_row *row, const repo_diff_side *side, size_t bytes_max,
                      bytes *out)
{
    if (!side->mode || side->mode == GIT_FILEMODE_COMMIT) return ERR_OK;
    if (side->missing)
        return err_make(ERR_NOT_FOUND,
                        "%s is only a pointer: its bytes are not here (hyprstream fetch-files brings them)",
                        row->path);
    if (side->size > bytes_max)
        return err_make(ERR_LIMIT, "%s is larger than %zu bytes", row->path, bytes_max);
    if (side->location) return file_read(side->location, bytes_max, out);
    return *side->blob.hex ? blob_read(r, row, &side->blob, out) : link_read(r, row->path, out);
}

/* ---- lines ---- */

err repo_diff_lines(const repo_diff_row *row, bytes_view before, bytes_view after, unsigned context,
                    bytes *out)
{
    git_diff_options options = GIT_DIFF_OPTIONS_INIT;
    git_patch *patch = NULL;
    git_buf text = {0};

    options.context_lines = context;
    err e = repo_git_check(git_patch_from_buffers(&patch, row->before.mode ? before.data : NULL, before.size,
                                                  row->old_path ? row->old_path : row->path,
                                                  row->after.mode ? after.data : NULL, after.size, row->path,
                                                  &options),
                           row->path);
    if (!e.code) e = repo_git_check(git_patch_to_buf(&text, patch), row->path);
    if (!e.code) bytes_append(out, text.ptr, text.size);
    git_buf_dispose(&text);
    git_patch_free(patch);
    return e;
}
