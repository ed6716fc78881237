/* repo/registry/models_remove.c: what a removal would lose, and the removal. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/handle_internal.h"
#include "repo/registry/models_internal.h"
#include "repo/registry/operation.h"
#include "repo/worktree/mounts.h"
#include "repo/worktree/worktree_internal.h"

enum { DEPTH_MAX = 256 };

/* ---- size ---- */

static uint64_t bytes_below(int folder, int depth)
{
    DIR *d = fdopendir(folder);
    struct dirent *entry;
    uint64_t total = 0;

    if (!d) {
        close(folder);
        return 0;
    }
    while ((entry = readdir(d))) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(d), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(info.st_mode)) {
            total += (uint64_t)info.st_size;
        } else if (S_ISDIR(info.st_mode) && depth < DEPTH_MAX) {
            int below = openat(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0) total += bytes_below(below, depth + 1);
        }
    }
    closedir(d);
    return total;
}

uint64_t folder_bytes(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? 0 : bytes_below(fd, 0);
}

/* ---- what no remote has ---- */

static bool has_unpushed(git_repository *git, const char *name)
{
    git_revwalk *walk = NULL;
    git_object *object = NULL, *commit = NULL;
    git_oid id;
    bool has = false;

    if (git_revparse_single(&object, git, name) == 0 &&
        git_object_peel(&commit, object, GIT_OBJECT_COMMIT) == 0 && git_revwalk_new(&walk, git) == 0 &&
        git_revwalk_push(walk, git_object_id(commit)) == 0) {
        (void)git_revwalk_hide_glob(walk, "refs/remotes/*");
        has = git_revwalk_next(&id, walk) == 0;
    }
    git_revwalk_free(walk);
    git_object_free(commit);
    git_object_free(object);
    return has;
}

static void unpushed_find(git_repository *git, const char *glob, repo_names *out)
{
    git_reference_iterator *all = NULL;
    const char *name;
    size_t count = 0;

    if (git_reference_iterator_glob_new(&all, git, glob) != 0) return;
    while (count++ < MODEL_REFS_MAX && git_reference_next_name(&name, all) == 0)
        if (has_unpushed(git, name)) repo_names_add(out, name + strlen("refs/heads/") - (glob[5] == 't'));
    git_reference_iterator_free(all);
}

/* ---- mounts ---- */

static void worktrees_find(const repo_models *m, const model_entry *entry, repo_names *paths,
                           repo_names *mounted)
{
    if (!entry->common_dir) return;
    char *common = file_join(m->folder, entry->common_dir);
    worktrees_paths(common, paths);
    for (size_t i = 0; i < paths->count; i++)
        if (repo_mounts_is(paths->names[i])) repo_names_add(mounted, paths->names[i]);
    free(common);
}

/* ---- looking ---- */

err repo_models_look_at_removal(repo_models *m, const char *name, repo_removal *out)
{
    const model_entry *entry = models_entry(m, name);
    repo_names paths = {0};
    repo_handle *r = NULL;

    *out = (repo_removal){0};
    if (!entry) return models_none(m, name);
    if (entry->row.state == REPO_MODEL_MISSING) return ERR_OK;
    char *folder = file_join(m->folder, entry->folder);
    out->bytes = folder_bytes(folder);
    out->dirty = entry->row.dirty != 0 && entry->row.state == REPO_MODEL_READY;
    worktrees_find(m, entry, &paths, &out->mounted);
    /* What cannot be opened cannot be asked: it is removed as it is. */
    if (entry->common_dir && !repo_open(m->context, entry->row.path, &r).code) {
        unpushed_find(r->git, "refs/heads/*", &out->unpushed);
        unpushed_find(r->git, "refs/tags/*", &out->unpushed);
    }
    repo_close(r);
    repo_names_free(&paths);
    free(folder);
    return ERR_OK;
}

void repo_removal_free(repo_removal *removal)
{
    repo_names_free(&removal->unpushed);
    repo_names_free(&removal->mounted);
    *removal = (repo_removal){0};
}

/* ---- removing ---- */

/* One that we made goes along, when it is really this repository's; one elsewhere is the person's to delete.
 */
static void worktree_trash(const repo_models *m, const char *common, const char *name)
{
    CLEANUP(bytes_free) bytes ours = {0};
    worktree_admin a;
    bool left = false;

    if (worktree_admin_read(common, name, &a).code) return;
    bytes_printf(&ours, "%s/.worktrees/", m->folder);
    if (strncmp(a.path, bytes_text(&ours), ours.size) == 0 && !strstr(a.path, "/../")) {
        (void)worktree_folder_remove(m->folder, &a, &left);
        worktree_parent_clear(m->folder, a.path);
    }
    worktree_admin_free(&a);
}

static void worktrees_trash(const repo_models *m, const model_entry *entry)
{
    if (!entry->common_dir) return;
    char *common = file_join(m->folder, entry->common_dir), *all = file_join(common, "worktrees");
    file_list names = {0};

    if (file_list_folder(all, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) worktree_trash(m, common, names.names[i]);
    file_list_free(&names);
    free(common);
    free(all);
}

/* `keep_row`: the registry still knows it afterwards, as missing. */
static err files_remove(repo_models *m, const model_entry *entry, bool keep_row)
{
    registry_lock lock = {0};
    work_folder work = {.fd = -1};
    work_note note = {
        .kind = keep_row ? "remove-files" : REMOVE_KIND, .name = entry->row.name, .uuid = entry->row.uuid};
    char *folder = file_join(m->folder, entry->folder);

    err e = registry_lock_take(m, "remove", &lock);
    if (!e.code) e = trash_move(m->folder, folder, &note, &work);
    if (!e.code && !keep_row && entry->row.uuid) e = registry_take_away(m, entry->row.uuid);
    registry_lock_drop(&lock);
    work_end(&work); /* the long part, after the lock */
    free(folder);
    return e;
}

/* A repository that cannot be opened has no gate. */
static err mark_take_away(const repo_models *m, const model_entry *entry)
{
    repo_handle *r = NULL;
    if (!repo_open(m->context, entry->row.path, &r).code) {
        err e = model_mark_inside_gate(r, NULL, NULL);
        repo_close(r);
        return e;
    }
    char *common = file_join(m->folder, entry->common_dir);
    err e = model_mark_write(common, NULL, NULL);
    free(common);
    return e;
}

static err row_remove(repo_models *m, const model_entry *entry)
{
    registry_lock lock = {0};

    err e = registry_lock_take(m, "remove", &lock);
    /* The mark first: a folder that has one is registered again by the next look. */
    if (!e.code && entry->uuid_marked && entry->common_dir) e = mark_take_away(m, entry);
    if (!e.code) e = registry_take_away(m, entry->row.uuid);
    registry_lock_drop(&lock);
    return e;
}

static err mounted_refuse(const repo_names *mounted)
{
    if (!mounted->count) return ERR_OK;
    return err_make(ERR_STATE, "the worktree %s is mounted: unmount it first", mounted->names[0]);
}

err repo_models_remove(repo_models *m, const char *name, repo_remove_what what)
{
    const model_entry *entry = models_entry(m, name);
    repo_names paths = {0}, mounted = {0};

    if (!entry) return models_none(m, name);
    bool is_missing = entry->row.state == REPO_MODEL_MISSING;
    worktrees_find(m, entry, &paths, &mounted);
    err e = what == REPO_REMOVE_REGISTRY_ONLY ? ERR_OK : mounted_refuse(&mounted);
    if (!e.code && what == REPO_REMOVE_FILES_ONLY && is_missing)
        e = err_make(ERR_NOTHING, "%s: its files are gone already", name);
    else if (!e.code && what == REPO_REMOVE_REGISTRY_ONLY && !entry->row.uuid)
        e = err_make(ERR_NOTHING, "%s is not registered", name);
    else if (!e.code && (what == REPO_REMOVE_REGISTRY_ONLY || is_missing))
        e = row_remove(m, entry);
    else if (!e.code) {
        worktrees_trash(m, entry);
        e = files_remove(m, entry, what == REPO_REMOVE_FILES_ONLY);
    }
    repo_names_free(&paths);
    repo_names_free(&mounted);
    return e.code ? e : models_scan(m, false);
}
