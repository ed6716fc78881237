#include "repo/branch.h"

#include <stdio.h>
#include <string.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

/* ---- list ---- */

static cJSON *row_json(const repo_branch *row)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "name", bytes_view_of(row->name));
    cJSON_AddStringToObject(o, "commit", row->commit.hex);
    if (row->remote) return o;
    ui_files_add_optional(o, "upstream", row->upstream);
    ui_json_add_count(o, "ahead", row->ahead);
    ui_json_add_count(o, "behind", row->behind);
    cJSON_AddBoolToObject(o, "current", row->current);
    ui_files_add_optional(o, "worktree", row->worktree);
    return o;
}

static void list_json(const repo_branches *list, FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *branches = cJSON_AddArrayToObject(o, "branches"), *remotes = cJSON_AddArrayToObject(o, "remotes");

    for (size_t i = 0; i < list->count; i++)
        cJSON_AddItemToArray(list->rows[i].remote ? remotes : branches, row_json(&list->rows[i]));
    ui_json_print(o, out);
}

static void print_upstream(const repo_branch *row, FILE *out)
{
    if (!row->upstream) return;
    fputs(" [", out);
    ui_show_text(out, bytes_view_of(row->upstream));
    if (row->upstream_gone)
        fputs(": gone", out);
    else if (row->ahead < 0)
        fputs(": ?", out);
    else if (row->ahead || row->behind)
        fprintf(out, ": +%d -%d", row->ahead, row->behind);
    fputc(']', out);
}

static void list_text(const repo_branches *list, FILE *out)
{
    int width = 0;

    for (size_t i = 0; i < list->count; i++) width = MAX_OF(width, (int)strlen(list->rows[i].name));
    for (size_t i = 0; i < list->count; i++) {
        const repo_branch *row = &list->rows[i];
        fputs(row->current ? "* " : row->worktree ? "+ " : "  ", out);
        ui_show_text(out, bytes_view_of(row->name));
        fprintf(out, "%*s %.8s", width - (int)strlen(row->name), "", row->commit.hex);
        print_upstream(row, out);
        fputc(' ', out);
        ui_show_text(out, bytes_view_of(row->subject));
        fputc('\n', out);
    }
}

static err list_run(ui_repo *r, bool json)
{
    CLEANUP(repo_branches_free) repo_branches list = {0};

    err e = repo_branch_list(r->handle, &list);
    if (e.code) return e;
    if (json)
        list_json(&list, r->cli->out);
    else
        list_text(&list, r->cli->out);
    return ERR_OK;
}

/* ---- changes ---- */

static err create(ui_repo *r, const char *name, const char *start, bool force, repo_id *commit)
{
    CLEANUP(repo_ref_free) repo_ref ref = {0};

    err e = repo_resolve(r->handle, start, &ref);
    if (!e.code) e = repo_branch_create(r->handle, name, &ref, force);
    if (!e.code) *commit = ref.commit;
    return e;
}

static err change(ui_repo *r, const ui_arguments *a)
{
    const char *name = a->words[1], *to = ui_arguments_text(a, "move");
    const char *upstream = ui_arguments_text(a, "set-upstream"), *sentence = "Branch";
    bool force = ui_arguments_has(a, "force");
    repo_id commit = {0};
    err e = ERR_OK;

    if (ui_arguments_has(a, "delete")) {
        sentence = "Deleted branch";
        e = repo_branch_delete(r->handle, name, force, &commit);
    } else if (to) {
        sentence = "Renamed the branch to";
        e = repo_branch_rename(r->handle, name, to, force);
        name = to;
    } else if (upstream) {
        sentence = "Set the upstream of";
        e = repo_branch_set_upstream(r->handle, name, *upstream ? upstream : NULL);
    } else {
        sentence = "Made the branch";
        e = create(r, name, a->word_count > 2 ? a->words[2] : "", force, &commit);
    }
    if (!e.code) ui_repo_told_ref(r, "branch", sentence, name, &commit, ui_arguments_has(a, "json"));
    return e;
}

static err branch_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    int verbs =
        ui_arguments_has(a, "delete") + ui_arguments_has(a, "move") + ui_arguments_has(a, "set-upstream");

    if (verbs > 1) return err_make(ERR_USAGE, "--delete, --move and --set-upstream exclude each other");
    if (verbs && a->word_count != 2) return err_make(ERR_USAGE, "say which branch: MODEL NAME");
    if (a->word_count < 2 && ui_arguments_has(a, "force"))
        return err_make(ERR_USAGE, "say which branch: MODEL NAME");
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    return a->word_count < 2 ? list_run(&r, ui_arguments_has(a, "json")) : change(&r, a);
}

static const ui_option options[] = {
    {"delete", NULL, "delete NAME", false},
    {"force", NULL, "also when its commits are nowhere else, or when the name is taken", false},
    {"move", "NEW", "rename NAME", false},
    {"set-upstream", "REF", "what NAME follows: origin/main, say; \"\": nothing", false},
    {0},
};

const ui_command ui_cmd_branch = {
    .name = "branch",
    .group = "history",
    .args = "MODEL [NAME [START]]",
    .help = "List branches, or make, rename, delete one",
    .words_min = 1,
    .words_max = 3,
    .options = {options, ui_options_all},
    .run = branch_run,
};
