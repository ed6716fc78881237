#include <string.h>

#include "ui/app/action.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"

enum { HELP_COLUMN = 16, LINE_COLUMNS = 80 };

/* A name and its sentence beside it, broken at blanks to stay within a line of a small terminal. */
static void row_print(const ui_command *command, FILE *out)
{
    int column = fprintf(out, "  %-*s", HELP_COLUMN - 3, command->name);

    for (const char *word = command->help; *word; word += strspn(word, " ")) {
        int length = (int)strcspn(word, " ");
        if (column + 1 + length > LINE_COLUMNS) column = fprintf(out, "\n%*s", HELP_COLUMN - 1, "") - 1;
        column += fprintf(out, " %.*s", length, word);
        word += length;
    }
    fputc('\n', out);
}

void ui_commands_print(FILE *out)
{
    fputs("hyprstream                 open the workstation\n"
          "hyprstream COMMAND ...     one thing from a script\n"
          "hyprstream --version       print the version\n",
          out);
    for (const ui_group *group = ui_groups; group->name; group++) {
        fprintf(out, "\n%s\n", group->title);
        for (const ui_command *const *c = ui_commands; *c; c++) {
            if (strcmp((*c)->group, group->name) == 0) row_print(*c, out);
        }
    }
    fputs("\nMODEL is a folder's path (it begins with /, ./, ../ or ~) or a name under the\n"
          "models folder. hyprstream COMMAND --help tells its arguments and options.\n"
          "Keys: F1 in the workstation.\n",
          out);
}

static cJSON *option_json(const ui_option *option)
{
    cJSON *row = cJSON_CreateObject();

    cJSON_AddStringToObject(row, "name", option->name);
    if (option->value) cJSON_AddStringToObject(row, "value", option->value);
    cJSON_AddBoolToObject(row, "repeats", option->repeats);
    cJSON_AddStringToObject(row, "help", option->help);
    return row;
}

static cJSON *command_json(const ui_command *command)
{
    cJSON *row = cJSON_CreateObject();

    cJSON_AddStringToObject(row, "name", command->name);
    cJSON_AddStringToObject(row, "group", command->group);
    cJSON_AddStringToObject(row, "args", command->args);
    cJSON_AddStringToObject(row, "help", command->help);
    cJSON *options = cJSON_AddArrayToObject(row, "options");
    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++) {
        for (const ui_option *o = command->options[set]; o->name; o++)
            cJSON_AddItemToArray(options, option_json(o));
    }
    return row;
}

static err help_run(ui_cli *cli, const ui_arguments *a)
{
    if (a->word_count == 1) {
        const ui_command *command = ui_command_find(a->words[0]);
        if (!command) return ui_command_unknown(a->words[0]);
        if (ui_arguments_has(a, "json"))
            ui_json_print(command_json(command), cli->out);
        else
            ui_command_print_help(command, cli->out);
        return ERR_OK;
    }
    if (!ui_arguments_has(a, "json")) {
        ui_commands_print(cli->out);
        return ERR_OK;
    }
    cJSON *all = cJSON_CreateObject();
    cJSON *groups = cJSON_AddArrayToObject(all, "groups");
    for (const ui_group *group = ui_groups; group->name; group++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", group->name);
        cJSON_AddStringToObject(row, "title", group->title);
        cJSON_AddItemToArray(groups, row);
    }
    cJSON *commands = cJSON_AddArrayToObject(all, "commands");
    for (const ui_command *const *c = ui_commands; *c; c++) cJSON_AddItemToArray(commands, command_json(*c));
    cJSON_AddItemToObject(all, "actions", ui_actions_json());
    ui_json_print(all, cli->out);
    return ERR_OK;
}

const ui_command ui_cmd_help = {
    .name = "help",
    .group = "program",
    .args = "[COMMAND]",
    .help = "Print the commands, or one command's options",
    .words_max = 1,
    .options = {ui_options_all},
    .any_settings = true,
    .run = help_run,
};
