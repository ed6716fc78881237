/* training/trainer_window.c: a window through the model, micro-batch by micro-batch; evaluation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"
#include "training/random.h"
#include "training/trainer_internal.h"

/* -- a micro-batch ------------------------------------------------------------------------------------------
 */

/* A micro-batch of pairs while it goes through: rows 2k and 2k + 1 are a pair, each one segment. */
typedef struct pairs_pass {
    const training_trainer *tr;
    const engine_train_row *rows;
    const double *references; /* of these rows; NULL: the loss has none */
    size_t pair_count;
    double scale; /* 1 / pairs of the window */
    window_sums *sums;
} pairs_pass;

static size_t row_targets(const engine_train_row *row)
{
    size_t count = 0;
    for (size_t i = 0; i < row->count; i++) count += row->targets[i] != ENGINE_TARGET_NONE;
    return count;
}

/* The loss falls when an answer's cross-entropy is weighted with -(d loss / d logprob). */
static void weigh_pairs(void *context, const double *logprobs, double *factors, size_t segment_count)
{
    const pairs_pass *p = context;
    for (size_t k = 0; k < p->pair_count && 2 * k + 1 < segment_count; k++) {
        training_answer answers[2];
        for (size_t i = 0; i < 2; i++)
            answers[i] = (training_answer){.logprob = logprobs[2 * k + i],
                                           .reference = p->references ? p->references[2 * k + i] : 0,
                                           .targets = MAX_OF(row_targets(&p->rows[2 * k + i]), (size_t)1)};
        training_pair_loss of = training_preference_of(&p->tr->preference, &answers[0], &answers[1]);
        factors[2 * k] = -of.of_chosen * p->scale;
        factors[2 * k + 1] = -of.of_rejected * p->scale;
        p->sums->loss += of.loss;
        p->sums->reward_chosen += of.reward_chosen;
        p->sums->reward_rejected += of.reward_rejected;
        p->sums->preferred += of.reward_chosen > of.reward_rejected;
        p->sums->logp_chosen += logprobs[2 * k];
        p->sums->logp_rejected += logprobs[2 * k + 1];
    }
}

typedef struct go_on_pass {
    pairs_pass pairs; /* first: the context of weigh_pairs */
    const training_trainer_options *options;
} go_on_pass;

static bool ask_between(void *context)
{
    const go_on_pass *p = context;
    return !p->options->between || p->options->between(p->options->context);
}

static err run_rows(training_trainer *tr, const engine_train_row *rows, size_t count,
                    const double *references, double scale, bool backward, window_sums *sums)
{
    bool pairs = trainer_learns_pairs(tr);
    go_on_pass pass = {.pairs = {tr, rows, references, count / 2, scale, sums}, .options = &tr->options};
    engine_train_request request = {
        .rows = rows,
        .row_count = count,
        .scale = scale,
        .backward = backward,
        .dropout = backward ? tr->settings->dropout : 0,
        .checkpoint_layers = tr->checkpoint_layers,
        .weigh = pairs ? weigh_pairs : NULL,
        .go_on = ask_between,
        .context = &pass,
    };
    size_t targets = 0;
    for (size_t i = 0; i < count; i++) targets += row_targets(&rows[i]), sums->tokens += rows[i].count;
    if (targets == 0) return ERR_OK; /* nothing to learn: no loss, no gradient */
    double *logprobs = pairs && !backward ? memory_alloc(count * sizeof *logprobs) : NULL;
    request.segment_logprobs = logprobs;
    if (!backward) request.weigh = NULL;
    engine_train_result result = {0};
    err e = engine_train_pass(tr->options.decoder, tr->options.trainable, &request, &result);
    if (!e.code && logprobs) {
        double *factors = memory_alloc(count * sizeof *factors);
        weigh_pairs(&pass, logprobs, factors, count);
        free(factors);
    }
    free(logprobs);
    sums->targets += result.targets;
    sums->hits += result.hits;
    if (!pairs) sums->loss += result.loss_sum;
    return e;
}

/* -- a window
 * ------------------------------------------------------------------------------------------------ */

/* Row (or pair) j is rank j mod count's. */
static size_t take_own_rows(const training_trainer *tr, const training_window *window,
                            const double *references, engine_train_row *rows, double *of_rows)
{
    size_t each = trainer_learns_pairs(tr) ? 2 : 1, count = 0;
    for (size_t i = 0; i < window->row_count; i++) {
        size_t place = i / each;
        if (place % training_ranks_count(tr->options.ranks) != training_ranks_number(tr->options.ranks))
            continue;
        const uint64_t counters[] = {tr->carried.step, place};
        rows[count] = window->rows[i];
        rows[count].dropout_key =
            training_key((uint64_t)tr->settings->seed, TRAINING_PURPOSE_DROPOUT, counters, 2);
        if (references) of_rows[count] = references[window->examples[i]];
        count++;
    }
    return count;
}

err trainer_run_window(training_trainer *tr, training_window *window, const double *references, bool backward,
                       window_sums *out)
{
    bool pairs = trainer_learns_pairs(tr);
    size_t each = tr->micro_batch * (pairs ? 2 : 1);
    uint64_t whole = pairs ? window->row_count / 2 : window->targets;
    double scale = whole ? 1 / (double)whole : 0;
    engine_train_row *rows = memory_alloc((window->row_count + 1) * sizeof *rows);
    double *of_rows = memory_alloc((window->row_count + 1) * sizeof *of_rows);
    size_t count = take_own_rows(tr, window, references, rows, of_rows);
    err e = ERR_OK;
    *out = (window_sums){.pairs = pairs ? whole : 0};
    for (size_t at = 0; at < count && !e.code; at += each)
        e = run_rows(tr, rows + at, MIN_OF(each, count - at), references ? of_rows + at : NULL, scale,
                     backward, out);
    free(of_rows);
    free(rows);
    return e;
}

/* -- evaluation
 * ---------------------------------------------------------------------------------------------- */

/* The held-out examples, and where they lie among all examples of their data. */
static const training_sequence *eval_sequences(const training_trainer *tr, size_t *first, size_t *count)
{
    const training_data *other = tr->options.eval_data, *data = other ? other : tr->options.data;
    *first = other ? 0 : training_data_train_count(data);
    *count = other ? training_data_train_count(data) + training_data_held_out_count(data)
                   : training_data_held_out_count(data);
    return training_data_borrow(data) + *first;
}

size_t training_trainer_eval_count(const training_trainer *tr)
{
    size_t first, count;
    eval_sequences(tr, &first, &count);
    return count;
}

err trainer_plan_evaluation(training_trainer *tr)
{
    size_t first, count;
    const training_sequence *list = eval_sequences(tr, &first, &count);
    bool pairs = trainer_learns_pairs(tr);
    if (count == 0) return ERR_OK;
    training_windows_options how = {
        .room = (size_t)tr->settings->max_length,
        .window = tr->micro_batch * training_ranks_count(tr->options.ranks),
        .packing = !pairs,
        .pairs = pairs,
        .in_order = true,
    };
    return training_windows_new(list, count, &how, &tr->eval_windows);
}

static void add_sums(window_sums *to, const window_sums *more)
{
    to->loss += more->loss;
    to->targets += more->targets;
    to->hits += more->hits;
    to->pairs += more->pairs;
    to->preferred += more->preferred;
}

err training_trainer_evaluate(training_trainer *tr, training_evaluation *out)
{
    double began = clock_seconds();
    window_sums all = {0};
    err e = tr->eval_windows ? ERR_OK : err_make(ERR_NOTHING, "nothing is held out to evaluate on");
    for (size_t i = 0; !e.code && i < training_windows_count(tr->eval_windows); i++) {
        training_window window = {0};
        window_sums sums;
        e = training_windows_get(tr->eval_windows, 0, i, &window);
        if (!e.code) e = trainer_run_window(tr, &window, trainer_references(tr, true), false, &sums);
        if (!e.code) add_sums(&all, &sums);
        training_window_free(&window);
    }
    if (!e.code) e = trainer_sum_figures(tr, &all);
    if (e.code) return e;
    double targets = (double)all.targets;
    *out =
        (training_evaluation){.loss = all.pairs ? all.loss / (double)all.pairs : all.loss / targets,
                              .accuracy = (double)all.hits / targets,
                              .targets = all.targets,
                              .reward_accuracy = all.pairs ? (double)all.preferred / (double)all.pairs : NAN,
                              .ms = (clock_seconds() - began) * 1000};
    out->perplexity = exp(MIN_OF(out->loss, 20.0));
    return ERR_OK;
}

/* -- references
 * ------------------------------------------------------------------------------------------------ */

static size_t example_count(const training_data *data)
{
    return data ? training_data_train_count(data) + training_data_held_out_count(data) : 0;
}

const double *trainer_references(const training_trainer *tr, bool eval)
{
    size_t first, count;
    if (!tr->references) return NULL;
    if (!eval) return tr->references;
    eval_sequences(tr, &first, &count);
    return tr->references + (tr->options.eval_data ? example_count(tr->options.data) : 0) + first;
}

/* Log-probabilities of the targets of each example, one at a time, into out. */
static err logprobs_of(training_trainer *tr, const training_sequence *list, size_t count, double *out)
{
    go_on_pass pass = {.options = &tr->options};
    err e = ERR_OK;
    for (size_t i = 0; i < count && !e.code; i++) {
        int32_t *targets = memory_alloc(list[i].count * sizeof *targets);
        memcpy(targets, list[i].labels + 1, (list[i].count - 1) * sizeof *targets);
        targets[list[i].count - 1] = ENGINE_TARGET_NONE;
        engine_train_row row = {.ids = list[i].ids, .targets = targets, .count = list[i].count};
        engine_train_request request = {.rows = &row,
                                        .row_count = 1,
                                        .go_on = ask_between,
                                        .context = &pass,
                                        .segment_logprobs = &out[i]};
        engine_train_result result;
        e = engine_train_pass(tr->options.decoder, tr->options.trainable, &request, &result);
        free(targets);
    }
    return e;
}

err training_trainer_make_references(training_trainer *tr)
{
    if (!trainer_learns_pairs(tr) || !training_preference_wants_reference(tr->preference.kind)) return ERR_OK;
    size_t own = example_count(tr->options.data), other = example_count(tr->options.eval_data);
    double *values = memory_alloc((own + other + 1) * sizeof *values);
    err e = logprobs_of(tr, training_data_borrow(tr->options.data), own, values);
    if (!e.code && other)
        e = logprobs_of(tr, training_data_borrow(tr->options.eval_data), other, values + own);
    if (!e.code) e = training_trainer_set_references(tr, values, own + other);
    free(values);
    return e;
}

const double *training_trainer_borrow_references(const training_trainer *tr, size_t *count)
{
    *count = tr->reference_count;
    return tr->references;
}

err training_trainer_set_references(training_trainer *tr, const double *values, size_t count)
{
    size_t wanted = example_count(tr->options.data) + example_count(tr->options.eval_data);
    if (count != wanted)
        return err_make(ERR_FORMAT, "%zu reference log-probabilities, expected %zu", count, wanted);
    free(tr->references);
    tr->references = memory_alloc((count + 1) * sizeof *values);
    memcpy(tr->references, values, count * sizeof *values);
    tr->reference_count = count;
    return ERR_OK;
}
