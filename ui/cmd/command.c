#include "ui/cmd/command.h"

#include "base/settings.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/show.h"

enum { OPTION_COLUMN = 31 };

static void options_print(const ui_option *options, FILE *out)
{
    for (const ui_option *o = options; o->name; o++) {
        int used = fprintf(out, "  %s%s%s%s", o->name[1] ? "--" : "-", o->name, o->value ? " " : "",
                           o->value ? o->value : "");
        fprintf(out, "%*s%s%s\n", used < OPTION_COLUMN ? OPTION_COLUMN - used : 1, "", o->help,
                o->repeats ? " (may be repeated)" : "");
    }
}

void ui_command_print_help(const ui_command *command, FILE *out)
{
    fprintf(out, "hyprstream %s %s\n%s\n\n", command->name, command->args, command->help);
    for (size_t set = 0; set < UI_OPTION_SETS_MAX && command->options[set]; set++)
        options_print(command->options[set], out);
}

int ui_command_run(const ui_command *command, ui_cli *cli, int argc, char **argv)
{
    ui_arguments arguments;
    err e = ui_arguments_parse(command, argc, argv, &arguments);

    if (!e.code && ui_arguments_has(&arguments, "help")) {
        ui_command_print_help(command, cli->out);
        return 0;
    }
    if (!e.code && !command->any_settings) e = settings_check(cli->settings);
    if (!e.code) e = command->run(cli, &arguments);
    if (!e.code && (fflush(cli->out) != 0 || ferror(cli->out))) e = err_errno("write the result");
    /* A sentence may hold names from a file. */
    if (e.code) {
        fprintf(cli->err_out, "hyprstream %s: ", command->name);
        ui_show_text(cli->err_out, bytes_view_of(e.text));
        fputc('\n', cli->err_out);
    }
    return err_exit_status(e);
}
