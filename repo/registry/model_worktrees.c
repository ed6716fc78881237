/* repo/registry/model_worktrees.c: a linked worktree and its repository name each other by path; when the
 * repository moves, the worktree must be told. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"

enum { LINE_BYTES_MAX = 8192 };

static bool line_read(const char *path, bytes *out)
{
    if (file_read(path, LINE_BYTES_MAX, out).code || !out->size) return false;
    out->size = strcspn(out->data, "\n");
    out->data[out->size] = 0;
    return true;
}

/* `worktrees/<name>/gitdir` holds the path of the worktree's `.git` file. */
static void admin_each(const char *common_dir,
                       void (*each)(void *context, const char *admin, const char *dot_git), void *context)
{
    char *folder = file_join(common_dir, "worktrees");
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(bytes_free) bytes line = {0};
        char *admin = file_join(folder, names.names[i]), *gitdir = file_join(admin, "gitdir");
        if (line_read(gitdir, &line)) {
            char *dot_git = file_join(admin, bytes_text(&line)); /* newer gits may write it relative */
            each(context, admin, dot_git);
            free(dot_git);
        }
        free(admin);
        free(gitdir);
    }
    file_list_free(&names);
    free(folder);
}

static void path_add(void *context, const char *admin, const char *dot_git)
{
    char *path = file_parent(dot_git);
    (void)admin;
    repo_names_add(context, path);
    free(path);
}

void worktrees_paths(const char *common_dir, repo_names *out) { admin_each(common_dir, path_add, out); }

err worktrees_can_follow(const repo_models *m, const model_entry *entry)
{
    repo_names paths = {0};
    char *common = file_join(m->folder, entry->common_dir);
    err e = ERR_OK;

    worktrees_paths(common, &paths);
    for (size_t i = 0; i < paths.count && !e.code; i++) {
        char *dot_git = file_join(paths.names[i], ".git");
        if (!file_exists(dot_git))
            e = err_make(ERR_STATE, "the worktree %s is not there or not mounted: mount or remove it first",
                         paths.names[i]);
        free(dot_git);
    }
    repo_names_free(&paths);
    free(common);
    return e;
}

/* Only one that names a place where nothing is: a worktree of another repository is not ours to turn. */
static void follow(void *context, const char *admin, const char *dot_git)
{
    CLEANUP(bytes_free) bytes line = {0}, wanted = {0};
    (void)context;

    if (!line_read(dot_git, &line) || !text_starts_with(bytes_text(&line), "gitdir: ")) return;
    if (file_exists(bytes_text(&line) + strlen("gitdir: "))) return;
    bytes_printf(&wanted, "gitdir: %s\n", admin);
    (void)file_write(dot_git, bytes_borrow(&wanted));
}

void worktrees_follow(const char *common_dir) { admin_each(common_dir, follow, NULL); }
