#include "ui/app/adapter_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"

#define FOLDER "adapters"

static const char *const endings[UI_ADAPTER_FILES_MAX] = {".safetensors", ".config.json", ".train.json", ""};

int ui_adapter_index(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 3 || name[digits] != '_') return -1;
    return atoi(name);
}

const char *ui_adapter_bare_name(const char *name)
{
    return ui_adapter_index(name) < 0 ? name : strchr(name, '_') + 1;
}

int ui_adapter_next_index(const ui_adapter_list *list)
{
    int most = 0;
    for (size_t i = 0; i < list->count; i++) most = MAX_OF(most, ui_adapter_index(list->rows[i].name));
    return most + 1;
}

char *ui_adapter_full_name(int index, const char *bare)
{
    bytes name = {0};
    bytes_printf(&name, "%02d_%s", index, bare);
    return bytes_take(&name);
}

/* -- files --------------------------------------------------------------------------------------------------
 */

static char *path_of(const char *folder, const char *name, const char *ending)
{
    bytes path = {0};
    bytes_printf(&path, "%s/" FOLDER "/%s%s", folder, name, ending);
    return bytes_take(&path);
}

void ui_adapter_paths_find(const char *folder, const char *name, ui_adapter_paths *out)
{
    *out = (ui_adapter_paths){0};
    for (size_t i = 0; i < UI_ADAPTER_FILES_MAX; i++) {
        char *path = path_of(folder, name, endings[i]);
        if (file_exists(path)) out->paths[out->count++] = memory_text(path + strlen(folder) + 1);
        free(path);
    }
}

void ui_adapter_paths_free(ui_adapter_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) free(paths->paths[i]);
    paths->count = 0;
}

err ui_adapter_write(const char *folder, const char *name, bytes_view weights, bytes_view config)
{
    char *adapters = file_join(folder, FOLDER);
    char *weights_path = path_of(folder, name, ".safetensors"),
         *config_path = path_of(folder, name, ".config.json");

    err e = file_make_folders(adapters);
    bool fresh = !file_exists(weights_path);
    if (!e.code) e = file_write(config_path, config);
    if (!e.code) e = file_write(weights_path, weights);
    if (e.code && fresh) unlink(config_path);
    free(adapters);
    free(weights_path);
    free(config_path);
    return e;
}

static err check_free(const char *folder, const char *name)
{
    CLEANUP(ui_adapter_paths_free) ui_adapter_paths taken = {0};
    ui_adapter_paths_find(folder, name, &taken);
    return taken.count ? err_make(ERR_EXISTS, "%s is there already", taken.paths[0]) : ERR_OK;
}

/* The weights go first: names that lists show change at once. */
err ui_adapter_move(const char *folder, const char *from, const char *to)
{
    err e = check_free(folder, to);
    size_t moved = 0;
    for (; moved < UI_ADAPTER_FILES_MAX && !e.code; moved++) {
        char *old = path_of(folder, from, endings[moved]), *new = path_of(folder, to, endings[moved]);
        if (file_exists(old) && rename(old, new) != 0) e = err_errno("rename %s", old);
        free(old);
        free(new);
    }
    for (size_t i = 0; e.code && i < moved; i++) {
        char *old = path_of(folder, from, endings[i]), *new = path_of(folder, to, endings[i]);
        if (e.code != ERR_EXISTS && file_exists(new) && !file_exists(old)) (void)!rename(new, old);
        free(old);
        free(new);
    }
    return e;
}

err ui_adapter_delete(const char *folder, const char *name)
{
    err e = ERR_OK;
    for (size_t i = 0; i < UI_ADAPTER_FILES_MAX && !e.code; i++) {
        char *path = path_of(folder, name, endings[i]);
        if (file_exists(path)) e = file_remove_tree(path);
        free(path);
    }
    return e;
}
