/* repo/registry/models_store.c: `.registry`, a git repository that holds registry.json and its history. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "repo/git.h"
#include "repo/leftovers.h"
#include "repo/registry/models_internal.h"
#include "repo/unlock.h"

#define REGISTRY_FILE "registry.json"
#define LOCK_LINE     "/lock\n"

enum { LOCK_WAIT_MS = 10000, LOCK_POLL_US = 10000, HOLDER_BYTES_MAX = 200, EXCLUDE_BYTES_MAX = 1 << 20 };

static char *registry_path(const repo_models *m, const char *name)
{
    char *folder = file_join(m->folder, REGISTRY_FOLDER), *path = file_join(folder, name);
    free(folder);
    return path;
}

/* ---- the lock ---- */

static err holder_named(int fd)
{
    char holder[HOLDER_BYTES_MAX] = "";
    ssize_t size = pread(fd, holder, sizeof holder - 1, 0);

    holder[size > 0 ? strcspn(holder, "\n") : 0] = 0;
    return err_make(ERR_BUSY, "the list of models is being changed by process %s", *holder ? holder : "?");
}

static err lock_wait(int fd, const char *path)
{
    double end = clock_seconds() + LOCK_WAIT_MS / 1000.0;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return err_errno("lock %s", path);
        if (clock_seconds() > end) return holder_named(fd);
        usleep(LOCK_POLL_US);
    }
    return ERR_OK;
}

err registry_lock_take(const repo_models *m, const char *verb, registry_lock *out)
{
    struct stat info;
    char *folder = file_join(m->folder, REGISTRY_FOLDER), *path = file_join(folder, "lock");
    int fd = -1;

    err e = repo_start(m->context);
    if (!e.code) e = file_make_folders(folder);
    if (!e.code) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0) e = err_errno("open %s", path);
    }
    if (!e.code) e = lock_wait(fd, path);
    if (!e.code && fstat(fd, &info) == 0 && info.st_size) {
        /* Its last holder died inside: git's own locks may be left, and a draft of the file. */
        char *git_dir = file_join(folder, ".git");
        repo_locks_of_the_dead(git_dir, folder, (int64_t)info.st_mtime);
        repo_leftovers_remove(folder);
        free(git_dir);
    }
    /* For who waits, and for who comes after a death. */
    if (!e.code && ftruncate(fd, 0) == 0) dprintf(fd, "%ld (%s)\n", (long)getpid(), verb);
    if (e.code && fd >= 0) close(fd);
    free(folder);
    free(path);
    if (!e.code) out->fd = fd;
    return e;
}

void registry_lock_drop(registry_lock *lock)
{
    if (lock->fd <= 0) return;
    if (ftruncate(lock->fd, 0) != 0) errno = 0; /* the next holder looks for locks of the dead: no harm */
    close(lock->fd);
    lock->fd = 0;
}

void registry_lock_heal(const repo_models *m)
{
    struct stat info;
    registry_lock lock = {0};

    if (fstatat(m->folder_fd, REGISTRY_FOLDER "/lock", &info, AT_SYMLINK_NOFOLLOW) != 0 || !info.st_size)
        return;
    int fd = openat(m->folder_fd, REGISTRY_FOLDER "/lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_dead = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) close(fd);
    if (is_dead && !registry_lock_take(m, "heal", &lock).code) registry_lock_drop(&lock);
}

/* ---- reading ---- */

uint64_t registry_stamp(const repo_models *m)
{
    return model_signature(m, REGISTRY_FOLDER, REGISTRY_FILE "\n");
}

err registry_read(const repo_models *m, repo_registry *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *path = registry_path(m, REGISTRY_FILE);

    err e = file_read(path, REPO_REGISTRY_BYTES_MAX, &text);
    free(path);
    if (e.code == ERR_NOT_FOUND) {
        *out = (repo_registry){0};
        return ERR_OK;
    }
    return e.code ? e : repo_registry_parse(bytes_borrow(&text), m->folder, out);
}

/* ---- writing ---- */

/* The lock is no file of the registry. */
static err lock_file_hide(const char *git_dir)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *folder = file_join(git_dir, "info"), *path = file_join(folder, "exclude");

    err e = file_make_folders(folder);
    if (!e.code) e = file_read(path, EXCLUDE_BYTES_MAX, &text);
    if (e.code == ERR_NOT_FOUND) e = ERR_OK;
    if (!e.code && !strstr(bytes_text(&text), LOCK_LINE)) {
        bytes_append_text(&text, LOCK_LINE);
        e = file_write(path, bytes_borrow(&text));
    }
    free(folder);
    free(path);
    return e;
}

/* What is there is opened; a half-made one (a kill between) is finished: git's init does both. */
static err repository_open(const repo_models *m, git_repository **out)
{
    git_repository_init_options how = GIT_REPOSITORY_INIT_OPTIONS_INIT;
    char *folder = file_join(m->folder, REGISTRY_FOLDER);
    how.flags = GIT_REPOSITORY_INIT_MKPATH;
    how.initial_head = "main";

    err e = ERR_OK;
    if (git_repository_open_ext(out, folder, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0)
        e = repo_git_check(git_repository_init_ext(out, folder, &how), folder);
    if (!e.code) e = lock_file_hide(git_repository_path(*out));
    free(folder);
    return e;
}

/* HEAD's tree with the file put in: what a person keeps beside it stays. */
static err tree_make(git_repository *git, git_commit *parent, const git_oid *blob, git_oid *out)
{
    git_tree *old = NULL;
    git_treebuilder *builder = NULL;

    err e = ERR_OK;
    if (parent) e = repo_git_check(git_commit_tree(&old, parent), "read the registry's tree");
    if (!e.code) e = repo_git_check(git_treebuilder_new(&builder, git, old), "build a tree");
    if (!e.code)
        e = repo_git_check(git_treebuilder_insert(NULL, builder, REGISTRY_FILE, blob, GIT_FILEMODE_BLOB),
                           "build a tree");
    if (!e.code) e = repo_git_check(git_treebuilder_write(out, builder), "write a tree");
    git_treebuilder_free(builder);
    git_tree_free(old);
    return e;
}

static err parent_of(git_repository *git, git_commit **out)
{
    git_oid id;
    int status = git_reference_name_to_id(&id, git, "HEAD");

    *out = NULL;
    if (status == GIT_ENOTFOUND) return ERR_OK;
    err e = repo_git_check(status, "read the registry's HEAD");
    return e.code ? e : repo_git_check(git_commit_lookup(out, git, &id), "read the registry's last commit");
}

static bool tree_is(git_commit *commit, const git_oid *tree)
{
    return commit && git_oid_equal(git_commit_tree_id(commit), tree);
}

static err commit_make(git_repository *git, bytes_view text, const char *message)
{
    git_signature *who = NULL;
    git_commit *parent = NULL;
    git_tree *tree = NULL;
    git_oid blob, tree_id, id;

    err e = repo_git_check(git_blob_create_from_buffer(&blob, git, text.data, text.size), "write a blob");
    if (!e.code) e = parent_of(git, &parent);
    if (!e.code) e = tree_make(git, parent, &blob, &tree_id);
    if (!e.code && !tree_is(parent, &tree_id)) {
        const git_commit *parents[] = {parent};
        e = repo_git_check(git_tree_lookup(&tree, git, &tree_id), "read a tree");
        /* The machine's own bookkeeping: nobody needs to have a name for it. */
        if (!e.code)
            e = repo_git_check(git_signature_now(&who, "hyprstream", "registry@hyprstream.invalid"), "sign");
        if (!e.code)
            e = repo_git_check(
                git_commit_create(&id, git, "HEAD", who, who, NULL, message, tree, parent ? 1 : 0, parents),
                "commit registry.json");
    }
    git_signature_free(who);
    git_tree_free(tree);
    git_commit_free(parent);
    return e;
}

/* So that plain git sees a clean folder. The commit is what counts. */
static void index_follow(git_repository *git)
{
    git_index *index = NULL;
    if (git_repository_index(&index, git) == 0 && git_index_add_bypath(index, REGISTRY_FILE) == 0)
        git_index_write(index);
    git_index_free(index);
}

err registry_write(repo_models *m, const repo_registry *registry, const char *subject, const char *uuid)
{
    CLEANUP(bytes_free) bytes text = {0}, message = {0};
    git_repository *git = NULL;
    char *path = registry_path(m, REGISTRY_FILE);

    repo_registry_print(registry, &text);
    bytes_printf(&message, "%s\n", subject);
    if (uuid) bytes_printf(&message, "\nRepository-Id: %s\n", uuid);
    err e = repository_open(m, &git);
    if (!e.code && git_repository_head_unborn(git) == 1) {
        CLEANUP(bytes_free) bytes none = {0};
        repo_registry_print(&(repo_registry){0}, &none);
        e = commit_make(git, bytes_borrow(&none), "Initialize model registry\n");
    }
    if (!e.code) e = file_write(path, bytes_borrow(&text));
    if (!e.code) e = commit_make(git, bytes_borrow(&text), bytes_text(&message));
    if (!e.code) index_follow(git);
    git_repository_free(git);
    free(path);
    return e.code ? err_note(e, "write the list of models") : e;
}

/* ---- looking back ---- */

/* registry.json of the last commit; ERR_NOT_FOUND: there is none. */
static err committed_find(const repo_models *m, git_repository **git, git_blob **out)
{
    git_object *object = NULL;
    char *folder = file_join(m->folder, REGISTRY_FOLDER);

    *out = NULL;
    err e = repo_start(m->context);
    if (!e.code)
        e = repo_git_check(git_repository_open_ext(git, folder, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL), folder);
    if (!e.code) e = repo_git_check(git_revparse_single(&object, *git, "HEAD:" REGISTRY_FILE), REGISTRY_FILE);
    if (!e.code && git_object_type(object) == GIT_OBJECT_BLOB)
        *out = (git_blob *)object;
    else
        git_object_free(object);
    free(folder);
    return e;
}

/* Its writer died between the commit and the index: plain git would see two changes. */
static bool index_is_behind(git_repository *git, const git_oid *blob)
{
    git_index *index = NULL;
    const git_index_entry *entry = NULL;

    if (git_repository_index(&index, git) == 0) entry = git_index_get_bypath(index, REGISTRY_FILE, 0);
    bool is = !entry || !git_oid_equal(&entry->id, blob);
    git_index_free(index);
    return is;
}

bool registry_is_uncommitted(const repo_models *m)
{
    CLEANUP(bytes_free) bytes text = {0};
    git_repository *git = NULL;
    git_blob *blob = NULL;
    char *path = registry_path(m, REGISTRY_FILE);
    bool is = false;

    if (!file_read(path, REPO_REGISTRY_BYTES_MAX, &text).code)
        is = committed_find(m, &git, &blob).code || !blob ||
             !bytes_view_equal(bytes_borrow(&text),
                               (bytes_view){git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)}) ||
             index_is_behind(git, git_blob_id(blob));
    git_blob_free(blob);
    git_repository_free(git);
    free(path);
    return is;
}

err registry_set_aside(repo_models *m, repo_registry *out)
{
    CLEANUP(bytes_free) bytes to = {0};
    git_repository *git = NULL;
    git_blob *blob = NULL;
    char *path = registry_path(m, REGISTRY_FILE);

    *out = (repo_registry){0};
    bytes_printf(&to, "%s.bad-%lld", path, (long long)clock_unix_seconds());
    err e = rename(path, bytes_text(&to)) == 0 ? ERR_OK : err_errno("move %s aside", path);
    if (!e.code)
        log_write(m->context->log, LOG_WARNING, "registry.json cannot be read: kept as %s", bytes_text(&to));
    if (!e.code && !committed_find(m, &git, &blob).code && blob)
        (void)repo_registry_parse((bytes_view){git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob)},
                                  m->folder, out);
    git_blob_free(blob);
    git_repository_free(git);
    free(path);
    return e;
}
