/* repo/worktree/worktree_list.c: the worktrees of a model, measured. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/worktree_internal.h"

void repo_worktree_row_free(repo_worktree_row *row)
{
    free(row->name);
    free(row->path);
    free(row->driver);
    free(row->backend);
    free(row->branch);
    free(row->warning);
    *row = (repo_worktree_row){0};
}

void repo_worktree_list_free(repo_worktree_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) repo_worktree_row_free(&rows[i]);
    free(rows);
}

static void head_of(repo_handle *r, const worktree_admin *a, repo_worktree_row *row)
{
    git_oid id;

    row->head = a->head;
    if (!a->branch) return;
    const char *name = a->branch;
    if (git_reference_name_to_id(&id, r->git, name) == 0) repo_id_of(&id, &row->head);
    row->branch = memory_text(text_starts_with(name, "refs/heads/") ? name + strlen("refs/heads/") : name);
}

static void row_fill(repo_models *m, repo_handle *r, const worktree_admin *a, repo_worktree_row *row)
{
    const worktree_site site = {r->context, m->folder, r->common_dir, a->path, a->git_dir};
    char *dot_git = file_join(a->path, ".git");

    *row = (repo_worktree_row){.name = memory_text(a->name), .path = memory_text(a->path)};
    row->driver = memory_text(a->driver ? a->driver->name : "git");
    row->backend = a->backend ? memory_text(a->backend->name) : NULL;
    head_of(r, a, row);
    row->locked = a->locked != NULL;
    if (a->driver)
        a->driver->measure(&site, row);
    else
        worktree_files_measure(&site, row);
    row->prunable = !file_exists(dot_git) && !(a->driver && a->driver->mount && row->bytes_known);
    free(dot_git);
}

err worktree_row_of(repo_models *m, repo_handle *r, const char *name, repo_worktree_row *row)
{
    CLEANUP(worktree_admin_free) worktree_admin a = {0};
    err e = worktree_admin_read(r->common_dir, name, &a);
    if (!e.code) row_fill(m, r, &a, row);
    return e;
}

err repo_worktree_list(repo_models *m, repo_handle *r, repo_worktree_row **rows, size_t *count)
{
    char *all = file_join(r->common_dir, "worktrees");
    file_list names = {0};
    err e = ERR_OK;

    *rows = NULL;
    *count = 0;
    if (file_is_folder(all)) e = file_list_folder(all, &names);
    for (size_t i = 0; i < names.count && !e.code; i++) {
        worktree_admin a;
        if (worktree_admin_read(r->common_dir, names.names[i], &a).code) continue;
        *rows = memory_resize_array(*rows, *count + 1, sizeof **rows);
        row_fill(m, r, &a, &(*rows)[(*count)++]);
        worktree_admin_free(&a);
    }
    file_list_free(&names);
    free(all);
    return e;
}
