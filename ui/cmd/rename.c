#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

static err rename_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};

    err e = ui_repo_begin_models(cli, &r);
    if (!e.code) e = repo_models_rename(r.models, a->words[0], a->words[1]);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        const repo_model_row *row = repo_models_find(r.models, a->words[1]);
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(a->words[0]));
        ui_json_add_text(o, "name", bytes_view_of(a->words[1]));
        if (row) ui_json_add_text(o, "path", bytes_view_of(row->path));
        ui_json_print(o, cli->out);
    } else {
        fprintf(cli->out, "Renamed %s to %s\n", a->words[0], a->words[1]);
    }
    return ERR_OK;
}

const ui_command ui_cmd_rename = {
    .name = "rename",
    .group = "models",
    .args = "MODEL NEW",
    .help = "Give a model another name; its folder and worktrees follow",
    .words_min = 2,
    .words_max = 2,
    .options = {ui_options_all},
    .run = rename_run,
};
