#define _GNU_SOURCE
#include "repo/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "repo/attributes.h"
#include "repo/checkout_plan_internal.h"
#include "repo/gate.h"
#include "repo/stage_internal.h"
#include "repo/status.h"

typedef struct stage {
    repo_handle *r;
    repo_beneath below;
    git_index *index;
    bool file_mode; /* core.fileMode */
    repo_stage_report *report;
} stage;

/* ---- one large file ---- */

/* What git is to hold: a pointer as it stands, nothing for an empty file, else the pointer of its content. */
static err large_text(stage *s, const char *path, const struct stat *info, bytes *text)
{
    xet_pointer pointer;

    if (!info->st_size || repo_worktree_pointer(&s->below, path, text, &pointer)) return ERR_OK;
    char *whole = file_join(s->r->path, path);
    repo_progress progress = {.phase = REPO_LARGE_FILES, .bytes_total = (uint64_t)info->st_size};
    snprintf(progress.text, sizeof progress.text, "%.150s", path);
    err e = repo_watch_tell(&s->r->context->watch, &progress) ? ERR_OK : err_make(ERR_CANCELLED, "stopped");
    if (!e.code) e = xet_store_add_file(s->r->store, whole, &pointer);
    if (!e.code) xet_pointer_write(&pointer, text);
    if (!e.code) s->report->large_bytes += pointer.size;
    free(whole);
    return e;
}

static uint32_t mode_of(const stage *s, const char *path, const struct stat *info)
{
    const git_index_entry *old = git_index_get_bypath(s->index, path, GIT_INDEX_STAGE_NORMAL);
    if (!s->file_mode && old && S_ISREG(old->mode)) return old->mode;
    return s->file_mode && info->st_mode & 0100 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static err large_add(stage *s, const char *path, const struct stat *info)
{
    CLEANUP(bytes_free) bytes text = {0};
    struct stat after;
    repo_tree_entry row = {.path = path, .mode = mode_of(s, path, info)};

    err e = large_text(s, path, info, &text);
    if (!e.code)
        e = repo_git_check(git_blob_create_from_buffer(&row.id, s->r->git, bytes_text(&text), text.size),
                           path);
    if (e.code) return e;
    if (!repo_beneath_look(&s->below, path, &after) || !same_stat(info, &after))
        return err_make(ERR_BUSY, "%s was written to while it was read", path);
    git_index_entry entry = repo_index_entry(&row, &after);
    git_index_conflict_remove(s->index, path);
    return repo_git_check(git_index_add(s->index, &entry), path);
}

/* ---- one file ---- */

static err remove_one(stage *s, const char *path)
{
    git_index_conflict_remove(s->index, path);
    int status = git_index_remove(s->index, path, GIT_INDEX_STAGE_NORMAL);
    return status == GIT_ENOTFOUND ? ERR_OK : repo_git_check(status, path);
}

static err add_one(stage *s, const char *path)
{
    struct stat info;

    if (!repo_beneath_look(&s->below, path, &info)) return remove_one(s, path);
    if (S_ISREG(info.st_mode) && repo_attributes_large(s->r, path)) return large_add(s, path, &info);
    if (S_ISREG(info.st_mode) && (uint64_t)info.st_size > REPO_PLAIN_BYTES_MAX)
        repo_names_add(&s->report->big_plain, path);
    return repo_git_check(git_index_add_bypath(s->index, path), path);
}

/* ---- paths ---- */

/* A path that is asked for by name must be something. */
static err named_check(stage *s, const char *path)
{
    CLEANUP(bytes_free) bytes folder = {0};
    struct stat info;
    size_t at;
    int ignored = 0;

    if (strcmp(path, ".") == 0) return ERR_OK;
    bytes_printf(&folder, "%s/", path);
    if (git_index_find(&at, s->index, path) == 0 ||
        git_index_find_prefix(&at, s->index, bytes_text(&folder)) == 0)
        return ERR_OK;
    if (!repo_beneath_look(&s->below, path, &info))
        return err_make(ERR_NOT_FOUND, "'%s' matches no file", path);
    const char *asked = S_ISDIR(info.st_mode) ? bytes_text(&folder) : path;
    err e = repo_git_check(git_ignore_path_is_ignored(&ignored, s->r->git, asked), path);
    if (!e.code && ignored)
        e = err_make(ERR_USAGE, "'%s' is ignored (see .gitignore, .git/info/exclude)", path);
    return e;
}

static err begin(repo_handle *r, stage *s)
{
    git_config *config = NULL;
    int file_mode = 1;

    if (git_repository_config_snapshot(&config, r->git) == 0)
        git_config_get_bool(&file_mode, config, "core.filemode");
    git_config_free(config);
    s->file_mode = file_mode;
    git_attr_cache_flush(r->git);
    err e = repo_beneath_open(r->path, &s->below);
    if (!e.code) e = repo_git_check(git_repository_index(&s->index, r->git), "read the index");
    if (!e.code) e = repo_git_check(git_index_read(s->index, 0), "read the index");
    return e;
}

static void end(stage *s)
{
    git_index_free(s->index);
    repo_beneath_close(&s->below);
}

static bool is_big(stage *s, const repo_status_row *row)
{
    struct stat info;
    return row->unstaged != ' ' && repo_beneath_look(&s->below, row->path, &info) && S_ISREG(info.st_mode) &&
           (uint64_t)info.st_size > REPO_PLAIN_BYTES_MAX;
}

/* Somebody's own .gitattributes is theirs to change. */
static err attributes_make(stage *s, const repo_status *status)
{
    static const char name[] = ".gitattributes";
    CLEANUP(repo_names_free) repo_names lacking = {0};
    struct stat info;
    size_t at, i = 0;

    if (repo_beneath_look(&s->below, name, &info) || git_index_find(&at, s->index, name) == 0) return ERR_OK;
    while (i < status->count && !is_big(s, &status->rows[i])) i++;
    if (i == status->count) return ERR_OK;
    repo_attributes_lacking(s->r, &lacking);
    err e = lacking.count ? repo_attributes_add(s->r, &lacking) : ERR_OK;
    if (e.code || !lacking.count) return e;
    s->report->attributes_made = true;
    repo_names_add(&s->report->files, name);
    return add_one(s, name);
}

/* Removals first: a file may stand where a folder was. */
static err rows_stage(stage *s, const repo_status *status)
{
    err e = ERR_OK;
    for (size_t i = 0; i < status->count && !e.code; i++)
        if (status->rows[i].unstaged == 'D' && !status->rows[i].unmerged)
            e = remove_one(s, status->rows[i].path);
    for (size_t i = 0; i < status->count && !e.code; i++) {
        const repo_status_row *row = &status->rows[i];
        if (row->unstaged == ' ' && !row->unmerged) continue;
        if (row->path[strlen(row->path) - 1] == '/') {
            repo_names_add(&s->report->nested, row->path);
            continue;
        }
        if (row->unstaged != 'D' || row->unmerged) e = add_one(s, row->path);
        if (!e.code) repo_names_add(&s->report->files, row->path);
    }
    return e;
}

static err stage_run(stage *s, const repo_names *paths)
{
    const repo_status_options options = {.untracked = true,
                                         .untracked_files = true,
                                         .paths = (const char *const *)paths->names,
                                         .path_count = paths->count};
    repo_status status = {0};

    err e = begin(s->r, s);
    for (size_t i = 0; i < paths->count && !e.code; i++) e = named_check(s, paths->names[i]);
    if (!e.code) e = repo_status_read(s->r, &options, &status);
    if (!e.code) e = attributes_make(s, &status);
    if (!e.code) e = rows_stage(s, &status);
    if (!e.code && s->report->files.count) e = repo_index_write(s->index);
    repo_status_free(&status);
    return e;
}

err repo_stage(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report)
{
    stage s = {.r = r, .below = {.root = -1, .parent = -1}, .report = report};
    repo_names plain = {0};
    repo_gate *gate = NULL;

    *report = (repo_stage_report){0};
    err e = repo_paths_plain(r, paths, count, &plain);
    if (!e.code) e = repo_gate_enter(r, "stage", &gate);
    if (!e.code) e = stage_run(&s, &plain);
    end(&s);
    repo_gate_leave(gate);
    repo_names_free(&plain);
    return e;
}

/* ---- for the stash ---- */

static int row_order(const void *path, const void *row)
{
    return strcmp(path, ((const repo_status_row *)row)->path);
}

/* Taken out of the index alone, a file is still HEAD's: it is no stranger. Tracked rows come first, by path.
 */
bool repo_row_is_stranger(const repo_status *status, size_t at)
{
    size_t tracked = at;
    if (status->rows[at].unstaged != '?') return false;
    while (tracked && status->rows[tracked - 1].unstaged == '?') tracked--;
    return !tracked ||
           !bsearch(status->rows[at].path, status->rows, tracked, sizeof *status->rows, row_order);
}

err repo_stage_in_memory(repo_handle *r, const repo_status *status, bool untracked, repo_names *added)
{
    repo_stage_report report = {0};
    stage s = {.r = r, .below = {.root = -1, .parent = -1}, .report = &report};

    err e = begin(r, &s);
    for (size_t i = 0; i < status->count && !e.code; i++) {
        const repo_status_row *row = &status->rows[i];
        bool nested = row->path[strlen(row->path) - 1] == '/';
        if (row->unstaged == ' ' || nested || repo_row_is_stranger(status, i) != untracked) continue;
        e = row->unstaged == 'D' ? remove_one(&s, row->path) : add_one(&s, row->path);
        if (!e.code && untracked) repo_names_add(added, row->path);
    }
    end(&s);
    repo_stage_report_free(&report);
    return e;
}

/* ---- unstage ---- */

/* Of paths that differ, HEAD's entry without stat data: the next status finds out what the file is. */
static err unstage_run(stage *s, const repo_names *paths, const repo_tree_list *head)
{
    const char *const *names = (const char *const *)paths->names;
    err e = ERR_OK;

    for (size_t i = 0; i < head->count && !e.code; i++) {
        const repo_tree_entry *row = &head->rows[i];
        const git_index_entry *old = git_index_get_bypath(s->index, row->path, GIT_INDEX_STAGE_NORMAL);
        if (!repo_paths_hold(names, paths->count, row->path)) continue;
        if (old && old->mode == row->mode && git_oid_equal(&old->id, &row->id)) continue;
        git_index_entry entry = {.mode = row->mode, .id = row->id, .path = row->path};
        git_index_conflict_remove(s->index, row->path);
        e = repo_git_check(git_index_add(s->index, &entry), row->path);
        repo_names_add(&s->report->files, row->path);
    }
    for (size_t i = git_index_entrycount(s->index); i-- > 0 && !e.code;) {
        const git_index_entry *entry = git_index_get_byindex(s->index, i);
        if (!repo_paths_hold(names, paths->count, entry->path) || repo_tree_find(head, entry->path)) continue;
        repo_names *files = &s->report->files; /* holds the name when the entry is gone */
        if (!files->count || strcmp(files->names[files->count - 1], entry->path) != 0)
            repo_names_add(files, entry->path);
        e = repo_git_check(
            git_index_remove(s->index, files->names[files->count - 1], GIT_INDEX_ENTRY_STAGE(entry)),
            "unstage");
    }
    return e;
}

static err unstage_named_check(stage *s, const repo_names *paths, const repo_tree_list *head)
{
    for (size_t i = 0; i < paths->count; i++) {
        const char *const one[] = {paths->names[i]};
        bool found = strcmp(one[0], ".") == 0;
        for (size_t k = 0; !found && k < head->count; k++)
            found = repo_paths_hold(one, 1, head->rows[k].path);
        for (size_t k = 0; !found && k < git_index_entrycount(s->index); k++)
            found = repo_paths_hold(one, 1, git_index_get_byindex(s->index, k)->path);
        if (!found) return err_make(ERR_NOT_FOUND, "'%s' matches no file that git knows", one[0]);
    }
    return ERR_OK;
}

err repo_unstage(repo_handle *r, const char *const *paths, size_t count, repo_stage_report *report)
{
    stage s = {.r = r, .below = {.root = -1, .parent = -1}, .report = report};
    repo_names plain = {0};
    repo_tree_list head = {0};
    repo_gate *gate = NULL;

    *report = (repo_stage_report){0};
    err e = repo_paths_plain(r, paths, count, &plain);
    if (!e.code) e = repo_gate_enter(r, "unstage", &gate);
    if (!e.code) e = begin(r, &s);
    if (!e.code) e = repo_tree_read_head(r, &head);
    if (!e.code) e = unstage_named_check(&s, &plain, &head);
    if (!e.code) e = unstage_run(&s, &plain, &head);
    if (!e.code && report->files.count) e = repo_index_write(s.index);
    end(&s);
    repo_gate_leave(gate);
    repo_tree_list_free(&head);
    repo_names_free(&plain);
    return e;
}
