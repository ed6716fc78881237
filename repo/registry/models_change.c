/* repo/registry/models_change.c: register, rename, another url. The order is always: the repository's own
 * config, registry.json and its commit, the cache; a kill between two is healed by the next look. */
#define _GNU_SOURCE
#include <git2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"
#include "repo/attributes.h"
#include "repo/gate.h"
#include "repo/handle_internal.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"

/* ---- names ---- */

/* Free of a model of that name, of one that differs in case only (some disks cannot tell them apart), and of
 * anything else in its place. */
err model_name_is_free(const repo_models *m, const char *name)
{
    err e = repo_model_name_check(name);
    if (e.code) return e;
    char *folder = repo_model_folder_name(name), *place = file_join(m->folder, folder);
    for (size_t i = 0; i < m->count && !e.code; i++) {
        const model_entry *entry = &m->entries[i];
        if (strcmp(entry->row.name, name) == 0)
            e = err_make(ERR_EXISTS, "there is a model %s already: %s", name, entry->row.path);
        else if (strcasecmp(entry->row.name, name) == 0 || strcasecmp(entry->folder, folder) == 0)
            e = err_make(ERR_EXISTS, "%s and %s differ too little: give it another name", name,
                         entry->row.name);
    }
    if (!e.code && file_exists(place)) e = err_make(ERR_EXISTS, "%s is already there", place);
    free(folder);
    free(place);
    return e;
}

/* ---- the registry's side, under its lock ---- */

static err registry_load(repo_models *m, repo_registry *out)
{
    err e = registry_read(m, out);
    return e.code == ERR_FORMAT || e.code == ERR_LIMIT ? registry_set_aside(m, out) : e;
}

err registry_put(repo_models *m, const registry_change *change, const char *subject, const char *name)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    CLEANUP(bytes_free) bytes line = {0};

    err e = registry_load(m, &registry);
    if (e.code) return e;
    repo_registry_row *row = repo_registry_put(&registry, change->uuid);
    if (!row->registered_at) row->registered_at = clock_unix_seconds();
    repo_registry_set(&row->name, change->name);
    repo_registry_set(&row->folder, change->folder);
    repo_registry_set(&row->url, change->url);
    if (change->head) snprintf(row->current_oid, sizeof row->current_oid, "%s", change->head);
    bytes_printf(&line, "%s repository: %s", subject, name);
    return registry_write(m, &registry, bytes_text(&line), change->uuid);
}

err registry_take_away(repo_models *m, const char *uuid)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    CLEANUP(bytes_free) bytes line = {0};

    err e = registry_load(m, &registry);
    const repo_registry_row *row = e.code ? NULL : repo_registry_find(&registry, uuid);
    if (!row) return e;
    bytes_printf(&line, "Remove repository: %s", row->name);
    repo_registry_drop(&registry, uuid);
    return registry_write(m, &registry, bytes_text(&line), uuid);
}

/* ---- register ---- */

static err entry_register(repo_models *m, const model_entry *entry, const char *name, const char *url)
{
    registry_lock lock = {0};
    repo_handle *r = NULL;
    char uuid[REPO_UUID_SIZE];

    repo_uuid_make(uuid);
    if (entry->row.uuid) snprintf(uuid, sizeof uuid, "%s", entry->row.uuid);
    err e = repo_open(m->context, entry->row.path, &r);
    if (!e.code) e = model_mark_inside_gate(r, uuid, name);
    repo_close(r);
    if (e.code) return e;
    registry_change change = {uuid, name, entry->folder, url ? url : entry->row.url, entry->row.head.hex};
    e = registry_lock_take(m, "register", &lock);
    if (!e.code) e = registry_put(m, &change, "Register", name);
    registry_lock_drop(&lock);
    return e;
}

err repo_models_register(repo_models *m, const char *name, const char *url)
{
    char *folder = NULL, *plain = url ? repo_url_without_secret(url) : NULL;

    err e = repo_model_name_check(name);
    if (!e.code) e = models_scan(m, false);
    if (!e.code) {
        folder = repo_model_folder_name(name);
        const model_entry *entry = models_entry_in(m, folder);
        e = !entry || !entry->common_dir
                ? err_make(ERR_NOT_FOUND, "there is no repository %s/%s", m->folder, folder)
                : entry_register(m, entry, name, plain);
    }
    if (!e.code) e = models_scan(m, false);
    free(folder);
    free(plain);
    return e;
}

/* ---- rename ---- */

/* What others laid out has the folder's name inside, and a linked worktree is tied to its place. */
static err layout_check(const repo_models *m, const model_entry *entry)
{
    if (!entry->common_dir) return ERR_OK;
    char *own = file_join(m->folder, entry->folder), *git_dir = file_join(own, ".git");
    bool is_ours = file_is_folder(git_dir);
    free(own);
    free(git_dir);
    return is_ours ? ERR_OK
                   : err_make(ERR_UNSUPPORTED,
                              "%s is laid out by another program: clone it to have it under another name",
                              entry->row.path);
}

/* The name in the config first, then the folder: with one rename both say the new name, and until then the
 * folder's old name counts. */
static err folder_rename(repo_models *m, const model_entry *entry, const char *new_name,
                         const char *new_folder)
{
    repo_handle *r = NULL;
    char *from = file_join(m->folder, entry->folder), *to = file_join(m->folder, new_folder);

    err e = entry->common_dir ? repo_open(m->context, entry->row.path, &r) : ERR_OK;
    if (!e.code && entry->row.uuid) e = model_mark_inside_gate(r, entry->row.uuid, new_name);
    if (!e.code) {
        e = work_rename(from, to);
        if (e.code && entry->row.uuid) (void)model_mark_inside_gate(r, entry->row.uuid, entry->row.name);
    }
    repo_close(r);
    if (!e.code && entry->row.worktree_count) {
        char *common = file_join(to, ".git");
        worktrees_follow(common);
        free(common);
    }
    free(from);
    free(to);
    return e;
}

static err rename_locked(repo_models *m, const model_entry *entry, const char *new_name,
                         const char *new_folder)
{
    err e = ERR_OK;
    if (entry->row.state != REPO_MODEL_MISSING) e = folder_rename(m, entry, new_name, new_folder);
    if (e.code || !entry->row.uuid) return e;
    registry_change change = {entry->row.uuid, new_name, new_folder, entry->row.url, entry->row.head.hex};
    return registry_put(m, &change, "Update", new_name);
}

err repo_models_rename(repo_models *m, const char *name, const char *new_name)
{
    registry_lock lock = {0};
    const model_entry *entry = models_entry(m, name);

    if (!entry) return models_none(m, name);
    err e = model_name_is_free(m, new_name);
    if (!e.code && entry->row.state != REPO_MODEL_MISSING) e = layout_check(m, entry);
    if (!e.code && entry->row.worktree_count) e = worktrees_can_follow(m, entry);
    char *folder = e.code ? NULL : repo_model_folder_name(new_name);
    if (!e.code) e = registry_lock_take(m, "rename", &lock);
    if (!e.code) e = rename_locked(m, entry, new_name, folder);
    registry_lock_drop(&lock);
    free(folder);
    return e.code ? e : models_scan(m, false);
}

/* ---- url ---- */

err repo_models_set_url(repo_models *m, const char *name, const char *url)
{
    repo_handle *r = NULL;
    repo_gate *gate = NULL;
    char *plain = repo_url_without_secret(url);

    err e = repo_models_open_model(m, name, &r);
    if (!e.code) e = repo_gate_enter(r, "set-url", &gate);
    if (!e.code) {
        int status = git_remote_set_url(r->git, "origin", plain);
        if (status == GIT_ENOTFOUND) {
            git_remote *made = NULL;
            status = git_remote_create(&made, r->git, "origin", plain);
            git_remote_free(made);
        }
        e = repo_git_check(status, "set the url of origin");
    }
    repo_gate_leave(gate);
    repo_close(r);
    free(plain);
    /* The look finds another url in the config and lets the registry follow. */
    return e.code ? e : models_scan(m, false);
}
