/* repo/worktree/worktree_admin.c: git's folder of a worktree, written as `git worktree add` writes it.
 *
 * By hand and not by libgit2: its two versions differ in what they take and in what they leave behind when
 * they fail, neither can make a detached one, and the lock has to be there before the rest. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/operation.h"
#include "repo/worktree/worktree_internal.h"

#define SYMBOLIC   "ref: "
#define LINK_START "gitdir: "

void worktree_admin_free(worktree_admin *a)
{
    free(a->name);
    free(a->git_dir);
    free(a->path);
    free(a->branch);
    free(a->locked);
    *a = (worktree_admin){0};
}

/* ---- reading ---- */

/* The first line of a file; NULL: there is none. The caller frees. */
static char *line_of(const char *folder, const char *name)
{
    CLEANUP(bytes_free) bytes text = {0};
    char *path = file_join(folder, name), *line = NULL;

    if (!file_read(path, WORKTREE_LINE_BYTES_MAX, &text).code)
        line = memory_text_n(bytes_text(&text), strcspn(bytes_text(&text), "\n"));
    free(path);
    return line;
}

static void head_read(worktree_admin *a)
{
    char *head = line_of(a->git_dir, "HEAD");
    if (head && text_starts_with(head, SYMBOLIC))
        a->branch = memory_text(head + strlen(SYMBOLIC));
    else if (head && strlen(head) == sizeof a->head.hex - 1)
        memcpy(a->head.hex, head, sizeof a->head.hex);
    free(head);
}

static void driver_read(worktree_admin *a)
{
    char *line = line_of(a->git_dir, DRIVER_FILE);
    char *backend = line ? strchr(line, ' ') : NULL;

    if (backend) *backend++ = 0;
    a->driver = worktree_driver_find(line);
    a->backend = overlay_backend_find(backend);
    if (a->driver && a->driver->has_backends && !a->backend) a->driver = NULL;
    free(line);
}

err worktree_admin_read(const char *common_dir, const char *name, worktree_admin *out)
{
    char *all = file_join(common_dir, "worktrees");
    worktree_admin a = {.name = memory_text(name), .git_dir = file_join(all, name)};
    char *link = line_of(a.git_dir, "gitdir");

    free(all);
    if (!link || !*link) {
        free(link);
        worktree_admin_free(&a);
        return err_make(ERR_NOT_FOUND, "there is no worktree '%s'", name);
    }
    char *dot_git = file_join(a.git_dir, link); /* newer gits may write it relative */
    a.path = file_parent(dot_git);
    free(dot_git);
    free(link);
    a.locked = line_of(a.git_dir, "locked");
    head_read(&a);
    driver_read(&a);
    *out = a;
    return ERR_OK;
}

/* ---- writing ---- */

/* As git writes them: not each waited for. What a crash of the machine leaves is a worktree to be removed. */
static err put(const char *folder, const char *name, const char *start, const char *rest)
{
    char *path = file_join(folder, name);
    err e = ERR_OK;

    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0 || dprintf(fd, "%s%s\n", start, rest) < 0) e = err_errno("write %s", path);
    if (fd >= 0 && close(fd) != 0 && !e.code) e = err_errno("write %s", path);
    free(path);
    return e;
}

err worktree_lock_write(const worktree_admin *a, const char *reason)
{
    char *path = file_join(a->git_dir, "locked");
    err e = ERR_OK;

    if (reason)
        e = put(a->git_dir, "locked", reason, "");
    else if (unlink(path) != 0 && errno != ENOENT)
        e = err_errno("remove %s", path);
    free(path);
    return e;
}

err worktree_admin_write(const worktree_admin *a)
{
    char *all = file_parent(a->git_dir);
    CLEANUP(bytes_free) bytes driver = {0};

    bytes_printf(&driver, "%s%s%s", a->driver->name, a->backend ? " " : "",
                 a->backend ? a->backend->name : "");
    err e = file_make_folders(all);
    if (!e.code && mkdir(a->git_dir, 0777) != 0)
        e = errno == EEXIST ? err_make(ERR_EXISTS, "there is a worktree '%s' already", a->name)
                            : err_errno("make %s", a->git_dir);
    free(all);
    if (!e.code) e = worktree_lock_write(a, MAKING_REASON);
    if (!e.code) e = put(a->git_dir, DRIVER_FILE, bytes_text(&driver), "");
    if (!e.code) e = put(a->git_dir, "commondir", "../..", "");
    if (!e.code && a->branch) e = put(a->git_dir, "HEAD", SYMBOLIC, a->branch);
    if (!e.code && !a->branch) e = put(a->git_dir, "HEAD", a->head.hex, "");
    if (!e.code) e = put(a->git_dir, "gitdir", a->path, "/.git");
    if (!e.code) e = file_make_folders(a->path); /* not before it is written down where */
    if (!e.code) e = put(a->path, ".git", LINK_START, a->git_dir);
    return e;
}

/* ---- its folder ---- */

bool worktree_points_back(const worktree_admin *a)
{
    struct stat info;
    char *path = file_join(a->path, ".git"), *line = line_of(a->path, ".git");
    bool is = lstat(path, &info) == 0 && S_ISREG(info.st_mode) && line && text_starts_with(line, LINK_START);
    char *named = is ? file_join(a->path, line + strlen(LINK_START)) : NULL; /* may be relative */
    char *real = named ? realpath(named, NULL) : NULL, *ours = realpath(a->git_dir, NULL);

    is = real && ours && strcmp(real, ours) == 0;
    free(path);
    free(line);
    free(named);
    free(real);
    free(ours);
    return is;
}

err worktree_folder_remove(const char *models, const worktree_admin *a, bool *left)
{
    CLEANUP(bytes_free) bytes start = {0};

    *left = false;
    if (rmdir(a->path) == 0 || errno == ENOENT) return ERR_OK;
    if (!worktree_points_back(a)) {
        *left = true;
        return ERR_OK;
    }
    bytes_printf(&start, "%s/" WORKTREES_FOLDER "/", models);
    bool ours = text_starts_with(a->path, bytes_text(&start)) && !strstr(a->path, "/../");
    return ours ? repo_trash(models, a->path) : file_remove_tree(a->path);
}

void worktree_parent_clear(const char *models, const char *path)
{
    CLEANUP(bytes_free) bytes ours = {0};
    char *parent = file_parent(path);

    bytes_printf(&ours, "%s/" WORKTREES_FOLDER "/", models);
    if (text_starts_with(parent, bytes_text(&ours))) (void)rmdir(parent);
    free(parent);
}

err worktree_admin_remove(const char *models, const char *git_dir)
{
    if (!file_is_folder(git_dir)) return ERR_OK;
    err e = repo_trash(models, git_dir);
    return e.code ? file_remove_tree(git_dir) : e; /* a repository on another file system */
}
