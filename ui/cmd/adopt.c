#include <stdlib.h>

#include "base/file.h"
#include "base/settings.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

/* What stands in the models folder under the path's own name, or the name that was given. */
static const repo_model_row *adopted(const ui_repo *r, const ui_arguments *a, const char *path)
{
    char *real = realpath(path, NULL);
    const char *name = a->word_count > 1 ? a->words[1] : file_name(real ? real : path);
    const repo_model_row *row = repo_models_find(r->models, name);
    free(real);
    return row;
}

static void print(ui_cli *cli, const ui_arguments *a, const repo_model_row *row, bool moved)
{
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(row->name));
        ui_json_add_text(o, "path", bytes_view_of(row->path));
        cJSON_AddBoolToObject(o, "moved", moved);
        ui_json_print(o, cli->out);
        return;
    }
    fprintf(cli->out, "Adopted %s: %s%s\n", row->name, row->path,
            row->head.hex[0] ? "" : ", nothing is committed yet (stage --all, then commit)");
}

static err adopt_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    bool move = ui_arguments_has(a, "move");
    char *path = file_expand_home(a->words[0], settings_borrow_folders(cli->settings)->home);

    err e = ui_repo_begin_models(cli, &r);
    if (!e.code) e = repo_models_adopt(r.models, path, a->word_count > 1 ? a->words[1] : NULL, move);
    /* A path that was moved has no real path any more; its last part is what it was. */
    const repo_model_row *row = e.code ? NULL : adopted(&r, a, path);
    if (row) print(cli, a, row, move);
    free(path);
    return e;
}

static const ui_option options[] = {
    {"move", NULL, "move the folder instead of copying it", false},
    {0},
};

const ui_command ui_cmd_adopt = {
    .name = "adopt",
    .group = "models",
    .args = "PATH [NAME]",
    .help = "Take a folder with a model, or a repository, into the models folder",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = adopt_run,
};
