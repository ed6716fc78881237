#include <stdlib.h>
#include <string.h>

#include "repo/beneath.h"
#include "repo/tree_internal.h"

typedef struct reader {
    repo_handle *r;
    repo_tree_list *list;
    size_t capacity;
} reader;

static err name_check(const char *folder, const char *name)
{
    const char *why = repo_name_refusal(name, strlen(name));
    if (!why && !*folder && strcmp(name, REPO_STAGING_NAME) == 0) why = "is kept for checkouts themselves";
    if (!why && strlen(folder) + strlen(name) > REPO_PATH_BYTES_MAX) why = "makes the path too long";
    if (!why) return ERR_OK;
    return err_make(ERR_FORMAT, "the tree holds the name '%.100s' in '%.100s', which %s: nothing was written",
                    name, folder, why);
}

static err row_add(reader *d, const char *path, const git_tree_entry *entry)
{
    repo_tree_list *list = d->list;
    if (list->count == REPO_TREE_ENTRIES_MAX)
        return err_make(ERR_LIMIT, "the tree has more than %d files", REPO_TREE_ENTRIES_MAX);
    if (list->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 64;
        list->rows = memory_resize_array(list->rows, d->capacity, sizeof *list->rows);
    }
    repo_tree_entry *row = &list->rows[list->count++];
    *row = (repo_tree_entry){path, *git_tree_entry_id(entry), git_tree_entry_filemode(entry)};
    return ERR_OK;
}

static err folder_read(reader *d, const git_oid *id, const char *folder, unsigned depth)
{
    git_tree *tree = NULL;

    if (depth > REPO_PATH_DEPTH_MAX) return err_make(ERR_LIMIT, "the tree is too deep: %.200s", folder);
    err e = repo_git_check(git_tree_lookup(&tree, d->r->git, id), "read a tree");
    size_t count = e.code ? 0 : git_tree_entrycount(tree);
    for (size_t i = 0; i < count && !e.code; i++) {
        const git_tree_entry *entry = git_tree_entry_byindex(tree, i);
        const char *name = git_tree_entry_name(entry);
        e = name_check(folder, name);
        if (e.code) break;
        char *path = arena_printf(&d->list->memory, "%s%s", folder, name);
        if (git_tree_entry_type(entry) != GIT_OBJECT_TREE)
            e = row_add(d, path, entry);
        else
            e = folder_read(d, git_tree_entry_id(entry), arena_printf(&d->list->memory, "%s/", path),
                            depth + 1);
    }
    git_tree_free(tree);
    return e;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const repo_tree_entry *)a)->path, ((const repo_tree_entry *)b)->path);
}

/* One of the folders of `path` is also the name of a file. Those that `before` has too were looked at. */
static bool stands_on_file(const repo_tree_list *list, const char *before, const char *path)
{
    bool found = false;
    for (const char *slash = path; !found && (slash = strchr(slash, '/')); slash++) {
        size_t size = (size_t)(slash - path);
        if (strncmp(before, path, size + 1) == 0) continue;
        char *folder = memory_text_n(path, size);
        found = repo_tree_find(list, folder) != NULL;
        free(folder);
    }
    return found;
}

/* A tree that git wrote comes sorted and without doubles; a hostile one may not. */
static err order_check(repo_tree_list *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->rows[i - 1].path, list->rows[i].path) >= 0) {
            qsort(list->rows, list->count, sizeof *list->rows, by_path);
            break;
        }
    for (size_t i = 0; i < list->count; i++) {
        const char *path = list->rows[i].path, *before = i ? list->rows[i - 1].path : "";
        if (strcmp(before, path) == 0 || stands_on_file(list, before, path))
            return err_make(ERR_FORMAT, "the tree holds '%.200s' twice: nothing was written", path);
    }
    return ERR_OK;
}

err repo_tree_read(repo_handle *r, const git_oid *tree, repo_tree_list *out)
{
    reader d = {.r = r, .list = out};

    *out = (repo_tree_list){0};
    if (!tree) return ERR_OK;
    err e = folder_read(&d, tree, "", 0);
    if (!e.code) e = order_check(out);
    if (e.code) repo_tree_list_free(out);
    return e;
}

err repo_tree_read_head(repo_handle *r, repo_tree_list *out)
{
    git_object *tree = NULL;

    *out = (repo_tree_list){0};
    if (git_repository_head_unborn(r->git) == 1) return ERR_OK;
    err e = repo_git_check(git_revparse_single(&tree, r->git, "HEAD^{tree}"), "read HEAD");
    if (!e.code) e = repo_tree_read(r, git_object_id(tree), out);
    git_object_free(tree);
    return e;
}

void repo_tree_list_free(repo_tree_list *list)
{
    free(list->rows);
    arena_free(&list->memory);
    *list = (repo_tree_list){0};
}

const repo_tree_entry *repo_tree_find(const repo_tree_list *list, const char *path)
{
    repo_tree_entry wanted = {.path = path};
    return list->count ? bsearch(&wanted, list->rows, list->count, sizeof *list->rows, by_path) : NULL;
}
