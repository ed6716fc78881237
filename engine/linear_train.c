/* engine/linear_train.c: a linear layer in a training pass (spec training.md, sections 1.1 to 1.5).
 *
 * The low-rank branch is computed in f32 from x raised once, and added to the base's product before the sum
 * is rounded to the decoder's type. */
#include <stdlib.h>

#include "base/arena.h"
#include "engine/derived_random.h"
#include "engine/linear.h"
#include "engine/trainable_internal.h"

/* Modules of a layer that dropout tells apart: layer * 16 + kind. */
enum { DROPOUT_MODULES = 16 };

const tensor *trainable_weight(const engine_trainable *t, const engine_decoder *d, tensor_scope *s,
                               size_t module)
{
    const tensor *changed = t ? t->parts[module].base : NULL;
    return changed ? changed : engine_decoder_weight(d, s, module);
}

const tensor *engine_training_weight(const engine_decoder *d, tensor_scope *s, const engine_training *how,
                                     size_t module)
{
    const tensor *leaf = how->trainable ? how->trainable->parts[module].weight : NULL;
    return leaf ? tensor_cast(s, leaf, d->type) : trainable_weight(how->trainable, d, s, module);
}

const tensor *engine_training_bias(const engine_decoder *d, tensor_scope *s, const engine_training *how,
                                   size_t module)
{
    const tensor *leaf = how->trainable ? how->trainable->parts[module].bias : NULL;
    return leaf ? tensor_cast(s, leaf, d->type) : engine_decoder_borrow_bias(d, module);
}

/* The linear's outputs of something that has one row or element per output; NULL stays NULL. */
static const tensor *outputs_of(tensor_scope *s, engine_linear l, const tensor *t)
{
    if (!t || ((size_t)tensor_size(t, 0) == l.out && l.begin == 0)) return t;
    return tensor_narrow(s, t, 0, (int64_t)l.begin, (int64_t)l.out);
}

/* One key a sequence for a module. The caller's: free(). NULL: no dropout. */
static uint64_t *keys_of(size_t module, const engine_training *how)
{
    if (how->dropout <= 0) return NULL;
    uint64_t place = engine_module_layer_of(module) * DROPOUT_MODULES +
                     (uint64_t)(engine_module_kind_of(module) - ENGINE_MODULE_GLOBAL_COUNT);
    uint64_t *keys = memory_alloc((how->sequence_count + 1) * sizeof *keys);
    for (size_t i = 0; i < how->sequence_count; i++) keys[i] = derived_random(how->keys[i] ^ place);
    return keys;
}

/* x, f32, after dropout: one mask per sequence and module. */
static tensor *drop(const engine_decoder *d, tensor_scope *s, size_t module, tensor *x,
                    const engine_training *how)
{
    uint64_t *keys = keys_of(module, how);
    if (!keys || !x) return x;
    tensor *mask = tensor_dropout_mask(s, d->device, how->begins, keys, how->sequence_count,
                                       (size_t)tensor_size(x, 1), how->dropout);
    free(keys);
    return tensor_mul(s, x, mask);
}

/* A module's weight in a training pass: a tensor, or, for the ops that are written for it, what is packed. */
typedef struct frozen_weight {
    const tensor *whole;
    tensor_packed packed; /* when there is no whole */
} frozen_weight;

static frozen_weight frozen_of(const engine_decoder *d, tensor_scope *s, engine_linear l,
                               const engine_training *how)
{
    const trainable_part *part = how->trainable ? &how->trainable->parts[l.module] : NULL;
    bool changed = part && (part->base || part->weight);
    if (how->written && !changed && d->quantised[l.module])
        return (frozen_weight){.packed = engine_decoder_packed(d, l.module, l.begin, l.out)};
    return (frozen_weight){.whole = outputs_of(s, l, engine_training_weight(d, s, how, l.module))};
}

/* x Wᵀ in f32. */
static tensor *wide_product(tensor_scope *s, tensor *x, const frozen_weight *w, const engine_training *how)
{
    if (how->written) return tensor_linear_wide(s, x, w->whole, w->packed.expand ? &w->packed : NULL);
    return tensor_cast(s, tensor_linear(s, x, w->whole, NULL), TENSOR_F32);
}

/* Op by op: DoRA, whole weights, a GPU. */
static tensor *compose(const engine_decoder *d, tensor_scope *s, engine_linear l, tensor *x,
                       const engine_training *how)
{
    const trainable_part *part = how->trainable ? &how->trainable->parts[l.module] : NULL;
    frozen_weight weight = frozen_of(d, s, l, how);
    const tensor *bias = outputs_of(s, l, engine_training_bias(d, s, how, l.module));
    if (!part || !part->a) {
        if (weight.whole) return tensor_linear(s, x, weight.whole, bias);
        tensor *y = wide_product(s, x, &weight, how);
        return tensor_cast(s, bias ? tensor_add(s, y, bias) : y, d->type);
    }
    tensor_type type = how->narrow ? d->type : TENSOR_F32;
    tensor *wide = tensor_cast(s, x, type), *dropped = drop(d, s, l.module, wide, how);
    if (dropped != wide) dropped = tensor_cast(s, dropped, type);
    /* The scale goes on the narrow side: the rank is small, the outputs are many. */
    tensor *inner =
        tensor_scale(s, tensor_linear(s, dropped, tensor_cast(s, part->a, type), NULL), part->scale);
    tensor *delta = tensor_linear(s, inner, tensor_cast(s, outputs_of(s, l, part->b), type), NULL);
    tensor *y = wide_product(s, x, &weight, how);
    if (part->magnitude) {
        /* DoRA: k (x Wᵀ + delta) + b, k = m / ‖row‖ with a norm that is a constant; under dropout the
         * correction alone is made of what was kept: x Wᵀ + (k - 1) D(x) Wᵀ + k delta + b. */
        const tensor *gain = tensor_div(s, outputs_of(s, l, part->magnitude), outputs_of(s, l, part->norms));
        tensor *kept = dropped == wide ? y : wide_product(s, tensor_cast(s, dropped, d->type), &weight, how);
        delta = tensor_add(s, tensor_mul(s, kept, tensor_shift(s, gain, -1)), tensor_mul(s, delta, gain));
    }
    y = tensor_add(s, y, delta);
    if (bias) y = tensor_add(s, y, bias);
    return tensor_cast(s, y, d->type);
}

/* Whether the op that is written for it can do it. */
static bool is_written(engine_linear l, const engine_training *how)
{
    const trainable_part *part = how->trainable ? &how->trainable->parts[l.module] : NULL;
    return how->written && !(part && (part->magnitude || part->weight || part->bias));
}

static tensor_projection projection_of(const engine_decoder *d, tensor_scope *s, engine_linear l,
                                       const engine_training *how)
{
    const trainable_part *part = how->trainable ? &how->trainable->parts[l.module] : NULL;
    frozen_weight weight = frozen_of(d, s, l, how);
    return (tensor_projection){
        .weight = weight.whole,
        .packed = weight.packed,
        .bias = outputs_of(s, l, engine_decoder_borrow_bias(d, l.module)),
        .a = part ? part->a : NULL,
        .b = part ? outputs_of(s, l, part->b) : NULL,
        .scale = part ? part->scale : 0,
    };
}

static void project(const engine_decoder *d, tensor_scope *s, const engine_linear *linears, size_t count,
                    tensor *x, const engine_training *how, tensor **y)
{
    tensor_projection list[ENGINE_LINEAR_TOGETHER_MAX];
    uint64_t *keys[ENGINE_LINEAR_TOGETHER_MAX];
    tensor_dropout dropout = {how->dropout, how->begins, how->sequence_count};
    for (size_t i = 0; i < count; i++) {
        list[i] = projection_of(d, s, linears[i], how);
        list[i].keys = keys[i] = keys_of(linears[i].module, how);
    }
    bool done = tensor_project(s, x, list, count, how->dropout > 0 ? &dropout : NULL, how->narrow);
    for (size_t i = 0; i < count; i++) {
        y[i] = done ? list[i].y : NULL;
        free(keys[i]);
    }
}

void engine_linear_train(const engine_decoder *d, tensor_scope *s, const engine_linear *linears, size_t count,
                         tensor *x, const engine_training *how, tensor **y)
{
    bool written = count <= ENGINE_LINEAR_TOGETHER_MAX;
    for (size_t i = 0; i < count; i++) written = written && is_written(linears[i], how);
    if (written) {
        project(d, s, linears, count, x, how, y);
        return;
    }
    for (size_t i = 0; i < count; i++) y[i] = compose(d, s, linears[i], x, how);
}
