/* engine/decoder_layer.c: embedding, one layer, head: the formulas of spec models.md, section 7, as lines. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"
#include "engine/linear.h"
#include "engine/trainable_internal.h"

/* -- norms --------------------------------------------------------------------------------------------- */

static const tensor *weight_for(const engine_decoder *d, size_t module, const engine_stack *stack)
{
    const tensor *saved = engine_stack_borrow_weight(stack, module);
    return saved ? saved : engine_decoder_borrow_weight(d, module);
}

static bool same_weight(const engine_decoder *d, size_t module, const engine_row_range *a,
                        const engine_row_range *b)
{
    return weight_for(d, module, a->stack) == weight_for(d, module, b->stack);
}

static tensor *norm_torch(const engine_decoder *d, tensor_scope *s, tensor *x, const tensor *weight)
{
    tensor_norm_kind kind = (tensor_norm_kind)d->spec->norm;
    if (!x || !weight) return NULL;
    int64_t width = tensor_size(x, 1), size = tensor_size(weight, 0);
    if (width == size) return tensor_rms_norm(s, x, weight, d->spec->norm_eps, kind);
    tensor *split = TENSOR_RESHAPE(s, x, -1, width / size, size);
    return TENSOR_RESHAPE(s, tensor_rms_norm(s, split, weight, d->spec->norm_eps, kind), -1, width);
}

static void norm_kernel(const engine_decoder *d, const void *x, void *y, const tensor *weight, size_t rows,
                        size_t width)
{
    size_t size = (size_t)tensor_size(weight, 0);
    kernel_norm_run(&(kernel_norm){
        .type = kernel_type_of(d->type),
        .kind = (kernel_norm_kind)d->spec->norm,
        .x = x,
        .weight = tensor_borrow_data(weight),
        .y = y,
        .row_count = rows * (width / size),
        .size = size,
        .eps = (float)d->spec->norm_eps,
    });
}

static tensor *norm_run_kernels(const engine_decoder *d, tensor_scope *s, size_t module, tensor *x,
                                const engine_ranges *ranges)
{
    size_t width = (size_t)tensor_size(x, 1), row_bytes = width * tensor_type_bytes(d->type);
    const int64_t shape[] = {(int64_t)ranges->row_count, (int64_t)width};
    tensor *y = tensor_empty(s, d->type, d->device, shape, 2);
    const char *from = tensor_borrow_data(x);
    char *to = tensor_borrow_data_mutable(y);
    if (!from || !to) return NULL;
    for (size_t i = 0, end; i < ranges->count; i = end) {
        end = engine_ranges_run(d, module, ranges, i, same_weight);
        size_t at = ranges->list[i].begin * row_bytes;
        norm_kernel(d, from + at, to + at, weight_for(d, module, ranges->list[i].stack),
                    engine_ranges_run_rows(ranges, i, end), width);
    }
    return y;
}

static tensor *norm_train(const engine_decoder *d, tensor_scope *s, size_t module, tensor *x,
                          const engine_training *how)
{
    const tensor *weight = engine_training_weight(d, s, how, module);
    bool whole = how->trainable && how->trainable->parts[module].weight; /* the weight itself is trained */
    if (!how->written || whole || !weight) return norm_torch(d, s, x, weight);
    return tensor_train_norm(s, x, weight, d->spec->norm_eps, (tensor_norm_kind)d->spec->norm);
}

tensor *engine_norm_run(const engine_decoder *d, tensor_scope *s, size_t module, tensor *x,
                        const engine_ranges *ranges)
{
    if (!x) return NULL;
    if (ranges->training) return norm_train(d, s, module, x, ranges->training);
    if (ranges->kernels) return norm_run_kernels(d, s, module, x, ranges);
    if (engine_ranges_run(d, module, ranges, 0, same_weight) == ranges->count)
        return norm_torch(d, s, x, weight_for(d, module, ranges->list[0].stack));
    tensor **parts = memory_alloc(ranges->count * sizeof *parts);
    size_t part_count = 0;
    for (size_t i = 0, end; i < ranges->count; i = end) {
        end = engine_ranges_run(d, module, ranges, i, same_weight);
        tensor *part = tensor_narrow(s, x, 0, (int64_t)ranges->list[i].begin,
                                     (int64_t)engine_ranges_run_rows(ranges, i, end));
        parts[part_count++] = norm_torch(d, s, part, weight_for(d, module, ranges->list[i].stack));
    }
    tensor *y = tensor_cat(s, parts, part_count, 0);
    free(parts);
    return y;
}

static tensor *layer_norm(const engine_decoder *d, tensor_scope *s, size_t layer, engine_module_kind kind,
                          tensor *x, const engine_rows *rows)
{
    return engine_norm_run(d, s, engine_module_of(d->spec, layer, kind), x, &rows->all);
}

/* -- embedding ------------------------------------------------------------------------------------------- */

/* Rows of the table, with the low-rank delta (B A)ᵀ of each adapter that acts on it. */
static tensor *embed_range(const engine_decoder *d, tensor_scope *s, const engine_row_range *range,
                           const tensor *all_ids)
{
    const engine_stack *stack = range->stack;
    tensor *ids = tensor_narrow(s, all_ids, 0, (int64_t)range->begin, (int64_t)range->count);
    tensor *h = tensor_embedding(s, weight_for(d, ENGINE_MODULE_EMBED, stack), ids);
    for (size_t i = 0; i < engine_stack_count(stack); i++) {
        if (!engine_stack_item_acts(stack, i, ENGINE_MODULE_EMBED)) continue;
        engine_stack_item item = engine_stack_item_at(stack, i);
        const engine_adapter_part *part = engine_adapter_borrow_part(item.adapter, ENGINE_MODULE_EMBED);
        tensor *columns = tensor_transpose(s, tensor_index_select(s, part->a, 1, ids), 0, 1);
        tensor *delta = tensor_scale(s, tensor_linear(s, columns, part->b, NULL), item.scale * part->scale);
        h = tensor_add(s, h, tensor_cast(s, delta, d->type));
    }
    return h;
}

tensor *engine_decoder_embed(const engine_decoder *d, tensor_scope *s, const int32_t *ids,
                             const engine_rows *rows)
{
    size_t count = rows->all.count;
    const engine_training *training = rows->all.training;
    for (size_t i = 0; i < rows->all.row_count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= d->spec->vocab_count)
            return tensor_fail(s,
                               err_make(ERR_USAGE, "token %zu of the step has id %d; the vocabulary has %zu",
                                        i, (int)ids[i], d->spec->vocab_count));
    tensor *all_ids = tensor_from_i32(s, d->device, ids, rows->all.row_count);
    tensor **parts = memory_alloc(count * sizeof *parts);
    for (size_t i = 0; i < count && !training; i++) parts[i] = embed_range(d, s, &rows->all.list[i], all_ids);
    tensor *h =
        training ? tensor_embedding(s, engine_training_weight(d, s, training, ENGINE_MODULE_EMBED), all_ids)
        : count == 1 ? parts[0]
                     : tensor_cat(s, parts, count, 0);
    free(parts);
    double factor = d->spec->embedding_scale;
    if (factor == 1) return h;
    if (d->type == TENSOR_BF16) factor = (double)kernel_from_bf16(kernel_to_bf16((float)factor));
    return tensor_scale(s, h, factor);
}

/* -- attention
 * ----------------------------------------------------------------------------------------------- */

/* `out` outputs of a module of its own, or of the fused one from `begin` on. */
static engine_linear linear_of(const engine_decoder *d, size_t layer, bool fused, engine_module_kind kind,
                               engine_module_kind fused_kind, size_t begin, size_t out)
{
    return (engine_linear){engine_module_of(d->spec, layer, fused ? fused_kind : kind), fused ? begin : 0,
                           out};
}

/* All outputs of a module. */
static tensor *project(const engine_decoder *d, tensor_scope *s, size_t layer, engine_module_kind kind,
                       size_t out, tensor *x, const engine_rows *rows)
{
    return engine_linear_run(d, s, linear_of(d, layer, false, kind, kind, 0, out), x, &rows->all);
}

static tensor *attention(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *x,
                         const engine_rows *rows)
{
    const engine_spec *spec = d->spec;
    size_t q_size = spec->head_count * spec->head_size, kv_size = spec->kv_head_count * spec->head_size;
    bool fused = spec->fused_qkv;
    const engine_linear linears[] = {
        linear_of(d, layer, fused, ENGINE_MODULE_Q, ENGINE_MODULE_QKV, 0, q_size),
        linear_of(d, layer, fused, ENGINE_MODULE_K, ENGINE_MODULE_QKV, q_size, kv_size),
        linear_of(d, layer, fused, ENGINE_MODULE_V, ENGINE_MODULE_QKV, q_size + kv_size, kv_size),
    };
    tensor *qkv[COUNT_OF(linears)] = {NULL};
    engine_linear_run_all(d, s, linears, COUNT_OF(linears), x, &rows->all, qkv);
    tensor *q = qkv[0], *k = qkv[1], *v = qkv[2];
    if (spec->qk_norm != ENGINE_QK_NORM_NONE) {
        q = layer_norm(d, s, layer, ENGINE_MODULE_Q_NORM, q, rows);
        k = layer_norm(d, s, layer, ENGINE_MODULE_K_NORM, k, rows);
    }
    q = engine_rotate(d, s, layer, q, spec->head_count, rows);
    k = engine_rotate(d, s, layer, k, spec->kv_head_count, rows);
    tensor *y = engine_attention_run(d, s, layer, q, k, v, rows);
    return project(d, s, layer, ENGINE_MODULE_O, spec->hidden, y, rows);
}

/* -- MLP
 * ----------------------------------------------------------------------------------------------------- */

static tensor *activate_torch(tensor_scope *s, engine_activation activation, tensor *x)
{
    switch (activation) {
    case ENGINE_ACTIVATION_SILU: return tensor_silu(s, x);
    case ENGINE_ACTIVATION_GELU: return tensor_gelu(s, x, false);
    case ENGINE_ACTIVATION_GELU_TANH: return tensor_gelu(s, x, true);
    case ENGINE_ACTIVATION_RELU: return tensor_relu(s, x);
    }
    return NULL;
}

static const kernel_activation activations[] = {
    [ENGINE_ACTIVATION_SILU] = KERNEL_SILU,
    [ENGINE_ACTIVATION_GELU] = KERNEL_GELU,
    [ENGINE_ACTIVATION_GELU_TANH] = KERNEL_GELU_TANH,
    [ENGINE_ACTIVATION_RELU] = KERNEL_RELU,
};

/* The door's list of activations is the spec's. */
_Static_assert((int)TENSOR_SILU == ENGINE_ACTIVATION_SILU && (int)TENSOR_GELU == ENGINE_ACTIVATION_GELU &&
                   (int)TENSOR_GELU_TANH == ENGINE_ACTIVATION_GELU_TANH &&
                   (int)TENSOR_RELU == ENGINE_ACTIVATION_RELU,
               "one list of activations");

/* act(gate) * up. Overwrites gate where the kernels do it. */
static tensor *gated(const engine_decoder *d, tensor_scope *s, tensor *gate, tensor *up,
                     const engine_rows *rows)
{
    if (!gate || !up) return NULL;
    if (rows->all.training && rows->all.training->written)
        return tensor_train_gate(s, gate, up, (tensor_activation)d->spec->activation);
    if (!rows->all.kernels) return tensor_mul(s, activate_torch(s, d->spec->activation, gate), up);
    void *y = tensor_borrow_data_mutable(gate);
    const void *other = tensor_borrow_data(up);
    if (!y || !other) return NULL;
    kernel_gate_run(&(kernel_gate){
        .type = kernel_type_of(d->type),
        .activation = activations[d->spec->activation],
        .gate = y,
        .up = other,
        .y = y,
        .row_count = rows->all.row_count,
        .size = d->spec->inner,
    });
    return gate;
}

static tensor *mlp(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *x, const engine_rows *rows)
{
    size_t inner = d->spec->inner;
    bool fused = d->spec->fused_gate_up;
    const engine_linear linears[] = {
        linear_of(d, layer, fused, ENGINE_MODULE_GATE, ENGINE_MODULE_GATE_UP, 0, inner),
        linear_of(d, layer, fused, ENGINE_MODULE_UP, ENGINE_MODULE_GATE_UP, inner, inner),
    };
    tensor *both[COUNT_OF(linears)] = {NULL};
    engine_linear_run_all(d, s, linears, COUNT_OF(linears), x, &rows->all, both);
    tensor *y = gated(d, s, both[0], both[1], rows);
    return project(d, s, layer, ENGINE_MODULE_DOWN, d->spec->hidden, y, rows);
}

/* -- a layer, the head
 * --------------------------------------------------------------------------------------- */

tensor *engine_decoder_layer(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *h,
                             const engine_rows *rows)
{
    const engine_spec *spec = d->spec;
    tensor *x = spec->pre_norms ? layer_norm(d, s, layer, ENGINE_MODULE_INPUT_NORM, h, rows) : h;
    x = attention(d, s, layer, x, rows);
    if (spec->post_norms) x = layer_norm(d, s, layer, ENGINE_MODULE_POST_ATTENTION_NORM, x, rows);
    h = tensor_add(s, h, x);
    x = spec->pre_norms ? layer_norm(d, s, layer, ENGINE_MODULE_PRE_FFW_NORM, h, rows) : h;
    x = mlp(d, s, layer, x, rows);
    if (spec->post_norms) x = layer_norm(d, s, layer, ENGINE_MODULE_POST_FFW_NORM, x, rows);
    return tensor_add(s, h, x);
}

tensor *engine_head_run(const engine_decoder *d, tensor_scope *s, tensor *h, const engine_rows *rows)
{
    if (rows->wanted.row_count == 0 || !h) return NULL;
    if (rows->wanted.row_count < rows->all.row_count) {
        tensor *ids = tensor_from_i32(s, d->device, rows->wanted_rows, rows->wanted.row_count);
        h = tensor_index_select(s, h, 0, ids);
    }
    h = engine_norm_run(d, s, ENGINE_MODULE_FINAL_NORM, h, &rows->wanted);
    return engine_linear_run(d, s, engine_linear_of(d, ENGINE_MODULE_HEAD), h, &rows->wanted);
}

tensor *engine_decoder_head(const engine_decoder *d, tensor_scope *s, tensor *h, const engine_rows *rows)
{
    tensor *logits = engine_head_run(d, s, h, rows);
    double cap = d->spec->final_softcap;
    if (!logits || cap <= 0) return logits;
    return tensor_scale(s, tensor_tanh(s, tensor_scale(s, logits, 1 / cap)), cap);
}
