/* repo/registry/model_git.c: the facts of one repository, found by opening it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "repo/registry/model_dirty.h"
#include "repo/registry/models_internal.h"

enum { REF_DEPTH_MAX = 64 };

/* ---- what to watch ---- */

/* Folders below refs: git writes a ref by a rename, which stamps its folder. */
static void ref_folders_watch(const char *common_dir, const char *folder, int depth, size_t *count,
                              bytes *watch)
{
    char *path = file_join(common_dir, folder);
    DIR *d = opendir(path);
    struct dirent *entry;

    free(path);
    if (!d) return;
    bytes_printf(watch, "%s\n", folder);
    while ((entry = readdir(d)) && *count < MODEL_REF_FOLDERS_MAX) {
        if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)) continue;
        char *below = file_join(folder, entry->d_name);
        ++*count;
        if (depth < REF_DEPTH_MAX) ref_folders_watch(common_dir, below, depth + 1, count, watch);
        free(below);
    }
    closedir(d);
}

/* Of a linked worktree HEAD and index lie below the common dir, "worktrees/x/". */
static void git_watch_make(model_entry *entry, const char *common_dir, const char *git_dir)
{
    static const char *const own[] = {"HEAD", "index"};
    static const char *const common[] = {"packed-refs", "config", "shallow", "worktrees", "hyprstream/lock"};
    CLEANUP(bytes_free) bytes watch = {0};
    size_t size = strlen(common_dir), count = 0;
    const char *below = "";

    if (strncmp(git_dir, common_dir, size) == 0 && git_dir[size] == '/') below = git_dir + size + 1;
    for (size_t i = 0; i < COUNT_OF(own); i++)
        bytes_printf(&watch, "%s%s%s\n", below, *below ? "/" : "", own[i]);
    for (size_t i = 0; i < COUNT_OF(common); i++) bytes_printf(&watch, "%s\n", common[i]);
    ref_folders_watch(common_dir, "refs", 0, &count, &watch);
    free(entry->git_watch);
    entry->git_watch = bytes_take(&watch);
}

/* ---- facts ---- */

static size_t refs_count(git_repository *git, const char *glob)
{
    git_reference_iterator *all = NULL;
    const char *name;
    size_t count = 0;

    if (git_reference_iterator_glob_new(&all, git, glob) != 0) return 0;
    while (count < MODEL_REFS_MAX && git_reference_next_name(&name, all) == 0) count++;
    git_reference_iterator_free(all);
    return count;
}

static void upstream_look(git_repository *git, git_reference *head, repo_model_row *row)
{
    git_reference *upstream = NULL;
    size_t ahead, behind;

    /* At the edge of a shallow history there is no answer: not known. */
    if (git_branch_upstream(&upstream, head) == 0 && git_reference_target(upstream) &&
        git_graph_ahead_behind(&ahead, &behind, git, git_reference_target(head),
                               git_reference_target(upstream)) == 0) {
        row->ahead = (int)ahead;
        row->behind = (int)behind;
    }
    git_reference_free(upstream);
}

static void head_look(git_repository *git, repo_model_row *row)
{
    git_reference *symbolic = NULL, *head = NULL;

    if (git_reference_lookup(&symbolic, git, "HEAD") == 0 &&
        git_reference_type(symbolic) == GIT_REFERENCE_SYMBOLIC &&
        text_starts_with(git_reference_symbolic_target(symbolic), "refs/heads/"))
        row->branch = memory_text(git_reference_symbolic_target(symbolic) + strlen("refs/heads/"));
    if (git_repository_head(&head, git) == 0) {
        repo_id_of(git_reference_target(head), &row->head);
        if (row->branch) upstream_look(git, head, row);
    }
    git_reference_free(symbolic);
    git_reference_free(head);
}

static size_t worktrees_count(git_repository *git)
{
    git_strarray names = {0};
    size_t count = git_worktree_list(&names, git) == 0 ? names.count : 0;
    git_strarray_dispose(&names);
    return count;
}

static void facts_look(repo_handle *r, model_entry *entry)
{
    repo_model_row *row = &entry->row;

    head_look(r->git, row);
    row->branch_count = refs_count(r->git, "refs/heads/*");
    row->tag_count = refs_count(r->git, "refs/tags/*");
    row->worktree_count = worktrees_count(r->git);
    if (row->worktree_count)
        worktrees_follow(r->common_dir); /* it was moved by hand, or a rename was killed */
    row->shallow = git_repository_is_shallow(r->git) == 1;
    model_dirty_look(r, entry);
}

/* ---- states ---- */

static repo_model_state state_of(err e)
{
    switch (e.code) {
    case ERR_NONE: return REPO_MODEL_READY;
    case ERR_UNSUPPORTED: return REPO_MODEL_FOREIGN;
    case ERR_DENIED: return REPO_MODEL_NOT_YOURS;
    default: return REPO_MODEL_BROKEN;
    }
}

/* A gate whose holder died: entering and leaving it takes away what that one had locked. A living holder is
 * left alone. True: the gate is at rest. */
static bool gate_heal(repo_handle *r)
{
    struct stat info;
    repo_gate *gate = NULL;
    char *path = file_join(r->common_dir, "hyprstream/lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool at_rest = fd < 0 || (fstat(fd, &info) == 0 && info.st_size == 0);
    bool is_dead = !at_rest && flock(fd, LOCK_EX | LOCK_NB) == 0;

    if (fd >= 0) close(fd);
    if (is_dead && !repo_gate_enter(r, "heal", &gate).code) at_rest = true;
    repo_gate_leave(gate);
    free(path);
    return at_rest;
}

void model_git_look(repo_models *m, model_entry *entry)
{
    repo_handle *r = NULL;
    repo_model_row *row = &entry->row;

    m->opened_count++;
    err e = repo_open(m->context, row->path, &r);
    row->state = state_of(e);
    if (e.code) row->why = memory_text(e.text);
    char *common_dir = r ? memory_text(r->common_dir) : file_join(m->folder, entry->common_dir);
    if (r) {
        free(entry->common_dir);
        entry->common_dir = memory_text(common_dir);
    }
    if (r) entry->is_busy = !gate_heal(r);
    if (row->state != REPO_MODEL_NOT_YOURS)
        model_mark_read(common_dir, &entry->uuid_marked, &entry->name_marked, &row->url);
    git_watch_make(entry, common_dir, r ? r->git_dir : common_dir);
    if (r) facts_look(r, entry);
    free(common_dir);
    repo_close(r);
}
