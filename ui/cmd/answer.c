#include "ui/cmd/answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/settings.h"

#define SEED_MAX 9007199254740992 /* 2^53: a double in JSON holds it exactly */

enum { TOP_K_MAX = 1 << 24, TOKENS_MAX = 1 << 28 };

const ui_option ui_options_answer[] = {
    {"n", "N",
     "tokens of the answer at most (default: chat.max_tokens, the model's, or what the context leaves)",
     false},
    {"temp", "T", "temperature; 0: always the most likely token", false},
    {"top-p", "P", "draw from the likeliest tokens that make up this share", false},
    {"top-k", "K", "draw from this many of the likeliest tokens; 0: all", false},
    {"min-p", "P", "leave out tokens below this share of the likeliest", false},
    {"seed", "N", "same seed, same answer (default: a new one each time)", false},
    {"stop", "TEXT", "end the answer before this text", true},
    {"system", "TEXT", "the system prompt (default: chat.system)", false},
    {0},
};

/* -- options ----------------------------------------------------------------------------------------------
 */

static void defaults_apply(const engine_generation_defaults *d, ui_answer_options *out)
{
    engine_sampling *s = &out->sampling;

    if (d->has_temperature) s->temperature = d->temperature;
    if (d->has_top_p) s->top_p = d->top_p;
    if (d->has_top_k) s->top_k = d->top_k;
    if (d->has_min_p) s->min_p = d->min_p;
    if (d->has_do_sample && !d->do_sample) s->temperature = 0;
    if (d->has_repetition_penalty) {
        s->repetition_penalty = d->repetition_penalty;
        s->repeat_last_n = -1;
    }
    if (d->has_token_count_max && d->token_count_max > 0) out->token_count_max = (size_t)d->token_count_max;
}

static void settings_apply(const settings *set, ui_answer_options *out)
{
    engine_sampling *s = &out->sampling;
    double temperature = settings_number(set, "chat.temperature"), top_p = settings_number(set, "chat.top_p"),
           min_p = settings_number(set, "chat.min_p");

    if (!isnan(temperature)) s->temperature = temperature;
    if (!isnan(top_p)) s->top_p = top_p;
    if (!isnan(min_p)) s->min_p = min_p;
    if (*settings_text(set, "chat.top_k")) s->top_k = (int)settings_integer(set, "chat.top_k");
    if (settings_integer(set, "chat.max_tokens") > 0)
        out->token_count_max = (size_t)settings_integer(set, "chat.max_tokens");
    out->seed_given = *settings_text(set, "chat.seed");
    if (out->seed_given) s->seed = (uint64_t)settings_integer(set, "chat.seed");
}

static err flags_apply(const ui_arguments *a, ui_answer_options *out)
{
    engine_sampling *s = &out->sampling;
    int64_t top_k = s->top_k, seed = (int64_t)s->seed, count = 0;

    err e = ui_arguments_number(a, "temp", 0, 5, &s->temperature);
    if (!e.code) e = ui_arguments_number(a, "top-p", 0, 1, &s->top_p);
    if (!e.code) e = ui_arguments_number(a, "min-p", 0, 1, &s->min_p);
    if (!e.code) e = ui_arguments_integer(a, "top-k", 0, TOP_K_MAX, &top_k);
    if (!e.code) e = ui_arguments_integer(a, "seed", 0, SEED_MAX, &seed);
    if (!e.code) e = ui_arguments_integer(a, "n", 1, TOKENS_MAX, &count);
    if (e.code) return e;
    s->top_k = (int)top_k;
    s->seed = (uint64_t)seed;
    if (ui_arguments_has(a, "seed")) out->seed_given = true;
    if (count) out->token_count_max = (size_t)count;
    return ERR_OK;
}

static err stops_read(const ui_arguments *a, ui_answer_options *out)
{
    const char *stop;

    for (size_t i = 0; (stop = ui_arguments_each(a, "stop", i)); i++) {
        if (i == ENGINE_STOPS_MAX) return err_make(ERR_USAGE, "more than %d --stop texts", ENGINE_STOPS_MAX);
        if (!*stop || strlen(stop) > ENGINE_STOP_BYTES_MAX)
            return err_make(ERR_USAGE, "option --stop: expected a text of 1 to %d bytes",
                            ENGINE_STOP_BYTES_MAX);
        out->stops[out->stop_count++] = stop;
    }
    return ERR_OK;
}

err ui_answer_options_read(ui_cli *cli, const ui_arguments *a, const engine_model *model,
                           ui_answer_options *out)
{
    *out = (ui_answer_options){.sampling = engine_sampling_neutral(), .token_count_max = SIZE_MAX};
    defaults_apply(engine_model_borrow_generation_defaults(model), out);
    settings_apply(cli->settings, out);
    err e = flags_apply(a, out);
    if (!e.code) e = stops_read(a, out);
    if (e.code) return e;
    /* No share at all leaves the likeliest token. */
    if (out->sampling.top_p == 0) {
        out->sampling.top_p = 1;
        out->sampling.temperature = 0;
    }
    return ERR_OK;
}

const char *ui_answer_system(ui_cli *cli, const ui_arguments *a)
{
    const char *given = ui_arguments_text(a, "system");
    return given ? given : settings_text(cli->settings, "chat.system");
}

/* -- generating -------------------------------------------------------------------------------------------
 */

static void ids_append(engine_ids *to, const engine_ids *from)
{
    for (size_t i = 0; i < from->count; i++) engine_ids_push(to, from->data[i]);
}

err ui_answer_generate(ui_running *r, const ui_answer_options *options, const engine_ids *prompt,
                       bool skip_special, void (*each)(void *context, bytes_view piece), void *context,
                       ui_answer *out)
{
    engine_request request = {
        .model = r->model,
        .stack = r->stack,
        .ids = prompt->data,
        .id_count = prompt->count,
        .sampling = options->sampling,
        .token_count_max = options->token_count_max,
        .stops = options->stops,
        .stop_count = options->stop_count,
        .skip_special = skip_special,
    };
    err e = ERR_OK;
    bool last = false;

    if (!prompt->count) return err_make(ERR_USAGE, "the prompt is empty");
    if (!options->seed_given) request.sampling.seed = engine_seed_any();
    engine_job_id job = engine_worker_generate(r->worker, &request);
    while (!last) {
        engine_event event;
        ui_running_wait(r, job, &event);
        if (event.kind == ENGINE_EVENT_FAILED) e = event.error;
        if (event.kind == ENGINE_EVENT_TEXT || event.kind == ENGINE_EVENT_FINISHED) {
            ids_append(&out->ids, &event.ids);
            bytes_append_view(&out->text, bytes_borrow(&event.text));
            if (each && event.text.size) each(context, bytes_borrow(&event.text));
        }
        if (event.kind == ENGINE_EVENT_FINISHED) {
            out->reason = event.reason;
            out->usage = event.usage;
        }
        last = event.last;
        engine_event_free(r->worker, &event);
    }
    return e;
}

void ui_answer_free(ui_answer *answer)
{
    bytes_free(&answer->text);
    engine_ids_free(&answer->ids);
}

void ui_answer_add_json(cJSON *object, const ui_running *r, const ui_answer *answer)
{
    const engine_usage *u = &answer->usage;

    ui_json_add_ids(object, "ids", answer->ids.data, answer->ids.count);
    cJSON_AddNumberToObject(object, "prompt_tokens", (double)u->prompt_tokens);
    cJSON_AddNumberToObject(object, "cached_tokens", (double)u->cached_tokens);
    cJSON_AddNumberToObject(object, "completion_tokens", (double)u->completion_tokens);
    cJSON_AddStringToObject(object, "finish_reason", engine_finish_name(answer->reason));
    cJSON_AddNumberToObject(object, "seed", (double)u->seed);
    cJSON *timings = cJSON_AddObjectToObject(object, "timings");
    ui_json_add_number(timings, "load_s", engine_model_load_seconds(r->model));
    ui_json_add_number(timings, "wait_s", u->wait_seconds);
    ui_json_add_number(timings, "prefill_s", u->prefill_seconds);
    ui_json_add_number(timings, "first_token_s", u->first_token_seconds);
    ui_json_add_number(timings, "decode_s", u->decode_seconds);
}
