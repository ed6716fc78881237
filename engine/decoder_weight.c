/* engine/decoder_weight.c: weights as tensors, also those that are quantised. */
#include "engine/decoder_internal.h"

static tensor *expand(const engine_decoder *d, tensor_scope *s, const engine_quantised *q)
{
    size_t out = engine_quantised_outputs(q);
    const int64_t shape[] = {(int64_t)out, (int64_t)engine_quantised_inputs(q)};
    tensor *whole = tensor_empty(s, d->type, d->device, shape, 2);
    void *to = tensor_borrow_data_mutable(whole);
    if (!to) return NULL;
    engine_quantised_expand(q, 0, out, kernel_type_of(d->type), to);
    return whole;
}

const tensor *engine_decoder_borrow_weight(const engine_decoder *d, size_t module)
{
    return module < d->module_count ? d->weights[module] : NULL;
}

const tensor *engine_decoder_borrow_bias(const engine_decoder *d, size_t module)
{
    return module < d->module_count ? d->biases[module] : NULL;
}

bool engine_decoder_is_quantised(const engine_decoder *d) { return d->is_quantised; }

const tensor *engine_decoder_weight(const engine_decoder *d, tensor_scope *s, size_t module)
{
    const engine_quantised *q = module < d->module_count ? d->quantised[module] : NULL;
    return q ? expand(d, s, q) : engine_decoder_borrow_weight(d, module);
}

static void expand_rows(const void *context, size_t begin, size_t count, tensor_type type, void *to)
{
    engine_quantised_expand(context, begin, count, kernel_type_of(type), to);
}

tensor_packed engine_decoder_packed(const engine_decoder *d, size_t module, size_t begin, size_t count)
{
    const engine_quantised *q = d->quantised[module];
    if (!q) return (tensor_packed){0};
    return (tensor_packed){
        .expand = expand_rows,
        .context = q,
        .type = d->type,
        .begin = begin,
        .out = count,
        .in = engine_quantised_inputs(q),
    };
}
