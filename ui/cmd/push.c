#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/network_show.h"
#include "ui/cmd/show.h"

static void told(ui_repo *r, const repo_network_report *report, bool dry_run)
{
    FILE *out = r->cli->out;

    if (report->up_to_date) {
        fputs("Everything is there already\n", out);
    } else {
        fprintf(out, "%s %zu ref%s", dry_run ? "Would push" : "Pushed", report->refs_changed,
                report->refs_changed == 1 ? "" : "s");
        ui_network_amount(out, report);
        fputc('\n', out);
    }
    ui_network_lines(out, &report->lines);
}

static err push_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_network_report_free) repo_network_report report = {0};
    const repo_push_options how = {.remote = a->word_count > 1 ? a->words[1] : NULL,
                                   .refs = &a->words[2],
                                   .ref_count = a->word_count > 2 ? a->word_count - 2 : 0,
                                   .force = ui_arguments_has(a, "force"),
                                   .force_with_lease = ui_arguments_has(a, "force-with-lease"),
                                   .delete_refs = ui_arguments_has(a, "delete"),
                                   .set_upstream =
                                       ui_arguments_has(a, "set-upstream") || ui_arguments_has(a, "u"),
                                   .tags = ui_arguments_has(a, "tags"),
                                   .dry_run = ui_arguments_has(a, "dry-run")};

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    e = repo_push(r.handle, &how, &report);
    ui_repo_line_end(&r);
    if (e.code) {
        ui_network_lines(cli->err_out, &report.lines);
    } else if (ui_arguments_has(a, "json")) {
        ui_network_json(&r, &report);
    } else {
        told(&r, &report, how.dry_run);
    }
    return e;
}

static const ui_option options[] = {
    {"force", NULL, "also when commits of the remote are lost by it", false},
    {"force-with-lease", NULL, "the same, but only where the remote is as it was last fetched", false},
    {"delete", NULL, "delete the REFs there", false},
    {"set-upstream", NULL, "the branches follow from now on what they are pushed to", false},
    {"u", NULL, "the same", false},
    {"tags", NULL, "all tags", false},
    {"dry-run", NULL, "only say what would be pushed", false},
    {0},
};

const ui_command ui_cmd_push = {
    .name = "push",
    .group = "servers",
    .args = "MODEL [REMOTE [REF...]]",
    .help = "Send branches and tags to a remote, their large files first",
    .words_min = 1,
    .words_max = UI_WORDS_MAX,
    .cancels = true,
    .options = {options, ui_options_all},
    .run = push_run,
};
