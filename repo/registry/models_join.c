/* repo/registry/models_join.c: folders and the registry made one list.
 *
 * Folders win: what a repository says of itself ([hyprstream] of its config) and where it lies is so; a row
 * of registry.json without a folder is a missing model; what differs is written back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "repo/modelref.h"
#include "repo/registry/models_internal.h"

typedef struct join {
    model_entry *entries;
    size_t count;
} join;

/* ---- the folders ---- */

static int folder_order(const void *a, const void *b)
{
    return strcmp(((const model_entry *)a)->folder, ((const model_entry *)b)->folder);
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const model_entry *)a)->row.name, ((const model_entry *)b)->row.name);
}

/* Of entries sorted by folder. */
static model_entry *entry_of_folder(model_entry *entries, size_t count, const char *folder)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(entries[middle].folder, folder);
        if (order == 0) return &entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* New rows from the folders; what was known and still holds is moved there. *same: no row came, went or
 * changed. Both lists are sorted: one walk. */
static err folders_look(repo_models *m, bool anew, join *out, bool *same)
{
    file_list names = {0};
    size_t at = 0;

    err e = file_list_folder(m->folder, &names);
    if (e.code) return e;
    if (m->count) qsort(m->entries, m->count, sizeof *m->entries, folder_order);
    out->entries = memory_alloc((names.count + 1) * sizeof *out->entries);
    *same = !anew;
    for (size_t i = 0; i < names.count && out->count < REPO_MODELS_COUNT_MAX; i++) {
        model_entry *prior = NULL;
        if (names.names[i][0] == '.') continue;
        while (at < m->count && strcmp(m->entries[at].folder, names.names[i]) < 0)
            if (m->entries[at++].row.state != REPO_MODEL_MISSING) *same = false;
        if (at < m->count && strcmp(m->entries[at].folder, names.names[i]) == 0) prior = &m->entries[at++];
        bool is_model = model_look(m, names.names[i], anew ? NULL : prior, &out->entries[out->count]);
        if (is_model ? out->entries[out->count].changed : prior != NULL) *same = false;
        out->count += is_model;
    }
    for (; at < m->count; at++)
        if (m->entries[at].row.state != REPO_MODEL_MISSING) *same = false;
    file_list_free(&names);
    return ERR_OK;
}

/* ---- names ---- */

/* The name it gives itself counts when it lies where that name says; a folder that was copied or renamed by
 * hand has the folder's name. */
static bool name_is_placed(const model_entry *entry)
{
    if (!entry->name_marked || repo_model_name_check(entry->name_marked).code) return false;
    char *folder = repo_model_folder_name(entry->name_marked);
    bool placed = strcmp(folder, entry->folder) == 0;
    free(folder);
    return placed;
}

static bool text_is(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : !a && !b; }

static void entry_set(model_entry *entry, char **text, const char *value)
{
    if (text_is(*text, value)) return;
    repo_registry_set(text, value);
    entry->changed = true;
}

static void entry_name(model_entry *entry)
{
    entry_set(entry, &entry->row.name, name_is_placed(entry) ? entry->name_marked : entry->folder);
}

static int uuid_order(const void *a, const void *b)
{
    const model_entry *x = *(model_entry *const *)a, *y = *(model_entry *const *)b;
    return strcmp(x->uuid_marked, y->uuid_marked);
}

/* Who may call itself by this uuid when two folders do (a copy of a repository): the one that the registry
 * knows there, else the one whose name fits its folder, else the first. */
static int claim(const model_entry *entry, const repo_registry *registry)
{
    const repo_registry_row *row = repo_registry_find(registry, entry->uuid_marked);
    if (row && row->folder && strcmp(row->folder, entry->folder) == 0) return 2;
    return name_is_placed(entry);
}

static void uuids_give(model_entry *entries, size_t count, const repo_registry *registry)
{
    model_entry **marked = memory_alloc((count + 1) * sizeof(model_entry *));
    size_t marked_count = 0;

    for (size_t i = 0; i < count; i++)
        if (entries[i].uuid_marked) marked[marked_count++] = &entries[i];
    qsort(marked, marked_count, sizeof(model_entry *), uuid_order);
    for (size_t i = 0; i < marked_count;) {
        size_t best = i, next = i + 1;
        for (; next < marked_count && strcmp(marked[next]->uuid_marked, marked[i]->uuid_marked) == 0; next++)
            if (claim(marked[next], registry) > claim(marked[best], registry)) best = next;
        for (size_t k = i; k < next; k++)
            entry_set(marked[k], &marked[k]->row.uuid, k == best ? marked[k]->uuid_marked : NULL);
        i = next;
    }
    free(marked);
}

/* ---- the registry ---- */

/* The registry's row follows the folder. True: it was another. */
static bool row_follow(repo_registry_row *row, const model_entry *entry)
{
    const repo_model_row *now = &entry->row;

    if (text_is(row->name, now->name) && text_is(row->folder, entry->folder) && text_is(row->url, now->url))
        return false;
    if (!row->name) row->registered_at = clock_unix_seconds();
    repo_registry_set(&row->name, now->name);
    repo_registry_set(&row->folder, entry->folder);
    repo_registry_set(&row->url, now->url);
    snprintf(row->current_oid, sizeof row->current_oid, "%s", now->head.hex);
    return true;
}

/* A row whose folder is there but does not say its uuid: its config was lost, or cannot be read by us. */
static void entry_follow(const repo_models *m, model_entry *entry, const repo_registry_row *row)
{
    entry_set(entry, &entry->row.uuid, row->uuid);
    if (entry->row.state != REPO_MODEL_READY) return;
    repo_handle *r = NULL;
    err e = repo_open(m->context, entry->row.path, &r);
    if (!e.code) e = model_mark_inside_gate(r, row->uuid, row->name);
    repo_close(r);
    if (e.code) return;
    repo_registry_set(&entry->uuid_marked, row->uuid);
    repo_registry_set(&entry->name_marked, row->name);
    entry_name(entry);
}

static model_entry entry_missing(const repo_models *m, const repo_registry_row *row)
{
    return (model_entry){
        .folder = memory_text(row->folder),
        .row = {.name = memory_text(row->name),
                .path = file_join(m->folder, row->folder),
                .uuid = memory_text(row->uuid),
                .url = row->url ? memory_text(row->url) : NULL,
                .why = memory_text("its folder is gone"),
                .state = REPO_MODEL_MISSING,
                .ahead = -1,
                .behind = -1,
                .dirty = -1},
        .changed = true,
    };
}

static model_entry *entry_of_uuid(const join *j, const char *uuid)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->entries[i].row.uuid && strcmp(j->entries[i].row.uuid, uuid) == 0) return &j->entries[i];
    return NULL;
}

/* Rows of the registry that no folder claims: of a folder that lost its mark, or of none. */
static void registry_rows_join(repo_models *m, join *j, const repo_registry *registry)
{
    size_t folder_count = j->count;

    for (size_t i = 0; i < registry->count; i++) {
        const repo_registry_row *row = &registry->rows[i];
        if (entry_of_uuid(j, row->uuid)) continue;
        model_entry *there = entry_of_folder(j->entries, folder_count, row->folder);
        if (there && !there->row.uuid && there->common_dir) {
            entry_follow(m, there, row);
        } else if (!there && j->count < REPO_MODELS_COUNT_MAX) {
            j->entries = memory_resize_array(j->entries, j->count + 1, sizeof *j->entries);
            j->entries[j->count++] = entry_missing(m, row);
        }
    }
}

/* We looked without the lock: another process may have removed or renamed it since. */
static bool is_so_still(const repo_models *m, const model_entry *entry)
{
    char *common = file_join(m->folder, entry->common_dir), *uuid, *name, *url;

    model_mark_read(common, &uuid, &name, &url);
    bool is = text_is(uuid, entry->uuid_marked) && text_is(name, entry->name_marked);
    free(common);
    free(uuid);
    free(name);
    free(url);
    return is;
}

/* Folders that differ from their rows. *one is one of them. locked: nobody changes them meanwhile. */
static size_t registry_follow(const repo_models *m, join *j, repo_registry *registry, bool locked,
                              const model_entry **one, bool *new_row)
{
    size_t changes = 0;

    for (size_t i = 0; i < j->count; i++) {
        const model_entry *entry = &j->entries[i];
        if (!entry->row.uuid || entry->row.state == REPO_MODEL_MISSING || !entry->uuid_marked) continue;
        if (locked && !is_so_still(m, entry)) continue;
        bool known = repo_registry_find(registry, entry->row.uuid) != NULL;
        if (!row_follow(repo_registry_put(registry, entry->row.uuid), entry)) continue;
        *one = entry;
        *new_row = !known;
        changes++;
    }
    return changes;
}

/* Read anew under the lock: another process may have written since. Failing is no harm, the folders stand. */
static err registry_heal(repo_models *m, join *j)
{
    registry_lock lock = {0};
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    CLEANUP(bytes_free) bytes subject = {0};
    const model_entry *one = NULL;
    bool new_row = false;

    err e = registry_lock_take(m, "heal", &lock);
    if (!e.code) e = registry_read(m, &registry);
    if (e.code == ERR_FORMAT || e.code == ERR_LIMIT) e = registry_set_aside(m, &registry);
    size_t changes = e.code ? 0 : registry_follow(m, j, &registry, true, &one, &new_row);
    if (changes == 1)
        bytes_printf(&subject, "%s repository: %s", new_row ? "Register" : "Update", one->row.name);
    else
        bytes_printf(&subject, "Update model registry");
    if (!e.code) e = registry_write(m, &registry, bytes_text(&subject), changes == 1 ? one->row.uuid : NULL);
    registry_lock_drop(&lock);
    return e;
}

static void registry_join(repo_models *m, join *j)
{
    CLEANUP(repo_registry_free) repo_registry registry = {0};
    const model_entry *one = NULL;
    bool new_row = false;

    err e = registry_read(m, &registry);
    if (registry.refused_count)
        log_write(m->context->log, LOG_WARNING, "registry.json: %zu rows left out: %s",
                  registry.refused_count, registry.refused);
    uuids_give(j->entries, j->count, &registry);
    for (size_t i = 0; i < j->count; i++) entry_name(&j->entries[i]);
    registry_rows_join(m, j, &registry);
    bool is_behind =
        e.code || registry_follow(m, j, &registry, false, &one, &new_row) > 0 || registry_is_uncommitted(m);
    if (e.code == ERR_UNSUPPORTED || e.code == ERR_IO) is_behind = false; /* not ours to write */
    if (is_behind) {
        err healed = registry_heal(m, j);
        if (!e.code) e = healed;
    }
    if (e.code) log_write(m->context->log, LOG_WARNING, "%s", e.text);
}

/* Missing rows of the last look are still so while the registry is the same. */
static void missing_keep(repo_models *m, join *j)
{
    size_t folder_count = j->count;

    for (size_t i = 0; i < m->count; i++) {
        model_entry *entry = &m->entries[i];
        if (entry->row.state != REPO_MODEL_MISSING ||
            entry_of_folder(j->entries, folder_count, entry->folder))
            continue;
        j->entries = memory_resize_array(j->entries, j->count + 1, sizeof *j->entries);
        j->entries[j->count++] = *entry;
        *entry = (model_entry){0};
    }
}

/* ---- all of it ---- */

err models_scan(repo_models *m, bool anew)
{
    join j = {0};
    bool same = false;

    err e = folders_look(m, anew, &j, &same);
    if (e.code) return e;
    uint64_t stamp = registry_stamp(m);
    bool known = same && stamp && stamp == m->registry_signature;
    if (known) {
        missing_keep(m, &j);
    } else {
        registry_join(m, &j);
        m->registry_signature = registry_stamp(m);
    }
    for (size_t i = 0; i < m->count; i++) model_entry_free(&m->entries[i]);
    free(m->entries);
    m->entries = j.entries;
    m->count = j.count;
    if (m->count) qsort(m->entries, m->count, sizeof *m->entries, name_order);
    if (!known) cache_rows_write(m);
    return ERR_OK;
}
