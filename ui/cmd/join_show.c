#include "ui/cmd/join_show.h"

#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

enum { LISTED_MAX = 100 };

const ui_option ui_options_favor[] = {
    {"ours", NULL, "where only one side can be had (weights, deleted files), ours", false},
    {"theirs", NULL, "theirs", false},
    {"both", NULL, "both: NAME.theirs.safetensors beside ours", false},
    {0},
};

err ui_join_favor(const ui_arguments *a, repo_favor *out)
{
    static const struct {
        const char *option;
        repo_favor favor;
    } rows[] = {{"ours", REPO_FAVOR_OURS}, {"theirs", REPO_FAVOR_THEIRS}, {"both", REPO_FAVOR_BOTH}};
    size_t given = 0;

    *out = REPO_FAVOR_NONE;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!ui_arguments_has(a, rows[i].option)) continue;
        *out = rows[i].favor;
        given++;
    }
    return given > 1 ? err_make(ERR_USAGE, "--ours, --theirs and --both exclude each other") : ERR_OK;
}

/* ---- JSON ---- */

void ui_join_add_conflicts(cJSON *object, const repo_merge_report *report)
{
    cJSON *list = cJSON_AddArrayToObject(object, "conflicts");
    for (size_t i = 0; i < report->conflict_count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "path", bytes_view_of(report->conflicts[i].path));
        cJSON_AddStringToObject(row, "kind", repo_conflict_kind_name(report->conflicts[i].kind));
        cJSON_AddItemToArray(list, row);
    }
}

void ui_join_json(ui_repo *r, const char *result, const repo_id *commit, const repo_merge_report *report)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON_AddStringToObject(o, "result", result);
    ui_files_add_optional(o, "commit", commit ? commit->hex : NULL);
    ui_join_add_conflicts(o, report);
    cJSON_AddBoolToObject(o, "in_progress", report->in_progress);
    ui_files_add_names(o, "same_index", &report->same_index);
    ui_json_print(o, r->cli->out);
}

/* ---- warnings ---- */

void ui_join_warn(ui_repo *r, const repo_merge_report *report)
{
    ui_files_warn_checkout(r->cli, &report->checkout);
    if (report->checkout.missing.count)
        ui_files_warn_missing(r->cli, r->name, report->checkout.missing.count,
                              report->checkout.missing.rows[0].path);
    ui_files_list(r->cli, "These adapters have one number; rename one of them:", &report->same_index);
}

static void list_conflicts(ui_cli *cli, const repo_merge_report *report)
{
    fputs("Conflicts:\n", cli->err_out);
    for (size_t i = 0; i < report->conflict_count && i < LISTED_MAX; i++) {
        fprintf(cli->err_out, "    %-8s", repo_conflict_kind_name(report->conflicts[i].kind));
        ui_show_text(cli->err_out, bytes_view_of(report->conflicts[i].path));
        fputc('\n', cli->err_out);
    }
    if (report->conflict_count > LISTED_MAX)
        fprintf(cli->err_out, "    and %zu more\n", report->conflict_count - LISTED_MAX);
}

void ui_join_command(ui_repo *r, const char *verb, const char *rest)
{
    fprintf(r->cli->err_out, "hyprstream %s ", verb);
    ui_show_text(r->cli->err_out, bytes_view_of(r->name));
    fputs(rest, r->cli->err_out);
}

/* Markers are in the files. What --no-commit began is the person's to commit. */
void ui_join_what_next(ui_repo *r, const char *verb, bool commits)
{
    fputs("Mend the files, then ", r->cli->err_out);
    ui_join_command(r, "stage", " FILE and ");
    ui_join_command(r, commits ? verb : "commit", commits ? " --continue; " : "; ");
    ui_join_command(r, commits ? verb : "reset", commits ? " --abort" : " --merge");
    fputs(" takes it back\n", r->cli->err_out);
}

static void what_to_say(ui_repo *r, const char *verb, const repo_merge_report *report)
{
    FILE *to = r->cli->err_out;
    bool only_texts = true;

    for (size_t i = 0; i < report->conflict_count; i++)
        only_texts = only_texts && report->conflicts[i].kind == REPO_CONFLICT_TEXT;
    if (only_texts) {
        fprintf(to, "Say which side's lines to take where they conflict: %s again with --ours or --theirs\n",
                verb);
    } else {
        fprintf(to, "Say what to keep: %s again with --ours, --theirs or --both\n", verb);
    }
}

void ui_join_failed(ui_repo *r, const char *verb, const repo_merge_report *report, bool json)
{
    ui_files_list(r->cli, "In the way:", &report->checkout.in_the_way);
    if (!report->conflict_count) return;
    if (json) ui_join_json(r, "conflicts", NULL, report);
    list_conflicts(r->cli, report);
    if (!report->in_progress) what_to_say(r, verb, report);
}
