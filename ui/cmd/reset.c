#include "repo/reset.h"

#include <stdio.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/join_end.h"
#include "ui/cmd/join_show.h"
#include "ui/cmd/show.h"

static const struct {
    const char *option;
    repo_reset_kind kind;
} kinds[] = {{"soft", REPO_RESET_SOFT}, {"mixed", REPO_RESET_MIXED}, {"hard", REPO_RESET_HARD}};

static err kind_read(const ui_arguments *a, repo_reset_kind *out)
{
    int given = 0;

    *out = REPO_RESET_MIXED;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (ui_arguments_has(a, kinds[i].option)) {
            *out = kinds[i].kind;
            given++;
        }
    if (given > 1) return err_make(ERR_USAGE, "--soft, --mixed and --hard exclude each other");
    if (ui_arguments_has(a, "force") && *out != REPO_RESET_HARD)
        return err_make(ERR_USAGE, "--force belongs to --hard: nothing else loses anything");
    return ERR_OK;
}

/* What is lost is named before anybody is asked. */
static err ask(ui_repo *r, const repo_ref *to)
{
    CLEANUP(repo_reset_report_free) repo_reset_report look = {0};
    char question[64];

    err e = repo_reset_look(r->handle, to, REPO_RESET_HARD, &look);
    if (e.code || !look.lost.count) return e;
    ui_files_list(r->cli, "The uncommitted changes of these files will be lost:", &look.lost);
    snprintf(question, sizeof question, "Give up the changes of %zu file%s?", look.lost.count,
             look.lost.count == 1 ? "" : "s");
    return ui_repo_confirm(r, question, "--force");
}

static void print_json(const ui_repo *r, const repo_reset_report *report)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_files_add_optional(o, "before", *report->before.hex ? report->before.hex : NULL);
    cJSON_AddStringToObject(o, "commit", report->after.hex);
    ui_files_add_names(o, "lost", &report->lost);
    ui_json_print(o, r->cli->out);
}

static void print_text(const ui_repo *r, const repo_reset_report *report)
{
    const repo_missing_list *missing = &report->checkout.missing;

    fprintf(r->cli->out, "HEAD is now at %.8s", report->after.hex);
    if (report->commits_left > 0)
        fprintf(r->cli->out, ", %d commit%s back (undo brings %s again)", report->commits_left,
                report->commits_left == 1 ? "" : "s", report->commits_left == 1 ? "it" : "them");
    fputc('\n', r->cli->out);
    if (missing->count) ui_files_warn_missing(r->cli, r->name, missing->count, missing->rows[0].path);
}

/* What a stash, or a pick without a commit, left in conflict; a merge that was begun, too. */
static err reset_merge(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    bool json = ui_arguments_has(a, "json");

    if (a->word_count > 1 || a->given_count > 1u + json)
        return err_make(ERR_USAGE, "--merge goes back to HEAD and takes no REF and no other option");
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    return e.code ? e : ui_join_abort(&r, "conflict", REPO_JOIN_ANY, json);
}

static err reset_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_ref_free) repo_ref to = {0};
    CLEANUP(repo_reset_report_free) repo_reset_report report = {0};
    bool force = ui_arguments_has(a, "force");
    repo_reset_kind kind;

    if (ui_arguments_has(a, "merge")) return reset_merge(cli, a);
    err e = kind_read(a, &kind);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_resolve(r.handle, a->word_count > 1 ? a->words[1] : "", &to);
    if (!e.code && kind == REPO_RESET_HARD && !force) {
        e = ask(&r, &to);
        force = !e.code;
    }
    if (!e.code) e = repo_reset(r.handle, &to, kind, force, &report);
    if (e.code) return e;
    if (ui_arguments_has(a, "json"))
        print_json(&r, &report);
    else
        print_text(&r, &report);
    ui_files_warn_checkout(cli, &report.checkout);
    return ERR_OK;
}

static const ui_option options[] = {
    {"soft", NULL, "move the branch alone", false},
    {"mixed", NULL, "and unstage everything (this is the default)", false},
    {"hard", NULL, "and put the files back: uncommitted changes are lost", false},
    {"force", NULL, "with --hard: do not ask", false},
    {"merge", NULL, "take what is staged or in conflict back; other local changes stay", false},
    {0},
};

const ui_command ui_cmd_reset = {
    .name = "reset",
    .group = "history",
    .args = "MODEL [REF]",
    .help = "Put the branch back to a commit",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = reset_run,
};
