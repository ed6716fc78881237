#include "base/text.h"
#include "repo/switch.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

static void print_json(const ui_repo *r, const repo_switch_report *report)
{
    const repo_missing_list *missing = &report->checkout.missing;
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_files_add_optional(o, "branch", report->branch);
    ui_files_add_optional(o, "commit", report->commit.hex);
    cJSON_AddNumberToObject(o, "files_written", (double)report->checkout.files_written);
    cJSON *list = cJSON_AddArrayToObject(o, "missing");
    for (size_t i = 0; i < missing->count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "path", bytes_view_of(missing->rows[i].path));
        cJSON_AddStringToObject(row, "oid", missing->rows[i].pointer.oid);
        cJSON_AddNumberToObject(row, "size", (double)missing->rows[i].pointer.size);
        cJSON_AddItemToArray(list, row);
    }
    ui_json_print(o, r->cli->out);
}

static void print_files(const repo_checkout_report *c, FILE *out)
{
    char size[32];

    text_human_size(c->bytes_written, size, sizeof size);
    if (c->files_written)
        fprintf(out, " (%zu file%s written, %s)", c->files_written, c->files_written == 1 ? "" : "s", size);
}

/* One line, in git's words. */
static void print_text(const ui_repo *r, const repo_switch_report *report)
{
    FILE *out = r->cli->out;

    if (!report->branch) {
        fprintf(out, "HEAD is now at %.8s ", report->commit.hex);
        ui_show_text(out, bytes_view_of(report->subject));
        fputs(", on no branch", out);
    } else {
        fputs(report->already ? "Already on '"
              : report->made  ? "Switched to a new branch '"
                              : "Switched to branch '",
              out);
        ui_show_text(out, bytes_view_of(report->branch));
        fputc('\'', out);
        if (report->upstream) {
            fputs(", which tracks ", out);
            ui_show_text(out, bytes_view_of(report->upstream));
        }
    }
    print_files(&report->checkout, out);
    fputc('\n', out);
}

static void warn(const ui_repo *r, const repo_switch_report *report)
{
    FILE *to = r->cli->err_out;

    ui_files_list(r->cli, "These changes were given up:", &report->checkout.in_the_way);
    ui_files_warn_checkout(r->cli, &report->checkout);
    if (report->checkout.missing.count)
        ui_files_warn_missing(r->cli, r->name, report->checkout.missing.count,
                              report->checkout.missing.rows[0].path);
    if (report->also_tag) fprintf(to, "There is a tag of the same name: the branch was taken.\n");
    if (report->left_behind)
        fprintf(to, "%zu commit%s on no branch %s left behind at %.8s: hyprstream branch MODEL NAME %.8s\n",
                report->left_behind, report->left_behind == 1 ? "" : "s",
                report->left_behind == 1 ? "is" : "are", report->before.hex, report->before.hex);
}

static err checkout_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_switch_report_free) repo_switch_report report = {0};
    repo_switch_options how = {
        .ref = a->word_count > 1 ? a->words[1] : "HEAD",
        .new_branch = ui_arguments_text(a, "b"),
        .force = ui_arguments_has(a, "force"),
        .detach = ui_arguments_has(a, "detach"),
    };

    if (a->word_count < 2 && !how.new_branch && !how.detach && !how.force)
        return err_make(ERR_USAGE, "say where to: REF, or -b NEW");
    if (how.new_branch && how.detach) return err_make(ERR_USAGE, "-b and --detach exclude each other");
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_switch(r.handle, &how, &report);
    if (e.code) {
        ui_files_list(cli, "In the way:", &report.checkout.in_the_way);
        return e;
    }
    if (ui_arguments_has(a, "json"))
        print_json(&r, &report);
    else
        print_text(&r, &report);
    warn(&r, &report);
    return ERR_OK;
}

static const ui_option options[] = {
    {"b", "NEW", "make this branch there and go to it", false},
    {"detach", NULL, "go to the commit, on no branch", false},
    {"force", NULL, "give up local changes", false},
    {0},
};

const ui_command ui_cmd_checkout = {
    .name = "checkout",
    .group = "history",
    .args = "MODEL [REF]",
    .help = "Go to another branch, tag or commit",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = checkout_run,
};
