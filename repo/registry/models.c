#define _GNU_SOURCE
#include "repo/registry/models.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"

static const char *const state_names[] = {
    [REPO_MODEL_READY] = "ready",   [REPO_MODEL_PLAIN] = "plain",     [REPO_MODEL_MISSING] = "missing",
    [REPO_MODEL_BROKEN] = "broken", [REPO_MODEL_FOREIGN] = "foreign", [REPO_MODEL_NOT_YOURS] = "not yours",
};

const char *repo_model_state_name(repo_model_state state) { return state_names[state]; }

/* ---- opening ---- */

/* Renames, links and reflinks go between these and the models: one file system, or none of them works. */
static err one_file_system(const repo_models *m)
{
    static const char *const ours[] = {STAGING_FOLDER, TRASH_FOLDER, ".worktrees", ".overlay", ".layers"};
    struct stat models, info;

    if (fstat(m->folder_fd, &models) != 0) return err_errno("look at %s", m->folder);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        if (fstatat(m->folder_fd, ours[i], &info, 0) == 0 && info.st_dev != models.st_dev)
            return err_make(ERR_UNSUPPORTED,
                            "%s/%s is on another file system than the models: make it a folder of this one",
                            m->folder, ours[i]);
    return ERR_OK;
}

static err folder_open(repo_models *m)
{
    char *folder = repo_context_models_folder(m->context);

    err e = file_make_folders(folder);
    if (!e.code) {
        m->folder = realpath(folder, NULL);
        if (!m->folder) e = err_errno("open %s", folder);
    }
    if (!e.code) {
        m->folder_fd = open(m->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->folder_fd < 0) e = err_errno("open %s", m->folder);
    }
    free(folder);
    return e.code ? e : one_file_system(m);
}

err repo_models_open(const repo_context *c, repo_models **out)
{
    repo_models *m = memory_alloc(sizeof *m);

    *m = (repo_models){.context = c, .folder_fd = -1};
    /* libgit2 is started by who needs it: a list from the cache does not, and starting it costs as much as
     * the whole list. */
    err e = folder_open(m);
    if (!e.code) e = repo_cache_open(c, m->folder, &m->cache);
    if (!e.code) {
        cache_rows_read(m);
        models_heal(m);
        e = models_scan(m, false);
    }
    if (e.code) {
        repo_models_free(m);
        return e;
    }
    *out = m;
    return ERR_OK;
}

void repo_models_free(repo_models *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) model_entry_free(&m->entries[i]);
    free(m->entries);
    repo_cache_free(m->cache);
    if (m->folder_fd >= 0) close(m->folder_fd);
    free(m->folder);
    free(m);
}

const char *repo_models_borrow_folder(const repo_models *m) { return m->folder; }
const repo_context *repo_models_borrow_context(const repo_models *m) { return m->context; }

/* ---- reading ---- */

size_t repo_models_count(const repo_models *m) { return m->count; }
const repo_model_row *repo_models_borrow(const repo_models *m, size_t i) { return &m->entries[i].row; }

model_entry *models_entry(const repo_models *m, const char *name_or_uuid)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(m->entries[middle].row.name, name_or_uuid);
        if (order == 0) return &m->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = 0; i < m->count; i++)
        if (m->entries[i].row.uuid && strcmp(m->entries[i].row.uuid, name_or_uuid) == 0)
            return &m->entries[i];
    return NULL;
}

model_entry *models_entry_in(const repo_models *m, const char *folder)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->entries[i].folder, folder) == 0) return &m->entries[i];
    return NULL;
}

const repo_model_row *repo_models_find(const repo_models *m, const char *name_or_uuid)
{
    const model_entry *entry = models_entry(m, name_or_uuid);
    return entry ? &entry->row : NULL;
}

err models_none(const repo_models *m, const char *name)
{
    const char **names = memory_alloc((m->count + 1) * sizeof *names);

    for (size_t i = 0; i < m->count; i++) names[i] = m->entries[i].row.name;
    const char *nearest = text_nearest(name, names, m->count);
    err e = nearest ? err_make(ERR_NOT_FOUND, "there is no model '%s' in %s; did you mean %s?", name,
                               m->folder, nearest)
                    : err_make(ERR_NOT_FOUND, "there is no model '%s' in %s (see hyprstream list)", name,
                               m->folder);
    free(names);
    return e;
}

err repo_models_open_model(repo_models *m, const char *name, repo_handle **out)
{
    const repo_model_row *row = repo_models_find(m, name);

    if (!row) return models_none(m, name);
    switch (row->state) {
    case REPO_MODEL_MISSING:
        return err_make(ERR_NOT_FOUND, "%s: its folder is gone; %s%s or forget it: remove %s", row->name,
                        row->url ? "clone it again from " : "put it back", row->url ? row->url : "",
                        row->name);
    case REPO_MODEL_PLAIN:
        return err_make(ERR_STATE, "%s is a plain folder, no repository: adopt %s makes it one", row->name,
                        row->path);
    default: return repo_open(m->context, row->path, out);
    }
}

err repo_models_refresh(repo_models *m) { return models_scan(m, false); }
err repo_models_reread(repo_models *m) { return models_scan(m, true); }
