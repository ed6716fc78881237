#define _GNU_SOURCE
#include "repo/compare_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/attributes.h"
#include "repo/checkout_internal.h"
#include "repo/gate.h"

enum { LINK_TEXT_MAX = 4096, REMEMBERED_BYTES_MIN = 4 << 20 };

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
}

err repo_comparer_open(repo_handle *r, repo_comparer *out)
{
    git_config *config = NULL;
    struct stat info;
    int file_mode = 1, ctime = 1;

    *out = (repo_comparer){.r = r, .below = {.root = -1, .parent = -1}};
    char *index = file_join(r->git_dir, "index");
    if (stat(index, &info) == 0) out->index_date = info.st_mtim;
    free(index);
    if (git_repository_config_snapshot(&config, r->git) == 0) {
        git_config_get_bool(&file_mode, config, "core.filemode");
        git_config_get_bool(&ctime, config, "core.trustctime");
    }
    git_config_free(config);
    out->ignore_mode = !file_mode;
    out->ignore_ctime = !ctime;
    return repo_beneath_open(r->path, &out->below);
}

void repo_comparer_close(repo_comparer *c)
{
    repo_beneath_close(&c->below);
    repo_cache_free(c->cache);
    c->cache = NULL;
}

/* ---- times ---- */

bool repo_comparer_is_racy(const repo_comparer *c, const git_index_entry *entry)
{
    int32_t seconds = (int32_t)c->index_date.tv_sec;
    if (entry->mtime.seconds != seconds) return entry->mtime.seconds > seconds;
    return entry->mtime.nanoseconds >= (uint32_t)c->index_date.tv_nsec;
}

static bool is_untouched(const repo_comparer *c, const git_index_entry *entry, const struct stat *info)
{
    bool same_ctime = entry->ctime.seconds == (int32_t)info->st_ctim.tv_sec &&
                      entry->ctime.nanoseconds == (uint32_t)info->st_ctim.tv_nsec;
    return entry->file_size == (uint32_t)info->st_size &&
           entry->mtime.seconds == (int32_t)info->st_mtim.tv_sec &&
           entry->mtime.nanoseconds == (uint32_t)info->st_mtim.tv_nsec && (same_ctime || c->ignore_ctime) &&
           entry->ino == (uint32_t)info->st_ino;
}

/* ---- content ---- */

bool repo_worktree_pointer(repo_beneath *below, const char *path, bytes *text, xet_pointer *out)
{
    CLEANUP(fd_close) int fd = repo_beneath_read(below, path);
    char part[XET_POINTER_BYTES_MAX + 1];

    ssize_t size = fd < 0 ? -1 : read(fd, part, sizeof part);
    if (size < 0 || size > XET_POINTER_BYTES_MAX) return false;
    if (!xet_pointer_parse((bytes_view){part, (size_t)size}, out)) return false;
    bytes_clear(text);
    bytes_append(text, part, (size_t)size);
    return true;
}

static bool go_on(void *context, uint64_t done)
{
    repo_comparer *c = context;
    repo_progress progress = {.phase = REPO_VERIFY, .bytes_done = done};
    return repo_watch_tell(&c->r->context->watch, &progress);
}

static void cache_open(repo_comparer *c)
{
    if (c->cache || !c->r->context->settings) return;
    char *models = repo_context_models_folder(c->r->context);
    repo_cache_open(c->r->context, models, &c->cache);
    free(models);
}

/* A changed file has no fresh times in the index; this is what spares hashing it at each look. "": it cannot
 * be read. */
static err large_hash(repo_comparer *c, const char *path, const struct stat *info, char hex[SHA256_HEX_SIZE])
{
    bool big = info->st_size >= REMEMBERED_BYTES_MIN;

    hex[0] = 0;
    if (big) cache_open(c);
    if (big && c->cache && repo_cache_file_hash(c->cache, c->r->path, path, info, hex)) return ERR_OK;
    CLEANUP(fd_close) int fd = repo_beneath_read(&c->below, path);
    if (fd < 0) return ERR_OK;
    err e = sha256_of_file(fd, hex, NULL, go_on, c);
    if (!e.code && big && c->cache) repo_cache_keep_file_hash(c->cache, c->r->path, path, info, hex);
    return e;
}

/* A file that cannot be read (no permission) counts as changed, as it does with git. */
static err large_compare(repo_comparer *c, const char *path, const git_oid *id, const struct stat *info,
                         repo_likeness *likeness)
{
    CLEANUP(bytes_free) bytes text = {0};
    xet_pointer wanted, found;
    git_oid blob;
    bool is_pointer = false;
    char hex[SHA256_HEX_SIZE];

    *likeness = REPO_CHANGED;
    if (info->st_size <= XET_POINTER_BYTES_MAX &&
        (!info->st_size || repo_worktree_pointer(&c->below, path, &text, &found))) {
        err e =
            repo_git_check(git_odb_hash(&blob, text.data ? text.data : "", text.size, GIT_OBJECT_BLOB), path);
        if (!e.code && git_oid_equal(&blob, id)) *likeness = REPO_SAME;
        return e;
    }
    err e = repo_blob_pointer(c->r->git, id, &is_pointer, &wanted);
    if (e.code || !is_pointer || !wanted.canonical || wanted.size != (uint64_t)info->st_size) return e;
    e = large_hash(c, path, info, hex);
    if (!e.code && strcmp(hex, wanted.oid) == 0) *likeness = REPO_SAME;
    return e;
}

/* By way of /proc, so that what is hashed is what was opened without following a link. */
static err plain_compare(repo_comparer *c, const char *path, const git_oid *id, repo_likeness *likeness)
{
    CLEANUP(fd_close) int fd = repo_beneath_read(&c->below, path);
    char proc[64];
    git_oid found;

    *likeness = REPO_CHANGED;
    if (fd < 0) return ERR_OK;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    err e = repo_git_check(git_repository_hashfile(&found, c->r->git, proc, GIT_OBJECT_BLOB, path), path);
    if (!e.code && git_oid_equal(&found, id)) *likeness = REPO_SAME;
    return e;
}

static err link_compare(repo_comparer *c, const char *path, const git_oid *id, repo_likeness *likeness)
{
    char text[LINK_TEXT_MAX];
    const char *name = NULL;
    git_oid found;
    int folder = -1;

    *likeness = REPO_CHANGED;
    err e = repo_beneath_parent(&c->below, path, false, &folder, &name);
    ssize_t size = e.code ? -1 : readlinkat(folder, name, text, sizeof text);
    if (size < 0) return e;
    e = repo_git_check(git_odb_hash(&found, text, (size_t)size, GIT_OBJECT_BLOB), path);
    if (!e.code && git_oid_equal(&found, id)) *likeness = REPO_SAME;
    return e;
}

/* ---- comparing ---- */

static repo_likeness type_compare(const repo_comparer *c, uint32_t mode, const struct stat *info)
{
    if (mode == GIT_FILEMODE_COMMIT) return S_ISDIR(info->st_mode) ? REPO_SAME : REPO_OTHER_TYPE;
    if (S_ISDIR(info->st_mode)) return REPO_ABSENT;
    if (mode == GIT_FILEMODE_LINK) return S_ISLNK(info->st_mode) ? REPO_SAME : REPO_OTHER_TYPE;
    if (!S_ISREG(info->st_mode)) return REPO_OTHER_TYPE;
    bool executable = info->st_mode & 0100, wanted = mode == GIT_FILEMODE_BLOB_EXECUTABLE;
    return executable == wanted || c->ignore_mode ? REPO_SAME : REPO_CHANGED;
}

err repo_compare_content(repo_comparer *c, const char *path, const git_oid *id, uint32_t mode,
                         const struct stat *info, repo_likeness *likeness)
{
    *likeness = type_compare(c, mode, info);
    if (*likeness != REPO_SAME || mode == GIT_FILEMODE_COMMIT) return ERR_OK;
    if (mode == GIT_FILEMODE_LINK) return link_compare(c, path, id, likeness);
    if (repo_attributes_large(c->r, path)) return large_compare(c, path, id, info, likeness);
    return plain_compare(c, path, id, likeness);
}

/* A submodule is another repository: its HEAD is compared, what is changed in it is its own affair. */
static err submodule_compare(repo_comparer *c, const git_index_entry *entry, repo_likeness *likeness)
{
    git_repository *git = NULL;
    git_oid head;
    char *path = file_join(c->r->path, entry->path);

    *likeness = REPO_SAME; /* not filled in: as git, nothing to say */
    if (git_repository_open_ext(&git, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) == 0 &&
        git_reference_name_to_id(&head, git, "HEAD") == 0 && !git_oid_equal(&head, &entry->id))
        *likeness = REPO_CHANGED;
    git_repository_free(git);
    free(path);
    return ERR_OK;
}

err repo_compare(repo_comparer *c, const git_index_entry *entry, repo_likeness *likeness, struct stat *info,
                 bool *read)
{
    *read = false;
    *info = (struct stat){0};
    *likeness = REPO_SAME;
    if (entry->flags & GIT_INDEX_ENTRY_VALID) return ERR_OK; /* git update-index --assume-unchanged */
    if (!repo_beneath_look(&c->below, entry->path, info)) {
        if (!(entry->flags_extended & GIT_INDEX_ENTRY_SKIP_WORKTREE)) *likeness = REPO_ABSENT;
        return ERR_OK;
    }
    *likeness = type_compare(c, entry->mode, info);
    if (*likeness != REPO_SAME) return ERR_OK;
    if (entry->mode == GIT_FILEMODE_COMMIT) return submodule_compare(c, entry, likeness);
    if (is_untouched(c, entry, info) && !repo_comparer_is_racy(c, entry)) return ERR_OK;
    *read = true;
    return repo_compare_content(c, entry->path, &entry->id, entry->mode, info, likeness);
}
