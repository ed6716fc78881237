#include "repo/unlock.h"

#include <string.h>

#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/show.h"

static void print_json(const repo_lock_row *rows, size_t count, FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(o, "locks");

    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "path", bytes_view_of(rows[i].path));
        cJSON_AddNumberToObject(row, "age_s", (double)rows[i].age_s);
        cJSON_AddBoolToObject(row, "removed", rows[i].removed);
        ui_json_add_text(row, "why", bytes_view_of(rows[i].why));
        cJSON_AddItemToArray(list, row);
    }
    ui_json_print(o, out);
}

/* A lock that stays is what the person came for: exit status 1. */
static err print_text(ui_cli *cli, const char *name, const repo_lock_row *rows, size_t count)
{
    size_t left = 0;

    if (!count) fprintf(cli->out, "%s has no locks\n", name);
    for (size_t i = 0; i < count; i++) {
        left += !rows[i].removed;
        fputs(rows[i].removed ? "removed " : "left    ", cli->out);
        ui_show_text(cli->out, bytes_view_of(rows[i].path));
        fprintf(cli->out, " (%s)\n", rows[i].why);
    }
    return left ? err_make(ERR_BUSY, "%zu of %zu locks are left", left, count) : ERR_OK;
}

static err unlock_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    repo_lock_row *rows = NULL;
    size_t count = 0;

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_unlock(r.handle, ui_arguments_has(a, "force"), &rows, &count);
    if (!e.code && ui_arguments_has(a, "json"))
        print_json(rows, count, cli->out);
    else if (!e.code)
        e = print_text(cli, r.name, rows, count);
    repo_lock_rows_free(rows, count);
    return e;
}

static const ui_option options[] = {
    {"force", NULL, "also locks younger than ten minutes, when no process has them open", false},
    {0},
};

const ui_command ui_cmd_unlock = {
    .name = "unlock",
    .group = "models",
    .args = "MODEL",
    .help = "Remove lock files that a killed git left in a model's repository",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .run = unlock_run,
};
