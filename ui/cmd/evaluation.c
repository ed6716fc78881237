#include "ui/cmd/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

typedef struct evaluation {
    ui_running *r;
    ui_tally sum;
} evaluation;

/* -- likelihoods ---- */

static err add_likelihood(evaluation *ev, const training_sequence *s, double *logprob)
{
    ui_running *r = ev->r;
    engine_pick *picks = NULL;
    size_t count = 0;

    *logprob = 0;
    engine_job_id job = engine_worker_score(r->worker, r->model, r->stack, s->ids, s->count, 1, false);
    err e = ui_running_scores(r, job, &picks, &count);
    for (size_t k = 1; !e.code && k < s->count; k++) {
        if (s->labels[k] == ENGINE_TARGET_NONE) continue;
        *logprob += (double)picks[k].logprob;
        ev->sum.hits += picks[k].top_count && picks[k].top[0].id == s->ids[k];
        ev->sum.targets++;
    }
    ev->sum.loss -= *logprob;
    free(picks);
    return e;
}

/* -- answers ---- */

/* [begin, end): the last stretch that is to be learned; false: it has no prompt before it. */
static bool last_answer(const training_sequence *s, size_t *begin, size_t *end)
{
    *end = s->count;
    while (*end > 0 && s->labels[*end - 1] == ENGINE_TARGET_NONE) --*end;
    *begin = *end;
    while (*begin > 0 && s->labels[*begin - 1] != ENGINE_TARGET_NONE) --*begin;
    return *begin > 0 && *begin < *end;
}

err ui_answer_ids(ui_running *r, const int32_t *ids, size_t count, size_t most, engine_ids *out)
{
    engine_request request = {.model = r->model,
                              .stack = r->stack,
                              .ids = ids,
                              .id_count = count,
                              .sampling = engine_sampling_neutral(),
                              .token_count_max = most};
    request.sampling.temperature = 0;
    engine_job_id job = engine_worker_generate(r->worker, &request);
    err e = ERR_OK;

    for (bool last = false; !last;) {
        engine_event event;
        ui_running_wait(r, job, &event);
        if (event.kind == ENGINE_EVENT_FAILED) e = event.error;
        if (event.kind == ENGINE_EVENT_FINISHED && event.reason == ENGINE_FINISH_CANCELLED)
            e = err_make(ERR_CANCELLED, "cancelled");
        for (size_t i = 0; i < event.ids.count; i++)
            if (!engine_model_is_eos(r->model, event.ids.data[i])) engine_ids_push(out, event.ids.data[i]);
        last = event.last;
        engine_event_free(r->worker, &event);
    }
    return e;
}

/* Whether the model writes the last answer as it stands in the data. */
static err add_answer(evaluation *ev, const training_sequence *s)
{
    CLEANUP(engine_ids_free) engine_ids got = {0};
    size_t begin, end;

    if (!last_answer(s, &begin, &end)) return ERR_OK;
    size_t wanted = end - begin - (engine_model_is_eos(ev->r->model, s->ids[end - 1]) ? 1 : 0);
    err e = ui_answer_ids(ev->r, s->ids, begin, wanted + 1, &got);
    if (e.code) return e;
    ev->sum.answers++;
    ev->sum.exact +=
        got.count == wanted && (!wanted || memcmp(got.data, s->ids + begin, wanted * sizeof *got.data) == 0);
    return ERR_OK;
}

/* -- all ---- */

err ui_evaluate(ui_running *r, const training_data *data, size_t count, bool write_answers, ui_tally *out)
{
    evaluation ev = {r, {0}};
    const training_sequence *list = training_data_borrow(data);
    bool pairs = training_data_is_preference(data);
    double before = 0;
    err e = ERR_OK;

    for (size_t i = 0; i < count && !e.code; i++) {
        double logprob;
        e = add_likelihood(&ev, &list[i], &logprob);
        if (!e.code && write_answers && !pairs) e = add_answer(&ev, &list[i]);
        if (!e.code && *r->cli->interrupted) e = err_make(ERR_CANCELLED, "cancelled");
        ev.sum.examples++;
        if (pairs && i % 2) ev.sum.pairs++, ev.sum.pairs_right += before > logprob;
        before = logprob;
    }
    *out = ev.sum;
    return e;
}

static double share(size_t part, size_t whole) { return whole ? (double)part / (double)whole : NAN; }

ui_figures ui_figures_of(const ui_tally *t)
{
    double loss = t->targets ? t->loss / (double)t->targets : NAN;
    return (ui_figures){loss, exp(MIN_OF(loss, 20.0)), share(t->hits, t->targets),
                        share(t->exact, t->answers), share(t->pairs_right, t->pairs)};
}

/* -- bars ---- */

const ui_option ui_options_bars[] = {
    {"max-loss", "X", "fail when the loss is higher", false},
    {"min-accuracy", "X", "fail when a smaller share of the next words is the likeliest one", false},
    {"min-exact", "X", "fail when a smaller share of the answers is word for word as in the data", false},
    {0},
};

err ui_bars_read(const ui_arguments *a, ui_bars *out)
{
    *out = (ui_bars){NAN, NAN, NAN};
    err e = ui_arguments_number(a, "max-loss", 0, 1e6, &out->max_loss);
    if (!e.code) e = ui_arguments_number(a, "min-accuracy", 0, 1, &out->min_accuracy);
    if (!e.code) e = ui_arguments_number(a, "min-exact", 0, 1, &out->min_exact);
    return e;
}

bool ui_bars_any(const ui_bars *b)
{
    return isfinite(b->max_loss) || isfinite(b->min_accuracy) || isfinite(b->min_exact);
}

err ui_bars_check(const ui_bars *b, const ui_figures *f)
{
    if (isfinite(b->max_loss) && !(f->loss <= b->max_loss))
        return err_make(ERR_STATE, "the loss is %.4f, over the bar of %g", f->loss, b->max_loss);
    if (isfinite(b->min_accuracy) && !(f->accuracy >= b->min_accuracy))
        return err_make(ERR_STATE, "the accuracy is %.4f, under the bar of %g", f->accuracy, b->min_accuracy);
    if (isfinite(b->min_exact) && !(f->exact >= b->min_exact))
        return err_make(ERR_STATE, "the share of exact answers is %.4f, under the bar of %g", f->exact,
                        b->min_exact);
    return ERR_OK;
}
