/* training/optimizer.c: moments, groups of leaves, clipping. */
#include "training/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/macros.h"

static const double clip_eps = 1e-6;

/* Leaves that share rate and decay: two halves of LoRA+, with decay or without. */
enum { GROUP_FAST = 1, GROUP_FREE = 2, GROUP_COUNT = 4 };

struct training_optimizer {
    engine_trainable *t;
    training_optimizer_options options;
    uint64_t steps;
    size_t count;
    tensor **m, **v; /* [count]; NULL: the kind has none */
    char **names;    /* of the state: those of m, then those of v */
    size_t state_count;
};

static const struct {
    const char *name;
    size_t moments;
    double beta1, beta2;
} kinds[TRAINING_OPTIMIZER_COUNT] = {
    [TRAINING_ADAMW] = {"adamw", 2, 0.9, 0.999},
    [TRAINING_SGD] = {"sgd", 0, 0, 0},
    [TRAINING_LION] = {"lion", 1, 0.9, 0.99},
};

training_optimizer_options training_optimizer_defaults(training_optimizer_kind kind)
{
    return (training_optimizer_options){
        .kind = kind, .beta1 = kinds[kind].beta1, .beta2 = kinds[kind].beta2, .eps = 1e-8, .ratio = 1};
}

bool training_optimizer_parse(const char *name, training_optimizer_kind *out)
{
    for (size_t i = 0; i < TRAINING_OPTIMIZER_COUNT; i++) {
        if (strcmp(name, kinds[i].name) != 0) continue;
        *out = (training_optimizer_kind)i;
        return true;
    }
    return false;
}

const char *training_optimizer_name(training_optimizer_kind kind) { return kinds[kind].name; }

static err check_options(const training_optimizer_options *options)
{
    if (!(options->beta1 >= 0 && options->beta1 < 1 && options->beta2 >= 0 && options->beta2 < 1))
        return err_make(ERR_USAGE, "betas are %g and %g, expected numbers from 0 to below 1", options->beta1,
                        options->beta2);
    if (!(options->decay >= 0 && isfinite(options->decay)))
        return err_make(ERR_USAGE, "the weight decay is %g, expected 0 or more", options->decay);
    if (!(options->eps >= 0)) return err_make(ERR_USAGE, "eps is %g, expected 0 or more", options->eps);
    if (!(options->ratio >= 1 && isfinite(options->ratio)))
        return err_make(ERR_USAGE, "the ratio of LoRA+ is %g, expected 1 or more", options->ratio);
    return ERR_OK;
}

static void add_moments(training_optimizer *o, tensor_scope *s, const char *letter, tensor ***moments)
{
    *moments = memory_alloc((o->count + 1) * sizeof(tensor *));
    for (size_t i = 0; i < o->count; i++) {
        const tensor *leaf = engine_trainable_borrow(o->t, i);
        int64_t shape[TENSOR_RANK_MAX];
        for (int d = 0; d < tensor_rank(leaf); d++) shape[d] = tensor_size(leaf, d);
        (*moments)[i] =
            tensor_keep(s, tensor_full(s, TENSOR_F32, tensor_device_of(leaf), shape, tensor_rank(leaf), 0));
        bytes name = {0};
        bytes_printf(&name, "%s.%s", letter, engine_trainable_borrow_name(o->t, i));
        o->names[o->state_count++] = bytes_take(&name);
    }
}

err training_optimizer_new(engine_trainable *t, const training_optimizer_options *options,
                           training_optimizer **out)
{
    err e = check_options(options);
    if (e.code) return e;
    training_optimizer *o = memory_alloc(sizeof *o);
    o->t = t;
    o->options = *options;
    o->count = engine_trainable_count(t);
    o->names = memory_alloc((2 * o->count + 1) * sizeof *o->names);
    tensor_scope *s = tensor_scope_new(false);
    if (kinds[options->kind].moments > 0) add_moments(o, s, "m", &o->m);
    if (kinds[options->kind].moments > 1) add_moments(o, s, "v", &o->v);
    e = tensor_scope_close(s);
    if (e.code)
        training_optimizer_free(o);
    else
        *out = o;
    return e;
}

void training_optimizer_free(training_optimizer *o)
{
    if (!o) return;
    for (size_t i = 0; i < o->count; i++) {
        if (o->m) tensor_free(o->m[i]);
        if (o->v) tensor_free(o->v[i]);
    }
    for (size_t i = 0; i < o->state_count; i++) free(o->names[i]);
    free(o->m);
    free(o->v);
    free(o->names);
    free(o);
}

err training_optimizer_clip(training_optimizer *o, double most, double *norm)
{
    tensor *const *leaves = engine_trainable_borrow_all(o->t);
    tensor_scope *s = tensor_scope_new(false);
    double all = 0;
    if (tensor_grads_norm(s, leaves, o->count, &all) && most > 0 && isfinite(all) &&
        most / (all + clip_eps) < 1)
        tensor_grads_scale(s, leaves, o->count, most / (all + clip_eps));
    err e = tensor_scope_close(s);
    if (!e.code) *norm = all;
    return e;
}

static unsigned group_of(const training_optimizer *o, size_t i)
{
    engine_leaf leaf = engine_trainable_leaf(o->t, i);
    unsigned group = 0;
    if (leaf == ENGINE_LEAF_B || leaf == ENGINE_LEAF_MAGNITUDE) group |= GROUP_FAST;
    if (leaf == ENGINE_LEAF_MAGNITUDE || leaf == ENGINE_LEAF_BIAS) group |= GROUP_FREE;
    return group;
}

static void step_group(training_optimizer *o, tensor_scope *s, unsigned group, double rate)
{
    tensor **leaves = memory_alloc(3 * (o->count + 1) * sizeof(tensor *));
    tensor **m = leaves + o->count + 1, **v = m + o->count + 1;
    size_t count = 0;
    for (size_t i = 0; i < o->count; i++) {
        if (group_of(o, i) != group) continue;
        leaves[count] = engine_trainable_borrow(o->t, i);
        if (o->m) m[count] = o->m[i];
        if (o->v) v[count] = o->v[i];
        count++;
    }
    const training_optimizer_options *how = &o->options;
    tensor_adamw adamw = {.rate = group & GROUP_FAST ? rate * how->ratio : rate,
                          .beta1 = how->beta1,
                          .beta2 = how->beta2,
                          .eps = how->eps,
                          .decay = group & GROUP_FREE ? 0 : how->decay,
                          .step = o->steps,
                          .plain = how->plain};
    if (how->kind == TRAINING_ADAMW)
        tensor_adamw_step(s, leaves, m, v, count, &adamw);
    else if (how->kind == TRAINING_LION)
        tensor_lion_step(s, leaves, m, count, &adamw);
    else
        tensor_sgd_step(s, leaves, count, adamw.rate, adamw.decay);
    free(leaves);
}

err training_optimizer_step(training_optimizer *o, double rate)
{
    tensor_scope *s = tensor_scope_new(false);
    o->steps++;
    for (unsigned group = 0; group < GROUP_COUNT; group++) step_group(o, s, group, rate);
    return tensor_scope_close(s);
}

uint64_t training_optimizer_steps(const training_optimizer *o) { return o->steps; }
void training_optimizer_steps_set(training_optimizer *o, uint64_t steps) { o->steps = steps; }

size_t training_optimizer_state_count(const training_optimizer *o) { return o->state_count; }
const char *training_optimizer_state_borrow_name(const training_optimizer *o, size_t i)
{
    return o->names[i];
}
tensor *training_optimizer_state_borrow(const training_optimizer *o, size_t i)
{
    return i < o->count ? o->m[i] : o->v[i - o->count];
}
