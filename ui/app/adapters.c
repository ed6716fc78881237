#include "ui/app/adapters.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

#define FOLDER      "adapters/"
#define ENDING      ".safetensors"
#define PEFT_ENDING "/adapter_model.safetensors"

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static bool config_exists(const engine_files *files, const char *folder, const char *name, const char *end)
{
    CLEANUP(bytes_free) bytes config = {0};
    bytes_printf(&config, "%s%s%s", folder, name, end);
    return engine_files_has(files, bytes_text(&config));
}

/* "01_brief" for the weights of an adapter, the caller's; NULL: the file is something else. */
static char *adapter_name(const engine_files *files, const char *file)
{
    if (!text_starts_with(file, FOLDER) || file[strlen(FOLDER)] == '.') return NULL;
    const char *rest = file + strlen(FOLDER);
    bool is_folder = ends_with(rest, PEFT_ENDING);
    if (!is_folder && !ends_with(rest, ENDING)) return NULL;
    char *name = memory_text_n(rest, strlen(rest) - strlen(is_folder ? PEFT_ENDING : ENDING));
    const char *config = is_folder ? "/adapter_config.json" : ".config.json";
    if (!strchr(name, '/') && config_exists(files, FOLDER, name, config)) return name;
    free(name);
    return NULL;
}

static int row_compare(const void *a, const void *b)
{
    return strcmp(((const ui_adapter_row *)a)->name, ((const ui_adapter_row *)b)->name);
}

void ui_adapters_list(const engine_files *files, ui_adapter_list *out)
{
    *out = (ui_adapter_list){0};
    for (size_t i = 0; i < engine_files_count(files) && out->count < UI_ADAPTERS_COUNT_MAX; i++) {
        const char *file = engine_files_borrow_name(files, i);
        char *name = adapter_name(files, file);
        if (!name) continue;
        out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
        out->rows[out->count++] = (ui_adapter_row){.name = name, .file = memory_text(file), .scale = 1};
    }
    if (out->count) qsort(out->rows, out->count, sizeof *out->rows, row_compare);
}

void ui_adapters_free(ui_adapter_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].file);
    }
    free(list->rows);
    *list = (ui_adapter_list){0};
}

/* "01_brief" is also called brief. */
static bool is_called(const char *name, const char *word)
{
    size_t digits = strspn(name, "0123456789");
    return digits > 0 && name[digits] == '_' && strcmp(name + digits + 1, word) == 0;
}

err ui_adapters_find(const ui_adapter_list *list, const char *word, const char *model, ui_adapter_row **out)
{
    CLEANUP(bytes_free) bytes names = {0};
    ui_adapter_row *exact = NULL, *called = NULL;
    size_t called_count = 0;

    for (size_t i = 0; i < list->count; i++) {
        ui_adapter_row *row = &list->rows[i];
        bytes_printf(&names, "%s%s", i ? ", " : "", row->name);
        if (strcmp(row->name, word) == 0) exact = row;
        if (!is_called(row->name, word)) continue;
        called = row;
        called_count++;
    }
    if (!exact && called_count > 1)
        return err_make(ERR_USAGE, "adapter %s is more than one of %s", word, bytes_text(&names));
    if (!exact && !called)
        return err_make(ERR_NOT_FOUND, "there is no adapter %s; %s has %s", word, model,
                        list->count ? bytes_text(&names) : "none");
    *out = exact ? exact : called;
    return ERR_OK;
}
