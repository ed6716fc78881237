#include "repo/merge.h"

#include <string.h>

#include "repo/branch.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/input.h"
#include "ui/cmd/join_end.h"
#include "ui/cmd/join_show.h"
#include "ui/cmd/show.h"

/* ---- merge ---- */

/* Without REF: what the branch follows. */
static err theirs_find(ui_repo *r, const char *word, repo_ref *out)
{
    CLEANUP(repo_branches_free) repo_branches list = {0};

    if (word) return repo_resolve(r->handle, word, out);
    err e = repo_branch_list(r->handle, &list);
    for (size_t i = 0; i < list.count && !e.code; i++)
        if (list.rows[i].current && list.rows[i].upstream)
            return repo_resolve(r->handle, list.rows[i].upstream, out);
    return e.code ? e : err_make(ERR_USAGE, "say what to merge: the branch follows no other (MODEL REF)");
}

static const char *result_of(const repo_merge_report *report, bool squash)
{
    if (report->up_to_date) return "up_to_date";
    if (report->fast_forward) return "fast_forward";
    return squash ? "squashed" : "merged";
}

static void told(ui_repo *r, const repo_ref *theirs, const repo_merge_report *report, bool squash)
{
    CLEANUP(bytes_free) bytes name = {0};
    FILE *out = r->cli->out;

    repo_ref_print_short(theirs, &name);
    if (report->up_to_date) {
        fputs("Already up to date\n", out);
        return;
    }
    fputs(report->fast_forward ? "Went forward to " : squash ? "Squashed " : "Merged ", out);
    ui_show_text(out, bytes_borrow(&name));
    if (squash)
        fputs(": it is staged, commit it\n", out);
    else
        fprintf(out, " (%.8s)\n", report->after.hex);
}

static err merge_ref(ui_repo *r, const ui_arguments *a, const repo_merge_options *how,
                     repo_merge_report *report)
{
    CLEANUP(repo_ref_free) repo_ref theirs = {0};
    bool json = ui_arguments_has(a, "json");

    err e = theirs_find(r, a->word_count > 1 ? a->words[1] : NULL, &theirs);
    if (e.code) return e;
    e = repo_merge(r->handle, &theirs, how, report);
    ui_repo_line_end(r);
    if (e.code) {
        ui_join_failed(r, "merge", report, json);
        if (report->in_progress) ui_join_what_next(r, "merge", true);
        return e;
    }
    if (json)
        ui_join_json(r, result_of(report, how->squash), how->squash ? NULL : &report->after, report);
    else
        told(r, &theirs, report, how->squash);
    ui_join_warn(r, report);
    return ERR_OK;
}

/* ---- words ---- */

static err merge_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_merge_report_free) repo_merge_report report = {0};
    CLEANUP(bytes_free) bytes message = {0};
    const char *said = ui_arguments_text(a, "message");
    bool json = ui_arguments_has(a, "json");
    repo_merge_options how = {
        .ff_only = ui_arguments_has(a, "ff-only"),
        .no_ff = ui_arguments_has(a, "no-ff"),
        .squash = ui_arguments_has(a, "squash"),
    };

    how.leave_markers = !how.squash;
    err e = ui_join_end_check(a, true);
    if (!e.code) e = ui_join_favor(a, &how.favor);
    if (!e.code && said) e = ui_input_read(said, cli->in, &message);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    how.message = said ? bytes_text(&message) : NULL;
    if (ui_arguments_has(a, "abort")) return ui_join_abort(&r, "merge", REPO_JOIN_MERGE, json);
    if (ui_arguments_has(a, "continue"))
        return ui_join_continue(&r, "Merged", REPO_JOIN_MERGE, how.message, json);
    return merge_ref(&r, a, &how, &report);
}

static const ui_option options[] = {
    {"ff-only", NULL, "only when the branch can simply go forward", false},
    {"no-ff", NULL, "make a commit also when it could", false},
    {"squash", NULL, "stage what the merge gives; commit it yourself", false},
    {"message", "TEXT", "of the merge; -: standard input, @FILE: a file", false},
    {"abort", NULL, "take a merge with conflicts back", false},
    {"continue", NULL, "commit it, when its conflicts are mended and staged", false},
    {0},
};

const ui_command ui_cmd_merge = {
    .name = "merge",
    .group = "history",
    .args = "MODEL [REF]",
    .help = "Join another branch (default: the one it follows) into this one",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_favor, ui_options_all},
    .cancels = true,
    .run = merge_run,
};
