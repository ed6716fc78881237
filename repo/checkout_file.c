/* repo/checkout_file.c: one entry of a tree made into a file. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "repo/checkout_internal.h"

/* Above this libgit2 would hold the blob and its compressed form in memory; git streams it. */
#define BIG_BLOB_BYTES (256ull << 20)

enum {
    COPY_PART_BYTES = 8 << 20,
    LINK_BYTES_MAX = 4095,
    PROGRAM_LOOK_MS = 100,
    WORDS_BYTES_MAX = 300,
    TOLD_EVERY_MS = 50,
};

static void fd_close(int *fd)
{
    if (*fd >= 0) close(*fd);
}

err repo_maker_tell(repo_maker *m, const char *path)
{
    double now = clock_seconds();
    if ((now - m->told_at) * 1000 < TOLD_EVERY_MS) return ERR_OK;
    m->told_at = now;
    snprintf(m->progress.text, sizeof m->progress.text, "%.*s", (int)sizeof m->progress.text - 1, path);
    if (repo_watch_tell(&m->r->context->watch, &m->progress)) return ERR_OK;
    return err_make(ERR_CANCELLED, "stopped while files were written");
}

/* ---- a regular file ---- */

static mode_t mode_of(const repo_maker *m, uint32_t mode)
{
    mode_t plain = mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0777 : 0666;
    return m->layer ? plain & 0555 : plain;
}

/* Room for all of it before the first byte: a full disk is found out while nothing is lost yet. */
static err room_for(int fd, uint64_t size, const char *path)
{
    if (!size || fallocate(fd, 0, 0, (off_t)size) == 0) return ERR_OK;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return ERR_OK;
    return err_errno("make room for %s", path);
}

static err file_begin(const repo_maker *m, uint32_t mode, int folder_fd, const char *name, const char *path,
                      int *fd)
{
    *fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode_of(m, mode));
    return *fd < 0 ? err_errno("write %s", path) : ERR_OK;
}

static err date_set(const repo_maker *m, int folder_fd, const char *name, const char *path)
{
    struct timespec times[2], now;

    clock_gettime(CLOCK_REALTIME, &now);
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = m->layer ? REPO_LINKED_DATE : now.tv_sec - REPO_DATE_BACK_S};
    if (utimensat(folder_fd, name, times, AT_SYMLINK_NOFOLLOW) != 0) return err_errno("write %s", path);
    return ERR_OK;
}

static err write_all(int fd, const char *data, size_t size, const char *path)
{
    while (size) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return err_errno("write %s", path);
        data += put;
        size -= (size_t)put;
    }
    return ERR_OK;
}

static err write_small(repo_maker *m, const char *path, uint32_t mode, int folder_fd, const char *name,
                       bytes_view data)
{
    CLEANUP(fd_close) int fd = -1;

    err e = file_begin(m, mode, folder_fd, name, path, &fd);
    if (!e.code) e = room_for(fd, data.size, path);
    if (!e.code) e = write_all(fd, data.data, data.size, path);
    if (!e.code) e = date_set(m, folder_fd, name, path);
    m->report->bytes_written += e.code ? 0 : data.size;
    return e;
}

/* ---- large files ---- */

static err copy_by_hand(repo_maker *m, int from, int to, const char *path)
{
    char *part = memory_alloc(COPY_PART_BYTES);
    err e = ERR_OK;

    while (!e.code) {
        ssize_t got = read(from, part, COPY_PART_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) e = err_errno("read the object of %s", path);
        if (got <= 0) break;
        e = write_all(to, part, (size_t)got, path);
        m->progress.bytes_done += (uint64_t)got;
        if (!e.code) e = repo_maker_tell(m, path);
    }
    free(part);
    return e;
}

static err copy(repo_maker *m, int from, int to, uint64_t size, const char *path)
{
    uint64_t done = 0;

    if (ioctl(to, FICLONE, from) == 0) {
        m->progress.bytes_done += size;
        return ERR_OK;
    }
    err e = room_for(to, size, path);
    while (!e.code && done < size) {
        ssize_t got = copy_file_range(from, NULL, to, NULL, COPY_PART_BYTES, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 && !done) return copy_by_hand(m, from, to, path);
        if (got < 0) return err_errno("write %s", path);
        if (got == 0) return err_make(ERR_FORMAT, "the object of %s is cut off", path);
        done += (uint64_t)got;
        m->progress.bytes_done += (uint64_t)got;
        e = repo_maker_tell(m, path);
    }
    return e;
}

static err copy_object(repo_maker *m, const char *object, const char *path, const xet_pointer *pointer,
                       uint32_t mode, int folder_fd, const char *name)
{
    CLEANUP(fd_close) int from = open(object, O_RDONLY | O_CLOEXEC);
    CLEANUP(fd_close) int to = -1;

    if (from < 0) return err_errno("open the object of %s", path);
    err e = file_begin(m, mode, folder_fd, name, path, &to);
    if (!e.code) e = copy(m, from, to, pointer->size, path);
    return e.code ? e : date_set(m, folder_fd, name, path);
}

/* A driver may link the object itself, whose mode is everybody's: an executable gets a file of its own. */
static bool placed(const repo_maker *m, const char *object, uint32_t mode, int folder_fd, const char *name,
                   err *e)
{
    if (!m->place || mode == GIT_FILEMODE_BLOB_EXECUTABLE) return false;
    *e = m->place(m->place_context, object, folder_fd, name);
    if (e->code == ERR_UNSUPPORTED) {
        *e = ERR_OK;
        return false;
    }
    return true;
}

err repo_maker_make_large(repo_maker *m, const char *path, const xet_pointer *pointer, uint32_t mode,
                          int folder_fd, const char *name)
{
    char *object = xet_store_path(m->r->store, pointer->oid);
    err e = ERR_OK;

    if (placed(m, object, mode, folder_fd, name, &e)) {
        m->progress.bytes_done += pointer->size;
        if (!e.code && m->layer) e = date_set(m, folder_fd, name, path);
    } else if (!e.code) {
        e = copy_object(m, object, path, pointer, mode, folder_fd, name);
    }
    free(object);
    if (!e.code) m->report->bytes_written += pointer->size;
    return e;
}

/* ---- blobs ---- */

static bool git_program_allowed(const repo_handle *r)
{
    const settings *s = r->context->settings;
    return !s || settings_bool(s, "repo.git_program");
}

/* Until it ends, with an eye on who wants to stop. What it says fits into the pipe. */
static err program_wait(repo_maker *m, process *p, const char *path)
{
    char words[WORDS_BYTES_MAX + 1];
    bool ended = false;
    int status = 0;

    err e = ERR_OK;
    while (!e.code && !ended) {
        e = process_wait(p, PROGRAM_LOOK_MS, &ended, &status);
        if (!e.code && !ended) e = repo_maker_tell(m, path);
    }
    if (e.code || !status) return e;
    ssize_t size = read(process_error(p), words, WORDS_BYTES_MAX);
    words[size > 0 ? size : 0] = 0;
    return err_make(ERR_STATE, "write %s: git: %s", path, words);
}

/* `git cat-file blob` straight into the file. */
static err write_big(repo_maker *m, const repo_tree_entry *entry, uint64_t size, int folder_fd,
                     const char *name)
{
    CLEANUP(fd_close) int fd = -1;
    char hex[GIT_OID_HEXSZ + 1], git_dir[REPO_PATH_BYTES_MAX];
    process *git = NULL;
    struct stat info;

    git_oid_tostr(hex, sizeof hex, &entry->id);
    snprintf(git_dir, sizeof git_dir, "GIT_DIR=%s", m->r->git_dir);
    const char *const argv[] = {"git", "cat-file", "blob", hex, NULL};
    const char *const set[] = {git_dir, "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", NULL};
    err e = file_begin(m, entry->mode, folder_fd, name, entry->path, &fd);
    if (!e.code) e = room_for(fd, size, entry->path);
    process_options options = {
        .argv = argv, .set = set, .input = PROCESS_NULL, .output = fd, .error = PROCESS_PIPE};
    if (!e.code) e = process_start(&options, &git);
    if (!e.code) e = program_wait(m, git, entry->path);
    process_free(git);
    if (!e.code && (fstat(fd, &info) != 0 || (uint64_t)info.st_size != size))
        e = err_make(ERR_FORMAT, "write %s: git gave another size", entry->path);
    if (!e.code) e = date_set(m, folder_fd, name, entry->path);
    m->report->bytes_written += e.code ? 0 : size;
    if (e.code == ERR_NOT_FOUND) unlinkat(folder_fd, name, 0);
    return e;
}

static err blob_size(git_repository *git, const git_oid *id, uint64_t *size)
{
    git_odb *odb = NULL;
    git_object_t type;
    size_t bytes_count = 0;

    err e = repo_git_check(git_repository_odb(&odb, git), "read a file's content");
    if (!e.code)
        e = repo_git_check(git_odb_read_header(&bytes_count, &type, odb, id), "read a file's content");
    git_odb_free(odb);
    *size = bytes_count;
    return e;
}

err repo_blob_pointer(git_repository *git, const git_oid *id, bool *is_pointer, xet_pointer *out)
{
    git_blob *blob = NULL;
    uint64_t size = 0;

    *is_pointer = false;
    err e = blob_size(git, id, &size);
    if (e.code || size > XET_POINTER_BYTES_MAX) return e;
    e = repo_git_check(git_blob_lookup(&blob, git, id), "read a file's content");
    if (!e.code)
        *is_pointer =
            xet_pointer_parse((bytes_view){git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)}, out);
    git_blob_free(blob);
    return e;
}

static err write_blob(repo_maker *m, const repo_tree_entry *entry, bool large, int folder_fd,
                      const char *name)
{
    git_blob *blob = NULL;
    git_buf text = {0};
    bytes_view data = {0};

    err e = repo_git_check(git_blob_lookup(&blob, m->r->git, &entry->id), entry->path);
    if (e.code) return e;
    if (large) {
        data = (bytes_view){git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)};
    } else {
        e = repo_attributes_to_file(m->attributes, blob, entry->path, &text);
        data = (bytes_view){text.ptr, text.size};
    }
    if (!e.code) e = write_small(m, entry->path, entry->mode, folder_fd, name, data);
    git_buf_dispose(&text);
    git_blob_free(blob);
    return e;
}

/* An object with other names, in worktrees and layers, has our date. Another date: under one of them somebody
 * wrote into it, who was root or took the trouble. Damaged, it is no object any more: it can be fetched. */
static bool object_is_whole(repo_maker *m, const char *path, const xet_pointer *pointer)
{
    char *object = xet_store_path(m->r->store, pointer->oid);
    struct stat info;
    bool whole = true;

    if (stat(object, &info) == 0 && info.st_nlink > 1 && info.st_mtim.tv_sec != REPO_LINKED_DATE)
        whole = xet_store_verify(m->r->store, pointer->oid).code != ERR_FORMAT;
    free(object);
    if (whole) return true;
    log_write(m->r->context->log, LOG_WARNING,
              "%s: its object was written to through a linked worktree and is damaged: fetch-files", path);
    (void)xet_store_remove(m->r->store, pointer->oid);
    return false;
}

static err make_blob(repo_maker *m, const repo_tree_entry *entry, int folder_fd, const char *name)
{
    bool large = repo_attributes_tree_large(m->attributes, entry->path), is_pointer = false;
    xet_pointer pointer;
    uint64_t size = 0;

    err e = large ? repo_blob_pointer(m->r->git, &entry->id, &is_pointer, &pointer) : ERR_OK;
    if (e.code) return err_note(e, "%s", entry->path);
    if (is_pointer && !pointer.has_extensions) {
        if (xet_store_has(m->r->store, pointer.oid, pointer.size) &&
            object_is_whole(m, entry->path, &pointer))
            return repo_maker_make_large(m, entry->path, &pointer, entry->mode, folder_fd, name);
        repo_missing_add(&m->report->missing, entry->path, &pointer);
    }
    e = blob_size(m->r->git, &entry->id, &size);
    if (e.code) return err_note(e, "%s", entry->path);
    if (size > BIG_BLOB_BYTES && git_program_allowed(m->r)) {
        e = write_big(m, entry, size, folder_fd, name);
        if (e.code != ERR_NOT_FOUND) return e;
    }
    return write_blob(m, entry, large, folder_fd, name);
}

/* ---- links ---- */

/* Only leading ".." and no more of them than there are folders: such a link ends inside even when it goes
 * over other links. Names of git's own are no business of a link. */
static bool stays_inside(const char *path, const char *target)
{
    size_t depth = 0;

    if (!*target || *target == '/' || strncasecmp(file_name(path), ".git", 4) == 0) return false;
    for (const char *p = path; (p = strchr(p, '/')); p++) depth++;
    for (; strncmp(target, "../", 3) == 0 || strcmp(target, "..") == 0; target += target[2] ? 3 : 2)
        if (depth-- == 0) return false;
    while (*target) {
        size_t size = strcspn(target, "/");
        bool here = size == 0 || (size == 1 && *target == '.');
        if (!here && repo_name_refusal(target, size)) return false;
        target += size + (target[size] == '/');
    }
    return true;
}

static err make_link(repo_maker *m, const repo_tree_entry *entry, int folder_fd, const char *name)
{
    git_blob *blob = NULL;
    uint64_t size = 0;

    err e = blob_size(m->r->git, &entry->id, &size);
    if (!e.code && size > LINK_BYTES_MAX)
        e = err_make(ERR_LIMIT, "the link %s is longer than %d bytes", entry->path, LINK_BYTES_MAX);
    if (!e.code) e = repo_git_check(git_blob_lookup(&blob, m->r->git, &entry->id), entry->path);
    if (e.code) return e;
    char *target = memory_text_n(git_blob_rawcontent(blob), (size_t)size);
    if (strlen(target) == size && stays_inside(entry->path, target)) {
        if (symlinkat(target, folder_fd, name) != 0) e = err_errno("make the link %s", entry->path);
        if (!e.code) e = date_set(m, folder_fd, name, entry->path);
    } else {
        repo_names_add(&m->report->links, entry->path);
        e = write_small(m, entry->path, GIT_FILEMODE_BLOB, folder_fd, name, (bytes_view){target, size});
    }
    free(target);
    git_blob_free(blob);
    return e;
}

err repo_maker_make(repo_maker *m, const repo_tree_entry *entry, int folder_fd, const char *name)
{
    err e = repo_maker_tell(m, entry->path);
    if (e.code) return e;
    if (entry->mode == GIT_FILEMODE_LINK)
        e = make_link(m, entry, folder_fd, name);
    else if (entry->mode == GIT_FILEMODE_COMMIT)
        e = mkdirat(folder_fd, name, 0777) == 0 ? ERR_OK : err_errno("make the folder %s", entry->path);
    else
        e = make_blob(m, entry, folder_fd, name);
    if (e.code) return e;
    m->progress.done++;
    m->report->files_written++;
    return ERR_OK;
}
