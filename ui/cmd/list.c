#include <string.h>

#include "base/settings.h"
#include "base/text.h"
#include "ui/app/models.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

static void print_json(const ui_model_list *models, FILE *out)
{
    cJSON *result = cJSON_CreateObject();

    ui_json_add_text(result, "folder", bytes_view_of(models->folder));
    cJSON *list = cJSON_AddArrayToObject(result, "models");
    for (size_t i = 0; i < models->count; i++) {
        const ui_model_row *row = &models->rows[i];
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "name", bytes_view_of(row->name));
        ui_json_add_text(o, "path", bytes_view_of(row->path));
        if (row->architecture) {
            ui_json_add_text(o, "model_type", bytes_view_of(row->architecture));
            cJSON_AddNumberToObject(o, "parameters", (double)row->parameters);
            cJSON_AddNumberToObject(o, "context", (double)row->context_max);
        }
        cJSON_AddNumberToObject(o, "model_bytes", (double)row->file_bytes);
        cJSON_AddBoolToObject(o, "chat_template", row->has_template);
        cJSON_AddNumberToObject(o, "adapters", (double)row->adapter_count);
        if (row->problem) ui_json_add_text(o, "problem", bytes_view_of(row->problem));
        cJSON_AddItemToArray(list, o);
    }
    ui_json_print(result, out);
}

static void row_print(const ui_model_row *row, int width, FILE *out)
{
    char count[32], size[32];

    ui_show_text(out, bytes_view_of(row->name));
    fprintf(out, "%*s", width - (int)strlen(row->name) + 2, "");
    if (row->architecture) {
        text_human_count(row->parameters, count, sizeof count);
        text_human_size(row->file_bytes, size, sizeof size);
        fprintf(out, "%-12s %6s parameters  %7s  %7zu tokens", row->architecture, count, size,
                row->context_max);
    }
    if (row->problem) {
        fputs(row->architecture ? "  (" : "(", out);
        ui_show_text(out, bytes_view_of(row->problem));
        fputc(')', out);
    }
    fputc('\n', out);
}

static err list_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_models_free) ui_model_list models = {0};
    int width = 0;

    ui_models_scan(settings_text(cli->settings, "models.dir"), settings_text(cli->settings, "run.dtype"),
                   &models);
    if (models.error.code) return models.error;
    if (ui_arguments_has(a, "json")) {
        print_json(&models, cli->out);
        return ERR_OK;
    }
    for (size_t i = 0; i < models.count; i++) width = MAX_OF(width, (int)strlen(models.rows[i].name));
    for (size_t i = 0; i < models.count; i++) row_print(&models.rows[i], width, cli->out);
    if (!models.count) fprintf(cli->err_out, "no models in %s\n", models.folder);
    return ERR_OK;
}

const ui_command ui_cmd_list = {
    .name = "list",
    .args = "",
    .help = "List the models of the models folder",
    .options = {ui_options_all},
    .run = list_run,
};
