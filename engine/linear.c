/* engine/linear.c: few rows by our kernels, many by libtorch. */
#include "engine/linear.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

engine_linear engine_linear_of(const engine_decoder *d, size_t module)
{
    const engine_quantised *q = d->quantised[module];
    size_t out = q ? engine_quantised_outputs(q) : (size_t)tensor_size(d->weights[module], 0);
    return (engine_linear){module, 0, out};
}

/* -- what a stack makes of a module ------------------------------------------------------------------ */

/* NULL: quantised. */
static const tensor *weight_of(const engine_decoder *d, size_t module, const engine_stack *stack)
{
    const tensor *saved = engine_stack_borrow_weight(stack, module);
    return saved ? saved : engine_decoder_borrow_weight(d, module);
}

static const tensor *bias_of(const engine_decoder *d, size_t module, const engine_stack *stack)
{
    const tensor *saved = engine_stack_borrow_bias(stack, module);
    return saved ? saved : engine_decoder_borrow_bias(d, module);
}

static bool same_base(const engine_decoder *d, size_t module, const engine_row_range *a,
                      const engine_row_range *b)
{
    return weight_of(d, module, a->stack) == weight_of(d, module, b->stack) &&
           bias_of(d, module, a->stack) == bias_of(d, module, b->stack);
}

static bool same_stack(const engine_decoder *d, size_t module, const engine_row_range *a,
                       const engine_row_range *b)
{
    (void)d, (void)module;
    return engine_stack_equal(a->stack, b->stack);
}

/* The linear's outputs of something that has one row (or element) per output; NULL stays NULL. */
static const tensor *outputs_of(tensor_scope *s, engine_linear l, const tensor *t)
{
    if (!t || ((size_t)tensor_size(t, 0) == l.out && l.begin == 0)) return t;
    return tensor_narrow(s, t, 0, (int64_t)l.begin, (int64_t)l.out);
}

static tensor *rows_of(tensor_scope *s, const tensor *t, size_t begin, size_t count)
{
    return tensor_narrow(s, t, 0, (int64_t)begin, (int64_t)count);
}

/* -- by libtorch ---------------------------------------------------------------------------------------- */

/* What item `i` adds to y = W x + b, in f32. */
static tensor *delta_of(const engine_decoder *d, tensor_scope *s, engine_linear l, const engine_stack *stack,
                        size_t i, const tensor *x, const tensor *y)
{
    engine_stack_item item = engine_stack_item_at(stack, i);
    const engine_adapter_part *part = engine_adapter_borrow_part(item.adapter, l.module);
    double scale =
        item.scale * part->scale; /* put on the narrow side: the rank is small, the outputs are many */
    tensor *inner = tensor_scale(s, tensor_linear(s, x, part->a, NULL), scale);
    const tensor *b_bias = outputs_of(s, l, part->b_bias);
    if (b_bias) b_bias = tensor_scale(s, b_bias, scale);
    tensor *delta = tensor_linear(s, inner, outputs_of(s, l, part->b), b_bias);
    const tensor *gain = outputs_of(s, l, engine_stack_borrow_gain(stack, i, l.module));
    if (!gain) return delta;
    const tensor *bias = outputs_of(s, l, bias_of(d, l.module, stack));
    tensor *product = tensor_cast(s, bias ? tensor_sub(s, y, bias) : y, TENSOR_F32);
    return tensor_add(s, tensor_mul(s, delta, gain), tensor_mul(s, product, tensor_shift(s, gain, -1)));
}

/* y with the deltas of its stack. */
static tensor *add_deltas(const engine_decoder *d, tensor_scope *s, engine_linear l,
                          const engine_stack *stack, const tensor *x, tensor *y)
{
    tensor *total = NULL, *wide = tensor_cast(s, x, TENSOR_F32);
    for (size_t i = 0; i < engine_stack_count(stack); i++) {
        if (!engine_stack_item_acts(stack, i, l.module)) continue;
        tensor *delta = delta_of(d, s, l, stack, i, wide, y);
        total = total ? tensor_add(s, total, delta) : delta;
        if (!total) return NULL;
    }
    return total ? tensor_add(s, y, tensor_cast(s, total, d->type)) : y;
}

static tensor *base_product(const engine_decoder *d, tensor_scope *s, engine_linear l,
                            const engine_stack *stack, const tensor *x)
{
    const tensor *bias = outputs_of(s, l, bias_of(d, l.module, stack)),
                 *weight = weight_of(d, l.module, stack);
    if (weight) return tensor_linear(s, x, outputs_of(s, l, weight), bias);
    tensor_packed packed = engine_decoder_packed(d, l.module, l.begin, l.out);
    return tensor_linear_packed(s, x, &packed, bias);
}

static bool any_acts(const engine_ranges *ranges, size_t module)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (engine_stack_acts(ranges->list[i].stack, module)) return true;
    return false;
}

static tensor *run_torch(const engine_decoder *d, tensor_scope *s, engine_linear l, tensor *x,
                         const engine_ranges *ranges)
{
    const engine_row_range *list = ranges->list;
    bool one_base = engine_ranges_run(d, l.module, ranges, 0, same_base) == ranges->count;
    tensor *whole = one_base ? base_product(d, s, l, list[0].stack, x) : NULL;
    if (one_base && !any_acts(ranges, l.module)) return whole;
    tensor **parts = memory_alloc(ranges->count * sizeof(tensor *));
    size_t part_count = 0;
    for (size_t i = 0, end; i < ranges->count; i = end) {
        end = engine_ranges_run(d, l.module, ranges, i, same_stack);
        size_t begin = list[i].begin, count = engine_ranges_run_rows(ranges, i, end);
        tensor *x_part = rows_of(s, x, begin, count);
        tensor *y = one_base ? rows_of(s, whole, begin, count) : base_product(d, s, l, list[i].stack, x_part);
        parts[part_count++] =
            engine_stack_acts(list[i].stack, l.module) ? add_deltas(d, s, l, list[i].stack, x_part, y) : y;
    }
    tensor *y = part_count == 1 ? parts[0] : tensor_cat(s, parts, part_count, 0);
    free(parts);
    return y;
}

/* -- by our kernels ------------------------------------------------------------------------------------- */

/* The rows of all short ranges that are computed together. */
typedef struct row_list {
    const void **x;
    void **y;
    size_t count;
} row_list;

static void row_list_add(row_list *list, const engine_row_range *range, const void *x, size_t in, void *y,
                         size_t out, tensor_type type)
{
    size_t unit = tensor_type_bytes(type);
    for (size_t r = range->begin; r < range->begin + range->count; r++) {
        list->x[list->count] = (const char *)x + r * in * unit;
        list->y[list->count++] = (char *)y + r * out * unit;
    }
}

/* Bytes of output `l.begin` of something that has `unit` bytes per output. NULL stays NULL. */
static const void *host_outputs(engine_linear l, const tensor *t, size_t unit)
{
    const char *data = tensor_borrow_data(t);
    return data ? data + l.begin * unit : NULL;
}

static bool is_short(const engine_row_range *range) { return range->count <= KERNEL_ROWS_MAX; }

/* W x + b of the rows in the list. */
static void short_base(const engine_decoder *d, engine_linear l, const engine_stack *stack, size_t in,
                       const row_list *rows)
{
    size_t unit = tensor_type_bytes(d->type);
    const tensor *weight = weight_of(d, l.module, stack);
    kernel_linear_run(&(kernel_linear){
        .weight = host_outputs(l, weight, in * unit),
        .weight_type = kernel_type_of(d->type),
        .x_type = kernel_type_of(d->type),
        .y_type = kernel_type_of(d->type),
        .bias = host_outputs(l, bias_of(d, l.module, stack), unit),
        .in = in,
        .out = l.out,
        .row_count = rows->count,
        .x = rows->x,
        .y = rows->y,
        .quantised = weight ? NULL : engine_quantised_borrow(d->quantised[l.module]),
        .begin = l.begin,
    });
}

/* total[row] += s * (B (A x) + its bias), with DoRA's gain g on it and (g - 1) * W x besides. */
static void short_delta(const engine_decoder *d, engine_linear l, const engine_stack *stack, size_t i,
                        size_t in, const row_list *rows, float *total)
{
    engine_stack_item item = engine_stack_item_at(stack, i);
    const engine_adapter_part *part = engine_adapter_borrow_part(item.adapter, l.module);
    size_t rank = (size_t)tensor_size(part->a, 0), count = rows->count;
    float *inner = memory_alloc(count * (rank + l.out) * sizeof *inner), *outer = inner + count * rank;
    void **pointers = memory_alloc(2 * count * sizeof *pointers), **outers = pointers + count;
    for (size_t r = 0; r < count; r++) pointers[r] = inner + r * rank, outers[r] = outer + r * l.out;
    kernel_linear_run(&(kernel_linear){.weight = tensor_borrow_data(part->a),
                                       .x_type = kernel_type_of(d->type),
                                       .in = in,
                                       .out = rank,
                                       .row_count = count,
                                       .x = rows->x,
                                       .y = pointers});
    kernel_linear_run(&(kernel_linear){.weight = host_outputs(l, part->b, rank * sizeof(float)),
                                       .bias = host_outputs(l, part->b_bias, sizeof(float)),
                                       .in = rank,
                                       .out = l.out,
                                       .row_count = count,
                                       .x = (const void *const *)pointers,
                                       .y = outers});
    float scale = (float)(item.scale * part->scale);
    const float *gain = host_outputs(l, engine_stack_borrow_gain(stack, i, l.module), sizeof(float));
    const tensor *bias_tensor = gain ? bias_of(d, l.module, stack) : NULL;
    const void *bias = host_outputs(l, bias_tensor, tensor_type_bytes(d->type));
    for (size_t r = 0; r < count; r++) {
        for (size_t o = 0; o < l.out; o++) {
            float delta = scale * outer[r * l.out + o];
            if (gain) {
                float product = kernel_element(rows->y[r], o, kernel_type_of(d->type));
                if (bias) product -= kernel_element(bias, o, kernel_type_of(d->type));
                delta = gain[o] * delta + (gain[o] - 1) * product;
            }
            total[r * l.out + o] += delta;
        }
    }
    free(pointers);
    free(inner);
}

static void short_deltas(const engine_decoder *d, engine_linear l, const engine_stack *stack, size_t in,
                         const row_list *rows)
{
    float *total = memory_alloc(rows->count * l.out * sizeof *total);
    for (size_t i = 0; i < engine_stack_count(stack); i++)
        if (engine_stack_item_acts(stack, i, l.module)) short_delta(d, l, stack, i, in, rows, total);
    for (size_t r = 0; r < rows->count; r++)
        for (size_t o = 0; o < l.out; o++)
            kernel_element_add(rows->y[r], o, total[r * l.out + o], kernel_type_of(d->type));
    free(total);
}

/* Call run() for the short ranges, all those together that are `same`. */
static void each_group(const engine_decoder *d, engine_linear l, const engine_ranges *ranges, const void *x,
                       size_t in, void *y, engine_range_same *same, bool only_acting,
                       void (*run)(const engine_decoder *, engine_linear, const engine_stack *, size_t in,
                                   const row_list *))
{
    bool *done = memory_alloc(ranges->count * sizeof *done);
    row_list rows = {memory_alloc(ranges->row_count * sizeof(void *)),
                     memory_alloc(ranges->row_count * sizeof(void *)), 0};
    for (size_t i = 0; i < ranges->count; i++) {
        const engine_row_range *first = &ranges->list[i];
        if (done[i] || !is_short(first) || (only_acting && !engine_stack_acts(first->stack, l.module)))
            continue;
        rows.count = 0;
        for (size_t j = i; j < ranges->count; j++) {
            const engine_row_range *range = &ranges->list[j];
            if (done[j] || !is_short(range) || !same(d, l.module, first, range)) continue;
            row_list_add(&rows, range, x, in, y, l.out, d->type);
            done[j] = true;
        }
        run(d, l, first->stack, in, &rows);
    }
    free(done);
    free(rows.x);
    free(rows.y);
}

/* Each long range alone, so that its numbers do not depend on the others. */
static tensor *long_range(const engine_decoder *d, tensor_scope *s, engine_linear l, tensor *x,
                          const engine_row_range *range)
{
    tensor *part = engine_rows_copy(s, x, range->begin, range->count);
    tensor *y = base_product(d, s, l, range->stack, part);
    return engine_stack_acts(range->stack, l.module) ? add_deltas(d, s, l, range->stack, part, y) : y;
}

static tensor *run_kernels(const engine_decoder *d, tensor_scope *s, engine_linear l, tensor *x,
                           const engine_ranges *ranges)
{
    size_t in = (size_t)tensor_size(x, 1);
    if (ranges->count == 1 && !is_short(&ranges->list[0])) return long_range(d, s, l, x, &ranges->list[0]);
    const int64_t shape[] = {(int64_t)ranges->row_count, (int64_t)l.out};
    tensor *y = tensor_empty(s, d->type, d->device, shape, 2);
    const void *x_data = tensor_borrow_data(x);
    void *y_data = tensor_borrow_data_mutable(y);
    if (!y_data || !x_data) return NULL;
    each_group(d, l, ranges, x_data, in, y_data, same_base, false, short_base);
    if (any_acts(ranges, l.module))
        each_group(d, l, ranges, x_data, in, y_data, same_stack, true, short_deltas);
    for (size_t i = 0; i < ranges->count; i++) {
        const engine_row_range *range = &ranges->list[i];
        if (is_short(range)) continue;
        tensor *target = rows_of(s, y, range->begin, range->count);
        if (!tensor_copy_into(s, target, long_range(d, s, l, x, range))) return NULL;
    }
    return y;
}

void engine_linear_run_all(const engine_decoder *d, tensor_scope *s, const engine_linear *linears,
                           size_t count, tensor *x, const engine_ranges *ranges, tensor **y)
{
    if (ranges->training && x) {
        engine_linear_train(d, s, linears, count, x, ranges->training, y);
        return;
    }
    for (size_t i = 0; i < count; i++) y[i] = engine_linear_run(d, s, linears[i], x, ranges);
}

tensor *engine_linear_run(const engine_decoder *d, tensor_scope *s, engine_linear linear, tensor *x,
                          const engine_ranges *ranges)
{
    if (!x) return tensor_fail(s, err_make(ERR_STATE, "linear: it was given no rows"));
    if (ranges->training) {
        tensor *y = NULL;
        engine_linear_train(d, s, &linear, 1, x, ranges->training, &y);
        return y;
    }
    return ranges->kernels ? run_kernels(d, s, linear, x, ranges) : run_torch(d, s, linear, x, ranges);
}
