#include "repo/registry/model_dirty.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "repo/handle_internal.h"

/* Of a file whose stamp moved: up to here its content is compared. */
enum { COMPARE_BYTES_MAX = 1 << 20 };

typedef enum sameness { SAME, DIFFERENT, NOT_KNOWN } sameness;

static bool stamps_are_equal(const git_index_entry *entry, const struct stat *info)
{
    return entry->file_size == (uint32_t)info->st_size &&
           entry->mtime.seconds == (int32_t)info->st_mtim.tv_sec &&
           (!entry->mtime.nanoseconds || entry->mtime.nanoseconds == (uint32_t)info->st_mtim.tv_nsec) &&
           (!entry->ino || entry->ino == (uint32_t)info->st_ino);
}

/* Changed in the same moment as the index was written: an equal stamp proves nothing. */
static bool is_racy(const git_index_entry *entry, const struct stat *index)
{
    return entry->mtime.seconds > (int32_t)index->st_mtim.tv_sec ||
           (entry->mtime.seconds == (int32_t)index->st_mtim.tv_sec &&
            entry->mtime.nanoseconds >= (uint32_t)index->st_mtim.tv_nsec);
}

static bool blob_pointer(git_repository *git, const git_oid *id, xet_pointer *out)
{
    git_blob *blob = NULL;
    bool is = false;

    if (git_blob_lookup(&blob, git, id) == 0 && git_blob_rawsize(blob) <= XET_POINTER_BYTES_MAX)
        is = xet_pointer_parse((bytes_view){git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)}, out);
    git_blob_free(blob);
    return is;
}

/* Content against the index: of a pointer the hash of what it stands for, else as git would store it. */
static sameness content_compare(repo_handle *r, const git_index_entry *entry, const char *path,
                                const struct stat *info)
{
    CLEANUP(bytes_free) bytes content = {0};
    xet_pointer wanted, found;
    char hash[SHA256_HEX_SIZE];
    git_oid id;

    if (info->st_size > COMPARE_BYTES_MAX) return NOT_KNOWN;
    if (!blob_pointer(r->git, &entry->id, &wanted)) {
        if (git_repository_hashfile(&id, r->git, path, GIT_OBJECT_BLOB, NULL) != 0) return NOT_KNOWN;
        return git_oid_equal(&id, &entry->id) ? SAME : DIFFERENT;
    }
    if (file_read(path, COMPARE_BYTES_MAX, &content).code) return NOT_KNOWN;
    if (xet_pointer_parse(bytes_borrow(&content), &found))
        return strcmp(found.oid, wanted.oid) == 0 ? SAME : DIFFERENT;
    sha256_of(bytes_borrow(&content), hash);
    return strcmp(hash, wanted.oid) == 0 ? SAME : DIFFERENT;
}

static sameness entry_compare(repo_handle *r, const git_index_entry *entry, const char *path,
                              const struct stat *index)
{
    struct stat info;

    if (entry->mode == GIT_FILEMODE_COMMIT) return SAME; /* submodules are shown, never entered */
    if (lstat(path, &info) != 0) return DIFFERENT;
    if (S_ISLNK(info.st_mode) != (entry->mode == GIT_FILEMODE_LINK)) return DIFFERENT;
    if (stamps_are_equal(entry, &info) && !is_racy(entry, index)) return SAME;
    return S_ISREG(info.st_mode) ? content_compare(r, entry, path, &info) : NOT_KNOWN;
}

/* A pointer stands in the checkout and its object is not in the store. */
static bool is_missing(repo_handle *r, const char *path)
{
    CLEANUP(bytes_free) bytes text = {0};
    struct stat info;
    xet_pointer pointer;

    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > XET_POINTER_BYTES_MAX)
        return false;
    if (file_read(path, XET_POINTER_BYTES_MAX, &text).code ||
        !xet_pointer_parse(bytes_borrow(&text), &pointer))
        return false;
    return !xet_store_has(r->store, pointer.oid, pointer.size);
}

static bool has_staged(git_repository *git, git_index *index)
{
    git_object *tree = NULL;
    git_diff *diff = NULL;
    bool has = git_index_has_conflicts(index) == 1;

    if (git_revparse_single(&tree, git, "HEAD^{tree}") == 0) {
        if (git_diff_tree_to_index(&diff, git, (git_tree *)tree, index, NULL) == 0)
            has = has || git_diff_num_deltas(diff) > 0;
    } else {
        has = has || git_index_entrycount(index) > 0;
    }
    git_diff_free(diff);
    git_object_free(tree);
    return has;
}

void model_dirty_look(repo_handle *r, model_entry *entry)
{
    CLEANUP(bytes_free) bytes watch = {0};
    git_index *index = NULL;
    struct stat stamp = {0};
    bool any_different = false, any_open = false;

    if (!*r->path || git_repository_index(&index, r->git) != 0) return;
    (void)lstat(git_index_path(index), &stamp);
    size_t count = git_index_entrycount(index);
    for (size_t i = 0; i < count; i++) {
        const git_index_entry *e = git_index_get_byindex(index, i);
        char *path = file_join(r->path, e->path);
        sameness is = entry_compare(r, e, path, &stamp);
        any_different |= is == DIFFERENT;
        any_open |= is == NOT_KNOWN;
        entry->row.missing_count += is_missing(r, path);
        if (count <= MODEL_TRACKED_MAX && !strchr(e->path, '\n')) bytes_printf(&watch, "%s\n", e->path);
        free(path);
    }
    if (count > MODEL_TRACKED_MAX)
        any_open = true; /* their stamps are not watched: no answer that could stay */
    entry->row.dirty = any_different || has_staged(r->git, index) ? 1 : any_open ? -1 : 0;
    git_index_free(index);
    free(entry->file_watch);
    entry->file_watch = bytes_take(&watch);
}
