/* ui/cmd/undo.c: undo and redo, which differ in one word. */
#include "repo/undo.h"

#include <stdio.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

static void print_json(const ui_repo *r, const repo_undo *undo)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_json_add_text(o, "action", bytes_view_of(undo->action));
    cJSON_AddStringToObject(o, "before", undo->before.hex);
    cJSON_AddStringToObject(o, "commit", undo->after.hex);
    ui_files_add_optional(o, "branch", undo->branch);
    ui_json_print(o, r->cli->out);
}

static err run(ui_cli *cli, const ui_arguments *a, bool redo)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_undo_free) repo_undo undo = {0};
    CLEANUP(repo_checkout_report_free) repo_checkout_report report = {0};
    bool json = ui_arguments_has(a, "json");

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_undo_find(r.handle, redo, &undo);
    if (e.code) return e;
    /* Said before it is done, so that a failure has its sentence above it. */
    if (!json) {
        ui_show_text(cli->out, bytes_view_of(undo.says));
        fputc('\n', cli->out);
        fflush(cli->out);
    }
    if (!ui_arguments_has(a, "dry-run")) e = repo_undo_run(r.handle, &undo, &report);
    if (e.code) {
        ui_files_list(cli, "In the way:", &report.in_the_way);
        return e;
    }
    if (json) print_json(&r, &undo);
    ui_files_warn_checkout(cli, &report);
    if (report.missing.count)
        ui_files_warn_missing(cli, r.name, report.missing.count, report.missing.rows[0].path);
    return ERR_OK;
}

static err undo_run(ui_cli *cli, const ui_arguments *a) { return run(cli, a, false); }
static err redo_run(ui_cli *cli, const ui_arguments *a) { return run(cli, a, true); }

static const ui_option options[] = {
    {"dry-run", NULL, "only say what would be done", false},
    {0},
};

const ui_command ui_cmd_undo = {
    .name = "undo",
    .group = "history",
    .args = "MODEL",
    .help = "Take back the last commit, checkout, merge, reset, ...; uncommitted work stays",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = undo_run,
};

const ui_command ui_cmd_redo = {
    .name = "redo",
    .group = "history",
    .args = "MODEL",
    .help = "Do again what undo took back",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = redo_run,
};
