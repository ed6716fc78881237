#include "repo/commit.h"

#include <stdio.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/input.h"
#include "ui/cmd/show.h"

/* Each -m is a paragraph, as with git. */
static err message_read(ui_cli *cli, const ui_arguments *a, bytes *out)
{
    const char *word;

    for (size_t i = 0; (word = ui_arguments_each(a, "m", i)) != NULL; i++) {
        if (i) bytes_append_text(out, "\n\n");
        err e = ui_input_read(word, cli->in, out);
        if (e.code) return e;
    }
    return ERR_OK;
}

static void print_json(const ui_repo *r, const repo_commit_done *done)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON_AddStringToObject(o, "commit", done->commit.hex);
    ui_files_add_optional(o, "branch", done->branch);
    ui_json_add_text(o, "subject", bytes_view_of(done->subject));
    cJSON_AddNumberToObject(o, "files", (double)done->files_changed);
    ui_json_print(o, r->cli->out);
}

static void print_text(const repo_commit_done *done, FILE *out)
{
    fputc('[', out);
    ui_show_text(out, bytes_view_of(done->branch ? done->branch : "detached HEAD"));
    fprintf(out, " %.8s] ", done->commit.hex);
    ui_show_text(out, bytes_view_of(done->subject));
    fprintf(out, " (%zu file%s)\n", done->files_changed, done->files_changed == 1 ? "" : "s");
}

static void warn(const ui_repo *r, const repo_commit_done *done)
{
    FILE *to = r->cli->err_out;

    if (!done->branch) {
        fputs("HEAD is on no branch: hyprstream branch ", to);
        ui_show_text(to, bytes_view_of(r->name));
        fprintf(to, " NAME %.8s keeps this commit\n", done->commit.hex);
    }
    if (done->hooks_not_run)
        fputs(
            "This repository has hooks; they are not run (hyprstream config set repo.hooks git runs them)\n",
            to);
}

static err commit_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_commit_done_free) repo_commit_done done = {0};
    CLEANUP(bytes_free) bytes message = {0};
    bool sign = ui_arguments_has(a, "sign"), no_sign = ui_arguments_has(a, "no-sign");

    if (sign && no_sign) return err_make(ERR_USAGE, "--sign and --no-sign exclude each other");
    err e = message_read(cli, a, &message);
    if (e.code) return e;
    repo_commit_options how = {
        .message = ui_arguments_has(a, "m") ? bytes_text(&message) : NULL,
        .all = ui_arguments_has(a, "all"),
        .amend = ui_arguments_has(a, "amend"),
        .allow_empty = ui_arguments_has(a, "allow-empty"),
        .sign = sign      ? 1
                : no_sign ? 0
                          : -1,
    };
    e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_commit(r.handle, &how, &done);
    if (e.code) return e;
    if (ui_arguments_has(a, "json"))
        print_json(&r, &done);
    else
        print_text(&done, cli->out);
    warn(&r, &done);
    return ERR_OK;
}

static const ui_option options[] = {
    {"m", "TEXT", "the message; -: standard input, @FILE: a file. Each is a paragraph", true},
    {"all", NULL, "stage changed and removed files first", false},
    {"amend", NULL, "in place of the last commit", false},
    {"allow-empty", NULL, "also when nothing changed", false},
    {"sign", NULL, "sign it (default: as git's commit.gpgsign says)", false},
    {"no-sign", NULL, "do not sign it", false},
    {0},
};

const ui_command ui_cmd_commit = {
    .name = "commit",
    .group = "changes",
    .args = "MODEL",
    .help = "Commit what is staged",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .run = commit_run,
};
