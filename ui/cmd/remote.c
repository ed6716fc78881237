#include <string.h>

#include "base/text.h"
#include "repo/net/network.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/files_show.h"
#include "ui/cmd/show.h"

/* ---- list ---- */

static void list_json(ui_repo *r, const repo_remote_row *rows, size_t count)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(r->name));
    cJSON *list = cJSON_AddArrayToObject(o, "remotes");
    for (size_t i = 0; i < count; i++) {
        cJSON *row = cJSON_CreateObject();
        ui_json_add_text(row, "name", bytes_view_of(rows[i].name));
        ui_json_add_text(row, "url", bytes_view_of(rows[i].url));
        ui_files_add_optional(row, "push_url", rows[i].push_url);
        cJSON_AddItemToArray(list, row);
    }
    ui_json_print(o, r->cli->out);
}

static void list_text(ui_repo *r, const repo_remote_row *rows, size_t count)
{
    FILE *out = r->cli->out;

    for (size_t i = 0; i < count; i++) {
        ui_show_text(out, bytes_view_of(rows[i].name));
        fputs("  ", out);
        ui_show_text(out, bytes_view_of(rows[i].url));
        if (rows[i].push_url) {
            fputs("  push: ", out);
            ui_show_text(out, bytes_view_of(rows[i].push_url));
        }
        fputc('\n', out);
    }
    if (!count) fprintf(out, "%s has no remotes\n", r->name);
}

static err list_run(ui_repo *r, const ui_arguments *a)
{
    repo_remote_row *rows = NULL;
    size_t count = 0;

    err e = repo_remote_list(r->handle, &rows, &count);
    if (!e.code) (ui_arguments_has(a, "json") ? list_json : list_text)(r, rows, count);
    repo_remote_list_free(rows, count);
    return e;
}

/* ---- changes ---- */

static err told(ui_repo *r, const ui_arguments *a, const char *sentence, const char *name)
{
    if (ui_arguments_has(a, "json")) return list_run(r, a);
    fprintf(r->cli->out, "%s ", sentence);
    ui_show_text(r->cli->out, bytes_view_of(name));
    fputc('\n', r->cli->out);
    return ERR_OK;
}

static err add_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_remote_add(r->handle, a->words[2], a->words[3]);
    return e.code ? e : told(r, a, "Added the remote", a->words[2]);
}

static err remove_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_remote_remove(r->handle, a->words[2]);
    return e.code ? e : told(r, a, "Removed the remote", a->words[2]);
}

static err rename_run(ui_repo *r, const ui_arguments *a)
{
    CLEANUP(repo_names_free) repo_names problems = {0};

    err e = repo_remote_rename(r->handle, a->words[2], a->words[3], &problems);
    ui_files_list(r->cli,
                  "These refspecs still say the old name; change them in the configuration:", &problems);
    return e.code ? e : told(r, a, "Renamed the remote to", a->words[3]);
}

static err set_url_run(ui_repo *r, const ui_arguments *a)
{
    err e = repo_remote_set_url(r->handle, a->words[2], a->words[3], ui_arguments_has(a, "push"));
    return e.code ? e : told(r, a, "Set the address of", a->words[2]);
}

/* ---- which ---- */

typedef struct verb {
    const char *name;
    size_t words_min, words_max; /* with MODEL and the verb */
    const char *usage;
    err (*run)(ui_repo *r, const ui_arguments *a);
} verb;

static const verb verbs[] = {
    {"list", 1, 2, "MODEL list", list_run},
    {"add", 4, 4, "MODEL add NAME URL", add_run},
    {"remove", 3, 3, "MODEL remove NAME", remove_run},
    {"rename", 4, 4, "MODEL rename NAME NEW", rename_run},
    {"set-url", 4, 4, "MODEL set-url NAME URL", set_url_run},
};

static err verb_find(const char *word, const verb **out)
{
    const char *names[COUNT_OF(verbs)];

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(verbs[i].name, word) != 0) continue;
        *out = &verbs[i];
        return ERR_OK;
    }
    const char *nearest = text_nearest(word, names, COUNT_OF(verbs));
    return err_make(ERR_USAGE, "remote has no '%s': list, add, remove, rename, set-url%s%s%s", word,
                    nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static err remote_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_repo_end) ui_repo r = {0};
    const verb *v = &verbs[0];

    err e = a->word_count > 1 ? verb_find(a->words[1], &v) : ERR_OK;
    if (!e.code && (a->word_count < v->words_min || a->word_count > v->words_max))
        e = err_make(ERR_USAGE, "expected remote %s", v->usage);
    if (!e.code && ui_arguments_has(a, "push") && v->run != set_url_run)
        e = err_make(ERR_USAGE, "remote %s takes no --push", v->name);
    if (!e.code) e = ui_repo_begin_model(cli, a->words[0], &r);
    return e.code ? e : v->run(&r, a);
}

static const ui_option options[] = {
    {"push", NULL, "set-url: only where to push; \"\": to the url again", false},
    {0},
};

const ui_command ui_cmd_remote = {
    .name = "remote",
    .group = "servers",
    .args = "MODEL [list|add NAME URL|remove NAME|rename NAME NEW|set-url NAME URL]",
    .help = "List the places a model is fetched from and pushed to, or change them",
    .words_min = 1,
    .words_max = 4,
    .options = {options, ui_options_all},
    .run = remote_run,
};
