#include "repo/stash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/input.h"
#include "ui/cmd/join_show.h"
#include "ui/cmd/show.h"

enum { NUMBER_MAX = 99999 };

static cJSON *object(ui_repo *r, const char *action, const repo_id *commit)
{
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON_AddStringToObject(o, "action", action);
    ui_files_add_optional(o, "commit", commit->hex);
    return o;
}

/* ---- save ---- */

static err save(ui_repo *r, const ui_arguments *a, size_t number)
{
    CLEANUP(repo_stash_report_free) repo_stash_report report = {0};
    CLEANUP(bytes_free) bytes message = {0};
    const char *said = ui_arguments_text(a, "message");
    repo_stash_options how = {.untracked = ui_arguments_has(a, "include-untracked")};

    (void)number;
    err e = said ? ui_input_read(said, r->cli->in, &message) : ERR_OK;
    how.message = said ? bytes_text(&message) : NULL;
    if (!e.code) e = repo_stash_save(r->handle, &how, &report);
    ui_repo_line_end(r);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        cJSON *o = object(r, "save", &report.commit);
        ui_json_add_text(o, "subject", bytes_view_of(report.subject));
        cJSON_AddNumberToObject(o, "files", (double)report.files);
        ui_json_print(o, r->cli->out);
    } else {
        fprintf(r->cli->out, "Put %zu file%s aside: ", report.files, report.files == 1 ? "" : "s");
        ui_show_text(r->cli->out, bytes_view_of(report.subject));
        fputc('\n', r->cli->out);
    }
    ui_files_warn_checkout(r->cli, &report.checkout);
    return ERR_OK;
}

/* ---- list ---- */

static void list_json(ui_repo *r, const repo_stashes *list)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON *rows = cJSON_AddArrayToObject(o, "stashes");
    for (size_t i = 0; i < list->count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "index", (double)i);
        cJSON_AddStringToObject(row, "commit", list->rows[i].commit.hex);
        ui_json_add_text(row, "subject", bytes_view_of(list->rows[i].subject));
        cJSON_AddItemToArray(rows, row);
    }
    ui_json_print(o, r->cli->out);
}

static err list(ui_repo *r, const ui_arguments *a, size_t number)
{
    CLEANUP(repo_stashes_free) repo_stashes rows = {0};

    (void)number;
    err e = repo_stash_list(r->handle, &rows);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        list_json(r, &rows);
        return ERR_OK;
    }
    for (size_t i = 0; i < rows.count; i++) {
        fprintf(r->cli->out, "%zu %.8s ", i, rows.rows[i].commit.hex);
        ui_show_text(r->cli->out, bytes_view_of(rows.rows[i].subject));
        fputc('\n', r->cli->out);
    }
    return ERR_OK;
}

/* ---- apply, pop, drop ---- */

/* git has no name for what a stash left: it is over when the files are mended and the stash is dropped. */
static void mend_next(ui_repo *r, size_t number)
{
    FILE *to = r->cli->err_out;

    fputs("Mend the files, then ", to);
    ui_join_command(r, "stage", " FILE and ");
    ui_join_command(r, "stash", "");
    fprintf(to, " drop %zu (the stash is still there); ", number);
    ui_join_command(r, "reset", " --merge takes it back\n");
}

static err bring_back(ui_repo *r, const ui_arguments *a, size_t number, bool pop)
{
    CLEANUP(repo_merge_report_free) repo_merge_report report = {0};
    repo_favor favor;
    bool json = ui_arguments_has(a, "json");
    const char *action = pop ? "pop" : "apply";

    err e = ui_join_favor(a, &favor);
    if (!e.code)
        e = pop ? repo_stash_pop(r->handle, number, favor, &report)
                : repo_stash_apply(r->handle, number, favor, &report);
    ui_repo_line_end(r);
    if (e.code) {
        ui_join_failed(r, pop ? "stash pop" : "stash apply", &report, json);
        if (report.in_progress) mend_next(r, number);
        return e;
    }
    if (json)
        ui_json_print(object(r, action, &report.after), r->cli->out);
    else if (pop)
        fprintf(r->cli->out, "Brought stash %zu back and dropped it (%.8s)\n", number, report.after.hex);
    else
        fprintf(r->cli->out, "Brought stash %zu back; it is still there\n", number);
    ui_join_warn(r, &report);
    return ERR_OK;
}

static err apply(ui_repo *r, const ui_arguments *a, size_t number) { return bring_back(r, a, number, false); }
static err pop(ui_repo *r, const ui_arguments *a, size_t number) { return bring_back(r, a, number, true); }

static err drop(ui_repo *r, const ui_arguments *a, size_t number)
{
    repo_id dropped = {0};

    err e = repo_stash_drop(r->handle, number, &dropped);
    if (e.code) return e;
    if (ui_arguments_has(a, "json"))
        ui_json_print(object(r, "drop", &dropped), r->cli->out);
    else
        fprintf(r->cli->out, "Dropped stash %zu (%.8s)\n", number, dropped.hex);
    return ERR_OK;
}

/* ---- words ---- */

static const struct {
    const char *name;
    err (*run)(ui_repo *r, const ui_arguments *a, size_t number);
    bool takes_number, saves, brings_back;
} verbs[] = {
    {"save", save, false, true, false},  {"list", list, false, false, false},
    {"apply", apply, true, false, true}, {"pop", pop, true, false, true},
    {"drop", drop, true, false, false},
};

/* "2" or git's "stash@{2}". */
static err number_read(const char *word, size_t *out)
{
    char *end = NULL;
    bool braces = strncmp(word, "stash@{", 7) == 0;
    const char *digits = braces ? word + 7 : word;

    errno = 0;
    long value = *digits >= '0' && *digits <= '9' ? strtol(digits, &end, 10) : -1;
    if (value < 0 || errno || value > NUMBER_MAX || strcmp(end, braces ? "}" : "") != 0)
        return err_make(ERR_USAGE, "'%.100s' is no number of a stash (0 is the newest)", word);
    *out = (size_t)value;
    return ERR_OK;
}

static err verb_find(const ui_arguments *a, size_t *out, size_t *number)
{
    const char *word = a->word_count > 1 ? a->words[1] : "save";
    bool favors = ui_arguments_has(a, "ours") || ui_arguments_has(a, "theirs") || ui_arguments_has(a, "both");

    for (*out = 0; *out < COUNT_OF(verbs) && strcmp(verbs[*out].name, word) != 0;) ++*out;
    if (*out == COUNT_OF(verbs))
        return err_make(ERR_USAGE, "'%.100s' is none of save, list, apply, pop and drop", word);
    if (a->word_count > 2 && !verbs[*out].takes_number)
        return err_make(ERR_USAGE, "stash %s takes no number", word);
    if (!verbs[*out].saves && (ui_arguments_has(a, "message") || ui_arguments_has(a, "include-untracked")))
        return err_make(ERR_USAGE, "--message and --include-untracked belong to stash save");
    if (!verbs[*out].brings_back && favors)
        return err_make(ERR_USAGE, "--ours, --theirs and --both belong to stash apply and pop");
    *number = 0;
    return a->word_count > 2 ? number_read(a->words[2], number) : ERR_OK;
}

static err stash_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    size_t verb = 0, number = 0;

    err e = verb_find(a, &verb, &number);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    return e.code ? e : verbs[verb].run(&r, a, number);
}

static const ui_option options[] = {
    {"message", "TEXT", "of save: what to call it; -: standard input, @FILE: a file", false},
    {"include-untracked", NULL, "of save: untracked files too", false},
    {0},
};

const ui_command ui_cmd_stash = {
    .name = "stash",
    .group = "changes",
    .args = "MODEL [save|list|apply|pop|drop] [N]",
    .help = "Put uncommitted work aside and bring it back",
    .words_min = 1,
    .words_max = 3,
    .options = {options, ui_options_favor, ui_options_all},
    .cancels = true,
    .run = stash_run,
};
