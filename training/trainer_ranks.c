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

err trainer_sum_gradients(training_trainer *tr, uint64_t targets, window_sums *sums)
{
    engine_trainable *t = tr->options.trainable;
    if (!tr->options.ranks) return ERR_OK;
    size_t count = (size_t)engine_trainable_parameters(t);
    float *flat = memory_alloc((count + SUM_COUNT) * sizeof *flat);
    err e = gradients_out(t, flat);
    sums_out(sums, flat + count);
    if (!e.code) e = training_ranks_sum(tr->options.ranks, flat, count + SUM_COUNT);
    if (!e.code) {
        sums_in(flat + count, sums);
        if (sums->targets != (uint64_t)(float)targets)
            e = err_make(
                ERR_STATE,
                "the ranks counted %llu targets in this window, the plan has %llu: their data differs",
                (unsigned long long)sums->targets, (unsigned long long)targets);
    }
    if (!e.code) e = gradients_in(t, flat);
    free(flat);
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

err trainer_begin_ranks(training_trainer *tr)
{
    engine_trainable *t = tr->options.trainable;
    training_ranks *ranks = tr->options.ranks;
    if (!ranks) return ERR_OK;
    bytes settings = {0};
    training_settings_write(tr->settings, &settings);
    err e = training_ranks_agree(ranks, "set of settings", bytes_text(&settings));
    if (!e.code) e = training_ranks_agree(ranks, "data", training_data_borrow_digest(tr->options.data));
    bytes_free(&settings);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t i = 0; i < engine_trainable_count(t) && !e.code; i++) {
        tensor *leaf = engine_trainable_borrow(t, i);
        size_t count = (size_t)tensor_count(leaf);
        float *values = memory_alloc((count + 1) * sizeof *values);
        int64_t shape[TENSOR_RANK_MAX];
        for (int d = 0; d < tensor_rank(leaf); d++) shape[d] = tensor_size(leaf, d);
        e = tensor_read_f32(leaf, values, count);
        if (!e.code) e = training_ranks_broadcast(ranks, values, count * sizeof *values);
        if (!e.code)
            tensor_copy_into(s, leaf,
                             tensor_over(s, TENSOR_F32, shape, tensor_rank(leaf), values, NULL, NULL));
        free(values);
    }
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}
