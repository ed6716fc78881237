#include <stdio.h>

#include "repo/stage.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"

/* What is lost is named before anybody is asked. */
static err ask(ui_repo *r, const char *const *paths, size_t count)
{
    CLEANUP(repo_names_free) repo_names lost = {0};
    char question[64];

    err e = repo_discard_look(r->handle, paths, count, &lost);
    if (e.code || !lost.count) return e;
    ui_files_list(r->cli, "The changes of these files will be lost:", &lost);
    snprintf(question, sizeof question, "Give up the changes of %zu file%s?", lost.count,
             lost.count == 1 ? "" : "s");
    return ui_repo_confirm(r, question, "--force");
}

static err discard_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_stage_report_free) repo_stage_report report = {0};
    CLEANUP(repo_checkout_report_free) repo_checkout_report checkout = {0};
    const char *const *paths;
    size_t count = ui_files_paths(a, &paths);

    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code && !ui_arguments_has(a, "force")) e = ask(&r, paths, count);
    if (!e.code) e = repo_discard(r.handle, paths, count, &report, &checkout);
    if (e.code) return e;
    ui_files_told(&r, "Discarded the changes of", &report.files, ui_arguments_has(a, "json"));
    ui_files_warn_checkout(cli, &checkout);
    if (checkout.missing.count)
        ui_files_warn_missing(cli, r.name, checkout.missing.count, checkout.missing.rows[0].path);
    return ERR_OK;
}

static const ui_option options[] = {
    {"force", NULL, "do not ask", false},
    {0},
};

const ui_command ui_cmd_discard = {
    .name = "discard",
    .group = "changes",
    .args = "MODEL PATH...",
    .help = "Give up changes of files since they were staged",
    .words_min = 2,
    .words_max = UI_WORDS_MAX,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = discard_run,
};
