#include <string.h>

#include "base/settings.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

static cJSON *setting_json(const settings *s, const setting_row *row)
{
    cJSON *object = cJSON_CreateObject();

    cJSON_AddStringToObject(object, "name", row->name);
    ui_json_add_text(object, "value", bytes_view_of(settings_text(s, row->name)));
    cJSON_AddStringToObject(object, "source", settings_source(s, row->name));
    cJSON_AddStringToObject(object, "help", row->help);
    return object;
}

static err config_get(ui_cli *cli, const ui_arguments *a)
{
    const setting_row *row = NULL;

    err e = settings_find(a->words[1], &row);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        ui_json_print(setting_json(cli->settings, row), cli->out);
        return ERR_OK;
    }
    ui_show_text(cli->out, bytes_view_of(settings_text(cli->settings, row->name)));
    fputc('\n', cli->out);
    return ERR_OK;
}

static err config_set(ui_cli *cli, const ui_arguments *a)
{
    err e = settings_set(cli->settings, a->words[1], a->words[2]);
    return e.code || !ui_arguments_has(a, "json") ? e : config_get(cli, a);
}

static err config_unset(ui_cli *cli, const ui_arguments *a)
{
    err e = settings_unset(cli->settings, a->words[1]);
    return e.code || !ui_arguments_has(a, "json") ? e : config_get(cli, a);
}

static err config_list(ui_cli *cli, const ui_arguments *a)
{
    if (ui_arguments_has(a, "json")) {
        cJSON *result = cJSON_CreateObject();
        ui_json_add_text(result, "file", bytes_view_of(settings_borrow_path(cli->settings)));
        cJSON *list = cJSON_AddArrayToObject(result, "settings");
        for (const setting_row *row = setting_rows; row->name; row++)
            cJSON_AddItemToArray(list, setting_json(cli->settings, row));
        ui_json_print(result, cli->out);
        return ERR_OK;
    }
    for (const setting_row *row = setting_rows; row->name; row++) {
        const char *value = settings_text(cli->settings, row->name);
        fprintf(cli->out, "%-18s", row->name);
        ui_show_text(cli->out, bytes_view_of(*value ? value : "(not set)"));
        fprintf(cli->out, "%*s%-12s %s\n", strlen(value) < 12 ? (int)(12 - (*value ? strlen(value) : 9)) : 1,
                "", settings_source(cli->settings, row->name), row->help);
    }
    return ERR_OK;
}

static const struct {
    const char *name;
    size_t words;
    const char *args;
    err (*run)(ui_cli *cli, const ui_arguments *a);
} verbs[] = {
    {"get", 2, "NAME", config_get},
    {"set", 3, "NAME VALUE", config_set},
    {"unset", 2, "NAME", config_unset},
    {"list", 1, "", config_list},
};

static err config_run(ui_cli *cli, const ui_arguments *a)
{
    const char *verb = a->word_count ? a->words[0] : "list";

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, verb) != 0) continue;
        if (a->word_count != verbs[i].words && a->word_count)
            return err_make(ERR_USAGE, "expected: hyprstream config %s %s", verb, verbs[i].args);
        return verbs[i].run(cli, a);
    }
    return err_make(ERR_USAGE, "config %s is nothing: expected get, set, unset or list", verb);
}

const ui_command ui_cmd_config = {
    .name = "config",
    .group = "program",
    .args = "get|set|unset|list [NAME [VALUE]]",
    .help = "Read and change the settings",
    .words_max = 3,
    .options = {ui_options_all},
    .any_settings = true,
    .run = config_run,
};
