#include "base/text.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/network_show.h"
#include "ui/cmd/show.h"

static void told_json(ui_repo *r, const repo_network_report *report)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON_AddNumberToObject(o, "large_files", (double)report->large_files);
    cJSON_AddNumberToObject(o, "large_bytes", (double)report->large_bytes);
    ui_network_add_missing(o, &report->missing);
    ui_network_add_lines(o, &report->lines);
    ui_json_print(o, r->cli->out);
}

static void told(ui_repo *r, const repo_network_report *report)
{
    FILE *out = r->cli->out;
    char size[32];

    if (report->up_to_date) {
        fputs("Every large file is here already\n", out);
        return;
    }
    text_human_size(report->large_bytes, size, sizeof size);
    fprintf(out, "Fetched %zu large file%s (%s)\n", report->large_files, report->large_files == 1 ? "" : "s",
            size);
    ui_network_lines(out, &report->lines);
}

/* What no server has is an answer to the others, and a failure to who asked for it. */
static err missing_problem(const repo_network_report *report)
{
    size_t count = report->missing.count;

    if (!count) return ERR_OK;
    return err_make(ERR_NOT_FOUND, "the server does not have %zu large file%s: %s%s stay%s a pointer", count,
                    count == 1 ? "" : "s", report->missing.rows[0].path, count == 1 ? "" : " and others",
                    count == 1 ? "s" : "");
}

static err fetch_files_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    e = repo_fetch_files(r.handle, NULL, a->word_count > 1 ? a->words[1] : NULL, &report);
    ui_repo_line_end(&r);
    if (e.code) {
        ui_network_lines(cli->err_out, &report.lines);
        return e;
    }
    if (ui_arguments_has(a, "json"))
        told_json(&r, &report);
    else
        told(&r, &report);
    return missing_problem(&report);
}

const ui_command ui_cmd_fetch_files = {
    .name = "fetch-files",
    .group = "servers",
    .args = "MODEL [REMOTE]",
    .help = "Get the large files that are only pointers here; files you changed stay as they are",
    .words_min = 1,
    .words_max = 2,
    .cancels = true,
    .options = {ui_options_all},
    .run = fetch_files_run,
};
