/* engine/kernels/quantised.c: weights into few bits and back, split over threads. */
#include <stdatomic.h>

#include "base/macros.h"
#include "engine/kernels/set.h"
#include "engine/tensor/tensor.h"

/* Elements that one thread takes at once. */
enum { QUANTISE_PART = 1 << 16, EXPAND_PART = 1 << 15 };

/* Normal floats of 4 bits (QLoRA, Dettmers et al. 2023, appendix E). */
const float kernel_nf4_table[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

static size_t ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

static size_t block_count(const kernel_quantised *q) { return ceil_div(q->out * q->in, KERNEL_NF4_BLOCK); }

size_t kernel_quantised_scales(const kernel_quantised *q)
{
    return q->packing == KERNEL_INT8 ? q->out : block_count(q);
}

size_t kernel_quantised_value_bytes(const kernel_quantised *q)
{
    return q->packing == KERNEL_INT8 ? q->out * q->in : block_count(q) * KERNEL_NF4_WORDS * sizeof(uint16_t);
}

typedef struct quantise_split {
    const kernel_quantised *q;
    const void *weight;
    kernel_type type;
    size_t count, each; /* rows or blocks; of one part */
    atomic_bool failed;
} quantise_split;

static void quantise_part(void *context, size_t i)
{
    quantise_split *s = context;
    size_t begin = i * s->each, end = MIN_OF(begin + s->each, s->count);
    if (!kernel_set_current()->quantise[s->q->packing](s->q, s->weight, s->type, begin, end))
        atomic_store_explicit(&s->failed, true, memory_order_relaxed);
}

bool kernel_quantise_run(const kernel_quantised *q, const void *weight, kernel_type type)
{
    size_t unit = q->packing == KERNEL_INT8 ? q->in : KERNEL_NF4_BLOCK;
    quantise_split split = {.q = q,
                            .weight = weight,
                            .type = type,
                            .count = kernel_quantised_scales(q),
                            .each = ceil_div(QUANTISE_PART, unit)};
    tensor_parallel_for(ceil_div(split.count, split.each), quantise_part, &split);
    return !atomic_load(&split.failed);
}

typedef struct expand_split {
    const kernel_quantised *q;
    size_t begin, count, each; /* rows; of one part */
    kernel_type type;
    char *to;
} expand_split;

static void expand_part(void *context, size_t i)
{
    const expand_split *s = context;
    size_t row_bytes = s->q->in * element_bytes(s->type);
    for (size_t row = i * s->each, end = MIN_OF(row + s->each, s->count); row < end; row++)
        kernel_set_current()->expand(s->q, s->begin + row, true, s->type, s->to + row * row_bytes);
}

void kernel_expand_run(const kernel_quantised *q, size_t begin, size_t count, kernel_type type, void *to)
{
    expand_split split = {q, begin, count, ceil_div(EXPAND_PART, q->in), type, to};
    tensor_parallel_for(ceil_div(count, split.each), expand_part, &split);
}
