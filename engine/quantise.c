/* engine/quantise.c: who owns packed weights, and what is refused. */
#include "engine/quantise.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"

struct engine_quantised {
    kernel_quantised as;
};

static const kernel_packing packings[] = {[ENGINE_INT8] = KERNEL_INT8, [ENGINE_NF4] = KERNEL_NF4};

/* The first row that made packing fail. */
static err not_finite(const void *weight, kernel_type type, size_t count, size_t in)
{
    size_t i = 0;
    while (i < count && isfinite(kernel_element(weight, i, type))) i++;
    return err_make(ERR_FORMAT,
                    "row %zu of a weight holds a value that is not finite; it cannot be quantised", i / in);
}

err engine_quantised_new(engine_quantised_kind kind, const void *weight, kernel_type type, size_t out,
                         size_t in, engine_quantised **q)
{
    *q = NULL;
    engine_quantised *made = memory_alloc(sizeof *made);
    made->as = (kernel_quantised){.packing = packings[kind], .out = out, .in = in};
    size_t value_bytes = kernel_quantised_value_bytes(&made->as),
           scale_bytes = kernel_quantised_scales(&made->as) * sizeof *made->as.scales;
    /* Not memory_alloc: every byte is written, and there are many. */
    made->as.values = malloc(value_bytes);
    made->as.scales = malloc(scale_bytes);
    err e = ERR_OK;
    if (!made->as.values || !made->as.scales)
        e = err_make(ERR_MEMORY, "no memory for a quantised weight of %zu bytes", value_bytes + scale_bytes);
    else if (!kernel_quantise_run(&made->as, weight, type))
        e = not_finite(weight, type, out * in, in);
    if (e.code)
        engine_quantised_free(made);
    else
        *q = made;
    return e;
}

void engine_quantised_free(engine_quantised *q)
{
    if (!q) return;
    free(q->as.scales);
    free(q->as.values);
    free(q);
}

size_t engine_quantised_outputs(const engine_quantised *q) { return q->as.out; }
size_t engine_quantised_inputs(const engine_quantised *q) { return q->as.in; }

size_t engine_quantised_bytes(const engine_quantised *q)
{
    return kernel_quantised_scales(&q->as) * sizeof *q->as.scales + kernel_quantised_value_bytes(&q->as);
}

void engine_quantised_expand(const engine_quantised *q, size_t begin, size_t count, kernel_type type,
                             void *to)
{
    kernel_expand_run(&q->as, begin, count, type, to);
}

const kernel_quantised *engine_quantised_borrow(const engine_quantised *q) { return q ? &q->as : NULL; }
