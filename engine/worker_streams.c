/* engine/worker_streams.c: sequences from their post to their last event. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "engine/worker_internal.h"

enum { PRIME_TOKENS = 16 }; /* of the prompt's end: enough to know whether the first word keeps its space */

static bool is_score(const worker_stream *s) { return s->job->kind == WORKER_SCORE; }

size_t worker_stream_missing(const worker_stream *s)
{
    return engine_session_borrow_tokens(s->session)->count - engine_session_computed(s->session);
}

/* -- posting
 * ------------------------------------------------------------------------------------------------------ */

static err ids_check(const worker_stream *s, size_t vocab_count)
{
    const engine_ids *ids = &s->job->ids;

    if (!ids->count) return err_make(ERR_USAGE, "the prompt has no tokens");
    for (size_t i = 0; i < ids->count; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= vocab_count)
            return err_make(ERR_USAGE, "token %zu of the prompt has the id %d: expected an id below %zu", i,
                            ids->data[i], vocab_count);
    return ERR_OK;
}

/* Tokens that the whole pool holds: a sequence within it can always run, at the latest when it is alone. */
static size_t pool_tokens(const engine_cache_pool *pool)
{
    uint64_t bytes_max = engine_cache_pool_bytes_max(pool);

    return bytes_max ? bytes_max / engine_cache_pool_block_bytes(pool) * ENGINE_CACHE_BLOCK : SIZE_MAX;
}

static err length_check(const worker_stream *s, size_t context_max, size_t pool_max)
{
    size_t used = s->job->ids.count, score = is_score(s) ? 1 : 0;

    if (used >= context_max + score)
        return err_make(ERR_LIMIT,
                        "the prompt has %zu tokens, the model's context holds %zu, the answer included", used,
                        context_max);
    if (pool_max < SIZE_MAX && used >= pool_max + score)
        return err_make(ERR_LIMIT,
                        "the prompt has %zu tokens, the memory for keys and values holds %zu, the answer "
                        "included",
                        used, pool_max);
    return ERR_OK;
}

static err stops_check(const worker_job *job)
{
    if (job->request.stop_count > ENGINE_STOPS_MAX)
        return err_make(ERR_USAGE, "%zu stop strings: expected at most %d", job->request.stop_count,
                        ENGINE_STOPS_MAX);
    for (size_t i = 0; i < job->request.stop_count; i++)
        if (strlen(job->stops[i]) > ENGINE_STOP_BYTES_MAX)
            return err_make(ERR_USAGE, "stop string %zu has %zu bytes: expected at most %d", i,
                            strlen(job->stops[i]), ENGINE_STOP_BYTES_MAX);
    return ERR_OK;
}

static err request_check(worker_stream *s)
{
    const engine_spec *spec = engine_model_borrow_spec(s->of->model);
    const engine_request *request = &s->job->request;
    size_t used = s->job->ids.count, pool_max = pool_tokens(s->of->pool);

    err e = ids_check(s, spec->vocab_count);
    if (!e.code) e = length_check(s, spec->context_max, pool_max);
    if (e.code || is_score(s)) return e;
    s->token_count_max = MIN_OF(spec->context_max, pool_max) - used;
    if (request->token_count_max) s->token_count_max = MIN_OF(s->token_count_max, request->token_count_max);
    s->length_planned = used + s->token_count_max;
    e = stops_check(s->job);
    return e.code ? e : engine_sampling_check(&request->sampling, spec->vocab_count);
}

static void stream_free(worker_stream *s)
{
    engine_session_free(s->session);
    engine_sampler_free(s->sampler);
    engine_detokenizer_free(s->detokenizer);
    engine_stop_strings_free(s->stops);
    free(s->picks);
    worker_job_free(s->job);
    free(s);
}

void worker_stream_post(engine_worker *w, worker_job *job_given)
{
    worker_stream *s = memory_alloc(sizeof *s), **end = &w->waiting;
    size_t waiting = 0;

    for (; *end; end = &(*end)->next) waiting++;
    s->job = job_given;
    s->of = worker_model_find(w, job_given->model);
    err e = s->of && s->of->pool ? request_check(s) : err_make(ERR_STATE, "the model is not loaded");
    if (!e.code && waiting >= ENGINE_WORKER_WAITING_MAX)
        e = err_make(ERR_LIMIT, "%d requests wait already: expected at most as many",
                     ENGINE_WORKER_WAITING_MAX);
    if (e.code) {
        worker_fail(w, job_given->id, e);
        stream_free(s);
        return;
    }
    s->of->streams++;
    s->usage.prompt_tokens = job_given->ids.count;
    s->usage.seed = job_given->request.sampling.seed;
    *end = s;
}

/* -- admission
 * ------------------------------------------------------------------------------------------------------ */

static void detokenizer_make(worker_stream *s)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(s->of->model);
    const engine_ids *ids = &s->job->ids;

    if (!tokenizer) return;
    s->detokenizer = engine_detokenizer_new(tokenizer, s->job->request.skip_special);
    size_t begin = ids->count > PRIME_TOKENS ? ids->count - PRIME_TOKENS : 0;
    for (size_t i = begin; i < ids->count; i++) /* text after a control token begins anew */
        if (engine_tokenizer_is_special(tokenizer, ids->data[i])) begin = i + 1;
    engine_detokenizer_prime(s->detokenizer, ids->data + begin, ids->count - begin);
}

static err answer_begin(engine_worker *w, worker_stream *s)
{
    const engine_ids *ids = &s->job->ids;

    err e = engine_sampler_new(&s->job->request.sampling, engine_model_borrow_spec(s->of->model)->vocab_count,
                               &s->sampler);
    if (!e.code)
        e = worker_idle_take(w, s->of, s->job->stack, ids->data, ids->count, &s->session,
                             &s->usage.cached_tokens);
    if (e.code) return e;
    engine_sampler_see_prompt(s->sampler, ids->data, ids->count);
    detokenizer_make(s);
    s->stops = engine_stop_strings_new((const char *const *)s->job->stops, s->job->request.stop_count);
    engine_event *event = worker_event(ENGINE_EVENT_STARTED, s->job->id);
    event->usage = s->usage;
    worker_send(w, event);
    return ERR_OK;
}

/* The last token of a score is fed only when what follows it is asked for. */
static err score_begin(worker_stream *s)
{
    const engine_ids *ids = &s->job->ids;
    size_t fed = ids->count - (s->job->next ? 0 : 1);

    err e = engine_session_new(s->of->pool, s->job->stack, &s->session);
    if (e.code) return e;
    engine_session_append(s->session, ids->data, fed);
    s->picks = memory_resize_array(NULL, ids->count + 1, sizeof *s->picks);
    s->picks[s->pick_count++] = (engine_pick){.id = ids->data[0], .logprob = NAN};
    s->length_planned = ids->count;
    return ERR_OK;
}

void worker_streams_admit(engine_worker *w)
{
    size_t running = 0;
    worker_stream **end = &w->running;

    for (; *end; end = &(*end)->next) running++;
    for (worker_stream **link = &w->waiting; *link && running < ENGINE_WORKER_STREAMS_MAX;) {
        worker_stream *s = *link;
        if (s->of->crowded) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        s->next = NULL;
        *end = s;
        end = &s->next;
        running++;
        s->admitted_at = clock_seconds();
        s->usage.wait_seconds = s->admitted_at - s->job->posted_at;
        err e = is_score(s) ? score_begin(s) : answer_begin(w, s);
        if (e.code)
            worker_stream_fail(w, s, e);
        else if (is_score(s) && worker_stream_missing(s) == 0)
            worker_stream_scored(w, s);
    }
}

/* -- the end
 * ----------------------------------------------------------------------------------------------------------
 */

void worker_stream_fail(engine_worker *w, worker_stream *s, err why)
{
    if (s->done) return;
    s->done = true;
    worker_fail(w, s->job->id, why);
}

void worker_stream_finish(engine_worker *w, worker_stream *s, engine_finish reason, bytes *text_taken,
                          engine_ids *ids_taken, engine_pick *pick)
{
    engine_event *event = worker_event(ENGINE_EVENT_FINISHED, s->job->id);
    double now = clock_seconds();

    event->last = true;
    event->reason = reason;
    event->text = *text_taken;
    event->ids = *ids_taken;
    if (pick) {
        event->picks = memory_alloc(sizeof *pick);
        event->picks[event->pick_count++] = *pick;
    }
    *text_taken = (bytes){0};
    *ids_taken = (engine_ids){0};
    if (s->first_token_at > 0) s->usage.decode_seconds = now - s->first_token_at;
    event->usage = s->usage;
    s->done = true;
    worker_cancel_forget(w, s->job->id);
    worker_send(w, event);
    /* What was computed serves the next turn; a token that was chosen but not computed is forgotten. */
    if (!engine_session_rewind(s->session, engine_session_computed(s->session)).code) {
        worker_idle_keep(w, s->of, s->session);
        s->session = NULL;
    }
}

void worker_stream_scored(engine_worker *w, worker_stream *s)
{
    engine_event *event = worker_event(ENGINE_EVENT_SCORED, s->job->id);

    event->last = true;
    event->picks = s->picks;
    event->pick_count = s->pick_count;
    s->picks = NULL;
    s->done = true;
    worker_cancel_forget(w, s->job->id);
    worker_send(w, event);
}

/* A sequence has ended and left room: those that gave way try again, the oldest first. */
static void go_on(engine_worker *w, worker_model *of)
{
    of->crowded = false;
    for (worker_stream *s = w->running; s; s = s->next)
        if (s->of == of) s->paused = false;
}

static void sweep(engine_worker *w, worker_stream **list)
{
    for (worker_stream **link = list; *link;) {
        worker_stream *s = *link;
        if (!s->done) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        s->of->streams--;
        if (s->of->crowded) go_on(w, s->of);
        stream_free(s);
    }
}

void worker_streams_sweep(engine_worker *w)
{
    sweep(w, &w->running);
    sweep(w, &w->waiting);
    for (worker_model *m = w->models, *next; m; m = next) { /* given back while it still had work */
        next = m->next;
        if (!m->shares_out && !m->streams) worker_model_drop(w, m);
    }
}

/* Text of this id that is certain now. True: a stop string was met. */
static bool token_text(worker_stream *s, int32_t id, bool last, bytes *text)
{
    bytes piece = {0};

    if (s->detokenizer && id >= 0) engine_detokenizer_push(s->detokenizer, id, &piece);
    if (s->detokenizer && last) engine_detokenizer_finish(s->detokenizer, &piece);
    bool met = engine_stop_strings_push(s->stops, bytes_borrow(&piece), text);
    if (last && !met) engine_stop_strings_finish(s->stops, text);
    bytes_free(&piece);
    return met;
}

static void stream_cancel(engine_worker *w, worker_stream *s)
{
    bytes text = {0};
    engine_ids ids = {0};

    if (is_score(s) || !s->session) {
        worker_stream_fail(w, s, err_make(ERR_CANCELLED, "cancelled"));
        return;
    }
    token_text(s, -1, true, &text);
    worker_stream_finish(w, s, ENGINE_FINISH_CANCELLED, &text, &ids, NULL);
}

static void cancel_in(engine_worker *w, worker_stream *list)
{
    for (worker_stream *s = list; s; s = s->next)
        if (!s->done && worker_is_cancelled(w, s->job->id)) stream_cancel(w, s);
}

void worker_streams_cancel(engine_worker *w)
{
    cancel_in(w, w->running);
    cancel_in(w, w->waiting);
    worker_streams_sweep(w);
}

/* -- one token
 * ------------------------------------------------------------------------------------------------------- */

static err token_pick(worker_stream *s, float *logits, engine_pick *pick)
{
    const engine_request *r = &s->job->request;
    size_t eos_count = 0;
    const int32_t *eos = engine_model_borrow_eos(s->of->model, &eos_count);
    bool too_early = s->usage.completion_tokens < r->token_count_min;

    return engine_sampler_pick(s->sampler, logits, eos, too_early ? eos_count : 0, r->want_logprobs,
                               r->top_count, pick);
}

static void text_send(engine_worker *w, worker_stream *s, const engine_pick *pick, bytes *text_taken)
{
    engine_event *event = worker_event(ENGINE_EVENT_TEXT, s->job->id);

    event->text = *text_taken;
    engine_ids_push(&event->ids, pick->id);
    if (s->job->request.want_logprobs) {
        event->picks = memory_alloc(sizeof *pick);
        event->picks[event->pick_count++] = *pick;
    }
    worker_send(w, event);
}

void worker_stream_token(engine_worker *w, worker_stream *s, float *logits)
{
    engine_pick pick;
    bytes text = {0};
    engine_ids ids = {0};

    err e = token_pick(s, logits, &pick);
    if (e.code) {
        worker_stream_fail(w, s, e);
        return;
    }
    if (!s->first_token_at) {
        s->first_token_at = clock_seconds();
        s->usage.prefill_seconds = s->first_token_at - s->admitted_at;
        s->usage.first_token_seconds = s->first_token_at - s->job->posted_at;
    }
    if (!s->job->request.ignore_eos && engine_model_is_eos(s->of->model, pick.id)) {
        bool met = token_text(s, -1, true, &text);
        worker_stream_finish(w, s, met ? ENGINE_FINISH_STRING : ENGINE_FINISH_STOP, &text, &ids, NULL);
        return;
    }
    engine_sampler_see_answer(s->sampler, pick.id);
    engine_session_append(s->session, &pick.id, 1);
    bool full = ++s->usage.completion_tokens == s->token_count_max;
    bool met = token_text(s, pick.id, full, &text);
    if (!met && !full) {
        text_send(w, s, &pick, &text);
        return;
    }
    engine_ids_push(&ids, pick.id);
    worker_stream_finish(w, s, met ? ENGINE_FINISH_STRING : ENGINE_FINISH_LENGTH, &text, &ids,
                         s->job->request.want_logprobs ? &pick : NULL);
}
