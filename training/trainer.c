/* training/trainer.c: a step, and what is carried to the next. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/macros.h"
#include "training/trainer_internal.h"

enum { WARMUP_STEPS_MAX = 100, SKIPS_IN_A_ROW_MAX = 3, NAMES_MAX = 8 };

/* -- making ---------------------------------------------------------------------------------------------- */

static training_optimizer_options optimizer_options(const training_settings *s)
{
    training_optimizer_options o = training_optimizer_defaults((training_optimizer_kind)s->optimizer);
    if (!isnan(s->beta1)) o.beta1 = s->beta1;
    if (!isnan(s->beta2)) o.beta2 = s->beta2;
    if (!isnan(s->eps)) o.eps = s->eps;
    o.decay = s->weight_decay;
    o.ratio = s->lora_plus;
    return o;
}

training_schedule training_trainer_schedule(const training_settings *s, uint64_t total)
{
    bool ratio = s->warmup < 1;
    return (training_schedule){
        .kind = (training_schedule_kind)s->schedule,
        .warmup = ratio ? training_schedule_warmup(s->warmup, total, WARMUP_STEPS_MAX) : (uint64_t)s->warmup,
        .total = total,
        .min_ratio = s->min_lr_ratio,
        .decay = (training_decay)s->decay_shape,
        .decay_steps = (uint64_t)s->decay_steps,
    };
}

static training_preference preference_of(const training_settings *s)
{
    if (s->kind <= TRAINING_RUN_SFT) return (training_preference){0};
    training_preference p =
        training_preference_defaults((training_preference_kind)(s->kind - TRAINING_RUN_DPO));
    p.beta = s->beta;
    p.smoothing = s->label_smoothing;
    p.gamma = s->gamma;
    p.lambda = s->orpo_lambda;
    return p;
}

bool trainer_learns_pairs(const training_trainer *tr) { return tr->settings->kind > TRAINING_RUN_SFT; }

static err plan_windows(training_trainer *tr)
{
    const training_settings *s = tr->settings;
    training_windows_options how = {
        .room = (size_t)s->max_length,
        .window = (size_t)s->window,
        .packing = s->packing == TRAINING_ON,
        .pairs = trainer_learns_pairs(tr),
        .in_order = s->order == TRAINING_ORDER_FILE,
        .seed = (uint64_t)s->seed,
    };
    const training_data *data = tr->options.data;
    return training_windows_new(training_data_borrow(data), training_data_train_count(data), &how,
                                &tr->windows);
}

err training_trainer_new(const training_trainer_options *options, training_trainer **out)
{
    training_trainer *tr = memory_alloc(sizeof *tr);
    const training_settings *s = options->settings;
    tr->options = *options;
    tr->settings = s;
    tr->rate = s->lr;
    tr->micro_batch = (size_t)s->micro_batch;
    tr->checkpoint_layers = options->checkpoint_layers;
    tr->preference = preference_of(s);
    training_optimizer_options how = optimizer_options(s);
    err e = plan_windows(tr);
    if (!e.code) e = trainer_plan_evaluation(tr);
    if (!e.code) e = trainer_begin_ranks(tr);
    if (!e.code) e = training_optimizer_new(options->trainable, &how, &tr->optimizer);
    if (!e.code) {
        tr->total = s->steps ? (uint64_t)s->steps : (uint64_t)s->epochs * training_windows_count(tr->windows);
        tr->schedule = training_trainer_schedule(s, tr->total);
        *out = tr;
    } else {
        training_trainer_free(tr);
    }
    return e;
}

void training_trainer_free(training_trainer *tr)
{
    if (!tr) return;
    training_window_free(&tr->last);
    training_windows_free(tr->windows);
    training_windows_free(tr->eval_windows);
    training_optimizer_free(tr->optimizer);
    free(tr->references);
    free(tr);
}

/* -- looking -----------------------------------------------------------------------------------------------
 */

uint64_t training_trainer_total(const training_trainer *tr) { return tr->total; }
uint64_t training_trainer_per_epoch(const training_trainer *tr)
{
    return training_windows_count(tr->windows);
}
uint64_t training_trainer_step_number(const training_trainer *tr) { return tr->carried.step; }
training_optimizer *training_trainer_borrow_optimizer(training_trainer *tr) { return tr->optimizer; }
engine_trainable *training_trainer_borrow_trainable(training_trainer *tr) { return tr->options.trainable; }
double training_trainer_rate(const training_trainer *tr) { return tr->rate; }
void training_trainer_rate_set(training_trainer *tr, double rate) { tr->rate = rate; }

void training_trainer_total_set(training_trainer *tr, uint64_t total, bool keep_curve)
{
    tr->total = total;
    if (!keep_curve) tr->schedule = training_trainer_schedule(tr->settings, total);
}

uint64_t training_trainer_curve(const training_trainer *tr) { return tr->schedule.total; }

void training_trainer_take_out(const training_trainer *tr, training_carried *out)
{
    *out = tr->carried;
    out->optimizer_steps = training_optimizer_steps(tr->optimizer);
}

void training_trainer_put_back(training_trainer *tr, const training_carried *carried)
{
    uint64_t per_epoch = training_windows_count(tr->windows);
    tr->carried = *carried;
    tr->carried.epoch += carried->window / per_epoch;
    tr->carried.window = carried->window % per_epoch;
    training_optimizer_steps_set(tr->optimizer, carried->optimizer_steps);
}

void training_trainer_data_changed(training_trainer *tr, uint64_t epoch)
{
    tr->carried.epoch = epoch;
    tr->carried.window = 0;
    tr->carried.recent_count = tr->carried.recent_at = 0;
}

void training_trainer_digest(const training_trainer *tr, char digest[SHA256_HEX_SIZE])
{
    CLEANUP(bytes_free) bytes both = {0};
    const training_data *eval = tr->options.eval_data;
    bytes_append_text(&both, training_data_borrow_digest(tr->options.data));
    if (eval) bytes_append_text(&both, training_data_borrow_digest(eval));
    sha256_of(bytes_borrow(&both), digest);
}

/* -- skipped steps ------------------------------------------------------------------------------------------
 */

static void note_skip(training_carried *c, bool skipped)
{
    size_t bit = (size_t)(c->step % TRAINING_SKIP_STEPS);
    uint64_t mask = (uint64_t)1 << (bit % 64);
    c->skipped[bit / 64] = skipped ? c->skipped[bit / 64] | mask : c->skipped[bit / 64] & ~mask;
    c->skipped_in_a_row = skipped ? c->skipped_in_a_row + 1 : 0;
}

err training_trainer_health(const training_trainer *tr)
{
    const training_carried *c = &tr->carried;
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(c->skipped); i++) count += (size_t)__builtin_popcountll(c->skipped[i]);
    if (c->skipped_in_a_row >= SKIPS_IN_A_ROW_MAX)
        return err_make(ERR_STATE,
                        "loss or gradient was not finite, or far off, in %u steps in a row up to step %llu",
                        c->skipped_in_a_row, (unsigned long long)c->step - 1);
    if (count * 100 > TRAINING_SKIP_STEPS)
        return err_make(ERR_STATE, "%zu of the last %d steps were skipped: more than 1 %%", count,
                        TRAINING_SKIP_STEPS);
    return ERR_OK;
}

/* More than `k` standard deviations over the mean of a full memory. */
static bool is_far_off(const double *values, double value, double k)
{
    double sum = 0, squares = 0, n = TRAINING_RECENT_STEPS;
    for (size_t i = 0; i < TRAINING_RECENT_STEPS; i++) sum += values[i];
    for (size_t i = 0; i < TRAINING_RECENT_STEPS; i++)
        squares += (values[i] - sum / n) * (values[i] - sum / n);
    return value - sum / n > k * sqrt(squares / n);
}

static bool must_skip(const training_trainer *tr, double loss, double norm, uint64_t targets)
{
    const training_carried *c = &tr->carried;
    double k = tr->settings->skip_deviation;
    if (targets == 0 || !isfinite(loss) || !isfinite(norm)) return true;
    if (k <= 0 || c->recent_count < TRAINING_RECENT_STEPS) return false;
    return is_far_off(c->losses, loss, k) || is_far_off(c->norms, norm, k);
}

static void note_recent(training_carried *c, double loss, double norm)
{
    c->losses[c->recent_at] = loss;
    c->norms[c->recent_at] = norm;
    c->recent_at = (c->recent_at + 1) % TRAINING_RECENT_STEPS;
    c->recent_count = MIN_OF(c->recent_count + 1, (uint32_t)TRAINING_RECENT_STEPS);
}

/* -- a step -------------------------------------------------------------------------------------------------
 */

/* Less at once, then layers computed again; false: there is nothing left to try. */
static bool use_less_memory(training_trainer *tr)
{
    if (tr->micro_batch > 1) return tr->micro_batch /= 2, true;
    if (tr->checkpoint_layers != 1) return tr->checkpoint_layers = 1, true;
    return false;
}

static err gradients_of(training_trainer *tr, training_window *window, window_sums *sums)
{
    err e;
    do {
        engine_trainable_clear(tr->options.trainable);
        e = trainer_run_window(tr, window, trainer_references(tr, false), true, sums);
    } while (e.code == ERR_MEMORY && use_less_memory(tr));
    if (!e.code) e = trainer_sum_gradients(tr, window->targets, sums);
    if (e.code) engine_trainable_clear(tr->options.trainable);
    return e;
}

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %llu", &pages) != 1) pages = 0;
    if (f) fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void fill_memory(training_point *p)
{
    struct rusage usage;
    p->mem_reserved = resident_bytes();
    p->mem_peak = getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void fill_pairs(const window_sums *sums, training_point *p)
{
    double pairs = (double)sums->pairs;
    p->pairs = true;
    p->loss = sums->loss / pairs;
    p->reward_chosen = sums->reward_chosen / pairs;
    p->reward_rejected = sums->reward_rejected / pairs;
    p->reward_margin = p->reward_chosen - p->reward_rejected;
    p->reward_accuracy = (double)sums->preferred / pairs;
    p->logp_chosen = sums->logp_chosen / pairs;
    p->logp_rejected = sums->logp_rejected / pairs;
}

static void fill_point(const training_trainer *tr, const window_sums *sums, training_point *p)
{
    p->step = tr->carried.step;
    p->lr = tr->rate * training_schedule_factor(&tr->schedule, tr->carried.step);
    p->tokens = sums->tokens;
    p->targets = sums->targets;
    p->micro_batch = tr->micro_batch;
    p->accuracy = sums->targets ? (double)sums->hits / (double)sums->targets : NAN;
    p->loss = sums->targets ? sums->loss / (double)sums->targets : NAN;
    if (trainer_learns_pairs(tr)) fill_pairs(sums, p);
    fill_memory(p);
}

static void move_on(training_trainer *tr)
{
    training_carried *c = &tr->carried;
    c->step++;
    if (++c->window < training_windows_count(tr->windows)) return;
    c->window = 0;
    c->epoch++;
}

static err update(training_trainer *tr, training_point *p)
{
    err e = training_optimizer_clip(tr->optimizer, tr->settings->clip, &p->grad_norm);
    p->skipped = must_skip(tr, p->loss, p->grad_norm, p->targets);
    if (!e.code && !p->skipped) e = training_optimizer_step(tr->optimizer, p->lr);
    engine_trainable_clear(tr->options.trainable);
    if (e.code) return e;
    note_skip(&tr->carried, p->skipped);
    if (!p->skipped) note_recent(&tr->carried, p->loss, p->grad_norm);
    move_on(tr);
    return ERR_OK;
}

err training_trainer_step(training_trainer *tr, training_point *out)
{
    double began = clock_seconds();
    training_window window = {0};
    err e = training_windows_get(tr->windows, tr->carried.epoch, (size_t)tr->carried.window, &window);
    if (e.code) return e;
    training_window_free(&tr->last);
    tr->last = window;
    *out = (training_point){.data_ms = (clock_seconds() - began) * 1000};
    window_sums sums = {0};
    e = gradients_of(tr, &tr->last, &sums);
    if (e.code) return e;
    fill_point(tr, &sums, out);
    e = update(tr, out);
    if (!e.code) e = trainer_check_ranks(tr);
    out->step_ms = (clock_seconds() - began) * 1000;
    out->tokens_per_s = (double)out->tokens / (out->step_ms / 1000);
    return e;
}

void training_trainer_describe_window(const training_trainer *tr, bytes *out)
{
    const training_data *data = tr->options.data;
    for (size_t i = 0; i < tr->last.example_count && i < NAMES_MAX; i++) {
        training_origin at = training_data_origin(data, tr->last.examples[i]);
        bytes_printf(out, "%s%s:%u", i ? ", " : "", training_data_borrow_file(data, at.file), at.line);
    }
    if (tr->last.example_count > NAMES_MAX)
        bytes_printf(out, " and %zu more", tr->last.example_count - NAMES_MAX);
}
