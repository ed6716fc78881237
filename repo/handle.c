#include "repo/handle.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "repo/filter.h"
#include "repo/foreign.h"
#include "repo/git_version.h"
#include "repo/handle_internal.h"
#include "repo/store_internal.h"

enum { OBJECT_CACHE_BYTES_MAX = 64 << 20 };

/* ---- start ---- */

static err options_set(const repo_context *c)
{
    int status = git_libgit2_opts(GIT_OPT_SET_USER_AGENT, "hyprstream");
    if (status >= 0) status = git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
    if (status >= 0) status = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, (ssize_t)OBJECT_CACHE_BYTES_MAX);
    const char *certificates = env_get(c->environment, "SSL_CERT_FILE");
    if (status >= 0 && certificates)
        status = git_libgit2_opts(GIT_OPT_SET_SSL_CERT_LOCATIONS, certificates, NULL);
    return repo_git_check(status, "set up libgit2");
}

/* libgit2's options, filters and transports are the process's: registered once, by whoever comes first. */
err repo_start(const repo_context *c)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    static bool started;

    pthread_mutex_lock(&once);
    err e = ERR_OK;
    if (!started) {
        e = repo_git_check(git_libgit2_init(), "start libgit2");
        if (!e.code) e = options_set(c);
        if (!e.code) e = repo_filter_register();
        signal(SIGPIPE, SIG_IGN);
        started = !e.code;
    }
    pthread_mutex_unlock(&once);
    return e;
}

/* ---- names and ids ---- */

void repo_names_add(repo_names *list, const char *name)
{
    list->names = memory_resize_array(list->names, list->count + 1, sizeof *list->names);
    list->names[list->count++] = memory_text(name);
}

void repo_names_free(repo_names *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->names[i]);
    free(list->names);
    *list = (repo_names){0};
}

void repo_id_of(const git_oid *oid, repo_id *out) { git_oid_tostr(out->hex, sizeof out->hex, oid); }

err repo_oid_read(const repo_id *id, git_oid *out)
{
    return repo_git_check(git_oid_fromstr(out, id->hex), "read an object's id");
}

/* ---- open ---- */

/* A path without its last '/', which libgit2 likes to write. */
static char *path_plain(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') size--;
    return memory_text_n(path, size);
}

/* `path/.git` as a folder, or as the file of a linked worktree; else path itself when it is bare. */
static err owner_check(const char *path)
{
    struct stat info;
    char *dot_git = file_join(path, ".git");
    const char *looked_at = stat(dot_git, &info) == 0 ? dot_git : path;
    err e = ERR_OK;

    if (stat(looked_at, &info) != 0)
        e = err_errno("open %s", path);
    else if (info.st_uid != geteuid())
        e = err_make(ERR_DENIED, "%s belongs to another user (number %ld)", looked_at, (long)info.st_uid);
    free(dot_git);
    return e;
}

/* Where `config` is, found without opening: a folder `.git`, or path itself. A linked worktree is left to
 * libgit2. */
static err foreign_check(const char *path)
{
    char *dot_git = file_join(path, ".git");
    err e = repo_foreign_check(file_is_folder(dot_git) ? dot_git : path);
    free(dot_git);
    return e;
}

static err index_check(git_repository *git)
{
    git_index *index = NULL;
    err e = repo_git_check(git_repository_index(&index, git), "read the index");
    git_index_free(index);
    return e.code ? repo_foreign_index(e) : e;
}

static err handle_open(const repo_context *context, const char *path, repo_handle **out)
{
    git_repository *git = NULL;

    err e = repo_start(context);
    if (!e.code && !file_exists(path)) e = err_make(ERR_NOT_FOUND, "%s does not exist", path);
    if (!e.code) e = owner_check(path);
    if (!e.code) e = foreign_check(path);
    if (!e.code)
        e = repo_git_check(git_repository_open_ext(&git, path, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL), path);
    if (!e.code && !git_repository_is_bare(git)) e = index_check(git);
    if (e.code) {
        git_repository_free(git);
        return e;
    }
    repo_handle *r = memory_alloc(sizeof *r);
    r->context = context;
    r->git = git;
    r->path = path_plain(git_repository_workdir(git) ? git_repository_workdir(git) : "");
    r->git_dir = path_plain(git_repository_path(git));
    r->common_dir = path_plain(git_repository_commondir(git));
    r->store = repo_store_of(git);
    *out = r;
    return ERR_OK;
}

err repo_open(const repo_context *context, const char *path, repo_handle **out)
{
    err e = handle_open(context, path, out);
    return e.code == ERR_NOT_FOUND ? err_make(ERR_NOT_FOUND, "%s is no git repository", path) : e;
}

void repo_close(repo_handle *r)
{
    if (!r) return;
    xet_store_free(r->store);
    git_repository_free(r->git);
    free(r->path);
    free(r->git_dir);
    free(r->common_dir);
    free(r);
}

const char *repo_borrow_path(const repo_handle *r) { return r->path; }
const char *repo_borrow_git_dir(const repo_handle *r) { return r->git_dir; }
const char *repo_borrow_common_dir(const repo_handle *r) { return r->common_dir; }
