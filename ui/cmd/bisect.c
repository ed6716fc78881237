#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "repo/log.h"
#include "repo/modelref.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/data_choice.h"
#include "ui/cmd/evaluation.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/prompt_set.h"
#include "ui/cmd/repo_open.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"good", "REF", "a commit that passes the test", false},
    {"bad", "REF", "a later one that fails it (default: what is checked out)", false},
    {"prompts", "FILE", "the test: {\"prompt\", \"expect\"} a line; every answer must hold its words", false},
    {"min-right", "X", "with --prompts: this share of the answers is enough (default: 1)", false},
    {"n", "N", "tokens of an answer (default: 128)", false},
    {0},
};

typedef enum verdict { UNTESTED, GOOD, BAD, SKIPPED } verdict;
static const char *const verdict_names[] = {"untested", "good", "bad", "skipped"};

typedef struct candidate {
    const repo_log_row *row;
    verdict verdict;
    bytes why; /* "12 of 16 right", or why it was skipped */
} candidate;

typedef struct bisection {
    ui_cli *cli;
    const ui_arguments *a;
    repo_modelref model;
    candidate *list; /* the oldest first: the good one */
    size_t count;
    /* The test. */
    ui_prompt_set prompts; /* or data and bars */
    double min_right;
    int64_t token_count;
    ui_bars bars;
} bisection;

/* -- the test
 * ------------------------------------------------------------------------------------------------------ */

static err test_prompts(bisection *b, ui_running *r, candidate *c, bool *passes)
{
    size_t right = 0;

    err e = ui_prompt_set_run(r, &b->prompts, (size_t)b->token_count, &right);
    bytes_printf(&c->why, "%zu of %zu right", right, b->prompts.count);
    *passes = (double)right >= b->min_right * (double)b->prompts.count;
    return e;
}

static err test_data(bisection *b, ui_running *r, candidate *c, bool *passes)
{
    training_data *data = NULL;
    ui_tally tally;

    err e = ui_data_open(b->cli, b->a, r->model, &data);
    if (!e.code)
        e = ui_evaluate(r, data, training_data_train_count(data), b->bars.min_exact == b->bars.min_exact,
                        &tally);
    if (!e.code) {
        ui_figures f = ui_figures_of(&tally);
        err missed = ui_bars_check(&b->bars, &f);
        *passes = !missed.code;
        if (missed.code)
            bytes_append_text(&c->why, missed.text);
        else
            bytes_printf(&c->why, "loss %.4f", f.loss);
    }
    training_data_free(data);
    return e;
}

/* A commit that cannot be run (no such adapter yet, a broken file) says nothing: it is skipped. */
static bool is_untestable(err e)
{
    return e.code == ERR_NOT_FOUND || e.code == ERR_FORMAT || e.code == ERR_UNSUPPORTED ||
           e.code == ERR_LIMIT;
}

static err test(bisection *b, candidate *c)
{
    CLEANUP(ui_running_close) ui_running r = {0};
    CLEANUP(bytes_free) bytes word = {0};
    repo_modelref at = b->model;
    bool passes = false;

    at.ref = (char *)(uintptr_t)c->row->commit.hex; /* only printed */
    repo_modelref_print(&at, &word);
    err e = ui_running_open(b->cli, b->a, bytes_text(&word), &r);
    if (e.code && is_untestable(e)) {
        c->verdict = SKIPPED;
        bytes_append_text(&c->why, e.text);
        return ERR_OK;
    }
    if (!e.code) e = b->prompts.count ? test_prompts(b, &r, c, &passes) : test_data(b, &r, c, &passes);
    if (!e.code) c->verdict = passes ? GOOD : BAD;
    return e;
}

static err test_and_say(bisection *b, size_t i)
{
    candidate *c = &b->list[i];

    err e = test(b, c);
    if (e.code || ui_arguments_has(b->a, "json")) return e;
    fprintf(b->cli->out, "%-7s %.10s ", verdict_names[c->verdict], c->row->commit.hex);
    ui_show_text(b->cli->out, bytes_view_of(c->row->subject));
    fputs(" (", b->cli->out);
    ui_show_text(b->cli->out, bytes_borrow(&c->why));
    fputs(")\n", b->cli->out);
    fflush(b->cli->out);
    return e;
}

/* -- the search
 * ---------------------------------------------------------------------------------------------------- */

/* An untested commit between the two, as near to the middle as can be; `bad` when there is none. */
static size_t middle_of(const bisection *b, size_t good, size_t bad)
{
    size_t middle = good + (bad - good) / 2;

    for (size_t away = 0; away < bad - good; away++) {
        if (middle + away < bad && b->list[middle + away].verdict == UNTESTED) return middle + away;
        if (middle >= away && middle - away > good && b->list[middle - away].verdict == UNTESTED)
            return middle - away;
    }
    return bad;
}

/* Ends with the last that is good and the first that is bad; between them only commits that were skipped. */
static err search(bisection *b, size_t *good, size_t *bad)
{
    *good = 0;
    *bad = b->count - 1;
    err e = test_and_say(b, *bad);
    if (!e.code && b->list[*bad].verdict != BAD)
        e = err_make(ERR_USAGE, "--bad passes the test: there is nothing to look for (%s)",
                     bytes_text(&b->list[*bad].why));
    if (!e.code) e = test_and_say(b, *good);
    if (!e.code && b->list[*good].verdict != GOOD)
        e = err_make(ERR_USAGE, "--good does not pass the test (%s)", bytes_text(&b->list[*good].why));
    while (!e.code) {
        size_t next = middle_of(b, *good, *bad);
        if (next == *bad) break;
        e = test_and_say(b, next);
        if (b->list[next].verdict == GOOD) *good = next;
        if (b->list[next].verdict == BAD) *bad = next;
    }
    return e;
}

/* -- the commits
 * --------------------------------------------------------------------------------------------------- */

static const repo_log_row *row_of(const repo_log *log, const char *hex)
{
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->rows[i].commit.hex, hex) == 0) return &log->rows[i];
    return NULL;
}

/* From `bad` down the first parents to `good`; then turned round. */
static err list_commits(bisection *b, const repo_log *log, const repo_ref *good)
{
    const repo_log_row *row = log->count ? &log->rows[0] : NULL;

    b->list = memory_alloc((log->count + 1) * sizeof *b->list);
    while (row) {
        b->list[b->count++].row = row;
        if (strcmp(row->commit.hex, good->commit.hex) == 0) break;
        row = row->parents.count ? row_of(log, row->parents.names[0]) : NULL;
    }
    if (!row)
        return err_make(ERR_USAGE, "--good %.10s is not on the line of first parents of --bad%s",
                        good->commit.hex,
                        log->shallow ? ", or its commits are not here: the history is shallow" : "");
    if (b->count < 2) return err_make(ERR_USAGE, "--good and --bad are the same commit");
    for (size_t i = 0; i < b->count / 2; i++) {
        candidate other = b->list[i];
        b->list[i] = b->list[b->count - 1 - i];
        b->list[b->count - 1 - i] = other;
    }
    return ERR_OK;
}

/* -- the result
 * ----------------------------------------------------------------------------------------------------- */

static cJSON *candidate_json(const candidate *c)
{
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "commit", c->row->commit.hex);
    ui_json_add_text(o, "subject", bytes_view_of(c->row->subject));
    cJSON_AddStringToObject(o, "verdict", verdict_names[c->verdict]);
    ui_json_add_text(o, "why", bytes_borrow(&c->why));
    return o;
}

static void print_json(const bisection *b, size_t good, size_t bad)
{
    cJSON *o = cJSON_CreateObject();

    if (bad == good + 1)
        cJSON_AddStringToObject(o, "first_bad", b->list[bad].row->commit.hex);
    else
        cJSON_AddNullToObject(o, "first_bad");
    cJSON *possible = cJSON_AddArrayToObject(o, "possible"), *tested = cJSON_AddArrayToObject(o, "tested");
    for (size_t i = good + 1; i <= bad; i++)
        cJSON_AddItemToArray(possible, cJSON_CreateString(b->list[i].row->commit.hex));
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].verdict != UNTESTED) cJSON_AddItemToArray(tested, candidate_json(&b->list[i]));
    ui_json_print(o, b->cli->out);
}

static void print_result(const bisection *b, size_t good, size_t bad)
{
    FILE *out = b->cli->out;

    if (ui_arguments_has(b->a, "json")) {
        print_json(b, good, bad);
        return;
    }
    if (bad > good + 1)
        fputs("\nthe first bad commit is one of these; the others could not be tested\n", out);
    for (size_t i = good + 1; i <= bad; i++) {
        fprintf(out, "%s%s%s\n    ", bad == good + 1 ? "\n" : "", b->list[i].row->commit.hex,
                bad == good + 1 ? " is the first bad commit" : "");
        ui_show_text(out, bytes_view_of(b->list[i].row->subject));
        fputc('\n', out);
    }
}

/* -- the command
 * ----------------------------------------------------------------------------------------------------- */

static err test_read(bisection *b)
{
    const ui_arguments *a = b->a;
    const char *prompts = ui_arguments_text(a, "prompts");

    b->min_right = 1;
    b->token_count = 128;
    err e = ui_arguments_number(a, "min-right", 0, 1, &b->min_right);
    if (!e.code) e = ui_arguments_integer(a, "n", 1, 100000, &b->token_count);
    if (!e.code) e = ui_bars_read(a, &b->bars);
    if (e.code) return e;
    if (!ui_arguments_text(a, "good")) return err_make(ERR_USAGE, "expected --good REF");
    if (!prompts == !ui_arguments_has(a, "data"))
        return err_make(ERR_USAGE, "expected --prompts FILE, or --data FILE with a bar: one of the two");
    if (!prompts && !ui_bars_any(&b->bars))
        return err_make(ERR_USAGE, "--data wants a bar: --max-loss, --min-accuracy or --min-exact");
    return prompts ? ui_prompt_set_read(prompts, &b->prompts) : ERR_OK;
}

static void bisection_free(bisection *b)
{
    for (size_t i = 0; i < b->count; i++) bytes_free(&b->list[i].why);
    free(b->list);
    ui_prompt_set_free(&b->prompts);
    repo_modelref_free(&b->model);
}

static err bisect_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(bisection_free) bisection b = {.cli = cli, .a = a};
    CLEANUP(ui_repo_end) ui_repo r = {0};
    CLEANUP(repo_log_free) repo_log log = {0};
    CLEANUP(repo_ref_free) repo_ref good = {0}, bad = {0};
    const char *bad_name = ui_arguments_text(a, "bad");
    size_t last_good, first_bad;

    err e = test_read(&b);
    if (!e.code) e = repo_modelref_parse(a->words[0], &b.model);
    if (!e.code && *b.model.ref) e = err_make(ERR_USAGE, "MODEL without a ref: --good and --bad say which");
    if (!e.code) e = ui_repo_begin_model(cli, b.model.model, &r);
    if (!e.code) e = repo_resolve(r.handle, ui_arguments_text(a, "good"), &good);
    if (!e.code) e = repo_resolve(r.handle, bad_name ? bad_name : "", &bad);
    if (!e.code) e = repo_log_read(r.handle, &(repo_log_options){.from = &bad}, &log);
    if (!e.code) e = list_commits(&b, &log, &good);
    if (!e.code) e = search(&b, &last_good, &first_bad);
    if (!e.code) print_result(&b, last_good, first_bad);
    return e;
}

const ui_command ui_cmd_bisect = {
    .name = "bisect",
    .group = "adapters",
    .args = "MODEL --good REF [--bad REF] --prompts FILE",
    .help = "Find the commit that made answers bad",
    .words_min = 1,
    .words_max = 1,
    .options = {options, ui_options_data, ui_options_bars, ui_options_run, ui_options_all},
    .cancels = true,
    .run = bisect_run,
};
