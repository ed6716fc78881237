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
 * too. Tokens of an answer are fed one by one, also when they are computed again: the bits stay the same. */
static size_t slice_rows(const worker_stream *s)
{
    size_t computed = engine_session_computed(s->session), prompt = s->job->ids.count;
    size_t missing = computed >= prompt ? 1 : MIN_OF(worker_stream_missing(s), prompt - computed);
    size_t rows = MIN_OF(missing, ENGINE_PREFILL_SLICE - computed % ENGINE_PREFILL_SLICE);
    size_t row_bytes = engine_model_borrow_spec(s->of->model)->vocab_count * sizeof(float);

    if (is_score(s)) rows = MIN_OF(rows, MAX_OF(WORKER_SCORE_BYTES_MAX / row_bytes, (size_t)1));
    return rows;
}

static bool is_full(err e) { return e.code == ERR_LIMIT || e.code == ERR_MEMORY; }

static bool is_live(const worker_stream *s, const worker_model *of)
{
    return s->of == of && !s->done && !s->paused;
}

/* Only the tokens stay; what was chosen is not chosen again. A score begins anew. */
static err pause_stream(worker_stream *s)
{
    s->paused = s->of->crowded = true;
    if (is_score(s)) s->pick_count = 1;
    return engine_cache_rewind(engine_session_borrow_cache(s->session), 0);
}

/* The youngest sequence after `s` that has any room gives it up; `full` when there is none. */
static err pause_youngest(worker_stream *s, err full)
{
    worker_stream *youngest = NULL;

    for (worker_stream *i = s->next; i; i = i->next)
        if (is_live(i, s->of) && engine_cache_bytes(engine_session_borrow_cache(i->session))) youngest = i;
    return youngest ? pause_stream(youngest) : full;
}

/* Room for the rows in the pool: idle sessions give way, the oldest first, then sequences younger than s. */
static err make_room(engine_worker *w, worker_stream *s, size_t rows)
{
    for (;;) {
        err e = engine_cache_reserve(engine_session_borrow_cache(s->session), rows);
        if (!is_full(e)) return e;
        if (worker_idle_drop_oldest(w, s->of)) continue;
        e = pause_youngest(s, e);
        if (e.code) return e;
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

/* No room though all that may give way did: behind older sequences it waits; alone it cannot be. */
static void refuse(engine_worker *w, worker_stream *s, bool has_older, err why)
{
    err e = is_full(why) && has_older ? pause_stream(s) : why;

    if (e.code) worker_stream_fail(w, s, e);
}

static void step_gather(engine_worker *w, worker_model *of, step *p)
{
    bool sliced = false, has_older = false;

    for (worker_stream *s = w->running; s; s = s->next) {
        if (!is_live(s, of)) continue;
        size_t rows = slice_rows(s);
        bool is_slice = rows > 1 || is_score(s);
        bool waits = is_slice && sliced;
        err e = waits ? ERR_OK : make_room(w, s, rows);
        if (e.code) {
            refuse(w, s, has_older, e);
            continue;
        }
        has_older = true;
        if (waits) continue;
        step_add(p, s, rows);
        sliced |= is_slice;
    }
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
        else if (engine_session_computed(s->session) <= s->job->ids.count)
            worker_progress(w, s->job->id, engine_session_computed(s->session), s->job->ids.count);
        logits += engine_segments_wanted(segment, 1) * vocab_count;
    }
}

/* A slice of a large model takes long: its cancel is looked at between layers. */
typedef struct step_watch {
    engine_worker *worker;
    const step *step;
} step_watch;

static bool step_go_on(void *context)
{
    const step_watch *watch = context;

    for (size_t i = 0; i < watch->step->count; i++)
        if (watch->step->segments[i].row_count > 1 &&
            worker_is_cancelled(watch->worker, watch->step->streams[i]->job->id))
            return false;
    return true;
}

static void step_run(engine_worker *w, worker_model *of, step *p)
{
    size_t vocab_count = engine_model_borrow_spec(of->model)->vocab_count;
    size_t wanted = engine_segments_wanted(p->segments, p->count) * vocab_count;

    if (wanted > w->logits_capacity) {
        w->logits = memory_resize_array(w->logits, wanted, sizeof *w->logits);
        w->logits_capacity = wanted;
    }
    engine_decoder *decoder = engine_model_borrow_decoder(of->model);
    step_watch watch = {w, p};
    engine_decoder_watch(decoder, step_go_on, &watch);
    err e = engine_decoder_step(decoder, p->ids.data, p->segments, p->count, w->logits);
    engine_decoder_watch(decoder, NULL, NULL);
    if (!e.code)
        step_give_out(w, p);
    else if (e.code != ERR_CANCELLED) /* cancelled: nothing happened, and the loop ends that sequence now */
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
