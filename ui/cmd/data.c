/* ui/cmd/data.c: answers that were marked in the workstation, as data to train with. */
#define _GNU_SOURCE /* strptime */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/settings.h"
#include "base/text.h"
#include "ui/app/chat_export.h"
#include "ui/app/chat_store.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/show.h"

enum { DAY_SECONDS = 24 * 60 * 60, DAYS_MAX = 36500 };

/* ---- which of them ---- */

typedef struct choice {
    const char *model; /* NULL: any */
    int64_t since;     /* seconds since 1970 */
} choice;

/* "2026-01-31", from its midnight here, or "7d": so many days back. */
static err since_read(const char *word, int64_t *out)
{
    struct tm day = {.tm_isdst = -1};
    char *end = NULL;
    long days = strtol(word, &end, 10);

    if (end != word && strcmp(end, "d") == 0 && days >= 0 && days <= DAYS_MAX) {
        *out = clock_unix_seconds() - days * DAY_SECONDS;
        return ERR_OK;
    }
    const char *rest = strptime(word, "%Y-%m-%d", &day);
    if (!rest || *rest)
        return err_make(ERR_USAGE, "option --since is '%s': expected a day such as 2026-01-31, or 7d", word);
    *out = (int64_t)mktime(&day);
    return ERR_OK;
}

static err choice_read(const ui_arguments *a, choice *out)
{
    const char *since = ui_arguments_text(a, "since");
    *out = (choice){.model = ui_arguments_text(a, "model")};
    return since ? since_read(since, &out->since) : ERR_OK;
}

/* "demo" is also demo:v1 and demo+01_brief@0.7. */
static bool is_of_model(const char *answered, const char *model)
{
    size_t size = strlen(model);
    return strncmp(answered, model, size) == 0 && (!answered[size] || strchr(":+@ ", answered[size]));
}

static bool is_chosen(const choice *c, const ui_rated_answer *r)
{
    return r->rated >= c->since && (!c->model || is_of_model(r->model, c->model));
}

static err store_open(ui_cli *cli, ui_chat_store **out)
{
    char *aside = NULL;
    err e = ui_chat_store_open(settings_borrow_folders(cli->settings)->state, &aside, out);
    if (aside) fprintf(cli->err_out, "state.db was damaged and is kept as %s\n", aside);
    free(aside);
    return e;
}

/* ---- list ---- */

/* The marked answers of one conversation. */
typedef struct tally {
    const ui_rated_answer *first;
    size_t good, bad;
    int64_t rated; /* the newest mark */
    const char **models;
    size_t model_count;
} tally;

static void tally_add(tally *t, const ui_rated_answer *r)
{
    if (!t->first) t->first = r;
    if (r->rating == UI_RATING_GOOD)
        t->good++;
    else
        t->bad++;
    t->rated = MAX_OF(t->rated, r->rated);
    for (size_t i = 0; i < t->model_count; i++)
        if (strcmp(t->models[i], r->model) == 0) return;
    t->models = memory_resize_array(t->models, t->model_count + 1, sizeof *t->models);
    t->models[t->model_count++] = r->model;
}

static cJSON *tally_json(const tally *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "conversation", (double)t->first->conversation);
    ui_json_add_text(o, "title", bytes_view_of(t->first->title));
    cJSON_AddNumberToObject(o, "good", (double)t->good);
    cJSON_AddNumberToObject(o, "bad", (double)t->bad);
    cJSON_AddNumberToObject(o, "marked", (double)t->rated);
    cJSON *models = cJSON_AddArrayToObject(o, "models");
    for (size_t i = 0; i < t->model_count; i++) ui_json_push_text(models, bytes_view_of(t->models[i]));
    return o;
}

static void tally_print(FILE *out, const tally *t)
{
    time_t at = (time_t)t->rated;
    char when[32] = "";
    struct tm local;

    if (localtime_r(&at, &local)) strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local);
    fprintf(out, "%s  %3zu good  %3zu bad  ", when, t->good, t->bad);
    ui_show_text(out, bytes_view_of(t->first->title));
    for (size_t i = 0; i < t->model_count; i++) {
        fputs(i ? ", " : "  (", out);
        ui_show_text(out, bytes_view_of(t->models[i]));
    }
    fputs(")\n", out);
}

static void list_print(ui_cli *cli, const ui_rated_list *list, const choice *c, bool json)
{
    cJSON *o = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(o, "conversations");
    size_t good = 0, bad = 0, count = 0;

    for (size_t i = 0; i < list->count;) {
        int64_t conversation = list->rows[i].conversation;
        tally t = {0};
        for (; i < list->count && list->rows[i].conversation == conversation; i++)
            if (is_chosen(c, &list->rows[i])) tally_add(&t, &list->rows[i]);
        if (!t.first) continue;
        count++;
        good += t.good;
        bad += t.bad;
        cJSON_AddItemToArray(rows, tally_json(&t));
        if (!json) tally_print(cli->out, &t);
        free(t.models);
    }
    cJSON_AddNumberToObject(o, "good", (double)good);
    cJSON_AddNumberToObject(o, "bad", (double)bad);
    if (json) {
        ui_json_print(o, cli->out);
        return;
    }
    cJSON_Delete(o);
    if (count)
        fprintf(cli->out, "%zu good and %zu bad answers in %zu conversation%s\n", good, bad, count,
                count == 1 ? "" : "s");
    else
        fprintf(
            cli->out,
            "No answer %s marked: in the conversation of the workstation, + marks the last answer as good "
            "and - as bad\n",
            c->model || c->since ? "of these is" : "is");
}

static err list_run(ui_cli *cli, const ui_arguments *a, ui_chat_store *store, const choice *c)
{
    CLEANUP(ui_rated_list_free) ui_rated_list list = {0};
    err e = ui_chat_store_rated(store, &list);
    if (!e.code) list_print(cli, &list, c, ui_arguments_has(a, "json"));
    return e;
}

/* ---- export ---- */

typedef struct written {
    bytes lines;
    size_t answers, conversations, unended;
} written;

static err write_chosen(ui_chat_store *store, const ui_rated_list *list, const choice *c, ui_rating rating,
                        written *out)
{
    ui_chat chat = {0};
    err e = ERR_OK;

    for (size_t i = 0; i < list->count && !e.code; i++) {
        const ui_rated_answer *r = &list->rows[i];
        if (r->rating != rating || !is_chosen(c, r)) continue;
        if (chat.id != r->conversation) {
            e = ui_chat_store_load(store, r->conversation, &chat);
            if (e.code) break;
            out->conversations++;
        }
        if (r->position >= chat.count) continue; /* taken back since the list was made */
        ui_chat_export_line(&chat, r->position, &out->lines);
        out->answers++;
        if (!ui_chat_answer_ended(&chat.messages[r->position])) out->unended++;
    }
    ui_chat_free(&chat);
    return e;
}

static err check_file(const char *path, bool force)
{
    const char *ending = strrchr(file_name(path), '.');
    if (!ending || strcmp(ending, ".jsonl") != 0)
        return err_make(ERR_USAGE, "%s: expected a name that ends in .jsonl", path);
    if (file_exists(path) && !force)
        return err_make(ERR_EXISTS, "%s is there already (--force replaces it)", path);
    return ERR_OK;
}

static void export_tell(ui_cli *cli, const ui_arguments *a, const written *w, const char *mark)
{
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        ui_json_add_text(o, "file", bytes_view_of(a->words[1]));
        cJSON_AddStringToObject(o, "mark", mark);
        cJSON_AddNumberToObject(o, "answers", (double)w->answers);
        cJSON_AddNumberToObject(o, "conversations", (double)w->conversations);
        cJSON_AddNumberToObject(o, "unended", (double)w->unended);
        ui_json_print(o, cli->out);
        return;
    }
    fprintf(cli->out, "Wrote %zu %s answer%s of %zu conversation%s to ", w->answers, mark,
            w->answers == 1 ? "" : "s", w->conversations, w->conversations == 1 ? "" : "s");
    ui_show_text(cli->out, bytes_view_of(a->words[1]));
    fputc('\n', cli->out);
    if (w->unended)
        fprintf(cli->err_out,
                "%zu of them did not end by themselves (stopped, or cut at a length): training would learn "
                "to end "
                "there\n",
                w->unended);
}

static err export_run(ui_cli *cli, const ui_arguments *a, ui_chat_store *store, const choice *c)
{
    CLEANUP(ui_rated_list_free) ui_rated_list list = {0};
    ui_rating rating = ui_arguments_has(a, "bad") ? UI_RATING_BAD : UI_RATING_GOOD;
    const char *mark = rating == UI_RATING_GOOD ? "good" : "bad";
    char *path = file_expand_home(a->words[1], settings_borrow_folders(cli->settings)->home);
    written w = {0};

    err e = check_file(path, ui_arguments_has(a, "force"));
    if (!e.code) e = ui_chat_store_rated(store, &list);
    if (!e.code) e = write_chosen(store, &list, c, rating, &w);
    if (!e.code && !w.answers)
        e = err_make(
            ERR_NOTHING,
            "no answer %s marked as %s: %s marks the last one in the conversation of the workstation",
            c->model || c->since ? "of these is" : "is", mark, rating == UI_RATING_GOOD ? "+" : "-");
    if (!e.code) e = file_write(path, bytes_borrow(&w.lines));
    if (!e.code) export_tell(cli, a, &w, mark);
    bytes_free(&w.lines);
    free(path);
    return e;
}

/* ---- which ---- */

static const struct verb {
    const char *name;
    size_t words;
    const char *usage;
    bool writes;
    err (*run)(ui_cli *cli, const ui_arguments *a, ui_chat_store *store, const choice *c);
} verbs[] = {
    {"list", 1, "list", false, list_run},
    {"export", 2, "export FILE", true, export_run},
};

static const ui_option options[] = {
    {"model", "MODEL", "only what this model answered, with any adapters", false},
    {"since", "DAY", "only what was marked since then: 2026-01-31, or 7d for seven days", false},
    {"bad", NULL, "export the answers that were marked as bad, instead", false},
    {"force", NULL, "replace the file", false},
    {0},
};

static err data_run(ui_cli *cli, const ui_arguments *a)
{
    ui_chat_store *store = NULL;
    choice c;
    size_t v = 0;

    while (a->word_count && v < COUNT_OF(verbs) && strcmp(verbs[v].name, a->words[0]) != 0) v++;
    if (v == COUNT_OF(verbs)) return err_make(ERR_USAGE, "data has no '%s': list, export", a->words[0]);
    if (a->word_count > verbs[v].words || (a->word_count < verbs[v].words && v))
        return err_make(ERR_USAGE, "expected data %s", verbs[v].usage);
    if (!verbs[v].writes && (ui_arguments_has(a, "bad") || ui_arguments_has(a, "force")))
        return err_make(ERR_USAGE, "data %s takes no --%s", verbs[v].name,
                        ui_arguments_has(a, "bad") ? "bad" : "force");
    err e = choice_read(a, &c);
    if (!e.code) e = store_open(cli, &store);
    if (!e.code) e = verbs[v].run(cli, a, store, &c);
    ui_chat_store_free(store);
    return e;
}

const ui_command ui_cmd_data = {
    .name = "data",
    .group = "adapters",
    .args = "[list|export] [FILE]",
    .help = "List the answers that were marked in the workstation, or write them out to train with",
    .words_max = 2,
    .options = {options, ui_options_all},
    .run = data_run,
};
