/* repo/net/clone_local.c: objects of a repository of this machine, shared by hard links.
 *
 * Objects never change and git replaces packs by new ones, so a link is as good as a copy and costs nothing.
 * Where no link can be made (another disk, another owner) the file is copied. Symbolic links are not
 * followed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/git.h"
#include "repo/net/clone_internal.h"

enum { DEPTH_MAX = 3 };

static err object_share(const char *from, const char *to)
{
    if (link(from, to) == 0 || errno == EEXIST) return ERR_OK;
    if (errno == ENOENT) return ERR_OK; /* a gc was faster: the fetch afterwards brings it */
    return file_copy(from, to);
}

/* Not what somebody is writing just now, nor what names other places. */
static bool is_skipped(const char *name, int depth)
{
    return name[0] == '.' || strncmp(name, "tmp_", 4) == 0 || (depth == 0 && strcmp(name, "info") == 0);
}

static err folder_share(repo_net *n, const char *from, const char *to, int depth)
{
    struct dirent *entry;
    DIR *d = opendir(from);
    repo_progress progress = {.phase = REPO_RECEIVING};

    if (!d) return err_errno("open %s", from);
    err e = mkdir(to, 0777) == 0 || errno == EEXIST ? ERR_OK : err_errno("make %s", to);
    while (!e.code && (entry = readdir(d))) {
        struct stat info;
        if (is_skipped(entry->d_name, depth)) continue;
        char *source = file_join(from, entry->d_name), *target = file_join(to, entry->d_name);
        if (lstat(source, &info) == 0 && S_ISDIR(info.st_mode) && depth < DEPTH_MAX)
            e = folder_share(n, source, target, depth + 1);
        else if (lstat(source, &info) == 0 && S_ISREG(info.st_mode))
            e = object_share(source, target);
        free(source);
        free(target);
        if (!e.code && !repo_watch_tell(&n->context->watch, &progress))
            e = err_make(ERR_CANCELLED, "cancelled");
    }
    closedir(d);
    return e;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    bool has = file_exists(path);
    free(path);
    return has;
}

err repo_clone_share_objects(repo_net *n, const char *source, git_repository *into, bool *shallow)
{
    repo_handle *r = NULL;

    err e = repo_open(n->context, source, &r);
    if (e.code) return e;
    const char *common = repo_borrow_common_dir(r);
    *shallow = has_file(common, "shallow");
    /* Borrowed objects may be anywhere: those are fetched. */
    if (!*shallow && !has_file(common, "objects/info/alternates")) {
        char *from = file_join(common, "objects"), *to = file_join(git_repository_commondir(into), "objects");
        e = folder_share(n, from, to, 0);
        free(from);
        free(to);
    }
    repo_close(r);
    return e;
}
