/* repo/registry/operation_work.c: folders that are ours for a while, with a journal that tells the dead from
 * the living. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
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
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"

enum {
    JOURNAL_BYTES_MAX = 64 << 10,
    TRIES_MAX = 100,
    STRAY_SECONDS = 86400,
    DYING_TRIES = 25,
    DYING_WAIT_NS = 10000000
};

#define JOURNAL_END ".json"

/* Open and locked, and still the file of that name: who found it before us may have deleted it. */
static int journal_take(const char *path, int flags)
{
    struct stat ours, named;
    int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0) return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 && stat(path, &named) == 0 &&
        ours.st_ino == named.st_ino)
        return fd;
    close(fd);
    errno = EAGAIN;
    return -1;
}

err work_write(work_folder *work, const work_note *note)
{
    char pid[32];
    cJSON *o = cJSON_CreateObject();
    const struct {
        const char *key, *value;
    } texts[] = {{"kind", note->kind}, {"name", note->name}, {"uuid", note->uuid}, {"phase", note->phase}};

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].value) cJSON_AddStringToObject(o, texts[i].key, texts[i].value);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    cJSON_AddRawToObject(o, "pid", pid);
    cJSON_AddNumberToObject(o, "time", (double)clock_unix_seconds());
    char *text = cJSON_PrintUnformatted(o);
    size_t size = strlen(text);
    err e = ERR_OK;
    /* Over the old text, then cut: a kill between leaves a line that still says the kind. */
    if (pwrite(work->fd, text, size, 0) != (ssize_t)size || ftruncate(work->fd, (off_t)size) != 0 ||
        (!note->brief && fsync(work->fd) != 0))
        e = err_errno("write %s", work->journal);
    cJSON_free(text);
    cJSON_Delete(o);
    return e;
}

err work_begin(const char *models_folder, const char *parent, const work_note *note, work_folder *out)
{
    work_folder work = {.fd = -1};
    char *folder = file_join(models_folder, parent);

    err e = file_make_folders(folder);
    for (int tries = 0; !e.code && work.fd < 0 && tries < TRIES_MAX; tries++) {
        char nonce[17], name[96];
        repo_nonce_make(nonce);
        snprintf(name, sizeof name, "%.40s-%ld-%s" JOURNAL_END, note->kind, (long)getpid(), nonce);
        free(work.journal);
        work.journal = file_join(folder, name);
        work.fd = journal_take(work.journal, O_CREAT | O_EXCL);
        if (work.fd < 0 && errno != EEXIST && errno != EAGAIN) e = err_errno("make %s", work.journal);
    }
    if (!e.code && work.fd < 0) e = err_make(ERR_BUSY, "%s: no name for a new folder", folder);
    if (!e.code) {
        work.path = memory_text_n(work.journal, strlen(work.journal) - strlen(JOURNAL_END));
        e = work_write(&work, note);
    }
    if (!e.code && mkdir(work.path, 0777) != 0) e = err_errno("make %s", work.path);
    free(folder);
    if (e.code) {
        work_end(&work);
        return e;
    }
    *out = work;
    return ERR_OK;
}

/* A network child outlives its killed parent for a moment, and may write on into what is being deleted. */
static bool folder_is_gone(const char *path)
{
    struct stat info;

    for (int tries = 0; tries < DYING_TRIES; tries++) {
        file_remove_tree(path);
        if (lstat(path, &info) != 0) return true;
        nanosleep(&(struct timespec){.tv_nsec = DYING_WAIT_NS}, NULL);
    }
    return false;
}

/* The folder first: while there is a journal somebody answers for it, or the next start will. */
void work_end(work_folder *work)
{
    bool gone = !work->path || folder_is_gone(work->path);

    if (work->journal && work->fd >= 0) {
        if (gone) unlink(work->journal);
        close(work->fd);
    }
    free(work->path);
    free(work->journal);
    *work = (work_folder){.fd = -1};
}

/* ---- the dead ---- */

static bool ends_with_journal(const char *name, size_t *stem)
{
    size_t size = strlen(name), end = strlen(JOURNAL_END);
    *stem = size > end && strcmp(name + size - end, JOURNAL_END) == 0 ? size - end : size;
    return *stem != size;
}

static void dead_end(const char *folder, const char *name, size_t stem,
                     void (*each)(void *context, const char *path, const char *journal_text), void *context)
{
    work_folder work = {.journal = file_join(folder, name)};
    CLEANUP(bytes_free) bytes text = {0};

    work.fd = journal_take(work.journal, 0);
    if (work.fd < 0) {
        free(work.journal);
        return;
    }
    work.path = memory_text_n(work.journal, strlen(work.journal) - strlen(name) + stem);
    if (each && !file_read(work.journal, JOURNAL_BYTES_MAX, &text).code)
        each(context, work.path, bytes_text(&text));
    work_end(&work);
}

/* A folder without a journal was not made by work_begin; somebody may be at work in it. */
static void stray_end(const char *folder, const char *name)
{
    struct stat info;
    char *path = file_join(folder, name);
    if (lstat(path, &info) == 0 && info.st_mtime + STRAY_SECONDS < clock_unix_seconds())
        file_remove_tree(path);
    free(path);
}

static bool has_journal(const char *folder, const char *name)
{
    CLEANUP(bytes_free) bytes journal = {0};
    bytes_printf(&journal, "%s/%s" JOURNAL_END, folder, name);
    return file_exists(bytes_text(&journal));
}

void work_each_dead(const char *models_folder, const char *parent,
                    void (*each)(void *context, const char *path, const char *journal_text), void *context)
{
    char *folder = file_join(models_folder, parent);
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        size_t stem;
        if (ends_with_journal(names.names[i], &stem))
            dead_end(folder, names.names[i], stem, each, context);
        else if (!has_journal(folder, names.names[i]))
            stray_end(folder, names.names[i]);
    }
    file_list_free(&names);
    free(folder);
}

/* ---- into place ---- */

/* Where the system or the file system has no such rename, a look before comes nearest. */
static int rename_plain(const char *from, const char *to)
{
    struct stat there;
    if (lstat(to, &there) == 0) {
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

err work_rename(const char *from, const char *to)
{
    int status = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);

    if (status != 0 && (errno == ENOSYS || errno == EINVAL)) status = rename_plain(from, to);
    if (status != 0 && (errno == EEXIST || errno == ENOTEMPTY))
        return err_make(ERR_EXISTS, "%s is already there", to);
    if (status != 0) return err_errno("rename %s to %s", from, to);
    char *parent = file_parent(to);
    err e = file_sync_folder(parent);
    free(parent);
    return e;
}
