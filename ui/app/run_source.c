#include "ui/app/run_source.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/text.h"
#include "ui/app/figures.h"
#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"

enum { EVENT_DEPTH = 8, LINES_AT_ONCE_MAX = 256 };

struct ui_run_source {
    ui_source source;
    ui_run_client *client;
    char *name;
    unsigned version;
    uint64_t step, steps;
    double loss; /* of the last step; NaN: none was heard of */
    size_t context_max, context_used;
    bool has_template, paused;

    uint64_t ask_last;                /* numbers of asks */
    uint64_t ask_going;               /* 0: none */
    size_t prompt_tokens, word_count; /* of the answer that is going on */
    uint64_t answer_count;            /* and what they cost the run, as it measured */
    double lost_ms;
    char *end;
};

static ui_run_source *of_source(ui_source *s) { return (ui_run_source *)(void *)s; }

/* -- asking ---------------------------------------------------------------------------------------------- */

static void add_text(cJSON *object, const char *key, bytes_view text)
{
    CLEANUP(bytes_free) bytes valid = {0};
    text_append_valid_utf8(&valid, text);
    cJSON_AddStringToObject(object, key, bytes_text(&valid));
}

static cJSON *sampling_json(const engine_sampling *how)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "temperature", how->temperature);
    cJSON_AddNumberToObject(o, "top_k", how->top_k);
    cJSON_AddNumberToObject(o, "top_p", how->top_p);
    cJSON_AddNumberToObject(o, "min_p", how->min_p);
    cJSON_AddNumberToObject(o, "repetition_penalty", how->repetition_penalty);
    cJSON_AddNumberToObject(o, "repeat_last_n", how->repeat_last_n);
    cJSON_AddNumberToObject(o, "seed", (double)how->seed);
    return o;
}

static err send_json(ui_run_source *r, cJSON *request_taken)
{
    char *line = cJSON_PrintUnformatted(request_taken);
    cJSON_Delete(request_taken);
    if (!line) memory_exhausted(0);
    bytes_view view = bytes_view_of(line);
    err e =
        view.size < UI_RUN_LINE_BYTES_MAX
            ? ui_run_client_send(r->client, view)
            : err_make(ERR_LIMIT, "the conversation has %zu bytes, a run takes %d at most: start a new one",
                       view.size, UI_RUN_LINE_BYTES_MAX);
    cJSON_free(line);
    return e;
}

static err run_ask(ui_source *s, const ui_ask *ask, uint64_t *answer)
{
    ui_run_source *r = of_source(s);
    cJSON *o = cJSON_CreateObject();

    if (r->end) {
        cJSON_Delete(o);
        return err_make(ERR_STATE, "%s", r->end);
    }
    cJSON_AddStringToObject(o, "do", "generate");
    cJSON_AddNumberToObject(o, "ask", (double)++r->ask_last);
    cJSON_AddBoolToObject(o, "stream", true);
    cJSON_AddBoolToObject(o, "continue", ask->continue_last);
    if (ask->token_count_max || r->context_max)
        cJSON_AddNumberToObject(o, "tokens",
                                (double)(ask->token_count_max ? ask->token_count_max : r->context_max));
    cJSON_AddItemToObject(o, "sampling", sampling_json(&ask->sampling));
    cJSON *list = cJSON_AddArrayToObject(o, "messages");
    for (size_t i = 0; i < ask->message_count; i++) {
        const ui_message *m = &ask->messages[i];
        cJSON *message = cJSON_CreateObject();
        cJSON_AddStringToObject(message, "role", m->role);
        add_text(message, "content", m->content);
        if (m->reasoning.size) add_text(message, "reasoning_content", m->reasoning);
        cJSON_AddItemToArray(list, message);
    }
    err e = send_json(r, o);
    if (e.code) return e;
    r->ask_going = *answer = r->ask_last;
    r->prompt_tokens = r->word_count = 0;
    return ERR_OK;
}

static void run_stop(ui_source *s, uint64_t answer)
{
    ui_run_source *r = of_source(s);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "do", "cancel");
    cJSON_AddNumberToObject(o, "ask", (double)answer);
    (void)send_json(r, o); /* when it cannot be said the run is gone, which the next look tells */
}

static ui_source_facts run_facts(ui_source *s)
{
    const ui_run_source *r = of_source(s);
    return (ui_source_facts){
        .name = r->name,
        .context_max = r->context_max,
        .context_used = r->prompt_tokens || r->ask_going ? r->prompt_tokens + r->word_count : r->context_used,
        .has_template = r->has_template};
}

/* -- what the run says ------------------------------------------------------------------------------------
 */

static uint64_t count_of(const json_node *event, const char *key, uint64_t fallback)
{
    return (uint64_t)json_int(json_get(event, key), (int64_t)fallback);
}

static bool is_event(const json_node *event, const char *name)
{
    return bytes_view_is(json_text(json_get(event, "event")), name);
}

/* The first sentence counts. */
static void set_end(ui_run_source *r, const char *sentence)
{
    CLEANUP(bytes_free) bytes whole = {0};
    if (r->end) return;
    bytes_printf(&whole, "%s%s", r->name, sentence);
    r->end = bytes_take(&whole);
    r->version++;
}

/* Where the run is. What is not said stays as it was. */
static void take_state(ui_run_source *r, const json_node *event)
{
    if (is_event(event, "step"))
        r->step = count_of(event, "step", 0) + 1; /* counted from 0; this one is done */
    else
        r->step = count_of(event, "step", r->step);
    if (json_get(event, "state")) r->paused = bytes_view_is(json_text(json_get(event, "state")), "paused");
    r->steps = count_of(event, "steps", r->steps);
    r->loss = json_double(json_get(event, "loss"), r->loss);
    r->context_max = count_of(event, "context", r->context_max);
    r->has_template = json_bool(json_get(event, "template"), r->has_template);
}

static void take_end(ui_run_source *r, const json_node *event)
{
    bytes_view state = json_text(json_get(event, "state")), error = json_text(json_get(event, "error"));
    bytes_view adapter = json_text(json_get(event, "adapter")), branch = json_text(json_get(event, "branch"));
    bool whole = bytes_view_is(adapter, UI_RUN_WEIGHTS);
    CLEANUP(bytes_free) bytes text = {0};
    if (error.size)
        bytes_printf(&text, " has failed: %.*s", (int)MIN_OF(error.size, (size_t)400), error.data);
    else
        bytes_printf(&text, " has ended (%.*s, step %llu of %llu): its %s%.*s %s on the branch %.*s",
                     (int)state.size, state.data, (unsigned long long)r->step, (unsigned long long)r->steps,
                     whole ? "" : "adapter ", (int)adapter.size, adapter.data, whole ? "are" : "is",
                     (int)branch.size, branch.data);
    set_end(r, bytes_text(&text));
}

static engine_finish reason_of(bytes_view word)
{
    if (bytes_view_is(word, "length")) return ENGINE_FINISH_LENGTH;
    if (bytes_view_is(word, "cancelled")) return ENGINE_FINISH_CANCELLED;
    return ENGINE_FINISH_STOP;
}

static void finish_news(ui_run_source *r, const json_node *event, ui_news *news)
{
    news->kind = UI_NEWS_FINISHED;
    news->reason = reason_of(json_text(json_get(event, "finish_reason")));
    news->usage = (engine_usage){.prompt_tokens = r->prompt_tokens,
                                 .completion_tokens = json_count(json_get(event, "ids")),
                                 .first_token_seconds = json_double(json_get(event, "first_token_s"), 0),
                                 .decode_seconds = json_double(json_get(event, "decode_s"), 0),
                                 .seed = count_of(event, "seed", 0)};
    bytes_printf(&news->who, "%s step %llu", r->name, (unsigned long long)count_of(event, "step", r->step));
    r->word_count = news->usage.completion_tokens;
    r->context_used = r->prompt_tokens + r->word_count;
    r->answer_count++;
    r->lost_ms += json_double(json_get(event, "lost_ms"), 0);
    r->ask_going = 0;
}

/* About the answer that goes on? Then it is news. */
static bool take_answer(ui_run_source *r, const json_node *event, ui_news *news)
{
    if (!r->ask_going || count_of(event, "ask", 0) != r->ask_going) return false;
    *news = (ui_news){.answer = r->ask_going};
    if (is_event(event, "begun")) {
        r->prompt_tokens = (size_t)count_of(event, "prompt_tokens", 0);
        news->kind = UI_NEWS_STARTED;
        news->usage.prompt_tokens = r->prompt_tokens;
    } else if (is_event(event, "words")) {
        r->word_count = (size_t)count_of(event, "tokens", r->word_count);
        news->kind = UI_NEWS_TEXT;
        bytes_append_view(&news->reasoning, json_text(json_get(event, "reasoning")));
        bytes_append_view(&news->content, json_text(json_get(event, "content")));
    } else if (is_event(event, "answer")) {
        finish_news(r, event, news);
    } else if (is_event(event, "refused")) {
        bytes_view why = json_text(json_get(event, "error"));
        news->kind = UI_NEWS_FAILED;
        news->error = err_make(ERR_STATE, "%s: %.*s", r->name, (int)MIN_OF(why.size, (size_t)200), why.data);
        r->ask_going = 0;
    } else {
        return false;
    }
    return true;
}

static bool take_line(ui_run_source *r, bytes_view line, ui_news *news)
{
    CLEANUP(arena_free) arena memory = {0};
    const json_node *event = NULL;
    if (json_parse(line, EVENT_DEPTH, &memory, &event).code) return false; /* of a newer run: not for us */
    r->version++;
    if (take_answer(r, event, news)) return true;
    if (is_event(event, "started") || is_event(event, "state") || is_event(event, "step"))
        take_state(r, event);
    if (is_event(event, "ended")) {
        take_state(r, event);
        take_end(r, event);
    }
    return false;
}

/* The last news of an answer that will never be finished. */
static bool take_broken(ui_run_source *r, ui_news *news)
{
    if (!r->end || !r->ask_going) return false;
    *news = (ui_news){.kind = UI_NEWS_FAILED,
                      .answer = r->ask_going,
                      .error = err_make(ERR_STATE, "%s ended before its answer did", r->name)};
    r->ask_going = 0;
    return true;
}

static bool run_take(ui_source *s, ui_news *out)
{
    ui_run_source *r = of_source(s);
    CLEANUP(bytes_free) bytes line = {0};
    bool got = true, ended = false;

    for (int i = 0; got && !r->end && i < LINES_AT_ONCE_MAX; i++) {
        err e = ui_run_client_read(r->client, 0, &line, &got, &ended);
        if (e.code || ended)
            set_end(r, " is gone without a word: hyprstream runs list says what became of it");
        if (!e.code && got && take_line(r, bytes_borrow(&line), out)) return true;
    }
    return take_broken(r, out);
}

/* -- life --------------------------------------------------------------------------------------------------
 */

static void run_free(ui_source *s) { ui_run_source_free(of_source(s)); }

static const ui_source_kind run_kind = {run_ask, run_stop, run_take, run_facts, run_free};

err ui_run_source_new(const char *socket_path, const char *name, ui_run_source **out)
{
    ui_run_client *client = NULL;
    err e = ui_run_client_new(socket_path, &client);
    if (e.code) return err_note(e, "%s", name);
    ui_run_source *r = memory_alloc(sizeof *r);
    r->source.kind = &run_kind;
    r->client = client;
    r->name = memory_text(name);
    r->loss = (double)NAN;
    r->has_template = true; /* until it says otherwise */
    *out = r;
    return ERR_OK;
}

void ui_run_source_free(ui_run_source *r)
{
    if (!r) return;
    ui_run_client_free(r->client);
    free(r->name);
    free(r->end);
    free(r);
}

ui_source *ui_run_source_as_source(ui_run_source *r) { return &r->source; }
unsigned ui_run_source_version(const ui_run_source *r) { return r->version; }
const char *ui_run_source_end(const ui_run_source *r) { return r->end; }

void ui_run_source_status(const ui_run_source *r, bytes *out)
{
    char lost[32];
    bytes_printf(out, "%sstep %llu of %llu", r->paused ? "paused at " : "", (unsigned long long)r->step,
                 (unsigned long long)r->steps);
    if (isfinite(r->loss)) bytes_printf(out, ", loss %.4g", r->loss);
    if (!r->answer_count) return;
    ui_figure_seconds(r->lost_ms / 1000, lost, sizeof lost);
    bytes_printf(out, "; %llu answer%s cost it %s", (unsigned long long)r->answer_count,
                 r->answer_count == 1 ? "" : "s", lost);
}
