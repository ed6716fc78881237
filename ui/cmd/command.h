/* ui/cmd/command.h: a command of the command line is one row.
 *
 * A row says its name, arguments, help and options; parsing, `--help`, `hyprstream help` and the demo model's
 * corpus all read it from here. A command writes its result to `out` (JSON when --json is given), progress
 * and warnings to `err_out`, and gives back an err: none is exit status 0, a person's slip 2, a cancel 130,
 * all else 1 (err_exit_status). */
#ifndef UI_CMD_COMMAND_H
#define UI_CMD_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

typedef struct settings settings;

typedef struct ui_option {
    const char *name;  /* without the dashes; a name of one letter is written with one dash */
    const char *value; /* what follows, "FILE"; NULL: a flag */
    const char *help;
    bool repeats; /* may be given more than once; else the last one counts */
} ui_option;

/* What a command is run with. */
typedef struct ui_cli {
    settings *settings;
    FILE *in, *out, *err_out;
    volatile sig_atomic_t *interrupted; /* counts Ctrl-C; whoever has acted on it sets it to 0 */
} ui_cli;

typedef struct ui_arguments ui_arguments;

enum { UI_OPTION_SETS_MAX = 6 };

/* A heading of the help. */
typedef struct ui_group {
    const char *name;  /* a command's row says it */
    const char *title; /* the heading, in the help and in the manual page */
} ui_group;

typedef struct ui_command {
    const char *name;
    const char *group; /* a name of ui_groups */
    const char *args;  /* "MODEL [TEXT]" */
    const char *help;  /* one sentence */
    size_t words_min, words_max;
    const ui_option
        *options[UI_OPTION_SETS_MAX]; /* sets, each ended by a row without a name; NULL after the last */
    bool cancels;                     /* looks at cli->interrupted; else Ctrl-C ends the program at once */
    bool any_settings; /* runs also when a setting has a bad value, as what helps to mend it must */
    err (*run)(ui_cli *cli, const ui_arguments *arguments);
} ui_command;

/* The headings in the order of the help, ended by a row without a name. A new one is a row here
 * (ui/cmd/table.c) and a .SS of the same title in the manual page. */
extern const ui_group ui_groups[];
/* Every command, in the order of the help; ended by NULL. */
extern const ui_command *const ui_commands[];
const ui_command *ui_command_find(const char *name); /* NULL if there is none */
err ui_command_unknown(const char *name);            /* ERR_USAGE, with the nearest name */
void ui_commands_print(FILE *out);                   /* what `hyprstream --help` prints */

/* Options of every command that runs a model: --device, --dtype, --threads, --adapter. */
extern const ui_option ui_options_run[];
/* --json, --help. */
extern const ui_option ui_options_all[];

/* Parse argv (argv[0] is the command's name) and run it. Gives the exit status; an error's sentence is
 * printed to cli->err_out. */
int ui_command_run(const ui_command *command, ui_cli *cli, int argc, char **argv);

/* The page that `hyprstream COMMAND --help` prints. */
void ui_command_print_help(const ui_command *command, FILE *out);

#endif
