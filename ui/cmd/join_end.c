/* ui/cmd/join_end.c: --continue and --abort of what left markers. */
#include "ui/cmd/join_end.h"

#include "repo/commit.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/join_show.h"
#include "ui/cmd/show.h"

err ui_join_end_check(const ui_arguments *a, bool takes_message)
{
    bool abort = ui_arguments_has(a, "abort"), goes_on = ui_arguments_has(a, "continue");
    size_t other = a->given_count - ui_arguments_has(a, "json") - abort - goes_on;

    if (abort && goes_on) return err_make(ERR_USAGE, "--abort and --continue exclude each other");
    if (goes_on && takes_message && ui_arguments_has(a, "message")) other--;
    if ((abort || goes_on) && (other || a->word_count > 1))
        return err_make(ERR_USAGE, "%s takes nothing but MODEL", abort ? "--abort" : "--continue");
    return ERR_OK;
}

err ui_join_abort(ui_repo *r, const char *verb, repo_join_kind kind, bool json)
{
    CLEANUP(repo_merge_report_free) repo_merge_report report = {0};

    err e = repo_join_abort(r->handle, kind, &report);
    ui_repo_line_end(r);
    if (e.code) {
        ui_files_list(r->cli, "Changed after they were staged:", &report.checkout.in_the_way);
        return e;
    }
    if (json)
        ui_join_json(r, "aborted", &report.after, &report);
    else
        fprintf(r->cli->out, "Took the %s back: everything is as at %.8s\n", verb, report.after.hex);
    ui_join_warn(r, &report);
    return ERR_OK;
}

err ui_join_continue(ui_repo *r, const char *done_word, repo_join_kind kind, const char *message, bool json)
{
    CLEANUP(repo_commit_done_free) repo_commit_done done = {0};
    repo_merge_report none = {0};
    repo_commit_options how = {.message = message, .sign = -1};

    /* Else a commit of what happens to be staged would be called a merge. */
    err e = repo_join_check(r->handle, kind);
    if (e.code) return e;
    e = repo_commit(r->handle, &how, &done);
    if (e.code == ERR_NOTHING && kind != REPO_JOIN_MERGE)
        return err_make(ERR_NOTHING,
                        "nothing is left of the change, or it is committed already: --abort ends it");
    if (e.code) return e;
    if (json) {
        ui_join_json(r, "merged", &done.commit, &none);
        return ERR_OK;
    }
    fprintf(r->cli->out, "%s (%.8s): ", done_word, done.commit.hex);
    ui_show_text(r->cli->out, bytes_view_of(done.subject));
    fputc('\n', r->cli->out);
    return ERR_OK;
}
