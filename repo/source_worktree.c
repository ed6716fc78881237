/* repo/source_worktree.c: what is checked out, read where it lies.
 *
 * The index tells the ids of files whose stat data it still knows. Others are named by what they are on this
 * disk now (small ones by their bytes): a changed file never passes for the committed one. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/sha256.h"
#include "repo/source_internal.h"

enum { HASHED_BYTES_MAX = 64 << 20 };

static char *path_of(const repo_source *s, const source_file *file)
{
    return file_join(s->folder, file->name);
}

/* A pointer that was never replaced by its bytes. */
static bool pointer_read(const char *path, uint64_t size, xet_pointer *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    return size > 0 && size <= XET_POINTER_BYTES_MAX && !file_read(path, XET_POINTER_BYTES_MAX, &text).code &&
           xet_pointer_parse(bytes_borrow(&text), out);
}

static err folder_add(repo_source *s, const char *prefix, unsigned depth)
{
    CLEANUP(file_list_free) file_list list = {0};
    char *folder = file_join(s->folder, prefix);

    if (depth > REPO_SOURCE_DEPTH_MAX)
        return err_make(ERR_LIMIT, "%s has folders deeper than %d", s->folder, REPO_SOURCE_DEPTH_MAX);
    err e = file_list_folder(folder, &list);
    for (size_t i = 0; !e.code && i < list.count; i++) {
        struct stat info;
        char *path = file_join(folder, list.names[i]);
        char *name = *prefix ? file_join(prefix, list.names[i]) : memory_text(list.names[i]);
        if (stat(path, &info) != 0) info.st_mode = 0; /* a dangling link */
        if (S_ISREG(info.st_mode)) {
            source_file file = {.size = (uint64_t)info.st_size};
            file.is_large = pointer_read(path, file.size, &file.pointer);
            if (file.is_large) file.size = file.pointer.size;
            e = source_add(s, name, &file);
        } else if (S_ISDIR(info.st_mode) && list.names[i][0] != '.') {
            e = folder_add(s, name, depth + 1);
        }
        free(path);
        free(name);
    }
    free(folder);
    return e;
}

/* ---- ids ---- */

/* The entry was written after the file's last change, and the file is still that one. Within the second of
 * the index's own time git does not trust it either. */
static bool entry_holds(const git_index_entry *entry, const struct stat *info, const struct stat *index_info)
{
    return entry->mtime.seconds == (int32_t)info->st_mtim.tv_sec &&
           entry->mtime.nanoseconds == (uint32_t)info->st_mtim.tv_nsec &&
           entry->file_size == (uint32_t)info->st_size && entry->ino == (uint32_t)info->st_ino &&
           info->st_mtim.tv_sec < index_info->st_mtim.tv_sec;
}

/* What the index says of a file: its entry's blob, and the pointer that the blob is. */
typedef struct indexed {
    bool exists, holds; /* holds: the file has not changed since */
    git_oid blob;
    bool is_large;
    xet_pointer pointer;
} indexed;

static void index_look(repo_source *s, const source_file *file, const struct stat *info, indexed *out)
{
    git_index *index = NULL;
    git_blob *blob = NULL;
    struct stat index_info;

    if (git_repository_index(&index, s->git) == 0 && stat(git_index_path(index), &index_info) == 0) {
        const git_index_entry *entry = git_index_get_bypath(index, file->name, 0);
        out->exists = entry && git_blob_lookup(&blob, s->git, &entry->id) == 0;
        if (out->exists) {
            bytes_view text = {git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)};
            out->holds = entry_holds(entry, info, &index_info);
            out->blob = entry->id;
            out->is_large = text.size <= XET_POINTER_BYTES_MAX && xet_pointer_parse(text, &out->pointer);
        }
    }
    git_blob_free(blob);
    git_index_free(index);
}

/* The id that these bytes would have in a commit. */
static err id_of_bytes(const char *path, bool is_large, bytes *out)
{
    char hex[SHA256_HEX_SIZE];
    git_oid blob;

    if (!is_large) {
        err e = repo_git_check(git_odb_hashfile(&blob, path, GIT_OBJECT_BLOB), path);
        if (!e.code) bytes_printf(out, "blob:%s", git_oid_tostr_s(&blob));
        return e;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno("open %s", path);
    err e = sha256_of_file(fd, hex, NULL, NULL, NULL);
    close(fd);
    if (!e.code) bytes_printf(out, "sha256:%s", hex);
    return e;
}

static err worktree_content_id(repo_source *s, const source_file *file, bytes *out)
{
    CLEANUP(bytes_free) bytes path = {.data = path_of(s, file)};
    struct stat info;
    indexed known = {0};

    if (file->is_large) {
        bytes_printf(out, "sha256:%s", file->pointer.oid);
        return ERR_OK;
    }
    if (stat(path.data, &info) != 0) return err_errno("look at %s", path.data);
    index_look(s, file, &info, &known);
    if (known.holds && known.is_large) {
        bytes_printf(out, "sha256:%s", known.pointer.oid);
        return ERR_OK;
    }
    if (known.holds) {
        bytes_printf(out, "blob:%s", git_oid_tostr_s(&known.blob));
        return ERR_OK;
    }
    if (info.st_size <= HASHED_BYTES_MAX) return id_of_bytes(path.data, known.is_large, out);
    bytes_printf(out, "file:%llx:%llx:%llu:%lld.%09ld", (unsigned long long)info.st_dev,
                 (unsigned long long)info.st_ino, (unsigned long long)info.st_size,
                 (long long)info.st_ctim.tv_sec, (long)info.st_ctim.tv_nsec);
    return ERR_OK;
}

/* ---- bytes ---- */

static err worktree_path(repo_source *s, const source_file *file, char **path)
{
    if (file->is_large) return source_object_path(s, file, path);
    *path = path_of(s, file);
    return ERR_OK;
}

static err worktree_read(repo_source *s, const source_file *file, size_t bytes_max, bytes *out)
{
    CLEANUP(bytes_free) bytes path = {0};
    err e = worktree_path(s, file, &path.data);
    return e.code ? e : file_read(path.data, bytes_max, out);
}

static const source_kind worktree_kind = {worktree_content_id, worktree_read, worktree_path};

err source_open_worktree(repo_source *s)
{
    s->kind = &worktree_kind;
    return folder_add(s, "", 0);
}
