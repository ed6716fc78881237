/* engine/trainable_save.c: what is trained as an adapter, a stack or a file's bytes, and as whole weights. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/adapter_internal.h"
#include "engine/decoder_internal.h"
#include "engine/merge.h"
#include "engine/safetensors_write.h"
#include "engine/trainable_internal.h"

/* -- values of now ------------------------------------------------------------------------------------ */

/* A copy that shares nothing with the leaf; with a start, [now ; start] along `dim`, `sign` on the start. */
static tensor *copy_of(tensor_scope *s, const tensor *now, const tensor *start, int dim, double sign)
{
    if (!now) return NULL;
    if (!start) return tensor_clone(s, tensor_detach(s, now));
    tensor *const parts[] = {tensor_detach(s, now), tensor_scale(s, start, sign)};
    return tensor_cat(s, parts, COUNT_OF(parts), dim);
}

/* What stands for a leaf in an adapter on the untouched base. */
static tensor *leaf_copy(tensor_scope *s, const trainable_part *part, engine_leaf kind)
{
    switch (kind) {
    case ENGINE_LEAF_A: return copy_of(s, part->a, part->a_start, 0, 1);
    case ENGINE_LEAF_B: return copy_of(s, part->b, part->b_start, 1, -1);
    case ENGINE_LEAF_MAGNITUDE: return copy_of(s, part->magnitude, NULL, 0, 0);
    case ENGINE_LEAF_WEIGHT: return copy_of(s, part->weight, NULL, 0, 0);
    case ENGINE_LEAF_BIAS: return copy_of(s, part->bias, NULL, 0, 0);
    }
    return NULL;
}

/* -- a stack ------------------------------------------------------------------------------------------ */

static tensor *kept_copy(tensor_scope *s, const trainable_part *part, engine_leaf kind, tensor_type type)
{
    tensor *t = leaf_copy(s, part, kind);
    return t ? tensor_keep(s, tensor_cast(s, t, type)) : NULL;
}

err engine_trainable_stack(const engine_trainable *t, engine_stack **out)
{
    engine_adapter_part *parts = memory_alloc(t->module_count * sizeof *parts);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < t->module_count; module++) {
        const trainable_part *from = &t->parts[module];
        parts[module] = (engine_adapter_part){
            .a = kept_copy(s, from, ENGINE_LEAF_A, TENSOR_F32),
            .b = kept_copy(s, from, ENGINE_LEAF_B, TENSOR_F32),
            .magnitude = kept_copy(s, from, ENGINE_LEAF_MAGNITUDE, TENSOR_F32),
            .weight = kept_copy(s, from, ENGINE_LEAF_WEIGHT, t->base->type),
            .bias = kept_copy(s, from, ENGINE_LEAF_BIAS, t->base->type),
            .scale = from->scale,
        };
    }
    if (t->full && t->base->spec->tied) {
        tensor *shared = tensor_share(s, parts[ENGINE_MODULE_EMBED].weight);
        parts[ENGINE_MODULE_HEAD].weight = tensor_keep(s, shared);
    }
    engine_adapter *adapter = engine_adapter_of_parts(t->base, "in training", parts);
    err e = tensor_scope_close(s);
    if (!e.code) e = engine_stack_new(t->base, &(engine_stack_item){adapter, 1}, 1, out);
    engine_adapter_free(adapter);
    return e;
}

/* -- a file ------------------------------------------------------------------------------------------- */

static err write_leaf(tensor_scope *s, const engine_trainable *t, size_t i, tensor_type type,
                      engine_safetensor_out *out)
{
    const trainable_leaf *leaf = &t->leaves[i];
    tensor *value = leaf_copy(s, &t->parts[leaf->module], leaf->kind);
    value = tensor_contiguous(s, tensor_to(s, value, type, TENSOR_CPU));
    if (!value) return ERR_OK; /* the scope says why */
    *out = (engine_safetensor_out){
        .name = leaf->name,
        .type = type == TENSOR_BF16 ? ENGINE_DTYPE_BF16 : ENGINE_DTYPE_F32,
        .rank = (unsigned)tensor_rank(value),
        .data = {tensor_borrow_data(value), tensor_bytes(value)},
    };
    for (unsigned d = 0; d < out->rank; d++) out->shape[d] = tensor_size(value, (int)d);
    return ERR_OK;
}

err engine_trainable_write(const engine_trainable *t, tensor_type type, bytes *out)
{
    if (type != TENSOR_F32 && type != TENSOR_BF16)
        return err_make(ERR_USAGE, "an adapter is written in f32 or bf16, not in %s", tensor_type_name(type));
    err e = engine_trainable_check_finite(t);
    if (e.code) return e;
    bool tied = t->full && t->base->spec->tied;
    engine_safetensor_out *list = memory_alloc((t->count + 2) * sizeof *list);
    tensor_scope *s = tensor_scope_new(false);
    size_t count = 0;
    for (size_t i = 0; !e.code && i < t->count; i++) {
        e = write_leaf(s, t, i, type, &list[count++]);
        if (!tied || t->leaves[i].module != ENGINE_MODULE_EMBED) continue;
        list[count] = list[count - 1]; /* a tied head is saved too, or the base's would hold */
        list[count++].name = "base_model.model.lm_head.weight";
    }
    if (!e.code && !tensor_scope_failed(s)) {
        engine_safetensors_sort(list, count);
        engine_safetensors_write(list, count, out);
    }
    err failed = tensor_scope_close(s);
    free(list);
    return e.code ? e : failed;
}

/* -- whole weights ------------------------------------------------------------------------------------ */

/* The leaves themselves on the CPU, in f32: what a file holds is rounded once. */
static err wide_stack(const engine_trainable *t, engine_stack **out)
{
    engine_adapter_part *parts = memory_alloc(t->module_count * sizeof *parts);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t module = 0; module < t->module_count; module++) {
        const trainable_part *from = &t->parts[module];
        tensor *const leaves[] = {from->weight, from->bias};
        tensor **places[] = {&parts[module].weight, &parts[module].bias};
        for (size_t i = 0; i < COUNT_OF(leaves); i++)
            if (leaves[i])
                *places[i] =
                    tensor_keep(s, tensor_to(s, tensor_detach(s, leaves[i]), TENSOR_F32, TENSOR_CPU));
    }
    if (t->base->spec->tied)
        parts[ENGINE_MODULE_HEAD].weight =
            tensor_keep(s, tensor_share(s, parts[ENGINE_MODULE_EMBED].weight));
    engine_adapter *adapter = engine_adapter_of_parts(t->base, "in training", parts);
    err e = tensor_scope_close(s);
    if (!e.code) e = engine_stack_new(t->base, &(engine_stack_item){adapter, 1}, 1, out);
    engine_adapter_free(adapter);
    return e;
}

err engine_trainable_write_weights(const engine_trainable *t, engine_files *files, const char *folder)
{
    engine_stack *stack = NULL;
    if (!t->full) return err_make(ERR_USAGE, "an adapter is trained, not the weights");
    err e = engine_trainable_check_finite(t);
    if (!e.code) e = wide_stack(t, &stack);
    if (!e.code) e = engine_merge_write_weights(t->base, files, stack, folder);
    engine_stack_free(stack);
    return e;
}
