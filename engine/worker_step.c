/* engine/worker_step.c: one forward pass for all sequences of a model.
 *
 * Each answering sequence gives one row, and the one whose prompt has waited longest gives a slice. Slices
 * end at multiples of ENGINE_PREFILL_SLICE of the sequence, so what a sequence computes does not depend on
 * its company. */
#include <stdlib.h>

#include "base/arena.h"
#include "engine/worker_internal.h"

typedef struct step {
    worker_stream *streams[ENGINE_WORKER_STREAMS_MAX];
    engine_segment segments[ENGINE_WORKER_STREAMS_MAX];
    size_t count;
    engine_ids ids;
} step;

static bool is_score(const worker_stream *s) { return s->job->kind == WORKER_SCORE; }

/* Rows of the next slice. All logits of a score's slice are kept, so its slices are bounded by their size
 * too. */
static size_t slice_rows(const worker_stream *s)
{
    size_t computed = engine_session_computed(s->session);
    size_t rows = MIN_OF(worker_stream_missing(s), ENGINE_PREFILL_SLICE - computed % ENGINE_PREFILL_SLICE);
    size_t row_bytes = engine_model_borrow_spec(s->of->model)->vocab_count * sizeof(float);

    if (is_score(s)) rows = MIN_OF(rows, MAX_OF(WORKER_SCORE_BYTES_MAX / row_bytes, (size_t)1));
    return rows;
}

/* Room for the rows in the pool; idle sessions give way. */
static err make_room(engine_worker *w, worker_stream *s, size_t rows)
{
    for (;;) {
        err e = engine_cache_reserve(engine_session_borrow_cache(s->session), rows);
        if (e.code != ERR_LIMIT || !worker_idle_drop_oldest(w, s->of)) return e;
    }
}

static void step_add(step *p, worker_stream *s, size_t rows)
{
    size_t computed = engine_session_computed(s->session);
    const engine_ids *tokens = engine_session_borrow_tokens(s->session);
    bool ends = computed + rows == tokens->count;

    for (size_t i = 0; i < rows; i++) engine_ids_push(&p->ids, tokens->data[computed + i]);
    p->streams[p->count] = s;
    p->segments[p->count++] = (engine_segment){
        .cache = engine_session_borrow_cache(s->session),
        .row_count = rows,
        .position = computed,
        .stack = s->job->stack,
        .want = is_score(s) ? ENGINE_LOGITS_ALL
                : ends      ? ENGINE_LOGITS_LAST
                            : ENGINE_LOGITS_NONE,
        .length_planned = s->length_planned,
    };
}

/* When nothing of a model fits any more, the youngest sequence ends: the others can go on. */
static void give_up(engine_worker *w, worker_stream *youngest, err why)
{
    const engine_cache_pool *pool = youngest->of->pool;

    if (why.code == ERR_LIMIT)
        why =
            err_make(ERR_LIMIT, "a sequence of %zu tokens does not fit into the %llu MB for keys and values",
                     engine_session_borrow_tokens(youngest->session)->count,
                     (unsigned long long)(engine_cache_pool_bytes_max(pool) / 1000000));
    worker_stream_fail(w, youngest, why);
}

static void step_gather(engine_worker *w, worker_model *of, step *p)
{
    worker_stream *refused = NULL;
    bool sliced = false;
    err why = ERR_OK;

    for (worker_stream *s = w->running; s; s = s->next) {
        if (s->of != of || s->done) continue;
        size_t rows = slice_rows(s);
        bool is_slice = rows > 1 || is_score(s);
        if (is_slice && sliced) continue;
        err e = make_room(w, s, rows);
        if (e.code) {
            refused = s;
            why = e;
            continue;
        }
        step_add(p, s, rows);
        sliced |= is_slice;
    }
    if (!p->count && refused) give_up(w, refused, why);
}

static void score_take(engine_worker *w, worker_stream *s, const float *logits, size_t rows)
{
    size_t vocab_count = engine_model_borrow_spec(s->of->model)->vocab_count;
    const engine_ids *ids = &s->job->ids;

    for (size_t i = 0; i < rows; i++) {
        int32_t id = s->pick_count < ids->count ? ids->data[s->pick_count] : -1;
        engine_pick_logprobs(logits + i * vocab_count, vocab_count, id, s->job->top_count,
                             &s->picks[s->pick_count]);
        s->pick_count++;
    }
    if (worker_stream_missing(s) == 0)
        worker_stream_scored(w, s);
    else
        worker_progress(w, s->job->id, engine_session_computed(s->session), ids->count);
}

static void step_give_out(engine_worker *w, const step *p)
{
    float *logits = w->logits;

    for (size_t i = 0; i < p->count; i++) {
        worker_stream *s = p->streams[i];
        const engine_segment *segment = &p->segments[i];
        size_t vocab_count = engine_model_borrow_spec(s->of->model)->vocab_count;
        if (is_score(s))
            score_take(w, s, logits, segment->row_count);
        else if (segment->want == ENGINE_LOGITS_LAST)
            worker_stream_token(w, s, logits);
        else
            worker_progress(w, s->job->id, engine_session_computed(s->session), s->job->ids.count);
        logits += engine_segments_wanted(segment, 1) * vocab_count;
    }
}

static void step_run(engine_worker *w, worker_model *of, step *p)
{
    size_t vocab_count = engine_model_borrow_spec(of->model)->vocab_count;
    size_t wanted = engine_segments_wanted(p->segments, p->count) * vocab_count;

    if (wanted > w->logits_capacity) {
        w->logits = memory_resize_array(w->logits, wanted, sizeof *w->logits);
        w->logits_capacity = wanted;
    }
    err e = engine_decoder_step(engine_model_borrow_decoder(of->model), p->ids.data, p->segments, p->count,
                                w->logits);
    if (!e.code)
        step_give_out(w, p);
    else
        worker_stream_fail(w, p->streams[p->count - 1],
                           e); /* the youngest: with less, the others may go on */
}

void worker_step(engine_worker *w)
{
    for (worker_model *of = w->models; of; of = of->next) {
        step p = {.count = 0};
        step_gather(w, of, &p);
        if (p.count) step_run(w, of, &p);
        engine_ids_free(&p.ids);
    }
}
