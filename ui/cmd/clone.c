#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/network_show.h"
#include "ui/cmd/show.h"

enum { DEPTH_MAX = 1000000000, REMOTES_MAX = 64 };

static void told_json(ui_repo *r, const repo_network_report *report)
{
    cJSON *o = cJSON_CreateObject();
    const repo_model_row *row = repo_models_find(r->models, report->name);

    ui_json_add_text(o, "model", bytes_view_of(report->name));
    ui_json_add_text(o, "name", bytes_view_of(report->name));
    ui_files_add_optional(o, "path", row ? row->path : NULL);
    ui_files_add_optional(o, "branch", report->branch);
    ui_files_add_optional(o, "commit", *report->after.hex ? report->after.hex : NULL);
    ui_network_add_counts(o, report);
    ui_network_add_missing(o, &report->missing);
    ui_network_add_lines(o, &report->lines);
    ui_json_print(o, r->cli->out);
}

/* "Cloned tiny: main at 1a2b3c4d, 12 objects (3.4 kB), 2 large files (1.2 GB)" */
static void told(ui_repo *r, const repo_network_report *report)
{
    FILE *out = r->cli->out;

    fputs("Cloned ", out);
    ui_show_text(out, bytes_view_of(report->name));
    fputs(": ", out);
    ui_show_text(out, bytes_view_of(report->branch ? report->branch : "detached"));
    if (*report->after.hex) fprintf(out, " at %.8s", report->after.hex);
    ui_network_amount(out, report);
    fputc('\n', out);
    ui_network_lines(out, &report->lines);
    if (report->missing.count)
        ui_files_warn_missing(r->cli, report->name, report->missing.count, report->missing.rows[0].path);
}

static err clone_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    const char *remotes[REMOTES_MAX];
    int64_t depth = 0;
    repo_clone_options how = {.url = a->words[0],
                              .name = a->word_count > 1 ? a->words[1] : NULL,
                              .ref = ui_arguments_text(a, "branch"),
                              .remotes = remotes,
                              .no_files = ui_arguments_has(a, "no-files")};

    while (how.remote_count < REMOTES_MAX &&
           (remotes[how.remote_count] = ui_arguments_each(a, "remote", how.remote_count)))
        how.remote_count++;
    err e = ui_arguments_integer(a, "depth", 1, DEPTH_MAX, &depth);
    if (!e.code) e = ui_repo_begin_models(cli, &r);
    if (e.code) return e;
    how.depth = (int)depth;
    e = repo_clone(r.models, &how, &report);
    ui_repo_line_end(&r);
    if (e.code)
        ui_network_lines(cli->err_out, &report.lines);
    else if (ui_arguments_has(a, "json"))
        told_json(&r, &report);
    else
        told(&r, &report);
    return e;
}

static const ui_option options[] = {
    {"branch", "REF", "check this branch, tag or commit out (default: the remote's own branch)", false},
    {"depth", "N", "only the last N commits of each branch", false},
    {"remote", "NAME=URL", "a further remote; nothing is fetched from it yet", true},
    {"no-files", NULL, "leave the large files out: pointers stand for them (fetch-files gets them)", false},
    {0},
};

const ui_command ui_cmd_clone = {
    .name = "clone",
    .group = "servers",
    .args = "URL [NAME]",
    .help = "Get a model from an url, a path, or the hub (org/name), with its large files",
    .words_min = 1,
    .words_max = 2,
    .cancels = true,
    .options = {options, ui_options_all},
    .run = clone_run,
};
