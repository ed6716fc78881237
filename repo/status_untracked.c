/* repo/status_untracked.c: files that git does not know, by git's rules.
 *
 * A folder without a tracked file is one row, "name/", when something in it is not ignored; so is a
 * repository inside the repository. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/checkout_plan_internal.h"
#include "repo/status_internal.h"

typedef struct search {
    repo_comparer *c;
    git_index *index;
    const repo_status_options *options;
    repo_status *out;
    bytes path; /* of what is looked at, no '/' at the end */
} search;

static bool is_tracked(search *s, const char *path)
{
    size_t at;
    return git_index_find(&at, s->index, path) == 0;
}

/* With its '/' in `path`. */
static bool has_tracked(search *s, const char *path)
{
    size_t at;
    return git_index_find_prefix(&at, s->index, path) == 0;
}

static err is_ignored(search *s, const char *path, bool *ignored)
{
    int answer = 0;
    err e = repo_git_check(git_ignore_path_is_ignored(&answer, s->c->r->git, path), path);
    *ignored = answer;
    return e;
}

/* Not below the asked paths, nor on the way to them. */
static bool is_elsewhere(search *s, const char *path)
{
    size_t size = strlen(path);
    if (repo_paths_hold(s->options->paths, s->options->path_count, path)) return false;
    for (size_t i = 0; i < s->options->path_count; i++) {
        const char *asked = s->options->paths[i];
        while (strncmp(asked, "./", 2) == 0) asked += 2;
        if (strncmp(asked, path, size) == 0 && asked[size] == '/') return false;
    }
    return true;
}

static bool is_repository(int folder, const char *name)
{
    struct stat info;
    int fd = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool found = fd >= 0 && fstatat(fd, ".git", &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (fd >= 0) close(fd);
    return found;
}

static void row_add(search *s, const char *path)
{
    repo_status_row *row = repo_status_add(s->out, path);
    row->staged = row->unstaged = '?';
}

static err folder_search(search *s, int parent, const char *name, bool collapse, bool *found, unsigned depth);

/* s->path is a folder's. */
static err folder_found(search *s, int parent, const char *name, bool collapsing, bool *found, unsigned depth)
{
    bool ignored = false, any = false;

    bytes_append_byte(&s->path, '/');
    const char *path = bytes_text(&s->path);
    bool tracked = has_tracked(s, path);
    err e = tracked ? ERR_OK : is_ignored(s, path, &ignored);
    if (e.code || ignored) return e;
    bool whole = !tracked && repo_paths_hold(s->options->paths, s->options->path_count, path);
    if (!tracked && is_repository(parent, name)) {
        *found = true;
        if (!collapsing && whole) row_add(s, path);
        return ERR_OK;
    }
    bool collapse = collapsing || (whole && !s->options->untracked_files);
    size_t size = s->path.size;
    bytes_remove(&s->path, size - 1, 1);
    e = folder_search(s, parent, name, collapse, &any, depth + 1);
    if (e.code || !any) return e;
    *found = true;
    if (!collapse || collapsing) return ERR_OK;
    bytes_append_byte(&s->path, '/');
    row_add(s, bytes_text(&s->path));
    return ERR_OK;
}

static err file_found(search *s, bool collapsing, bool *found)
{
    bool ignored = false;
    const char *path = bytes_text(&s->path);

    if (is_tracked(s, path)) return ERR_OK;
    err e = is_ignored(s, path, &ignored);
    if (e.code || ignored) return e;
    *found = true;
    if (!collapsing) row_add(s, path);
    return ERR_OK;
}

static err name_found(search *s, DIR *dir, const struct dirent *d, bool collapsing, bool *found,
                      unsigned depth)
{
    size_t size = s->path.size;
    struct stat info;
    err e = ERR_OK;

    if (fstatat(dirfd(dir), d->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) return ERR_OK;
    if (size) bytes_append_byte(&s->path, '/');
    bytes_append_text(&s->path, d->d_name);
    const char *path = bytes_text(&s->path);
    if (S_ISDIR(info.st_mode)) {
        /* A submodule is an entry of that very name. */
        if (!is_tracked(s, path) && !is_elsewhere(s, path))
            e = folder_found(s, dirfd(dir), d->d_name, collapsing, found, depth);
    } else if ((S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)) &&
               repo_paths_hold(s->options->paths, s->options->path_count, path)) {
        e = file_found(s, collapsing, found);
    }
    bytes_remove(&s->path, size, s->path.size - size);
    return e;
}

/* collapse: only whether there is something. */
static err folder_search(search *s, int parent, const char *name, bool collapse, bool *found, unsigned depth)
{
    if (depth > REPO_PATH_DEPTH_MAX) return ERR_OK;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    err e = ERR_OK;

    if (!dir) {
        if (fd >= 0) close(fd);
        return ERR_OK; /* not readable for us: as git, which warns and goes on */
    }
    for (struct dirent *d; !e.code && (d = readdir(dir));) {
        if (collapse && *found) break;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        if (strcmp(d->d_name, ".git") == 0) continue;
        e = name_found(s, dir, d, collapse, found, depth);
    }
    closedir(dir);
    return e;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const repo_status_row *)a)->path, ((const repo_status_row *)b)->path);
}

err repo_untracked_find(repo_comparer *c, git_index *index, const repo_status_options *options,
                        repo_status *out)
{
    search s = {.c = c, .index = index, .options = options, .out = out};
    size_t before = out->count;
    bool found = false;

    err e = folder_search(&s, c->below.root, ".", false, &found, 0);
    bytes_free(&s.path);
    if (!e.code && out->count > before)
        qsort(out->rows + before, out->count - before, sizeof *out->rows, by_path);
    return e;
}
