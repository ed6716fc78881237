#include "repo/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

static const char *const kind_names[] = {[REPO_REF_BRANCH] = "branch",
                                         [REPO_REF_TAG] = "tag",
                                         [REPO_REF_REMOTE] = "remote",
                                         [REPO_REF_COMMIT] = "commit"};

/* ---- JSON ---- */

/* A key that is there more than once has a list. */
static void add_trailers(cJSON *o, const repo_log_row *row)
{
    cJSON *trailers = cJSON_AddObjectToObject(o, "trailers");

    for (size_t i = 0; i < row->trailer_count; i++) {
        const repo_log_trailer *t = &row->trailers[i];
        cJSON *old = cJSON_GetObjectItemCaseSensitive(trailers, t->key);
        if (!old) {
            ui_json_add_text(trailers, t->key, bytes_view_of(t->value));
        } else if (cJSON_IsArray(old)) {
            ui_json_push_text(old, bytes_view_of(t->value));
        } else {
            cJSON *list = cJSON_CreateArray();
            cJSON_AddItemToArray(list, cJSON_Duplicate(old, 1));
            ui_json_push_text(list, bytes_view_of(t->value));
            cJSON_ReplaceItemInObjectCaseSensitive(trailers, t->key, list);
        }
    }
}

static void add_refs(cJSON *o, const repo_log_row *row)
{
    cJSON *refs = cJSON_AddArrayToObject(o, "refs");

    for (size_t i = 0; i < row->ref_count; i++) {
        cJSON *ref = cJSON_CreateObject();
        cJSON_AddStringToObject(ref, "kind", kind_names[row->refs[i].kind]);
        ui_json_add_text(ref, "name", bytes_view_of(row->refs[i].name));
        cJSON_AddStringToObject(ref, "commit", row->commit.hex);
        cJSON_AddItemToArray(refs, ref);
    }
}

static cJSON *row_json(const repo_log_row *row)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "commit", row->commit.hex);
    ui_files_add_names(o, "parents", &row->parents);
    ui_json_add_text(o, "author", bytes_view_of(row->author));
    ui_json_add_text(o, "email", bytes_view_of(row->email));
    cJSON_AddNumberToObject(o, "time", (double)row->time);
    ui_json_add_text(o, "subject", bytes_view_of(row->subject));
    ui_json_add_text(o, "body", bytes_view_of(row->body));
    add_trailers(o, row);
    add_refs(o, row);
    return o;
}

static void print_json(const repo_log *log, FILE *out)
{
    cJSON *o = cJSON_CreateObject(), *commits = cJSON_AddArrayToObject(o, "commits");

    for (size_t i = 0; i < log->count; i++) cJSON_AddItemToArray(commits, row_json(&log->rows[i]));
    cJSON_AddBoolToObject(o, "more", log->more);
    cJSON_AddBoolToObject(o, "shallow", log->shallow);
    ui_json_print(o, out);
}

/* ---- text ---- */

static void print_refs(const repo_log_row *row, FILE *out)
{
    for (size_t i = 0; i < row->ref_count; i++) {
        const repo_log_ref *ref = &row->refs[i];
        fputs(i ? ", " : "(", out);
        if (ref->current && ref->kind == REPO_REF_BRANCH) fputs("HEAD -> ", out);
        if (ref->kind == REPO_REF_TAG) fputs("tag: ", out);
        ui_show_text(out, bytes_view_of(ref->name));
    }
    if (row->ref_count) fputs(") ", out);
}

/* The day where its author was. */
static void print_row(const repo_log_row *row, FILE *out)
{
    char day[32] = "";
    time_t there = (time_t)(row->time + row->offset_minutes * 60);
    struct tm fields;

    if (gmtime_r(&there, &fields)) strftime(day, sizeof day, "%Y-%m-%d", &fields);
    fprintf(out, "%.8s %s ", row->commit.hex, day);
    print_refs(row, out);
    ui_show_text(out, bytes_view_of(row->subject));
    fputs(", ", out);
    ui_show_text(out, bytes_view_of(row->author));
    fputc('\n', out);
}

static err log_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_log_free) repo_log log = {0};
    CLEANUP(repo_ref_free) repo_ref from = {0};
    int64_t count = 0;
    repo_log_options how = {.all = ui_arguments_has(a, "all"), .path = ui_arguments_text(a, "path")};

    err e = ui_arguments_integer(a, "n", 1, REPO_LOG_COMMITS_MAX, &count);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    if (!e.code && a->word_count > 1) {
        e = repo_resolve(r.handle, a->words[1], &from);
        how.from = &from;
    }
    how.count_max = (size_t)count;
    if (!e.code) e = repo_log_read(r.handle, &how, &log);
    if (e.code) return e;
    if (ui_arguments_has(a, "json")) {
        print_json(&log, cli->out);
        return ERR_OK;
    }
    for (size_t i = 0; i < log.count; i++) print_row(&log.rows[i], cli->out);
    if (log.shallow && !log.more) fputs("older commits are not here: the history is shallow\n", cli->err_out);
    return ERR_OK;
}

static const ui_option options[] = {
    {"n", "N", "at most so many commits", false},
    {"all", NULL, "of every branch and tag", false},
    {"path", "P", "only those that changed this file or folder", false},
    {0},
};

const ui_command ui_cmd_log = {
    .name = "log",
    .group = "history",
    .args = "MODEL [REF]",
    .help = "Show the commits, newest first",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_options_all},
    .cancels = true,
    .run = log_run,
};
