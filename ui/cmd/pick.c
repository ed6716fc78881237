/* ui/cmd/pick.c: cherry-pick and revert, which differ in their words. */
#include "repo/merge.h"

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/join_end.h"
#include "ui/cmd/join_show.h"
#include "ui/cmd/show.h"

enum { MAINLINE_MAX = 1000 };

typedef struct picker {
    const char *name, *done; /* "Picked" */
    repo_join_kind kind;
    err (*run)(repo_handle *r, const repo_ref *commit, const repo_pick_options *options,
               repo_merge_report *report);
} picker;

static const picker cherry_pick = {"cherry-pick", "Picked", REPO_JOIN_CHERRY_PICK, repo_cherry_pick};
static const picker revert = {"revert", "Reverted", REPO_JOIN_REVERT, repo_revert};

static void told(ui_repo *r, const picker *p, const repo_ref *commit, const repo_merge_report *report,
                 bool staged)
{
    FILE *out = r->cli->out;

    fprintf(out, "%s %.8s", p->done, commit->commit.hex);
    if (staged)
        fputs(": it is staged, commit it\n", out);
    else
        fprintf(out, " (now %.8s)\n", report->after.hex);
}

static err pick(ui_repo *r, const ui_arguments *a, const picker *p, const repo_pick_options *how,
                repo_merge_report *report)
{
    CLEANUP(repo_ref_free) repo_ref commit = {0};
    bool json = ui_arguments_has(a, "json");

    err e = repo_resolve(r->handle, a->words[1], &commit);
    if (e.code) return e;
    e = p->run(r->handle, &commit, how, report);
    ui_repo_line_end(r);
    if (e.code) {
        ui_join_failed(r, p->name, report, json);
        if (report->in_progress) ui_join_what_next(r, p->name, !how->no_commit);
        return e;
    }
    if (json)
        ui_join_json(r, "merged", how->no_commit ? NULL : &report->after, report);
    else
        told(r, p, &commit, report, how->no_commit);
    ui_join_warn(r, report);
    return ERR_OK;
}

static err run(ui_cli *cli, const ui_arguments *a, const picker *p)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_merge_report_free) repo_merge_report report = {0};
    int64_t mainline = 0;
    repo_pick_options how = {.note_origin = ui_arguments_has(a, "x"),
                             .no_commit = ui_arguments_has(a, "no-commit")};

    bool aborts = ui_arguments_has(a, "abort"), goes_on = ui_arguments_has(a, "continue");
    bool json = ui_arguments_has(a, "json");

    err e = ui_join_end_check(a, false);
    if (!e.code && !aborts && !goes_on && a->word_count < 2)
        e = err_make(ERR_USAGE, "say which commit: expected MODEL COMMIT, or --continue or --abort");
    if (!e.code) e = ui_arguments_integer(a, "mainline", 1, MAINLINE_MAX, &mainline);
    if (!e.code) e = ui_join_favor(a, &how.favor);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    if (aborts) return ui_join_abort(&r, p->name, p->kind, json);
    if (goes_on) return ui_join_continue(&r, p->done, p->kind, NULL, json);
    how.mainline = (int)mainline;
    return pick(&r, a, p, &how, &report);
}

static err pick_run(ui_cli *cli, const ui_arguments *a) { return run(cli, a, &cherry_pick); }
static err revert_run(ui_cli *cli, const ui_arguments *a) { return run(cli, a, &revert); }

static const ui_option origin_option[] = {
    {"x", NULL, "note in the message where it comes from", false},
    {0},
};

static const ui_option options[] = {
    {"mainline", "N", "of a merge: what it changed as seen from its parent N", false},
    {"no-commit", NULL, "leave it staged", false},
    {"continue", NULL, "commit it, when its conflicts are mended and staged", false},
    {"abort", NULL, "take one with conflicts back", false},
    {0},
};

const ui_command ui_cmd_cherry_pick = {
    .name = "cherry-pick",
    .group = "history",
    .args = "MODEL COMMIT | MODEL --continue | MODEL --abort",
    .help = "Make the change of another commit here too",
    .words_min = 1,
    .words_max = 2,
    .options = {origin_option, options, ui_options_favor, ui_options_all},
    .cancels = true,
    .run = pick_run,
};

const ui_command ui_cmd_revert = {
    .name = "revert",
    .group = "history",
    .args = "MODEL COMMIT | MODEL --continue | MODEL --abort",
    .help = "Take the change of an older commit back, by a new commit",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_favor, ui_options_all},
    .cancels = true,
    .run = revert_run,
};
