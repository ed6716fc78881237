#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

static err rescan_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    size_t found = 0, lost = 0;

    err e = ui_repo_begin_models(cli, &r);
    if (!e.code) e = repo_models_rescan(r.models, &found, &lost);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "found", (double)found);
        cJSON_AddNumberToObject(o, "lost", (double)lost);
        cJSON_AddNumberToObject(o, "models", (double)repo_models_count(r.models));
        ui_json_print(o, cli->out);
    } else {
        fprintf(cli->out, "%zu models in %s: %zu newly registered, %zu missing\n",
                repo_models_count(r.models), repo_models_borrow_folder(r.models), found, lost);
    }
    return ERR_OK;
}

const ui_command ui_cmd_rescan = {
    .name = "rescan",
    .group = "models",
    .args = "",
    .help = "Read the whole models folder anew and register the repositories that lie there",
    .options = {ui_options_all},
    .run = rescan_run,
};
