#include "repo/status.h"

#include <string.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

static const char *text_of(char letter, char text[2])
{
    text[0] = letter;
    text[1] = 0;
    return text;
}

static void row_json(cJSON *list, const repo_status_row *row)
{
    char text[2];
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "path", bytes_view_of(row->path));
    ui_files_add_optional(o, "from", row->from);
    cJSON_AddStringToObject(o, "staged", text_of(row->staged, text));
    cJSON_AddStringToObject(o, "unstaged", text_of(row->unstaged, text));
    cJSON_AddBoolToObject(o, "large", row->large);
    cJSON_AddBoolToObject(o, "missing", row->missing);
    cJSON_AddItemToArray(list, o);
}

static void print_json(const ui_repo *r, const repo_status *s)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    ui_files_add_optional(o, "branch", s->branch);
    ui_files_add_optional(o, "upstream", s->upstream);
    ui_files_add_optional(o, "commit", s->head.hex);
    ui_json_add_count(o, "ahead", s->ahead);
    ui_json_add_count(o, "behind", s->behind);
    ui_files_add_optional(o, "doing", s->doing);
    cJSON *list = cJSON_AddArrayToObject(o, "files");
    for (size_t i = 0; i < s->count; i++) row_json(list, &s->rows[i]);
    ui_files_add_names(o, "missing", &s->missing);
    ui_json_print(o, r->cli->out);
}

static void print_upstream(const repo_status *s, FILE *out)
{
    if (!s->upstream) return;
    if (s->ahead < 0)
        fputs(", distance not known: ", out);
    else if (!s->ahead && !s->behind)
        fputs(", up to date with ", out);
    else if (!s->behind)
        fprintf(out, ", %d ahead of ", s->ahead);
    else if (!s->ahead)
        fprintf(out, ", %d behind ", s->behind);
    else
        fprintf(out, ", %d ahead of and %d behind ", s->ahead, s->behind);
    ui_show_text(out, bytes_view_of(s->upstream));
}

/* What hyprstream ends by a verb of that name; the rest (a rebase, say) is git's to end. */
static void print_doing(const ui_repo *r, const char *doing)
{
    static const char *const ours[] = {"merge", "cherry-pick", "revert"};

    fprintf(r->cli->out, "; a %s is going on", doing);
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        if (strcmp(ours[i], doing) != 0) continue;
        fprintf(r->cli->out, " (%s ", doing);
        ui_show_text(r->cli->out, bytes_view_of(r->name));
        fputs(" --continue or --abort)", r->cli->out);
    }
}

static void print_text(const ui_repo *r, const repo_status *s)
{
    FILE *out = r->cli->out;

    if (s->branch) {
        fputs(*s->head.hex ? "On branch " : "No commit yet on branch ", out);
        ui_show_text(out, bytes_view_of(s->branch));
    } else {
        fprintf(out, "HEAD is detached at %.8s", s->head.hex);
    }
    print_upstream(s, out);
    if (s->doing) print_doing(r, s->doing);
    fputc('\n', out);
    for (size_t i = 0; i < s->count; i++) {
        fprintf(out, "%c%c ", s->rows[i].staged, s->rows[i].unstaged);
        if (s->rows[i].from) {
            ui_show_text(out, bytes_view_of(s->rows[i].from));
            fputs(" -> ", out);
        }
        ui_show_text(out, bytes_view_of(s->rows[i].path));
        fputs(s->rows[i].large ? "  (large)\n" : "\n", out);
    }
    if (!s->count) fputs("Nothing is changed.\n", out);
    if (s->missing.count) ui_files_warn_missing(r->cli, r->name, s->missing.count, s->missing.names[0]);
}

static err status_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    repo_status status = {0};
    const char *untracked = ui_arguments_text(a, "untracked");
    repo_status_options options = {.untracked = !untracked || strcmp(untracked, "no") != 0,
                                   .renames = !ui_arguments_has(a, "no-renames")};

    if (untracked && strcmp(untracked, "no") != 0 && strcmp(untracked, "normal") != 0)
        return err_make(ERR_USAGE, "--untracked is no or normal, not '%s'", untracked);
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code) e = repo_status_read(r.handle, &options, &status);
    if (e.code) return e;
    if (ui_arguments_has(a, "json"))
        print_json(&r, &status);
    else
        print_text(&r, &status);
    repo_status_free(&status);
    return ERR_OK;
}

static const ui_option options[] = {
    {"untracked", "no|normal", "files that git does not know: none, or all (default: normal)", false},
    {"no-renames", NULL, "a renamed file as one that went and one that came", false},
    {0},
};

const ui_command ui_cmd_status = {
    .name = "status",
    .group = "changes",
    .args = "MODEL",
    .help = "Say what is changed, staged and missing in a model",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = status_run,
};
