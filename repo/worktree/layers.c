/* repo/worktree/layers.c: a layer is made in .staging and appears by a rename, its files durable. */
#define _GNU_SOURCE
#include "repo/worktree/layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/sha256.h"
#include "repo/handle_internal.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"

#define FILES    "files"
#define COMPLETE ".complete"

enum { POLL_MS = 20, DEPTH_MAX = 256, DIGEST_DIGITS = 16, LAYERS_MAX = 100000 };

void repo_layer_free(repo_layer *layer)
{
    free(layer->name);
    free(layer->path);
    *layer = (repo_layer){0};
}

static char *below(const char *models_folder, const char *name, const char *inside)
{
    CLEANUP(bytes_free) bytes path = {0};
    bytes_printf(&path, "%s/" LAYERS_FOLDER "/%s%s%s", models_folder, name, *inside ? "/" : "", inside);
    return bytes_take(&path);
}

char *repo_layer_path(const char *models_folder, const char *name)
{
    return below(models_folder, name, FILES);
}

/* ---- the lock ---- */

static err lock_wait(const repo_context *c, int fd, const char *path)
{
    const repo_progress progress = {.phase = REPO_FILES, .text = "waiting for another worktree"};

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        struct timespec time = {0, POLL_MS * 1000000L};
        if (errno != EWOULDBLOCK && errno != EINTR) return err_errno("lock %s", path);
        if (!repo_watch_tell(&c->watch, &progress))
            return err_make(ERR_CANCELLED, "stopped while another worktree was made");
        nanosleep(&time, NULL);
    }
    return ERR_OK;
}

err repo_layers_lock(const repo_context *c, const char *models_folder, int *fd)
{
    char *folder = file_join(models_folder, LAYERS_FOLDER), *path = file_join(folder, ".lock");
    int lock = -1;

    err e = file_make_folders(folder);
    if (!e.code) {
        lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        e = lock < 0 ? err_errno("open %s", path) : lock_wait(c, lock, path);
    }
    free(folder);
    free(path);
    if (e.code) {
        if (lock >= 0) close(lock);
        return e;
    }
    *fd = lock;
    return ERR_OK;
}

/* ---- making ---- */

/* The object itself under another name. What cannot be linked (another file system, too many names of it,
 * not ours) is copied. */
static err link_object(void *context, const char *object, int folder_fd, const char *name)
{
    struct stat info;
    (void)context;

    if (linkat(AT_FDCWD, object, folder_fd, name, 0) != 0) {
        if (errno == EXDEV || errno == EMLINK || errno == EPERM || errno == EACCES || errno == EOPNOTSUPP ||
            errno == ENOSYS)
            return err_make(ERR_UNSUPPORTED, "%s cannot be linked", name);
        return err_errno("link %s", name);
    }
    /* git-lfs leaves its objects writable. */
    if (fstatat(folder_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_mode & 0222)
        (void)fchmodat(folder_fd, name, info.st_mode & 0555, 0);
    return ERR_OK;
}

/* Each file that is not the store's, and the folders: what is renamed into place must outlive a crash. First
 * all of them begin to be written, then they are waited for: one flush of the disk does for most. */
static err tree_sync(int folder, bool wait, int depth)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;
    err e = ERR_OK;

    if (!d) {
        close(folder);
        return err_errno("read a folder of a layer");
    }
    while (!e.code && (entry = readdir(d))) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(d), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        bool is_folder = S_ISDIR(info.st_mode);
        if (!is_folder && (!S_ISREG(info.st_mode) || info.st_nlink > 1)) continue;
        int fd = openat(dirfd(d), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) continue;
        if (is_folder) {
            if (depth < DEPTH_MAX)
                e = tree_sync(fd, wait, depth + 1);
            else
                close(fd);
            continue;
        }
        if (!wait)
            (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        else if (fsync(fd) != 0)
            e = err_errno("write %s", entry->d_name);
        close(fd);
    }
    if (!e.code && wait && fsync(dirfd(d)) != 0) e = err_errno("write a folder of a layer");
    closedir(d);
    return e;
}

static err layer_sync(const char *files)
{
    err e = ERR_OK;
    for (int wait = 0; wait < 2 && !e.code; wait++) {
        int fd = open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        e = fd < 0 ? err_errno("open %s", files) : tree_sync(fd, wait, 0);
    }
    return e;
}

/* The tree's id; with large files missing, and which. */
static char *layer_name(const repo_id *tree, const repo_missing_list *missing)
{
    CLEANUP(bytes_free) bytes name = {0};
    char hex[SHA256_HEX_SIZE];

    bytes_append_text(&name, tree->hex);
    if (missing->count) {
        sha256 *s = sha256_new();
        for (size_t i = 0; i < missing->count; i++)
            sha256_add(s, missing->rows[i].pointer.oid, strlen(missing->rows[i].pointer.oid));
        sha256_end(s, hex);
        bytes_printf(&name, "-%.*s", DIGEST_DIGITS, hex);
    }
    return bytes_take(&name);
}

static bool is_complete(const char *models_folder, const char *name)
{
    char *mark = below(models_folder, name, COMPLETE), *files = below(models_folder, name, FILES);
    bool is = file_exists(mark) && file_is_folder(files);
    free(mark);
    free(files);
    return is;
}

/* When it was used last, for the pruning. */
static void touch(const char *models_folder, const char *name)
{
    char *mark = below(models_folder, name, COMPLETE);
    (void)utimensat(AT_FDCWD, mark, NULL, 0);
    free(mark);
}

/* A folder of that name without its mark was not made by a rename of ours: it goes. */
static err into_place(const char *models_folder, const char *from, const char *name)
{
    char *to = below(models_folder, name, "");
    err e = work_rename(from, to);
    if (e.code == ERR_EXISTS && !is_complete(models_folder, name)) {
        e = repo_trash(models_folder, to);
        if (!e.code) e = work_rename(from, to);
    }
    free(to);
    return e.code == ERR_EXISTS ? ERR_OK : e; /* the same files: ours are deleted with their work */
}

static err mark_write(const char *folder, const repo_id *tree, const repo_checkout_report *report)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *path = file_join(folder, COMPLETE);

    bytes_printf(&text, "tree %s\nfiles %zu\nmissing %zu\n", tree->hex, report->files_written,
                 report->missing.count);
    err e = file_write(path, bytes_borrow(&text));
    free(path);
    return e;
}

static err layer_make(const char *models_folder, repo_handle *r, const repo_id *tree, char **name,
                      repo_checkout_report *report)
{
    work_folder work = {.fd = -1};
    char *files = NULL;

    err e =
        work_begin(models_folder, STAGING_FOLDER, &(work_note){.kind = "layer", .name = tree->hex}, &work);
    if (e.code) return e;
    files = file_join(work.path, FILES);
    if (mkdir(files, 0777) != 0) e = err_errno("make %s", files);
    if (!e.code) e = repo_checkout_layer(r, tree, files, link_object, NULL, report);
    if (!e.code) e = layer_sync(files);
    if (!e.code) e = mark_write(work.path, tree, report);
    if (!e.code) {
        *name = layer_name(tree, &report->missing);
        e = into_place(models_folder, work.path, *name);
    }
    work_end(&work);
    free(files);
    return e;
}

err repo_layer_get(const char *models_folder, repo_handle *r, const repo_id *tree, repo_layer *out,
                   repo_checkout_report *report)
{
    repo_layer layer = {.name = memory_text(tree->hex)};
    err e = ERR_OK;

    *report = (repo_checkout_report){0};
    if (is_complete(models_folder, layer.name)) {
        touch(models_folder, layer.name);
    } else {
        free(layer.name);
        layer.name = NULL;
        layer.is_new = true;
        e = layer_make(models_folder, r, tree, &layer.name, report);
    }
    if (!e.code) layer.path = repo_layer_path(models_folder, layer.name);
    if (e.code)
        repo_layer_free(&layer);
    else
        *out = layer;
    return e.code ? err_note(e, "the files of tree %.10s", tree->hex) : e;
}

err repo_layers_config(repo_handle *r)
{
    git_config *config = NULL;
    int trusts = 1;

    int status = git_repository_config(&config, r->git);
    if (!status) (void)git_config_get_bool(&trusts, config, "core.trustctime");
    if (!status && trusts) status = git_config_set_bool(config, "core.trustctime", false);
    git_config_free(config);
    return repo_git_check(status, "set core.trustctime");
}

/* ---- pruning ---- */

typedef struct unused_layer {
    char *name;
    time_t used_at;
    uint64_t bytes;
} unused_layer;

static int newest_first(const void *a, const void *b)
{
    time_t left = ((const unused_layer *)a)->used_at, right = ((const unused_layer *)b)->used_at;
    return left < right ? 1 : left > right ? -1 : 0;
}

static bool is_named(const repo_names *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0) return true;
    return false;
}

static size_t unused_find(const char *models_folder, const repo_names *used, unused_layer **out)
{
    char *folder = file_join(models_folder, LAYERS_FOLDER);
    file_list names = {0};
    size_t count = 0;

    *out = NULL;
    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count && i < LAYERS_MAX; i++) {
        struct stat info = {0};
        if (names.names[i][0] == '.' || is_named(used, names.names[i])) continue;
        char *mark = below(models_folder, names.names[i], COMPLETE);
        char *whole = below(models_folder, names.names[i], "");
        (void)stat(mark, &info); /* without a mark: as old as can be */
        *out = memory_resize_array(*out, count + 1, sizeof **out);
        (*out)[count++] =
            (unused_layer){memory_text(names.names[i]), info.st_mtim.tv_sec, folder_bytes(whole)};
        free(mark);
        free(whole);
    }
    file_list_free(&names);
    free(folder);
    return count;
}

err repo_layers_unused(const char *models_folder, const repo_names *used, uint64_t *bytes_count)
{
    unused_layer *rows;

    *bytes_count = 0;
    size_t count = unused_find(models_folder, used, &rows);
    for (size_t i = 0; i < count; i++) {
        *bytes_count += rows[i].bytes;
        free(rows[i].name);
    }
    free(rows);
    return ERR_OK;
}

err repo_layers_prune(const char *models_folder, const repo_names *used, uint64_t kept_bytes, uint64_t *freed)
{
    unused_layer *rows;
    uint64_t kept = 0, gone = 0;
    err e = ERR_OK;

    size_t count = unused_find(models_folder, used, &rows);
    if (count) qsort(rows, count, sizeof *rows, newest_first);
    for (size_t i = 0; i < count; i++) {
        kept += rows[i].bytes;
        if (!e.code && kept > kept_bytes) {
            char *path = below(models_folder, rows[i].name, "");
            e = repo_trash(models_folder, path);
            gone += e.code ? 0 : rows[i].bytes;
            free(path);
        }
        free(rows[i].name);
    }
    free(rows);
    if (freed) *freed = gone;
    return e;
}
