#include "repo/stage.h"

#include "base/text.h"
#include "repo/attributes.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

static void warn(ui_cli *cli, const repo_stage_report *report)
{
    char size[32];

    if (report->attributes_made)
        fprintf(cli->err_out, ".gitattributes was made and staged: weights are kept as large files (LFS).\n");
    text_human_size(REPO_PLAIN_BYTES_MAX, size, sizeof size);
    for (size_t i = 0; i < report->big_plain.count; i++) {
        ui_show_text(cli->err_out, bytes_view_of(report->big_plain.names[i]));
        fprintf(cli->err_out,
                " is over %s and not a large file to git: hubs refuse it (a line in .gitattributes, "
                "\"NAME filter=lfs diff=lfs merge=lfs -text\", then stage it again)\n",
                size);
    }
    ui_files_list(cli, "Repositories of their own were left out:", &report->nested);
}

static err stage_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_stage_report_free) repo_stage_report report = {0};
    const char *const *paths;
    size_t count = ui_files_paths(a, &paths);
    bool all = ui_arguments_has(a, "all");

    if (all == (paths != NULL)) return err_make(ERR_USAGE, "say which files: PATH..., or --all");
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_stage(r.handle, paths, count, &report);
    if (e.code) return e;
    ui_files_told(&r, "Staged", &report.files, ui_arguments_has(a, "json"));
    warn(cli, &report);
    return ERR_OK;
}

static const ui_option options[] = {
    {"all", NULL, "every changed, new and removed file", false},
    {0},
};

const ui_command ui_cmd_stage = {
    .name = "stage",
    .group = "changes",
    .args = "MODEL [PATH...]",
    .help = "Put changes of files into the next commit",
    .words_min = 1,
    .words_max = UI_WORDS_MAX,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = stage_run,
};
