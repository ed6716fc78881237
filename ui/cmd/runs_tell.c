#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/runs.h"
#include "ui/cmd/show.h"
#include "ui/cmd/train_watch.h"

/* The event that says it was done; NULL: there is none to wait for. */
static const struct {
    const char *verb, *event;
} events[] = {{"pause", "state"}, {"resume", "state"},     {"stop", "ended"},
              {"save", "saved"},  {"commit", "committed"}, {"tag", "committed"},
              {"eval", "eval"},   {"lr", "changed"},       {"ask", "answer"}};

static err request_of(const ui_runs *r, cJSON **out)
{
    const ui_arguments *a = r->a;
    const char *verb = a->words[0], *third = a->word_count > 2 ? a->words[2] : NULL;
    int64_t step = -1, tokens = 256;
    char *end = NULL;

    err e = ui_arguments_integer(a, "step", 0, INT64_MAX, &step);
    if (!e.code) e = ui_arguments_integer(a, "n", 1, 1000000, &tokens);
    if (e.code) return e;
    cJSON *o = cJSON_CreateObject();
    bool ask = strcmp(verb, "ask") == 0, rate = strcmp(verb, "lr") == 0;
    cJSON_AddStringToObject(o, "do", ask ? "generate" : verb);
    if (ask || rate) {
        if (!third) e = err_make(ERR_USAGE, "expected runs %s RUN %s", verb, ask ? "TEXT" : "RATE");
        double value = third && rate ? strtod(third, &end) : 0;
        if (!e.code && rate && (*end || end == third || !(value >= 0) || !isfinite(value)))
            e = err_make(ERR_USAGE, "lr %.40s: expected a number from 0", third);
        if (rate && !e.code) cJSON_AddNumberToObject(o, "value", value);
    }
    if (ask && !e.code) {
        ui_json_add_text(o, "prompt", bytes_view_of(third));
        cJSON_AddNumberToObject(o, "tokens", (double)tokens);
        if (step >= 0) cJSON_AddNumberToObject(o, "step", (double)step);
    }
    if (e.code)
        cJSON_Delete(o);
    else
        *out = o;
    return e;
}

static err print_answer(const ui_runs *r, const bytes *line)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *event = NULL;

    if (ui_arguments_has(r->a, "json")) {
        fprintf(r->cli->out, "%s\n", bytes_text(line));
        return ERR_OK;
    }
    err e = json_parse(bytes_borrow(line), 8, &a, &event);
    if (e.code) return e;
    const json_node *text = json_get(event, "text"), *step = json_get(event, "step");
    if (text) {
        ui_show_text(r->cli->out, json_text(text));
        fprintf(r->cli->out, "\n");
        fprintf(r->cli->err_out, "step %lld; it cost the run %.0f ms\n", (long long)json_int(step, 0),
                json_double(json_get(event, "lost_ms"), 0));
    } else {
        fprintf(r->cli->out, "%s: done", r->a->words[0]);
        if (step) fprintf(r->cli->out, " at step %lld", (long long)json_int(step, 0));
        fputc('\n', r->cli->out);
    }
    return ERR_OK;
}

err ui_runs_tell(const ui_runs *r)
{
    CLEANUP(bytes_free) bytes line = {0};
    ui_run_list one = {0};
    cJSON *request = NULL;
    size_t i = 0;

    err e = ui_runs_find(r, 1, &one);
    if (!e.code) e = request_of(r, &request);
    if (!e.code) {
        while (strcmp(events[i].verb, r->a->words[0]) != 0) i++;
        char *text = cJSON_PrintUnformatted(request);
        e = ui_watch_ask(r->cli, one.rows[0].id, bytes_view_of(text), events[i].event, &line);
        cJSON_free(text);
    }
    if (!e.code) e = print_answer(r, &line);
    cJSON_Delete(request);
    ui_run_list_free(&one);
    return e;
}
