#include <string.h>

#include "base/text.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/show.h"

enum { UNPUSHED_NAMED_MAX = 5 };

/* "remove demo, 1.2 MB (main and 2 more have commits that no remote has; uncommitted changes)" */
static void question_make(const char *name, const repo_removal *removal, bytes *out)
{
    char size[32];
    const repo_names *unpushed = &removal->unpushed;
    size_t named = MIN_OF(unpushed->count, (size_t)UNPUSHED_NAMED_MAX);

    text_human_size(removal->bytes, size, sizeof size);
    bytes_printf(out, "remove %s, %s", name, size);
    if (!unpushed->count && !removal->dirty) return;
    bytes_append_text(out, " (");
    for (size_t i = 0; i < named; i++) bytes_printf(out, "%s%s", i ? ", " : "", unpushed->names[i]);
    if (unpushed->count > named) bytes_printf(out, " and %zu more", unpushed->count - named);
    if (named) bytes_printf(out, " %s commits that no remote has", unpushed->count == 1 ? "has" : "have");
    if (removal->dirty) bytes_printf(out, "%suncommitted changes", named ? "; " : "");
    bytes_append_byte(out, ')');
}

static err what_of(const ui_arguments *a, repo_remove_what *what)
{
    bool registry = ui_arguments_has(a, "registry-only"), files = ui_arguments_has(a, "files-only");

    if (registry && files) return err_make(ERR_USAGE, "--registry-only and --files-only exclude each other");
    *what = registry ? REPO_REMOVE_REGISTRY_ONLY : files ? REPO_REMOVE_FILES_ONLY : REPO_REMOVE_ALL;
    return ERR_OK;
}

/* Only files can be lost; a row of the registry can be made again. */
static err confirm(ui_repo *r, const ui_arguments *a, const char *name, repo_remove_what what,
                   const repo_removal *removal)
{
    CLEANUP(bytes_free) bytes question = {0};

    if (what == REPO_REMOVE_REGISTRY_ONLY || removal->bytes == 0 || ui_arguments_has(a, "force"))
        return ERR_OK;
    question_make(name, removal, &question);
    return ui_repo_confirm(r, bytes_text(&question), "--force");
}

static void print(ui_cli *cli, const ui_arguments *a, const char *name, repo_remove_what what,
                  const repo_removal *removal)
{
    uint64_t bytes_freed = what == REPO_REMOVE_REGISTRY_ONLY ? 0 : removal->bytes;
    char size[32];

    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(name));
        cJSON_AddNumberToObject(o, "bytes", (double)bytes_freed);
        cJSON *list = cJSON_AddArrayToObject(o, "unpushed");
        for (size_t i = 0; i < removal->unpushed.count; i++)
            ui_json_push_text(list, bytes_view_of(removal->unpushed.names[i]));
        ui_json_print(o, cli->out);
        return;
    }
    text_human_size(bytes_freed, size, sizeof size);
    fprintf(cli->out, "Removed ");
    ui_show_text(cli->out, bytes_view_of(name));
    if (what == REPO_REMOVE_REGISTRY_ONLY)
        fprintf(cli->out, " from the list; its files stay\n");
    else
        fprintf(cli->out, ", %s\n", size);
}

static err remove_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_removal_free) repo_removal removal = {0};
    repo_remove_what what = REPO_REMOVE_ALL;
    const char *name = a->words[0];

    err e = what_of(a, &what);
    if (!e.code) e = ui_repo_begin_models(cli, &r);
    if (!e.code) e = repo_models_look_at_removal(r.models, name, &removal);
    if (!e.code) e = confirm(&r, a, name, what, &removal);
    if (!e.code) e = repo_models_remove(r.models, name, what);
    if (!e.code) print(cli, a, name, what, &removal);
    return e;
}

static const ui_option options[] = {
    {"force", NULL, "do not ask", false},
    {"registry-only", NULL, "forget the model, leave its files", false},
    {"files-only", NULL, "delete its files, keep it in the list as missing", false},
    {0},
};

const ui_command ui_cmd_remove = {
    .name = "remove",
    .group = "models",
    .args = "MODEL",
    .help = "Delete a model, after saying what would be lost",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .run = remove_run,
};
