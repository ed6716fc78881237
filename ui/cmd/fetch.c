#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/network_show.h"
#include "ui/cmd/show.h"

enum { DEPTH_MAX = 1000000000 };

static void told(ui_repo *r, const repo_network_report *report)
{
    FILE *out = r->cli->out;

    if (report->up_to_date && !report->lines.count) {
        fputs("Already up to date\n", out);
        return;
    }
    fprintf(out, "Fetched %zu ref%s", report->refs_changed, report->refs_changed == 1 ? "" : "s");
    ui_network_amount(out, report);
    fputc('\n', out);
    ui_network_lines(out, &report->lines);
}

static err fetch_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    int64_t depth = 0;
    repo_fetch_options how = {.remote = a->word_count > 1 ? a->words[1] : NULL,
                              .ref = a->word_count > 2 ? a->words[2] : NULL,
                              .prune = ui_arguments_has(a, "prune"),
                              .tags = ui_arguments_has(a, "tags"),
                              .unshallow = ui_arguments_has(a, "unshallow")};

    err e = ui_arguments_integer(a, "depth", 1, DEPTH_MAX, &depth);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    how.depth = (int)depth;
    e = repo_fetch(r.handle, &how, &report);
    ui_repo_line_end(&r);
    if (e.code) {
        ui_network_lines(cli->err_out, &report.lines);
    } else if (ui_arguments_has(a, "json")) {
        ui_network_json(&r, &report);
    } else {
        told(&r, &report);
    }
    return e;
}

static const ui_option options[] = {
    {"prune", NULL, "drop branches of the remote that it has no more", false},
    {"tags", NULL, "all tags, not only those of what is fetched", false},
    {"depth", "N", "only the last N commits of each branch", false},
    {"unshallow", NULL, "all that a shallow clone lacks", false},
    {0},
};

const ui_command ui_cmd_fetch = {
    .name = "fetch",
    .group = "servers",
    .args = "MODEL [REMOTE [REF]]",
    .help = "Get a remote's new commits, branches and tags; no file and no branch of yours is changed",
    .words_min = 1,
    .words_max = 3,
    .cancels = true,
    .options = {options, ui_options_all},
    .run = fetch_run,
};
