#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/network_show.h"
#include "ui/cmd/show.h"

static err how_of(const ui_arguments *a, repo_pull_how *out)
{
    static const struct {
        const char *option;
        repo_pull_how how;
    } rows[] = {{"ff-only", REPO_PULL_FF_ONLY}, {"no-rebase", REPO_PULL_MERGE}, {"rebase", REPO_PULL_REBASE}};
    size_t given = 0;

    *out = REPO_PULL_AUTO;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!ui_arguments_has(a, rows[i].option)) continue;
        *out = rows[i].how;
        given++;
    }
    return given > 1 ? err_make(ERR_USAGE, "--ff-only, --no-rebase and --rebase exclude each other") : ERR_OK;
}

static void told(ui_repo *r, const repo_network_report *report)
{
    FILE *out = r->cli->out;

    if (report->up_to_date) {
        fputs("Already up to date\n", out);
    } else {
        fprintf(out, "Pulled %.8s", report->after.hex);
        ui_network_amount(out, report);
        fputc('\n', out);
    }
    ui_network_lines(out, &report->lines);
}

static err pull_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    const char *remote = a->word_count > 1 ? a->words[1] : NULL;
    const char *branch = a->word_count > 2 ? a->words[2] : NULL;
    repo_pull_how how;

    err e = how_of(a, &how);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    e = repo_pull(r.handle, remote, branch, how, &report);
    ui_repo_line_end(&r);
    if (e.code) {
        ui_network_lines(cli->err_out, &report.lines);
    } else if (ui_arguments_has(a, "json")) {
        ui_network_json(&r, &report);
    } else {
        told(&r, &report);
    }
    if (report.missing.count)
        ui_files_warn_missing(cli, r.name, report.missing.count, report.missing.rows[0].path);
    return e;
}

static const ui_option options[] = {
    {"ff-only", NULL, "only when the branch can simply go forward", false},
    {"no-rebase", NULL, "merge, whatever the configuration says", false},
    {"rebase", NULL, "put our commits on top of theirs", false},
    {0},
};

const ui_command ui_cmd_pull = {
    .name = "pull",
    .group = "servers",
    .args = "MODEL [REMOTE [BRANCH]]",
    .help = "Fetch, and join what came with the branch",
    .words_min = 1,
    .words_max = 3,
    .cancels = true,
    .options = {options, ui_options_all},
    .run = pull_run,
};
