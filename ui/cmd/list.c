#include <string.h>

#include "base/text.h"
#include "ui/app/models.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

/* ---- JSON ---- */

static void add_text_or_null(cJSON *o, const char *key, const char *text)
{
    if (text && *text)
        ui_json_add_text(o, key, bytes_view_of(text));
    else
        cJSON_AddNullToObject(o, key);
}

static void add_count_or_null(cJSON *o, const char *key, int count)
{
    if (count >= 0)
        cJSON_AddNumberToObject(o, key, count);
    else
        cJSON_AddNullToObject(o, key);
}

/* null is "not known", and of a plain folder "there is none". */
static void add_repository(cJSON *o, const repo_model_row *row)
{
    ui_json_add_text(o, "state", bytes_view_of(repo_model_state_name(row->state)));
    add_text_or_null(o, "why", row->why);
    add_text_or_null(o, "branch", row->branch);
    add_text_or_null(o, "commit", row->head.hex);
    add_count_or_null(o, "ahead", row->ahead);
    add_count_or_null(o, "behind", row->behind);
    if (row->dirty >= 0)
        cJSON_AddBoolToObject(o, "dirty", row->dirty);
    else
        cJSON_AddNullToObject(o, "dirty");
    cJSON_AddNumberToObject(o, "branches", (double)row->branch_count);
    cJSON_AddNumberToObject(o, "tags", (double)row->tag_count);
    cJSON_AddNumberToObject(o, "worktrees", (double)row->worktree_count);
    cJSON_AddBoolToObject(o, "shallow", row->shallow);
    cJSON_AddNumberToObject(o, "missing", (double)row->missing_count);
    add_text_or_null(o, "url", row->url);
}

static void print_json(const ui_model_list *models, FILE *out)
{
    cJSON *result = cJSON_CreateObject();

    ui_json_add_text(result, "folder", bytes_view_of(models->folder));
    cJSON *list = cJSON_AddArrayToObject(result, "models");
    for (size_t i = 0; i < models->count; i++) {
        const ui_model_row *row = &models->rows[i];
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "name", bytes_view_of(row->name));
        ui_json_add_text(o, "path", bytes_view_of(row->path));
        if (row->architecture) {
            ui_json_add_text(o, "model_type", bytes_view_of(row->architecture));
            cJSON_AddNumberToObject(o, "parameters", (double)row->parameters);
            cJSON_AddNumberToObject(o, "context", (double)row->context_max);
        }
        cJSON_AddNumberToObject(o, "model_bytes", (double)row->file_bytes);
        cJSON_AddBoolToObject(o, "chat_template", row->has_template);
        cJSON_AddNumberToObject(o, "adapters", (double)row->adapter_count);
        add_repository(o, row->repo);
        if (row->problem) ui_json_add_text(o, "problem", bytes_view_of(row->problem));
        cJSON_AddItemToArray(list, o);
    }
    ui_json_print(result, out);
}

/* ---- text ---- */

/* The branch as prompts show it: "main* +2 -1", "(detached)". */
static void branch_print(const repo_model_row *row, FILE *out)
{
    if (row->state != REPO_MODEL_READY) return;
    fputs("  ", out);
    ui_show_text(out, bytes_view_of(row->branch ? row->branch : "(detached)"));
    if (row->dirty == 1) fputc('*', out);
    if (row->ahead > 0) fprintf(out, " +%d", row->ahead);
    if (row->behind > 0) fprintf(out, " -%d", row->behind);
}

static void problem_print(const ui_model_row *row, FILE *out)
{
    const repo_model_row *repo = row->repo;
    bool is_odd = repo->state != REPO_MODEL_READY && repo->state != REPO_MODEL_PLAIN;
    const char *why = row->problem ? row->problem : is_odd ? repo->why : NULL;

    if (!why) return;
    fputs("  (", out);
    if (is_odd) fprintf(out, "%s: ", repo_model_state_name(repo->state));
    ui_show_text(out, bytes_view_of(why));
    fputc(')', out);
}

static void row_print(const ui_model_row *row, int width, FILE *out)
{
    char count[32], size[32];

    ui_show_text(out, bytes_view_of(row->name));
    fprintf(out, "%*s", width - (int)strlen(row->name), "");
    if (row->architecture) {
        text_human_count(row->parameters, count, sizeof count);
        text_human_size(row->file_bytes, size, sizeof size);
        fprintf(out, "  %-12s %6s parameters  %7s  %7zu tokens", row->architecture, count, size,
                row->context_max);
    }
    branch_print(row->repo, out);
    problem_print(row, out);
    fputc('\n', out);
}

static err list_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_models_free) ui_model_list models = {0};
    int width = 0;

    ui_models_scan(cli->settings, NULL, &models);
    if (!models.error.code && ui_arguments_has(a, "refresh")) ui_models_rescan(cli->settings, NULL, &models);
    if (models.error.code) return models.error;
    if (ui_arguments_has(a, "json")) {
        print_json(&models, cli->out);
        return ERR_OK;
    }
    for (size_t i = 0; i < models.count; i++) width = MAX_OF(width, (int)strlen(models.rows[i].name));
    for (size_t i = 0; i < models.count; i++) row_print(&models.rows[i], width, cli->out);
    if (!models.count) fprintf(cli->err_out, "no models in %s\n", models.folder);
    return ERR_OK;
}

static const ui_option options[] = {
    {"refresh", NULL, "look at every model again, not only at those that changed", false},
    {0},
};

const ui_command ui_cmd_list = {
    .name = "list",
    .group = "models",
    .args = "",
    .help = "List the models of the models folder",
    .options = {options, ui_options_all},
    .run = list_run,
};
