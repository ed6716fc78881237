/* repo/worktree/overlay_record.c: overlay.json, what is known of an overlay while it is not mounted. */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "repo/worktree/layers.h"
#include "repo/worktree/overlay_internal.h"

enum { RECORD_BYTES_MAX = 64 << 10, RECORD_DEPTH_MAX = 4, OVERLAYS_MAX = 100000, LINE_BYTES_MAX = 8192 };

#define RECORD     "overlay.json"
#define LINK_START "gitdir: "

void repo_overlay_free(repo_overlay *o)
{
    char *all[] = {o->models, o->folder, o->upper, o->work, o->layer, o->lower, o->path, o->git_dir};
    for (size_t i = 0; i < COUNT_OF(all); i++) free(all[i]);
    *o = (repo_overlay){0};
}

/* As written: below the models folder without its name, so that the folder may move. */
static const char *short_path(const repo_overlay *o, const char *path)
{
    size_t size = strlen(o->models);
    return strncmp(path, o->models, size) == 0 && path[size] == '/' ? path + size + 1 : path;
}

static char *record_text(const repo_overlay *o)
{
    cJSON *root = cJSON_CreateObject();
    const char *const rows[][2] = {{"layer", o->layer}, {"tree", o->tree.hex},
                                   {"path", o->path},   {"git_dir", short_path(o, o->git_dir)},
                                   {"boot", o->boot},   {"backend", o->backend->name}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) cJSON_AddStringToObject(root, rows[i][0], rows[i][1]);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    return text;
}

err overlay_record_write(const repo_overlay *o)
{
    char *text = record_text(o), *path = file_join(o->folder, RECORD);
    err e = file_write(path, bytes_view_of(text));
    cJSON_free(text);
    free(path);
    return e;
}

err overlay_record_put(const repo_overlay *o)
{
    char *text = record_text(o), *path = file_join(o->folder, RECORD);
    size_t size = strlen(text);
    err e = ERR_OK;

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size) e = err_errno("write %s", path);
    if (fd >= 0 && close(fd) != 0 && !e.code) e = err_errno("write %s", path);
    cJSON_free(text);
    free(path);
    return e;
}

/* A text without NUL, or NULL. */
static char *text_of(const json_node *root, const char *key)
{
    bytes_view text = json_text(json_get(root, key));
    return text.data && text.size && !memchr(text.data, 0, text.size) ? memory_text_n(text.data, text.size)
                                                                      : NULL;
}

static char *path_of(const json_node *root, const char *key, const char *models)
{
    char *text = text_of(root, key), *path = text ? file_join(models, text) : NULL;
    free(text);
    return path;
}

/* Names one folder below .layers and nothing else. */
static bool is_layer_name(const char *name) { return name && *name != '.' && !strchr(name, '/'); }

bool overlay_record_parse(bytes_view text, repo_overlay *o)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;

    if (json_parse(text, RECORD_DEPTH_MAX, &a, &root).code) return false;
    char *backend = text_of(root, "backend"), *boot = text_of(root, "boot"), *tree = text_of(root, "tree");
    o->layer = text_of(root, "layer");
    o->path = path_of(root, "path", o->models);
    o->git_dir = path_of(root, "git_dir", o->models);
    o->backend = overlay_backend_find(backend);
    if (boot) memcpy(o->boot, boot, MIN_OF(strlen(boot), sizeof o->boot - 1));
    if (tree) memcpy(o->tree.hex, tree, MIN_OF(strlen(tree), sizeof o->tree.hex - 1));
    free(backend), free(boot), free(tree);
    return o->backend && is_layer_name(o->layer) && o->path && o->git_dir;
}

void overlay_paths_fill(repo_overlay *o, const char *models, const char *id)
{
    char *all = file_join(models, OVERLAY_FOLDER);
    o->models = memory_text(models);
    o->folder = file_join(all, id);
    o->upper = file_join(o->folder, "upper");
    o->work = file_join(o->folder, "work");
    free(all);
}

/* Where the worktree's own `.git` file says git's folder is: a model that was renamed has told it. */
static void git_dir_follow(repo_overlay *o)
{
    CLEANUP(bytes_free) bytes line = {0};
    char *path = file_join(o->upper, ".git");

    if (!file_read(path, LINE_BYTES_MAX, &line).code && text_starts_with(bytes_text(&line), LINK_START)) {
        line.data[strcspn(line.data, "\n")] = 0;
        free(o->git_dir);
        o->git_dir =
            file_join(o->path, line.data + strlen(LINK_START)); /* newer gits may write it relative */
    }
    free(path);
}

err overlay_record_read(const char *models, const char *id, repo_overlay *out)
{
    CLEANUP(bytes_free) bytes text = {0};
    repo_overlay o = {0};

    overlay_paths_fill(&o, models, id);
    char *path = file_join(o.folder, RECORD);
    err e = file_read(path, RECORD_BYTES_MAX, &text);
    if (!e.code && !overlay_record_parse(bytes_borrow(&text), &o))
        e = err_make(ERR_FORMAT, "%s is no record of an overlay", path);
    free(path);
    if (e.code) {
        repo_overlay_free(&o);
        return e;
    }
    git_dir_follow(&o);
    o.lower = repo_layer_path(models, o.layer);
    *out = o;
    return ERR_OK;
}

void repo_overlay_each(const char *models, void (*each)(void *context, repo_overlay *o), void *context)
{
    char *folder = file_join(models, OVERLAY_FOLDER);
    file_list names = {0};

    if (file_list_folder(folder, &names).code) names.count = 0;
    for (size_t i = 0; i < names.count && i < OVERLAYS_MAX; i++) {
        repo_overlay o;
        if (names.names[i][0] == '.' || overlay_record_read(models, names.names[i], &o).code) continue;
        each(context, &o);
        repo_overlay_free(&o);
    }
    file_list_free(&names);
    free(folder);
}

typedef struct wanted {
    const char *path;
    repo_overlay found;
} wanted;

static void find(void *context, repo_overlay *o)
{
    wanted *w = context;
    if (w->found.folder || strcmp(o->path, w->path) != 0) return;
    w->found = *o;
    *o = (repo_overlay){0};
}

err repo_overlay_find(const char *models, const char *path, repo_overlay *out)
{
    wanted w = {.path = path};
    repo_overlay_each(models, find, &w);
    if (!w.found.folder) return err_make(ERR_NOT_FOUND, "%s is no overlay of ours", path);
    *out = w.found;
    return ERR_OK;
}
