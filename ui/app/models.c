#include "ui/app/models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/spec.h"

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    bool has = file_exists(path);
    free(path);
    return has;
}

static bool tokenizer_config_has_template(const char *folder)
{
    CLEANUP(bytes_free) bytes text = {0};
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    char *path = file_join(folder, "tokenizer_config.json");
    err e = file_read(path, UI_MODEL_CONFIG_BYTES_MAX, &text);
    free(path);
    if (e.code || json_parse(bytes_borrow(&text), JSON_DEPTH_MAX, &a, &root).code) return false;
    return !json_is_null(json_get(root, "chat_template"));
}

/* Bytes of the weights. A pointer that was never replaced by its bytes is named in row->problem. */
static void add_weights(ui_model_row *row, const char *name)
{
    CLEANUP(bytes_free) bytes head = {0};
    char *path = file_join(row->path, name);
    uint64_t size = 0;

    if (file_size(path, &size).code == 0) row->file_bytes += size;
    if (size < UI_MODEL_POINTER_BYTES_MAX && file_read(path, UI_MODEL_POINTER_BYTES_MAX, &head).code == 0 &&
        strncmp(bytes_text(&head), "version https://", 16) == 0 && !row->problem) {
        CLEANUP(bytes_free) bytes problem = {0};
        bytes_printf(&problem, "%s is a pointer, its bytes are not here: fetch them with git lfs pull", name);
        row->problem = bytes_take(&problem);
    }
    free(path);
}

static size_t count_weights(ui_model_row *row)
{
    file_list files = {0};
    size_t count = 0;
    if (file_list_folder(row->path, &files).code) return 0;
    for (size_t i = 0; i < files.count; i++)
        if (ends_with(files.names[i], ".safetensors")) {
            count++;
            add_weights(row, files.names[i]);
        }
    file_list_free(&files);
    return count;
}

/* Bytes per element while it computes. */
static size_t element_bytes(const char *wanted, const char *stored)
{
    const char *type = wanted && strcmp(wanted, "auto") != 0 ? wanted : stored;
    return strcmp(type, "f32") == 0 || strcmp(type, "float32") == 0 ? 4 : 2;
}

static void read_spec(ui_model_row *row, const char *dtype)
{
    CLEANUP(bytes_free) bytes text = {0};
    engine_spec *spec = NULL;
    char *path = file_join(row->path, "config.json");
    err e = file_read(path, UI_MODEL_CONFIG_BYTES_MAX, &text);

    if (!e.code) {
        e = engine_spec_parse(bytes_borrow(&text), &spec);
        if (e.code) e = err_note(e, "config.json");
    }
    free(path);
    if (e.code) {
        row->problem = memory_text(e.text);
        return;
    }
    size_t each = element_bytes(dtype, spec->dtype);
    row->architecture = memory_text(spec->model_type);
    row->parameters = engine_spec_parameters(spec);
    row->weight_bytes = row->parameters * each;
    row->cache_bytes = engine_spec_cache_bytes(spec, spec->context_max, each);
    row->context_max = spec->context_max;
    row->layer_count = spec->layer_count;
    row->vocab_count = spec->vocab_count;
    engine_spec_free(spec);
}

static void read_row(const char *folder, const char *name, const char *dtype, ui_model_row *row)
{
    *row = (ui_model_row){.name = memory_text(name), .path = file_join(folder, name)};
    read_spec(row, dtype);
    if (count_weights(row) == 0 && !row->problem)
        row->problem = memory_text("has no .safetensors file: there are no weights to load");
    row->has_template = has_file(row->path, "chat_template.jinja") ||
                        has_file(row->path, "chat_template.json") || tokenizer_config_has_template(row->path);
    ui_adapter_list adapters = {0};
    ui_adapters_scan(row->path, &adapters);
    row->adapter_count = adapters.count;
    ui_adapters_free(&adapters);
}

static bool is_model(const char *folder, const char *name)
{
    if (name[0] == '.') return false;
    char *path = file_join(folder, name);
    bool is = file_is_folder(path) && has_file(path, "config.json");
    free(path);
    return is;
}

void ui_models_scan(const char *folder, const char *dtype, ui_model_list *out)
{
    file_list names = {0};
    *out = (ui_model_list){.folder = memory_text(folder)};
    if (!file_exists(folder)) return;
    out->error = file_list_folder(folder, &names);
    for (size_t i = 0; i < names.count && out->count < UI_MODELS_COUNT_MAX; i++) {
        if (!is_model(folder, names.names[i])) continue;
        out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
        read_row(folder, names.names[i], dtype, &out->rows[out->count++]);
    }
    file_list_free(&names);
}

void ui_models_free(ui_model_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].path);
        free(list->rows[i].architecture);
        free(list->rows[i].problem);
    }
    free(list->rows);
    free(list->folder);
    *list = (ui_model_list){0};
}

const ui_model_row *ui_models_find(const ui_model_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->rows[i].name, name) == 0) return &list->rows[i];
    return NULL;
}

static const ui_model_row *find_usable(const ui_model_list *list, const char *name)
{
    const ui_model_row *row = ui_models_find(list, name);
    return row && !row->problem ? row : NULL;
}

const ui_model_row *ui_models_first(const ui_model_list *list, const char *last)
{
    const ui_model_row *row = last ? find_usable(list, last) : NULL;
    if (!row) row = find_usable(list, "demo");
    if (row) return row;
    for (size_t i = 0; i < list->count; i++) {
        if (list->rows[i].problem) continue;
        if (row) return NULL; /* more than one: the person chooses */
        row = &list->rows[i];
    }
    return row;
}

uint64_t ui_memory_available(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    unsigned long long kilobytes = 0;
    char line[256];
    if (!file) return 0;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kilobytes) == 1) break;
    fclose(file);
    return (uint64_t)kilobytes * 1024;
}

/* -- adapters ---------------------------------------------------------------------------------------------
 */

static bool is_adapter(const char *folder, const char *file, char **name, char **path)
{
    char *whole = file_join(folder, file);
    bool is = false;
    if (file[0] != '.' && ends_with(file, ".safetensors")) {
        CLEANUP(bytes_free) bytes config = {0};
        *name = memory_text_n(file, strlen(file) - strlen(".safetensors"));
        bytes_printf(&config, "%s.config.json", *name);
        is = has_file(folder, bytes_text(&config));
        if (!is) free(*name);
    } else if (file[0] != '.' && file_is_folder(whole) && has_file(whole, "adapter_config.json")) {
        *name = memory_text(file);
        is = true;
    }
    if (is)
        *path = whole;
    else
        free(whole);
    return is;
}

void ui_adapters_scan(const char *model_path, ui_adapter_list *out)
{
    char *folder = file_join(model_path, "adapters");
    file_list files = {0};
    *out = (ui_adapter_list){0};
    if (file_list_folder(folder, &files).code == 0) {
        for (size_t i = 0; i < files.count && out->count < UI_ADAPTERS_COUNT_MAX; i++) {
            ui_adapter_row row = {.scale = 1};
            if (!is_adapter(folder, files.names[i], &row.name, &row.path)) continue;
            out->rows = memory_resize_array(out->rows, out->count + 1, sizeof *out->rows);
            out->rows[out->count++] = row;
        }
        file_list_free(&files);
    }
    free(folder);
}

void ui_adapters_free(ui_adapter_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].path);
    }
    free(list->rows);
    *list = (ui_adapter_list){0};
}
