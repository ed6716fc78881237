#include "repo/stage.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"

static err unstage_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_stage_report_free) repo_stage_report report = {0};
    const char *const *paths;
    size_t count = ui_files_paths(a, &paths);

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_unstage(r.handle, paths, count, &report);
    if (!e.code) ui_files_told(&r, "Unstaged", &report.files, ui_arguments_has(a, "json"));
    return e;
}

const ui_command ui_cmd_unstage = {
    .name = "unstage",
    .group = "changes",
    .args = "MODEL [PATH...]",
    .help = "Take changes out of the next commit; the files stay as they are",
    .words_min = 1,
    .words_max = UI_WORDS_MAX,
    .options = {ui_options_all},
    .run = unstage_run,
};
