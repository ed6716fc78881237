/* ui/app/runs/session_ask.c: what clients ask of a run, and answers while it trains.
 *
 * An answer is made with a copy of the weights of the step just done, or with a commit's adapter, one forward
 * pass at a time between the layers of the trainer: no pause of the run is longer than that pass. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "engine/cache.h"
#include "engine/decoder.h"
#include "engine/sampling.h"
#include "engine/text/tokenizer.h"
#include "engine/worker.h"
#include "ui/app/model_source.h"
#include "ui/app/prompt.h"
#include "ui/app/runs/session_internal.h"

enum { ANSWER_TOKENS = 256, SAMPLE_PREFILL = ENGINE_PREFILL_SLICE, ANSWERS_MAX = 64, PRIME_IDS = 16 };

struct run_answer {
    run_answer *next;
    uint64_t client;
    uint64_t step;
    engine_model *model; /* of a commit's whole weights; NULL: the run's */
    engine_stack *stack;
    engine_cache_pool *pool;
    engine_cache *cache;
    engine_sampler *sampler;
    engine_ids ids; /* prompt and answer */
    size_t prompt_count, token_count_max;
    float *logits;
    const char *reason; /* NULL: it goes on */
    double lost_ms;
    double asked_at, first_at; /* clock; first_at 0: no token yet */

    /* Of a client that wants the words as they come. */
    int64_t ask; /* its own number for the question, said again in every reply; -1: none */
    bool streams;
    engine_sampling sampling;
    engine_detokenizer *words;
    engine_reasoning *thoughts; /* NULL: all is content */
};

/* -- generating
 * ---------------------------------------------------------------------------------------------- */

static void answer_free(run_answer *a)
{
    if (!a) return;
    engine_detokenizer_free(a->words);
    engine_reasoning_free(a->thoughts);
    engine_sampler_free(a->sampler);
    engine_cache_free(a->cache);
    engine_cache_pool_free(a->pool);
    engine_stack_free(a->stack);
    engine_model_free(a->model);
    engine_ids_free(&a->ids);
    free(a->logits);
    free(a);
}

static engine_decoder *decoder_of(run_session *s, const run_answer *a)
{
    return engine_model_borrow_decoder(a->model ? a->model : s->model);
}

static void say_to(run_session *s, uint64_t client, cJSON *event_taken)
{
    char *line = cJSON_PrintUnformatted(event_taken);
    cJSON_Delete(event_taken);
    if (!line) memory_exhausted(0);
    ui_run_server_answer(s->server, client, bytes_view_of(line));
    cJSON_free(line);
}

static void add_words(cJSON *event, const char *key, const bytes *words)
{
    CLEANUP(bytes_free) bytes valid = {0};
    text_append_valid_utf8(&valid, bytes_borrow(words));
    cJSON_AddStringToObject(event, key, bytes_text(&valid));
}

/* The text that this id makes certain; id -1: what was held back. */
static void words_say(run_session *s, run_answer *a, int32_t id)
{
    CLEANUP(bytes_free) bytes piece = {0}, thought = {0}, content = {0};
    if (id >= 0)
        engine_detokenizer_push(a->words, id, &piece);
    else
        engine_detokenizer_finish(a->words, &piece);
    if (a->thoughts) {
        engine_reasoning_push(a->thoughts, bytes_borrow(&piece), &thought, &content);
        if (id < 0) engine_reasoning_finish(a->thoughts, &thought, &content);
    } else {
        bytes_append_view(&content, bytes_borrow(&piece));
    }
    if (!thought.size && !content.size) return;
    cJSON *event = run_event("words");
    cJSON_AddNumberToObject(event, "ask", (double)a->ask);
    cJSON_AddNumberToObject(event, "tokens", (double)(a->ids.count - a->prompt_count));
    add_words(event, "reasoning", &thought);
    add_words(event, "content", &content);
    say_to(s, a->client, event);
}

static void take_token(run_session *s, run_answer *a, int32_t id)
{
    if (engine_model_is_eos(s->model, id)) {
        a->reason = "stop";
        return;
    }
    engine_ids_push(&a->ids, id);
    if (a->streams) words_say(s, a, id);
    engine_sampler_see_answer(a->sampler, id);
    if (a->first_at == 0) a->first_at = clock_seconds();
    if (a->ids.count - a->prompt_count >= a->token_count_max ||
        a->ids.count >= engine_model_borrow_spec(s->model)->context_max)
        a->reason = "length";
}

/* One forward pass: a slice of the prompt as the worker cuts it, or a token. */
static err answer_advance(run_session *s, run_answer *a)
{
    size_t done = engine_cache_count(a->cache), missing = a->ids.count - done;
    size_t rows =
        done >= a->prompt_count ? 1 : MIN_OF(missing, ENGINE_PREFILL_SLICE - done % ENGINE_PREFILL_SLICE);
    bool ends = done + rows == a->ids.count;
    engine_segment segment = {.cache = a->cache,
                              .row_count = rows,
                              .position = done,
                              .stack = a->stack,
                              .want = ends ? ENGINE_LOGITS_LAST : ENGINE_LOGITS_NONE,
                              .length_planned = a->prompt_count + a->token_count_max};
    err e = engine_decoder_step(decoder_of(s, a), a->ids.data + done, &segment, 1, a->logits);
    if (e.code || !ends) return e;
    engine_pick pick;
    e = engine_sampler_pick(a->sampler, a->logits, NULL, 0, false, 0, &pick);
    if (!e.code) take_token(s, a, pick.id);
    return e;
}

static err answer_begin(run_session *s, run_answer *a)
{
    engine_decoder *decoder = decoder_of(s, a);
    engine_cache_shape shape = engine_decoder_cache_shape(decoder);
    const engine_spec *spec = engine_model_borrow_spec(s->model);

    a->prompt_count = a->ids.count;
    if (!a->ids.count) return err_make(ERR_USAGE, "the prompt is empty");
    if (a->ids.count >= spec->context_max)
        return err_make(ERR_LIMIT, "the prompt has %zu tokens, the context %zu", a->ids.count,
                        spec->context_max);
    a->token_count_max = MIN_OF(a->token_count_max, spec->context_max - a->ids.count);
    a->logits = memory_alloc(spec->vocab_count * sizeof *a->logits);
    err e = engine_cache_pool_new(&shape, 0, &a->pool);
    if (!e.code) e = engine_cache_new(a->pool, &a->cache);
    if (!e.code) e = engine_sampler_new(&a->sampling, spec->vocab_count, &a->sampler);
    if (!e.code) engine_sampler_see_prompt(a->sampler, a->ids.data, a->ids.count);
    return e;
}

/* The words of an answer as they come begin after the end of its prompt. */
static void words_begin(run_session *s, run_answer *a)
{
    bool has_template = engine_model_borrow_chat_template(s->model, NULL) != NULL;
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(s->model);
    size_t begin = a->ids.count - MIN_OF(a->ids.count, (size_t)PRIME_IDS);
    for (size_t i = begin; i < a->ids.count; i++) /* text after a control token begins anew */
        if (engine_tokenizer_is_special(tokenizer, a->ids.data[i])) begin = i + 1;
    a->words = engine_detokenizer_new(tokenizer, !has_template);
    engine_detokenizer_prime(a->words, a->ids.data + begin, a->ids.count - begin);
    if (has_template) a->thoughts = ui_prompt_reasoning(s->model, &a->ids);
    cJSON *event = run_event("begun");
    cJSON_AddNumberToObject(event, "ask", (double)a->ask);
    cJSON_AddNumberToObject(event, "step", (double)a->step);
    cJSON_AddNumberToObject(event, "prompt_tokens", (double)a->prompt_count);
    say_to(s, a->client, event);
}

static err decode(run_session *s, const run_answer *a, bytes *out)
{
    return engine_tokenizer_decode(engine_model_borrow_tokenizer(s->model), a->ids.data + a->prompt_count,
                                   a->ids.count - a->prompt_count, true, out);
}

err run_complete(run_session *s, const char *prompt, size_t token_count_max, bytes *out)
{
    run_answer *a = memory_alloc(sizeof *a);
    a->token_count_max = token_count_max;
    a->sampling = run_sampling_read(NULL);
    err e = engine_trainable_stack(s->trainable, &a->stack);
    if (!e.code) e = run_prompt_of_text(s, bytes_view_of(prompt), &a->ids);
    if (!e.code) e = answer_begin(s, a);
    while (!e.code && !a->reason) e = answer_advance(s, a);
    if (!e.code) e = decode(s, a, out);
    answer_free(a);
    return e;
}

/* -- a checkpoint's weights
 * ---------------------------------------------------------------------------------- */

static err commit_of_step(run_session *s, uint64_t step, char commit[64])
{
    ui_run_checkpoint *list = NULL;
    size_t count = 0;
    err e = ui_run_store_checkpoints(s->store, s->run, &list, &count);
    commit[0] = 0;
    for (size_t i = 0; !e.code && i < count; i++)
        if (list[i].step == step && strcmp(list[i].kind, "commit") == 0) memcpy(commit, list[i].ref, 64);
    free(list);
    if (!e.code && !commit[0])
        e = err_make(ERR_NOT_FOUND,
                     "no commit was made at step %llu: hyprstream runs show %s lists those that were",
                     (unsigned long long)step, s->plan.id);
    return e;
}

static err adapter_of_commit(run_session *s, engine_files *files, engine_stack **out)
{
    CLEANUP(bytes_free) bytes name = {0};
    engine_decoder *decoder = engine_model_borrow_decoder(s->model);
    engine_adapter *adapter = NULL;

    bytes_printf(&name, "adapters/%s.safetensors", s->plan.adapter);
    err e = engine_adapter_open_in(files, bytes_text(&name), decoder, &adapter);
    if (!e.code) e = engine_stack_new(decoder, &(engine_stack_item){adapter, 1}, 1, out);
    engine_adapter_free(adapter);
    return e;
}

static err weights_of_step(run_session *s, run_answer *a)
{
    engine_files *files = NULL;
    char commit[64], *warning = NULL;

    err e = commit_of_step(s, a->step, commit);
    if (!e.code)
        e = ui_model_source_open(&s->context, s->plan.folder, commit, s->plan.model, &files, &warning);
    free(warning);
    if (e.code) return e;
    if (s->plan.settings.full) {
        engine_model_options how = {
            .device = s->plan.device, .dtype = s->plan.dtype, .threads = s->plan.threads, .weights = true};
        return engine_model_open(files, &how, &a->model); /* which takes the files */
    }
    e = adapter_of_commit(s, files, &a->stack);
    engine_files_free(files);
    return e;
}

/* -- requests
 * ------------------------------------------------------------------------------------------------ */

static void refuse_ask(run_session *s, uint64_t client, int64_t ask, const char *why)
{
    CLEANUP(bytes_free) bytes valid = {0};
    cJSON *event = run_event("refused");
    text_append_valid_utf8(&valid, bytes_view_of(why));
    cJSON_AddStringToObject(event, "error", bytes_text(&valid));
    if (ask >= 0) cJSON_AddNumberToObject(event, "ask", (double)ask);
    say_to(s, client, event);
}

static void refuse(run_session *s, uint64_t client, const char *why) { refuse_ask(s, client, -1, why); }

static void answer_push(run_session *s, run_answer *a)
{
    run_answer **end = &s->answers;
    while (*end) end = &(*end)->next;
    *end = a;
}

static void ask_generate(run_session *s, uint64_t client, const json_node *request)
{
    int64_t step = json_int(json_get(request, "step"), -1), ask = json_int(json_get(request, "ask"), -1);
    size_t waiting = 0;

    for (const run_answer *a = s->answers; a; a = a->next) waiting++;
    if (!s->trainer) return refuse_ask(s, client, ask, "the run has not begun yet");
    if (waiting >= ANSWERS_MAX) return refuse_ask(s, client, ask, "too many questions wait");
    run_answer *a = memory_alloc(sizeof *a);
    double began = clock_seconds();
    a->asked_at = began;
    a->client = client;
    a->ask = ask;
    a->streams = json_bool(json_get(request, "stream"), false);
    a->sampling = run_sampling_read(request);
    a->step = step < 0 ? training_trainer_step_number(s->trainer) : (uint64_t)step;
    a->token_count_max = (size_t)MAX_OF(json_int(json_get(request, "tokens"), ANSWER_TOKENS), 1);
    err e = step < 0 ? engine_trainable_stack(s->trainable, &a->stack) : weights_of_step(s, a);
    if (!e.code) e = run_prompt_read(s, request, &a->ids);
    if (!e.code) e = answer_begin(s, a);
    if (!e.code && a->streams) words_begin(s, a);
    a->lost_ms = (clock_seconds() - began) * 1000;
    if (e.code) {
        refuse_ask(s, client, ask, e.text);
        answer_free(a);
    } else {
        answer_push(s, a);
    }
}

/* -- answering
 * ----------------------------------------------------------------------------------------------- */

static void answer_send(run_session *s, run_answer *a)
{
    CLEANUP(bytes_free) bytes text = {0}, valid = {0};
    cJSON *event = run_event("answer");

    if (a->streams) words_say(s, a, -1);
    (void)decode(s, a, &text);
    text_append_valid_utf8(&valid, bytes_borrow(&text));
    cJSON_AddStringToObject(event, "text", bytes_text(&valid));
    cJSON *ids = cJSON_AddArrayToObject(event, "ids");
    for (size_t i = a->prompt_count; i < a->ids.count; i++)
        cJSON_AddItemToArray(ids, cJSON_CreateNumber(a->ids.data[i]));
    cJSON_AddStringToObject(event, "finish_reason", a->reason);
    cJSON_AddNumberToObject(event, "step", (double)a->step);
    cJSON_AddNumberToObject(event, "lost_ms", a->lost_ms);
    cJSON_AddNumberToObject(event, "prompt_tokens", (double)a->prompt_count);
    double now = clock_seconds();
    cJSON_AddNumberToObject(event, "first_token_s", (a->first_at > 0 ? a->first_at : now) - a->asked_at);
    cJSON_AddNumberToObject(event, "decode_s", a->first_at > 0 ? now - a->first_at : 0);
    cJSON_AddNumberToObject(event, "seed", (double)a->sampling.seed);
    if (a->ask >= 0) cJSON_AddNumberToObject(event, "ask", (double)a->ask);
    say_to(s, a->client, event);
}

/* It is done, or given up. */
static void answer_end(run_session *s, run_answer *a)
{
    run_answer **at = &s->answers;
    while (*at != a) at = &(*at)->next;
    *at = a->next;
    s->lost_ms += a->lost_ms;
    answer_free(a);
}

/* What was written so far is the answer. */
static void ask_cancel(run_session *s, uint64_t client, int64_t ask)
{
    for (run_answer *a = s->answers; a; a = a->next) {
        if (a->client != client || a->ask != ask) continue;
        a->reason = "cancelled";
        answer_send(s, a);
        answer_end(s, a);
        return;
    }
}

static void ask_rate(run_session *s, uint64_t client, const json_node *request)
{
    double rate = json_double(json_get(request, "value"), NAN);
    if (!isfinite(rate) || rate < 0) return refuse(s, client, "lr: expected a number from 0");
    s->rate_next = rate;
}

static void request_do(run_session *s, uint64_t client, const json_node *request)
{
    bytes_view what = json_text(json_get(request, "do"));
    const struct {
        const char *name;
        bool *flag;
        bool value;
    } flags[] = {{"pause", &s->pause, true},   {"resume", &s->pause, false},     {"stop", &s->stop, true},
                 {"save", &s->save_now, true}, {"commit", &s->commit_now, true}, {"eval", &s->eval_now, true},
                 {"tag", &s->tag_now, true}};

    if (bytes_view_is(what, "eval") && s->trainer && !training_trainer_eval_count(s->trainer))
        return refuse(s, client, "nothing is held out to evaluate on");
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (!bytes_view_is(what, flags[i].name)) continue;
        *flags[i].flag = flags[i].value;
        return;
    }
    if (bytes_view_is(what, "lr")) return ask_rate(s, client, request);
    if (bytes_view_is(what, "generate")) return ask_generate(s, client, request);
    if (bytes_view_is(what, "cancel")) return ask_cancel(s, client, json_int(json_get(request, "ask"), -1));
    refuse(s, client, "do: expected pause, resume, stop, save, commit, tag, eval, lr, generate or cancel");
}

static void requests_take(run_session *s)
{
    ui_run_request r;
    while (ui_run_server_take(s->server, &r)) {
        CLEANUP(arena_free) arena a = {0};
        const json_node *root = NULL;
        err e = json_parse(bytes_borrow(&r.line), 8, &a, &root);
        if (e.code)
            refuse(s, r.client, e.text);
        else
            request_do(s, r.client, root);
        bytes_free(&r.line);
    }
}

static void answer_work(run_session *s)
{
    run_answer *a = s->answers;
    double began = clock_seconds();
    err e = answer_advance(s, a);
    a->lost_ms += (clock_seconds() - began) * 1000;
    if (!e.code && !a->reason) return;
    if (e.code)
        refuse_ask(s, a->client, a->ask, e.text);
    else
        answer_send(s, a);
    answer_end(s, a);
}

bool run_has_answers(const run_session *s) { return s->answers != NULL; }

bool run_between(void *context)
{
    run_session *s = context;
    if (training_ranks_lost(s->ranks)) return false;
    if (!s->stop && (run_stop_signals || training_ranks_stop_asked(s->ranks))) {
        s->stop = true;
        if (training_ranks_number(s->ranks)) training_ranks_ask_stop(s->ranks);
    }
    if (!s->server) return true; /* no clients: another rank than 0 */
    requests_take(s);
    if (s->answers) answer_work(s);
    return true;
}

void run_answers_free(run_session *s)
{
    while (s->answers) {
        run_answer *a = s->answers;
        s->answers = a->next;
        refuse_ask(s, a->client, a->ask, "the run has ended");
        answer_free(a);
    }
}
