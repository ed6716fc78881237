#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "engine/spec.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

enum { CONFIG_BYTES_MAX = 4 << 20 };

/* What config.json and the sizes of the files tell; nothing is opened but config.json. */
typedef struct model_row {
    char *name, *path;
    char *model_type; /* NULL: config.json could not be used */
    char *problem;    /* NULL: none */
    uint64_t parameters, weight_bytes;
    size_t context_max;
} model_row;

typedef struct model_rows {
    model_row *list;
    size_t count;
} model_rows;

static void rows_free(model_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->list[i].name);
        free(rows->list[i].path);
        free(rows->list[i].model_type);
        free(rows->list[i].problem);
    }
    free(rows->list);
}

static bool is_weights(const char *name)
{
    static const char ending[] = ".safetensors";
    size_t size = strlen(name), ending_size = sizeof ending - 1;
    return size > ending_size && strcmp(name + size - ending_size, ending) == 0;
}

static void weights_add(model_row *row)
{
    CLEANUP(file_list_free) file_list files = {0};

    if (file_list_folder(row->path, &files).code) return;
    for (size_t i = 0; i < files.count; i++) {
        CLEANUP(bytes_free) bytes path = {.data = file_join(row->path, files.names[i])};
        uint64_t size = 0;
        if (is_weights(files.names[i]) && !file_size(path.data, &size).code) row->weight_bytes += size;
    }
    if (!row->weight_bytes && !row->problem) row->problem = memory_text("no .safetensors file");
}

static void row_read(const char *config, model_row *row)
{
    CLEANUP(bytes_free) bytes text = {0};
    engine_spec *spec = NULL;

    err e = file_read(config, CONFIG_BYTES_MAX, &text);
    if (!e.code) {
        e = engine_spec_parse(bytes_borrow(&text), &spec);
        if (e.code) e = err_note(e, "config.json");
    }
    if (e.code) {
        row->problem = memory_text(e.text);
    } else {
        row->model_type = memory_text(spec->model_type);
        row->parameters = engine_spec_parameters(spec);
        row->context_max = spec->context_max;
        engine_spec_free(spec);
    }
    weights_add(row);
}

static err rows_read(const char *folder, model_rows *out)
{
    CLEANUP(file_list_free) file_list names = {0};

    err e = file_exists(folder) ? file_list_folder(folder, &names) : ERR_OK;
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP(bytes_free) bytes path = {.data = file_join(folder, names.names[i])};
        CLEANUP(bytes_free) bytes config = {.data = file_join(path.data, "config.json")};
        if (names.names[i][0] == '.' || !file_exists(config.data)) continue;
        out->list = memory_resize_array(out->list, out->count + 1, sizeof *out->list);
        model_row *row = &out->list[out->count++];
        *row = (model_row){.name = memory_text(names.names[i]), .path = memory_text(path.data)};
        row_read(config.data, row);
    }
    return e;
}

static void print_json(const char *folder, const model_rows *rows, FILE *out)
{
    cJSON *result = cJSON_CreateObject();

    ui_json_add_text(result, "folder", bytes_view_of(folder));
    cJSON *list = cJSON_AddArrayToObject(result, "models");
    for (size_t i = 0; i < rows->count; i++) {
        const model_row *row = &rows->list[i];
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "name", bytes_view_of(row->name));
        ui_json_add_text(o, "path", bytes_view_of(row->path));
        if (row->model_type) {
            ui_json_add_text(o, "model_type", bytes_view_of(row->model_type));
            cJSON_AddNumberToObject(o, "parameters", (double)row->parameters);
            cJSON_AddNumberToObject(o, "context", (double)row->context_max);
        }
        cJSON_AddNumberToObject(o, "model_bytes", (double)row->weight_bytes);
        if (row->problem) ui_json_add_text(o, "problem", bytes_view_of(row->problem));
        cJSON_AddItemToArray(list, o);
    }
    ui_json_print(result, out);
}

static void print_text(const model_rows *rows, FILE *out)
{
    int width = 0;

    for (size_t i = 0; i < rows->count; i++) width = MAX_OF(width, (int)strlen(rows->list[i].name));
    for (size_t i = 0; i < rows->count; i++) {
        const model_row *row = &rows->list[i];
        char size[32];
        ui_show_text(out, bytes_view_of(row->name));
        fprintf(out, "%*s", width - (int)strlen(row->name) + 2, "");
        text_human_size(row->weight_bytes, size, sizeof size);
        if (row->model_type)
            fprintf(out, "%-10s %8.1f M parameters  %8s  %7zu tokens", row->model_type,
                    (double)row->parameters / 1e6, size, row->context_max);
        if (row->problem) {
            fputs(row->model_type ? "  (" : "(", out);
            ui_show_text(out, bytes_view_of(row->problem));
            fputc(')', out);
        }
        fputc('\n', out);
    }
}

static err list_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(rows_free) model_rows rows = {0};
    const char *folder = settings_text(cli->settings, "models.dir");

    err e = rows_read(folder, &rows);
    if (e.code) return e;
    if (ui_arguments_has(a, "json"))
        print_json(folder, &rows, cli->out);
    else
        print_text(&rows, cli->out);
    if (!rows.count && !ui_arguments_has(a, "json")) fprintf(cli->err_out, "no models in %s\n", folder);
    return ERR_OK;
}

const ui_command ui_cmd_list = {
    .name = "list",
    .args = "",
    .help = "List the models of the models folder",
    .options = {ui_options_all},
    .run = list_run,
};
