#include "ui/cmd/files_show.h"

#include "ui/cmd/show.h"

enum { LISTED_MAX = 20 };

static const char *plural(size_t count) { return count == 1 ? "" : "s"; }

void ui_files_add_names(cJSON *object, const char *key, const repo_names *names)
{
    cJSON *list = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; i < names->count; i++) ui_json_push_text(list, bytes_view_of(names->names[i]));
}

void ui_files_add_optional(cJSON *object, const char *key, const char *text)
{
    if (text && *text)
        ui_json_add_text(object, key, bytes_view_of(text));
    else
        cJSON_AddNullToObject(object, key);
}

void ui_files_told(ui_repo *r, const char *verb, const repo_names *files, bool json)
{
    FILE *out = r->cli->out;

    if (json) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "model", bytes_view_of(r->name));
        ui_files_add_names(o, "files", files);
        ui_json_print(o, out);
    } else if (!files->count) {
        fprintf(out, "Nothing to do: no file differs.\n");
    } else {
        fprintf(out, "%s ", verb);
        if (files->count == 1)
            ui_show_text(out, bytes_view_of(files->names[0]));
        else
            fprintf(out, "%zu files", files->count);
        fprintf(out, ".\n");
    }
}

void ui_files_list(ui_cli *cli, const char *heading, const repo_names *names)
{
    if (!names->count) return;
    fprintf(cli->err_out, "%s\n", heading);
    for (size_t i = 0; i < names->count && i < LISTED_MAX; i++) {
        fputs("    ", cli->err_out);
        ui_show_text(cli->err_out, bytes_view_of(names->names[i]));
        fputc('\n', cli->err_out);
    }
    if (names->count > LISTED_MAX) fprintf(cli->err_out, "    and %zu more\n", names->count - LISTED_MAX);
}

void ui_files_warn_missing(ui_cli *cli, const char *name, size_t count, const char *first)
{
    if (!count) return;
    fprintf(cli->err_out, "%zu large file%s %s not here, only the pointer%s (", count, plural(count),
            count == 1 ? "is" : "are", plural(count));
    ui_show_text(cli->err_out, bytes_view_of(first));
    fprintf(cli->err_out, "%s): hyprstream fetch-files ", count == 1 ? "" : ", ...");
    ui_show_text(cli->err_out, bytes_view_of(name));
    fputc('\n', cli->err_out);
}

void ui_files_warn_checkout(ui_cli *cli, const repo_checkout_report *report)
{
    ui_files_list(cli,
                  "These links lead out of the model; small files stand in their place:", &report->links);
    if (!report->stays) return;
    ui_show_text(cli->err_out, bytes_view_of(report->stays));
    fputc('\n', cli->err_out);
}

size_t ui_files_paths(const ui_arguments *a, const char *const **paths)
{
    *paths = a->word_count > 1 ? &a->words[1] : NULL;
    return a->word_count - 1;
}
