#include "ui/cmd/answer.h"

#include <string.h>

#include "base/settings.h"
#include "ui/app/sampling.h"

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

/* -- options ------------------------------------------------------------------------------------------- */

static err number_flag(const ui_arguments *a, const char *name, double most, ui_sampling_field field,
                       ui_sampling_values *v)
{
    if (ui_arguments_has(a, name)) v->set[field] = true;
    return ui_arguments_number(a, name, 0, most, &v->value[field]);
}

static err integer_flag(const ui_arguments *a, const char *name, int64_t least, int64_t most,
                        ui_sampling_field field, ui_sampling_values *v)
{
    int64_t value = 0;

    err e = ui_arguments_integer(a, name, least, most, &value);
    if (e.code || !ui_arguments_has(a, name)) return e;
    v->value[field] = (double)value;
    v->set[field] = true;
    return ERR_OK;
}

static err flags_apply(const ui_arguments *a, ui_sampling_values *v)
{
    err e = number_flag(a, "temp", 5, UI_SAMPLING_TEMPERATURE, v);
    if (!e.code) e = number_flag(a, "top-p", 1, UI_SAMPLING_TOP_P, v);
    if (!e.code) e = number_flag(a, "min-p", 1, UI_SAMPLING_MIN_P, v);
    if (!e.code) e = integer_flag(a, "top-k", 0, TOP_K_MAX, UI_SAMPLING_TOP_K, v);
    if (!e.code) e = integer_flag(a, "seed", 0, SEED_MAX, UI_SAMPLING_SEED, v);
    if (!e.code) e = integer_flag(a, "n", 1, TOKENS_MAX, UI_SAMPLING_TOKENS, v);
    return e;
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
    ui_sampling_values v = ui_sampling_neutral();

    *out = (ui_answer_options){.token_count_max = SIZE_MAX};
    ui_sampling_read_settings(&v, cli->settings);
    err e = flags_apply(a, &v);
    if (!e.code) e = stops_read(a, out);
    if (e.code) return e;
    ui_sampling_follow(&v, engine_model_borrow_generation_defaults(model));
    out->sampling = ui_sampling_of(&v, false);
    out->seed_given = v.value[UI_SAMPLING_SEED] >= 0;
    if (v.value[UI_SAMPLING_TOKENS] > 0) out->token_count_max = (size_t)v.value[UI_SAMPLING_TOKENS];
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

/* -- generating ---------------------------------------------------------------------------------------- */

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
