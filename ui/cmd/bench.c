#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/spec.h"
#include "ui/cmd/bench_train.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/running.h"

enum { PROMPT_TOKENS = 512, ANSWER_TOKENS = 64 };

static const ui_option options[] = {
    {"p", "N", "tokens of the prompt (default: 512, or what fits)", false},
    {"n", "N", "tokens of each answer (default: 64, or what fits)", false},
    {"b", "1,8,16", "how many answers at once, for each measurement (default: 1)", false},
    {0},
};

typedef struct bench_plan {
    size_t prompt_tokens, answer_tokens;
    int64_t *streams;
    size_t stream_count;
} bench_plan;

/* Figures that could not be measured are NaN. */
typedef struct bench_result {
    double prefill_tok_s, decode_tok_s, first_token_s;
    double *batch_tok_s; /* by stream_count */
} bench_result;

static void plan_free(bench_plan *plan) { free(plan->streams); }

static err plan_read(const ui_arguments *a, const engine_model *model, bench_plan *out)
{
    int64_t context = (int64_t)engine_model_borrow_spec(model)->context_max;
    int64_t answer = MIN_OF((int64_t)ANSWER_TOKENS, context / 4), prompt;

    if (context < 8)
        return err_make(ERR_UNSUPPORTED, "a context of %lld tokens is too small to measure",
                        (long long)context);
    err e = ui_arguments_integer(a, "n", 2, context - 1, &answer);
    prompt = MAX_OF((int64_t)1, MIN_OF((int64_t)PROMPT_TOKENS, context - answer));
    if (!e.code) e = ui_arguments_integer(a, "p", 1, context - 1, &prompt);
    if (!e.code)
        e = ui_arguments_integers(a, "b", 1, ENGINE_WORKER_STREAMS_MAX, &out->streams, &out->stream_count);
    if (!e.code && prompt + answer > context) {
        e = err_make(ERR_USAGE, "-p %lld and -n %lld are more than the model's context of %lld tokens",
                     (long long)prompt, (long long)answer, (long long)context);
    }
    if (e.code) return e;
    out->prompt_tokens = (size_t)prompt;
    out->answer_tokens = (size_t)answer;
    if (!out->stream_count) {
        out->streams = memory_alloc(sizeof *out->streams);
        out->streams[0] = 1;
        out->stream_count = 1;
    }
    return ERR_OK;
}

/* Ids of no meaning, the same on every machine and different for each stream, so that nothing is reused. */
static engine_ids prompt_make(const engine_model *model, size_t count, uint64_t seed)
{
    uint64_t state = seed * 2654435761u + 1;
    size_t vocab = engine_model_borrow_spec(model)->vocab_count;
    engine_ids ids = {0};

    for (size_t i = 0; i < count; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        engine_ids_push(&ids, (int32_t)((state >> 33) % vocab));
    }
    return ids;
}

static engine_job_id stream_post(ui_running *r, const bench_plan *plan, size_t answer_tokens, uint64_t seed)
{
    CLEANUP(engine_ids_free) engine_ids ids = prompt_make(r->model, plan->prompt_tokens, seed);
    engine_request request = {
        .model = r->model,
        .stack = r->stack,
        .ids = ids.data,
        .id_count = ids.count,
        .sampling = engine_sampling_neutral(),
        .token_count_max = answer_tokens,
        .ignore_eos = true,
    };
    request.sampling.temperature = 0;
    return engine_worker_generate(r->worker, &request);
}

static err event_error(const engine_event *event)
{
    if (event->kind == ENGINE_EVENT_FAILED) return event->error;
    bool cancelled = event->kind == ENGINE_EVENT_FINISHED && event->reason == ENGINE_FINISH_CANCELLED;
    return cancelled ? err_make(ERR_CANCELLED, "cancelled") : ERR_OK;
}

/* A stream that was posted, with times of clock_seconds() that the worker's own measurements give. */
typedef struct stream {
    engine_job_id job;
    double posted;
    engine_usage usage;
    bool ended;
} stream;

static double stream_began(const stream *s) { return s->posted + s->usage.first_token_seconds; }
static double stream_ended(const stream *s) { return stream_began(s) + s->usage.decode_seconds; }

static void stream_note(stream *streams, size_t count, const engine_event *event)
{
    for (size_t i = 0; i < count; i++) {
        if (streams[i].job != event->job || !event->last) continue;
        streams[i].ended = true;
        streams[i].usage = event->usage;
    }
}

static bool all_ended(const stream *streams, size_t count)
{
    while (count && streams[count - 1].ended) count--;
    return !count;
}

/* Post `count` streams at once, with prompts of seeds from `seed` on, and wait for all. */
static err streams_run(ui_running *r, const bench_plan *plan, size_t answer_tokens, uint64_t seed,
                       stream *streams, size_t count)
{
    err e = ERR_OK;

    for (size_t i = 0; i < count; i++) {
        streams[i] = (stream){.posted = clock_seconds()};
        streams[i].job = stream_post(r, plan, answer_tokens, seed + i);
    }
    while (!all_ended(streams, count)) {
        engine_event event;
        ui_running_wait(r, streams[0].job, &event);
        bool first_failure = !e.code && (e = event_error(&event)).code;
        stream_note(streams, count, &event);
        engine_event_free(r->worker, &event);
        for (size_t i = 0; first_failure && i < count; i++) engine_worker_cancel(r->worker, streams[i].job);
    }
    return e;
}

/* Tokens per second of all streams together. Each prompt is read once before, so that all streams find theirs
 * in the cache and begin to write together. */
static err batch_run(ui_running *r, const bench_plan *plan, size_t count, double *tok_s)
{
    enum { SEED = 100 };
    stream streams[ENGINE_WORKER_STREAMS_MAX];
    double began = INFINITY, ended = 0, tokens = 0;
    err e = ERR_OK;

    engine_worker_forget(r->worker, NULL);
    for (size_t i = 0; !e.code && i < count; i++) e = streams_run(r, plan, 1, SEED + i, streams, 1);
    if (!e.code) e = streams_run(r, plan, plan->answer_tokens, SEED, streams, count);
    if (e.code) return e;
    for (size_t i = 0; i < count; i++) {
        began = fmin(began, stream_began(&streams[i]));
        ended = fmax(ended, stream_ended(&streams[i]));
        tokens += (double)streams[i].usage.completion_tokens - 1;
    }
    *tok_s = ended > began ? tokens / (ended - began) : NAN;
    return e;
}

static err measure(ui_running *r, const bench_plan *plan, bench_result *out)
{
    stream one;

    /* The first pass of a process pays for memory and threads that later ones find ready. */
    err e = streams_run(r, plan, 2, 1, &one, 1);
    engine_worker_forget(r->worker, NULL);
    if (!e.code) e = streams_run(r, plan, plan->answer_tokens, 2, &one, 1);
    if (e.code) return e;
    engine_usage usage = one.usage;
    out->first_token_s = usage.first_token_seconds;
    out->prefill_tok_s =
        usage.prefill_seconds > 0 ? (double)usage.prompt_tokens / usage.prefill_seconds : NAN;
    out->decode_tok_s = usage.decode_seconds > 0 && usage.completion_tokens > 1
                            ? (double)(usage.completion_tokens - 1) / usage.decode_seconds
                            : NAN;
    for (size_t i = 0; !e.code && i < plan->stream_count; i++)
        e = batch_run(r, plan, (size_t)plan->streams[i], &out->batch_tok_s[i]);
    return e;
}

/* Of this process so far, mapped weights included as far as they were read. */
static uint64_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void print_json(const ui_running *r, const bench_plan *plan, const bench_result *result, FILE *out)
{
    cJSON *o = cJSON_CreateObject();

    ui_json_add_text(o, "model", bytes_view_of(engine_model_borrow_name(r->model)));
    cJSON_AddStringToObject(o, "dtype", engine_model_dtype(r->model));
    cJSON_AddBoolToObject(o, "cuda", engine_model_device(r->model).cuda);
    cJSON_AddNumberToObject(o, "prompt_tokens", (double)plan->prompt_tokens);
    cJSON_AddNumberToObject(o, "completion_tokens", (double)plan->answer_tokens);
    ui_json_add_number(o, "prefill_tok_s", result->prefill_tok_s);
    ui_json_add_number(o, "decode_tok_s", result->decode_tok_s);
    cJSON *batch = cJSON_AddArrayToObject(o, "batch");
    for (size_t i = 0; i < plan->stream_count; i++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddNumberToObject(row, "streams", (double)plan->streams[i]);
        ui_json_add_number(row, "decode_tok_s", result->batch_tok_s[i]);
        cJSON_AddItemToArray(batch, row);
    }
    ui_json_add_number(o, "load_s", engine_model_load_seconds(r->model));
    ui_json_add_number(o, "first_token_s", result->first_token_s);
    cJSON_AddNumberToObject(o, "peak_bytes", (double)peak_bytes());
    cJSON_AddNumberToObject(o, "model_bytes", (double)engine_model_bytes(r->model));
    ui_json_print(o, out);
}

static void print_rate(FILE *out, const char *label, double tok_s)
{
    if (isfinite(tok_s))
        fprintf(out, "%-24s %.1f tokens/s\n", label, tok_s);
    else
        fprintf(out, "%-24s n/a\n", label);
}

static void print_text(const ui_running *r, const bench_plan *plan, const bench_result *result, FILE *out)
{
    char label[64], size[32];

    fprintf(out, "%-24s %s, %s on %s\n", "model", engine_model_borrow_name(r->model),
            engine_model_dtype(r->model),
            engine_model_device(r->model).cuda ? "GPU" : "CPU");
    fprintf(out, "%-24s %.2f s\n", "load", engine_model_load_seconds(r->model));
    snprintf(label, sizeof label, "prefill of %zu", plan->prompt_tokens);
    print_rate(out, label, result->prefill_tok_s);
    fprintf(out, "%-24s %.3f s\n", "first token", result->first_token_s);
    snprintf(label, sizeof label, "decode of %zu", plan->answer_tokens);
    print_rate(out, label, result->decode_tok_s);
    for (size_t i = 0; i < plan->stream_count; i++) {
        snprintf(label, sizeof label, "decode, %lld at once", (long long)plan->streams[i]);
        print_rate(out, label, result->batch_tok_s[i]);
    }
    text_human_size(engine_model_bytes(r->model), size, sizeof size);
    fprintf(out, "%-24s %s\n", "weights", size);
    text_human_size(peak_bytes(), size, sizeof size);
    fprintf(out, "%-24s %s\n", "peak memory", size);
}

static err bench_run(ui_cli *cli, const ui_arguments *a)
{
    CLEANUP(ui_running_close) ui_running running = {0};
    CLEANUP(plan_free) bench_plan plan = {0};
    bench_result result = {NAN, NAN, NAN, NULL};
    bool train = a->word_count == 2;

    if (train && strcmp(a->words[0], "train") != 0)
        return err_make(ERR_USAGE, "bench MODEL or bench train MODEL: what is \"%.60s\"?", a->words[0]);
    if (train) return ui_bench_train(cli, a, a->words[1]);
    for (const ui_option *o = ui_bench_train_options; o->name; o++)
        if (ui_arguments_has(a, o->name))
            return err_make(ERR_USAGE, "--%s is for bench train MODEL", o->name);
    err e = ui_running_open(cli, a, a->words[0], &running);
    if (!e.code) e = plan_read(a, running.model, &plan);
    if (e.code) return e;
    result.batch_tok_s = memory_alloc(plan.stream_count * sizeof *result.batch_tok_s);
    e = measure(&running, &plan, &result);
    if (!e.code && ui_arguments_has(a, "json"))
        print_json(&running, &plan, &result, cli->out);
    else if (!e.code)
        print_text(&running, &plan, &result, cli->out);
    free(result.batch_tok_s);
    return e;
}

const ui_command ui_cmd_bench = {
    .name = "bench",
    .group = "models",
    .args = "[train] MODEL",
    .help = "Measure how fast a model loads, reads and writes, or is trained",
    .words_min = 1,
    .words_max = 2,
    .options = {options, ui_bench_train_options, ui_options_run, ui_options_all},
    .cancels = true,
    .run = bench_run,
};
