/* engine/decoder_weight.c: weights as tensors, also those that are quantised. */
#include "base/macros.h"
#include "engine/decoder_internal.h"

/* Rows that one thread expands at once. */
enum { ROWS_TOGETHER = 32 };

typedef struct expansion {
    const engine_quantised *q;
    size_t begin, count, row_bytes;
    kernel_type type;
    char *to;
} expansion;

static void expand_part(void *context, size_t i)
{
    const expansion *e = context;
    size_t first = i * ROWS_TOGETHER, count = MIN_OF((size_t)ROWS_TOGETHER, e->count - first);
    engine_quantised_expand(e->q, e->begin + first, count, e->type, e->to + first * e->row_bytes);
}

static tensor *expand(const engine_decoder *d, tensor_scope *s, const engine_quantised *q, size_t begin,
                      size_t count)
{
    size_t in = engine_quantised_inputs(q);
    const int64_t shape[] = {(int64_t)count, (int64_t)in};
    tensor *whole = tensor_empty(s, d->type, d->device, shape, 2);
    expansion e = {q, begin, count, in * tensor_type_bytes(d->type), kernel_type_of(d->type),
                   tensor_borrow_data_mutable(whole)};
    if (!e.to) return NULL;
    tensor_parallel_for((count + ROWS_TOGETHER - 1) / ROWS_TOGETHER, expand_part, &e);
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
    return q ? expand(d, s, q, 0, engine_quantised_outputs(q)) : engine_decoder_borrow_weight(d, module);
}

const tensor *engine_decoder_weight_rows(const engine_decoder *d, tensor_scope *s, size_t module,
                                         size_t begin, size_t count)
{
    const engine_quantised *q = d->quantised[module];
    if (q) return expand(d, s, q, begin, count);
    const tensor *whole = engine_decoder_borrow_weight(d, module);
    if (!whole || (begin == 0 && (size_t)tensor_size(whole, 0) == count)) return whole;
    return tensor_narrow(s, whole, 0, (int64_t)begin, (int64_t)count);
}
