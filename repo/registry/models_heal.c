/* repo/registry/models_heal.c: what dead processes left behind, finished or undone. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "repo/registry/models_internal.h"
#include "repo/worktree/worktree_internal.h"

enum { JOURNAL_DEPTH_MAX = 4 };

static bool is_empty(const char *folder)
{
    file_list names = {0};
    bool empty = file_list_folder(folder, &names).code || names.count == 0;
    file_list_free(&names);
    return empty;
}

/* Killed after the folder was gone and before the registry said so. Nothing in the trash: nothing was done.
 */
static void removal_finish(repo_models *m, const char *path, const char *uuid)
{
    registry_lock lock = {0};

    if (is_empty(path)) return;
    err e = registry_lock_take(m, "heal", &lock);
    if (!e.code) e = registry_take_away(m, uuid);
    registry_lock_drop(&lock);
    if (e.code) log_write(m->context->log, LOG_WARNING, "finish a removal: %s", e.text);
}

static void trash_look(void *context, const char *path, const char *journal)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    repo_models *m = context;

    if (json_parse(bytes_view_of(journal), JOURNAL_DEPTH_MAX, &a, &root).code) return;
    bytes_view uuid = json_text(json_get(root, "uuid"));
    if (!bytes_view_is(json_text(json_get(root, "kind")), REMOVE_KIND) || !repo_uuid_is(uuid)) return;
    removal_finish(m, path, arena_text_n(&a, uuid.data, uuid.size));
}

static void staging_look(void *context, const char *path, const char *journal)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    repo_models *m = context;
    (void)path;

    if (json_parse(bytes_view_of(journal), JOURNAL_DEPTH_MAX, &a, &root).code) return;
    bytes_view git_dir = json_text(json_get(root, "name"));
    if (bytes_view_is(json_text(json_get(root, "kind")), WORKTREE_KIND) && git_dir.size)
        worktree_undo(m->context, m->folder, arena_text_n(&a, git_dir.data, git_dir.size));
}

void models_heal(repo_models *m)
{
    registry_lock_heal(m);
    work_each_dead(m->folder, STAGING_FOLDER, staging_look, m);
    work_each_dead(m->folder, TRASH_FOLDER, trash_look, m);
    (void)repo_worktree_heal(m);
}
