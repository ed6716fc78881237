#include "repo/tag.h"

#include <stdio.h>
#include <string.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/input.h"
#include "ui/cmd/show.h"

static void list_json(const repo_tags *list, FILE *out)
{
    cJSON *o = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(o, "tags");

    for (size_t i = 0; i < list->count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "name", bytes_view_of(list->rows[i].name));
        cJSON_AddStringToObject(row, "commit", list->rows[i].commit.hex);
        cJSON_AddBoolToObject(row, "annotated", list->rows[i].annotated);
        ui_files_add_optional(row, "message", list->rows[i].message);
        cJSON_AddItemToArray(rows, row);
    }
    ui_json_print(o, out);
}

static void list_text(const repo_tags *list, FILE *out)
{
    int width = 0;

    for (size_t i = 0; i < list->count; i++) width = MAX_OF(width, (int)strlen(list->rows[i].name));
    for (size_t i = 0; i < list->count; i++) {
        const repo_tag *row = &list->rows[i];
        const char *message = row->message ? row->message : "";
        ui_show_text(out, bytes_view_of(row->name));
        fprintf(out, "%*s %.8s ", width - (int)strlen(row->name), "", row->commit.hex);
        ui_show_text(out, (bytes_view){message, strcspn(message, "\n")});
        fputc('\n', out);
    }
}

static err list_run(ui_repo *r, bool json)
{
    CLEANUP(repo_tags_free) repo_tags list = {0};

    err e = repo_tag_list(r->handle, &list);
    if (e.code) return e;
    if (json)
        list_json(&list, r->cli->out);
    else
        list_text(&list, r->cli->out);
    return ERR_OK;
}

static err create(ui_repo *r, const ui_arguments *a, repo_id *commit)
{
    CLEANUP(repo_ref_free) repo_ref ref = {0};
    CLEANUP(bytes_free) bytes message = {0};
    const char *word = ui_arguments_text(a, "m");

    err e = word ? ui_input_read(word, r->cli->in, &message) : ERR_OK;
    if (!e.code) e = repo_resolve(r->handle, a->word_count > 2 ? a->words[2] : "", &ref);
    if (!e.code)
        e = repo_tag_create(r->handle, a->words[1], &ref, word ? bytes_text(&message) : NULL,
                            ui_arguments_has(a, "force"));
    if (!e.code) *commit = ref.commit;
    return e;
}

static err tag_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    bool json = ui_arguments_has(a, "json"), deletes = ui_arguments_has(a, "delete");
    repo_id commit = {0};

    if (deletes && (a->word_count != 2 || ui_arguments_has(a, "m") || ui_arguments_has(a, "force")))
        return err_make(ERR_USAGE, "--delete takes MODEL NAME alone");
    if (a->word_count < 2 && (ui_arguments_has(a, "m") || ui_arguments_has(a, "force")))
        return err_make(ERR_USAGE, "say which tag: MODEL NAME");
    err e = ui_repo_begin_model(cli, a->words[0], &r);
    if (e.code) return e;
    if (a->word_count < 2) return list_run(&r, json);
    e = deletes ? repo_tag_delete(r.handle, a->words[1], &commit) : create(&r, a, &commit);
    if (!e.code) ui_repo_told_ref(&r, "tag", deletes ? "Deleted the tag" : "Made the tag", a->words[1], &commit, json);
    return e;
}

static const ui_option options[] = {
    {"m", "TEXT", "make an annotated tag; -: standard input, @FILE: a file", false},
    {"delete", NULL, "delete NAME", false},
    {"force", NULL, "move a tag that exists", false},
    {0},
};

const ui_command ui_cmd_tag = {
    .name = "tag",
    .group = "history",
    .args = "MODEL [NAME [REF]]",
    .help = "List tags, or make, delete one",
    .words_min = 1,
    .words_max = 3,
    .options = {options, ui_options_all},
    .run = tag_run,
};
