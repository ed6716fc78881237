/* training/trainer_ranks.c: one sum of all gradients, and what makes sure that the ranks stay the same. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "training/trainer_internal.h"

/* What is summed beside the gradients, in this order. */
enum { SUM_LOSS, SUM_TOKENS, SUM_TARGETS, SUM_HITS, SUM_REWARDS, SUM_COUNT = SUM_REWARDS + 5 };

static void sums_out(const window_sums *sums, float *to)
{
    to[SUM_LOSS] = (float)sums->loss;
    to[SUM_TOKENS] = (float)sums->tokens;
    to[SUM_TARGETS] = (float)sums->targets;
    to[SUM_HITS] = (float)sums->hits;
    const double rewards[] = {sums->reward_chosen, sums->reward_rejected, sums->logp_chosen,
                              sums->logp_rejected, (double)sums->preferred};
    for (size_t i = 0; i < 5; i++) to[SUM_REWARDS + i] = (float)rewards[i];
}

static void sums_in(const float *from, window_sums *sums)
{
    sums->loss = (double)from[SUM_LOSS];
    sums->tokens = (uint64_t)from[SUM_TOKENS];
    sums->targets = (uint64_t)from[SUM_TARGETS];
    sums->hits = (uint64_t)from[SUM_HITS];
    sums->reward_chosen = (double)from[SUM_REWARDS];
    sums->reward_rejected = (double)from[SUM_REWARDS + 1];
    sums->logp_chosen = (double)from[SUM_REWARDS + 2];
    sums->logp_rejected = (double)from[SUM_REWARDS + 3];
    sums->preferred = (uint64_t)from[SUM_REWARDS + 4];
}

err trainer_sum_figures(training_trainer *tr, window_sums *sums)
{
    float figures[SUM_COUNT];
    if (!tr->options.ranks) return ERR_OK;
    sums_out(sums, figures);
    err e = training_ranks_sum(tr->options.ranks, figures, SUM_COUNT);
    if (!e.code) sums_in(figures, sums);
    return e;
}

/* Gradients of all leaves one after another; a leaf without one gives zeros. */
static err gradients_out(const engine_trainable *t, float *flat)
{
    tensor_scope *s = tensor_scope_new(false);
    err e = ERR_OK;
    for (size_t i = 0; i < engine_trainable_count(t) && !e.code; i++) {
        const tensor *leaf = engine_trainable_borrow(t, i);
        size_t count = (size_t)tensor_count(leaf), mark = tensor_scope_mark(s);
        tensor *g = tensor_grad(s, leaf);
        if (g)
            e = tensor_read_f32(g, flat, count);
        else
            memset(flat, 0, count * sizeof *flat);
        tensor_scope_release(s, mark);
        flat += count;
    }
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}

static err gradients_in(engine_trainable *t, const float *flat)
{
    tensor_scope *s = tensor_scope_new(true);
    engine_trainable_clear(t);
    for (size_t i = 0; i < engine_trainable_count(t); i++) {
        tensor *leaf = engine_trainable_borrow(t, i);
        int64_t shape[TENSOR_RANK_MAX];
        for (int d = 0; d < tensor_rank(leaf); d++) shape[d] = tensor_size(leaf, d);
        tensor *sum = tensor_over(s, TENSOR_F32, shape, tensor_rank(leaf), flat, NULL, NULL);
        /* A copy: the flat buffer goes. A leaf is its own value, so this adds the sum to its gradient. */
        tensor_backward_from(s, leaf, tensor_clone(s, tensor_to(s, sum, TENSOR_F32, tensor_device_of(leaf))));
        flat += tensor_count(leaf);
    }
    return tensor_scope_close(s);
}

static err sum_on_host(training_trainer *tr, window_sums *sums)
{
    engine_trainable *t = tr->options.trainable;
    size_t count = (size_t)engine_trainable_parameters(t);
    float *flat = memory_alloc((count + SUM_COUNT) * sizeof *flat);
    err e = gradients_out(t, flat);
    sums_out(sums, flat + count);
    if (!e.code) e = training_ranks_sum(tr->options.ranks, flat, count + SUM_COUNT);
    if (!e.code) sums_in(flat + count, sums);
    if (!e.code) e = gradients_in(t, flat);
    free(flat);
    return e;
}

/* The same buffer in the GPU, where the gradients are: each leaf's part is a view of it. */
static tensor *part_of(tensor_scope *s, tensor *flat, const tensor *leaf, int64_t at)
{
    int64_t shape[TENSOR_RANK_MAX];
    for (int d = 0; d < tensor_rank(leaf); d++) shape[d] = tensor_size(leaf, d);
    return tensor_reshape(s, tensor_narrow(s, flat, 0, at, tensor_count(leaf)), shape, tensor_rank(leaf));
}

static tensor *device_buffer(tensor_scope *s, const engine_trainable *t, const window_sums *sums)
{
    float figures[SUM_COUNT];
    int64_t at = 0, count = (int64_t)engine_trainable_parameters(t);
    tensor_device device = tensor_device_of(engine_trainable_borrow(t, 0));
    tensor *flat = tensor_full(s, TENSOR_F32, device, (const int64_t[]){count + SUM_COUNT}, 1, 0);
    for (size_t i = 0; i < engine_trainable_count(t); i++) {
        const tensor *leaf = engine_trainable_borrow(t, i);
        tensor *g = tensor_grad(s, leaf);
        if (g) tensor_copy_into(s, part_of(s, flat, leaf, at), g);
        at += tensor_count(leaf);
    }
    sums_out(sums, figures);
    tensor_copy_into(s, tensor_narrow(s, flat, 0, count, SUM_COUNT),
                     tensor_from_f32(s, device, figures, SUM_COUNT));
    return flat;
}

static err sum_on_device(training_trainer *tr, window_sums *sums)
{
    engine_trainable *t = tr->options.trainable;
    float figures[SUM_COUNT] = {0};
    int64_t at = 0, count = (int64_t)engine_trainable_parameters(t);
    tensor_scope *making = tensor_scope_new(false);
    tensor *flat = device_buffer(making, t, sums);
    err e = ERR_OK;
    if (!tensor_scope_failed(making)) {
        e = training_ranks_sum_device(tr->options.ranks, tensor_borrow_device_data(flat),
                                      (size_t)count + SUM_COUNT);
        if (!e.code)
            e = tensor_read_f32(tensor_narrow(making, flat, 0, count, SUM_COUNT), figures, SUM_COUNT);
    }
    if (!e.code && !tensor_scope_failed(making)) {
        tensor_scope *giving = tensor_scope_new(true);
        sums_in(figures, sums);
        engine_trainable_clear(t);
        for (size_t i = 0; i < engine_trainable_count(t); i++) {
            tensor *leaf = engine_trainable_borrow(t, i);
            tensor_backward_from(giving, leaf, tensor_clone(giving, part_of(giving, flat, leaf, at)));
            at += tensor_count(leaf);
        }
        e = tensor_scope_close(giving);
    }
    err failed = tensor_scope_close(making);
    return e.code ? e : failed;
}

err trainer_sum_gradients(training_trainer *tr, uint64_t targets, window_sums *sums)
{
    if (!tr->options.ranks) return ERR_OK;
    err e = training_ranks_on_devices(tr->options.ranks) ? sum_on_device(tr, sums) : sum_on_host(tr, sums);
    if (!e.code && sums->targets != (uint64_t)(float)targets)
        e = err_make(ERR_STATE,
                     "the ranks counted %llu targets in this window, the plan has %llu: their data differs",
                     (unsigned long long)sums->targets, (unsigned long long)targets);
    return e;
}

/* -- staying the same
 * ------------------------------------------------------------------------------------------- */

enum { CHECK_EVERY = 100 };

/* All values, in order. */
static err values_of(const engine_trainable *t, float *flat)
{
    err e = ERR_OK;
    for (size_t i = 0; i < engine_trainable_count(t) && !e.code; i++) {
        const tensor *leaf = engine_trainable_borrow(t, i);
        e = tensor_read_f32(leaf, flat, (size_t)tensor_count(leaf));
        flat += tensor_count(leaf);
    }
    return e;
}

err trainer_check_ranks(training_trainer *tr)
{
    const engine_trainable *t = tr->options.trainable;
    if (!tr->options.ranks || tr->carried.step % CHECK_EVERY) return ERR_OK;
    size_t count = (size_t)engine_trainable_parameters(t);
    float *flat = memory_alloc((count + 1) * sizeof *flat);
    char hex[SHA256_HEX_SIZE] = "";
    err e = values_of(t, flat);
    if (!e.code) {
        sha256_of((bytes_view){(const char *)flat, count * sizeof *flat}, hex);
        e = training_ranks_agree(tr->options.ranks, "adapter", hex);
    }
    free(flat);
    return e;
}

/* Rank 0's values, into a tensor of the same shape on each. */
static err share_tensor(training_ranks *ranks, tensor_scope *s, tensor *t)
{
    size_t count = (size_t)tensor_count(t), mark = tensor_scope_mark(s);
    float *values = memory_alloc((count + 1) * sizeof *values);
    int64_t shape[TENSOR_RANK_MAX];
    for (int d = 0; d < tensor_rank(t); d++) shape[d] = tensor_size(t, d);
    err e = tensor_read_f32(t, values, count);
    if (!e.code) e = training_ranks_await(ranks, values, count * sizeof *values);
    if (!e.code && training_ranks_number(ranks))
        tensor_copy_into(s, t, tensor_over(s, TENSOR_F32, shape, tensor_rank(t), values, NULL, NULL));
    tensor_scope_release(s, mark);
    free(values);
    return e;
}

static err share_values(training_trainer *tr)
{
    const engine_trainable *t = tr->options.trainable;
    tensor_scope *s = tensor_scope_new(false);
    err e = ERR_OK;
    for (size_t i = 0; i < engine_trainable_count(t) && !e.code; i++)
        e = share_tensor(tr->options.ranks, s, engine_trainable_borrow(t, i));
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}

static err share_moments(training_trainer *tr)
{
    tensor_scope *s = tensor_scope_new(false);
    err e = ERR_OK;
    for (size_t i = 0; i < training_optimizer_state_count(tr->optimizer) && !e.code; i++)
        e = share_tensor(tr->options.ranks, s, training_optimizer_state_borrow(tr->optimizer, i));
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}

static err share_references(training_trainer *tr)
{
    training_ranks *ranks = tr->options.ranks;
    uint64_t count = tr->reference_count;
    err e = training_ranks_await(ranks, &count, sizeof count);
    if (e.code || count == 0) return e;
    double *values = memory_alloc(count * sizeof *values);
    if (training_ranks_number(ranks) == 0) memcpy(values, tr->references, count * sizeof *values);
    e = training_ranks_broadcast(ranks, values, count * sizeof *values);
    if (!e.code) e = training_trainer_set_references(tr, values, count);
    free(values);
    return e;
}

err training_trainer_share(training_trainer *tr)
{
    struct {
        training_carried carried;
        double rate;
        uint64_t total, curve;
    } of = {.rate = tr->rate, .total = tr->total, .curve = tr->schedule.total};
    training_ranks *ranks = tr->options.ranks;
    if (!ranks) return ERR_OK;
    training_trainer_take_out(tr, &of.carried);
    /* What follows comes after this one: rank 0 may take its time to read a state. */
    err e = training_ranks_await(ranks, &of, sizeof of);
    if (!e.code && training_ranks_number(ranks)) {
        training_trainer_put_back(tr, &of.carried);
        training_trainer_rate_set(tr, of.rate);
        training_trainer_total_set(tr, of.curve, false);
        training_trainer_total_set(tr, of.total, true);
    }
    if (!e.code) e = share_values(tr);
    if (!e.code) e = share_moments(tr);
    return e.code ? e : share_references(tr);
}

err trainer_begin_ranks(training_trainer *tr)
{
    training_ranks *ranks = tr->options.ranks;
    const training_data *eval = tr->options.eval_data;
    if (!ranks) return ERR_OK;
    bytes settings = {0};
    training_settings_write(tr->settings, &settings);
    err e = training_ranks_agree(ranks, "set of settings", bytes_text(&settings));
    if (!e.code) e = training_ranks_agree(ranks, "data", training_data_borrow_digest(tr->options.data));
    if (!e.code)
        e = training_ranks_agree(ranks, "data to evaluate on", eval ? training_data_borrow_digest(eval) : "");
    bytes_free(&settings);
    return e.code ? e : share_values(tr);
}
