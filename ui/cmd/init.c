#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

static err init_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};

    err e = ui_repo_begin_models(cli, &r);
    if (!e.code) e = repo_models_init(r.models, a->words[0]);
    if (e.code) return e;
    const repo_model_row *row = repo_models_find(r.models, a->words[0]);
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(row->name));
        ui_json_add_text(o, "path", bytes_view_of(row->path));
        ui_json_add_text(o, "commit", bytes_view_of(row->head.hex));
        ui_json_print(o, cli->out);
    } else {
        fprintf(cli->out, "Initialized %s in %s, on %s\n", row->name, row->path, row->branch);
    }
    return ERR_OK;
}

const ui_command ui_cmd_init = {
    .name = "init",
    .group = "models",
    .args = "MODEL",
    .help = "Make a new, empty model: a repository with weights under LFS from its first commit on",
    .words_min = 1,
    .words_max = 1,
    .options = {ui_options_all},
    .run = init_run,
};
