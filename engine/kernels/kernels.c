/* engine/kernels/kernels.c: the choice of a set, and how a job is split over threads. */
#include "engine/kernels/kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/kernels/set.h"
#include "engine/tensor/tensor.h"

enum {
    LINEAR_PART_OUTPUTS = 32,  /* of one call of the set's function; a multiple of KERNEL_TILE */
    LINEAR_WORK_MIN = 1 << 15, /* products below which a second thread costs more than it brings */
    ROWS_WORK_MIN = 1 << 15,   /* elements, likewise */
    SOFTCAP_PART = 1 << 13,
    SOFTMAX_PART_ROWS = 16,
    PACK_ALIGNMENT = 64,
};

float kernel_from_bf16(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

uint16_t kernel_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float kernel_element(const void *p, size_t i, kernel_type type)
{
    return type == KERNEL_F32 ? ((const float *)p)[i] : kernel_from_bf16(((const uint16_t *)p)[i]);
}

void kernel_element_add(void *p, size_t i, float value, kernel_type type)
{
    if (type == KERNEL_F32)
        ((float *)p)[i] += value;
    else
        ((uint16_t *)p)[i] = kernel_to_bf16(kernel_from_bf16(((uint16_t *)p)[i]) + value);
}

/* -- which set ------------------------------------------------------------------------------------- */

static const kernel_set *const sets[] = {
#if defined(__x86_64__)
    &kernel_set_avx512_bf16,
    &kernel_set_avx512,
    &kernel_set_avx2,
#endif
    &kernel_set_plain,
};

/* The machine's choice, found once; the same for all threads. */
static _Atomic(const kernel_set *) current;

static const kernel_set *set_at(size_t i)
{
    for (size_t at = 0; at < COUNT_OF(sets); at++)
        if (sets[at]->usable() && i-- == 0) return sets[at];
    return NULL;
}

size_t kernel_sets_count(void)
{
    size_t count = 0;
    while (set_at(count)) count++;
    return count;
}

const char *kernel_set_name(size_t i) { return set_at(i) ? set_at(i)->name : ""; }

void kernel_set_use(size_t i)
{
    const kernel_set *set = set_at(i);
    if (set) atomic_store(&current, set);
}

const kernel_set *kernel_set_current(void)
{
    const kernel_set *set = atomic_load_explicit(&current, memory_order_relaxed);
    if (set) return set;
    set = set_at(0);
    atomic_store(&current, set);
    return set;
}

/* -- linear ------------------------------------------------------------------------------------------ */

/* All rows of x side by side, as f32 or as bf16, zero up to `stride`. The caller's: free(). */
static void *pack_rows(const kernel_linear *job, kernel_type type, size_t stride)
{
    size_t unit = element_bytes(type);
    size_t bytes = job->row_count * stride * unit;
    char *packed =
        aligned_alloc(PACK_ALIGNMENT, (bytes + PACK_ALIGNMENT - 1) / PACK_ALIGNMENT * PACK_ALIGNMENT);
    if (!packed) memory_exhausted(bytes);
    for (size_t r = 0; r < job->row_count; r++) {
        char *row = packed + r * stride * unit;
        if (job->x_type == type) {
            memcpy(row, job->x[r], job->in * unit);
        } else {
            const uint16_t *x = job->x[r];
            for (size_t i = 0; i < job->in; i++) ((float *)(void *)row)[i] = kernel_from_bf16(x[i]);
        }
        memset(row + job->in * unit, 0, (stride - job->in) * unit);
    }
    return packed;
}

typedef struct linear_split {
    kernel_linear_packed packed;
    kernel_linear_part *run;
    kernel_type expanded; /* of what `run` reads, when it is not the quantised weight itself */
    bool by_panels;
} linear_split;

/* Outputs [begin, end) by way of a panel of expanded rows, which stays in the core's own cache for all rows
 * of x. */
static void linear_panels(const linear_split *split, size_t begin, size_t end)
{
    const kernel_linear *job = split->packed.job;
    size_t row_bytes = job->in * element_bytes(split->expanded);
    char *panel = memory_resize(NULL, KERNEL_TILE * row_bytes);
    kernel_linear_packed packed = split->packed;
    packed.weight = panel;
    packed.ahead = 0; /* the panel is here; expanding asks for the next one */
    for (packed.first = begin; packed.first < end; packed.first += KERNEL_TILE) {
        size_t count = MIN_OF(end - packed.first, (size_t)KERNEL_TILE);
        for (size_t o = 0; o < count; o++)
            kernel_set_current()->expand(job->quantised, job->begin + packed.first + o, false,
                                         split->expanded, panel + o * row_bytes);
        split->run(&packed, packed.first, packed.first + count);
    }
    free(panel);
}

static void linear_outputs(const linear_split *split, size_t begin, size_t end)
{
    if (split->by_panels)
        linear_panels(split, begin, end);
    else
        split->run(&split->packed, begin, end);
}

static void linear_part(void *context, size_t i)
{
    const linear_split *split = context;
    size_t begin = i * LINEAR_PART_OUTPUTS;
    linear_outputs(split, begin, MIN_OF(begin + LINEAR_PART_OUTPUTS, split->packed.job->out));
}

static linear_form form_of(const kernel_linear *job)
{
    if (!job->quantised) return job->weight_type == KERNEL_F32 ? LINEAR_F32 : LINEAR_BF16;
    return job->quantised->packing == KERNEL_INT8 ? LINEAR_INT8 : LINEAR_NF4;
}

/* Each function of a set reads a quantised weight for one row at a time, and nf4 in whole blocks. */
static bool needs_panels(const kernel_linear *job, linear_form form)
{
    return form >= LINEAR_INT8 &&
           (job->row_count > 1 || (form == LINEAR_NF4 && job->in % KERNEL_NF4_BLOCK != 0));
}

static linear_split split_of(const kernel_linear *job, bool pairs)
{
    const kernel_set *set = kernel_set_current();
    linear_form form = form_of(job), read = form;
    linear_split split = {
        .packed = {.job = job, .weight = job->weight, .ahead = KERNEL_TILE * job->in},
        .expanded = pairs ? KERNEL_BF16 : KERNEL_F32,
        .by_panels = needs_panels(job, form),
    };
    if (split.by_panels) read = pairs ? LINEAR_BF16 : LINEAR_F32;
    split.run = pairs ? set->linear_pairs[read] : set->linear[read];
    if (form == LINEAR_INT8) {
        split.packed.weight = (const int8_t *)job->quantised->values + job->begin * job->in;
        split.packed.scales = job->quantised->scales + job->begin;
    }
    return split;
}

/* Elements from one packed row of x to the next. Rows a multiple of a page apart would fall on the same lines
 * of a core's cache, as a panel's do already. */
static size_t stride_of(size_t in, size_t unit)
{
    enum { PAGE = 4096 };
    size_t stride = (in + KERNEL_PAD - 1) / KERNEL_PAD * KERNEL_PAD;
    return stride * unit % PAGE == 0 ? stride + KERNEL_PAD : stride;
}

void kernel_linear_run(const kernel_linear *job)
{
    if (job->row_count == 0 || job->out == 0) return;
    bool pairs = job->x_type == KERNEL_BF16 && kernel_set_current()->linear_pairs[form_of(job)];
    linear_split split = split_of(job, pairs);
    split.packed.stride = stride_of(job->in, element_bytes(split.expanded));
    void *x = pack_rows(job, split.expanded, split.packed.stride);
    split.packed.x = x;
    if (job->in * job->out * job->row_count < LINEAR_WORK_MIN)
        linear_outputs(&split, 0, job->out);
    else
        tensor_parallel_for((job->out + LINEAR_PART_OUTPUTS - 1) / LINEAR_PART_OUTPUTS, linear_part, &split);
    free(x);
}

/* -- attention ----------------------------------------------------------------------------------------- */

static void attention_part(void *context, size_t i)
{
    const kernel_attention *job = context;
    kernel_set_current()->attention(job, &job->queries[i / job->kv_head_count], i % job->kv_head_count);
}

void kernel_attention_run(const kernel_attention *job)
{
    kernel_attention shared = *job;
    tensor_parallel_for(job->query_count * job->kv_head_count, attention_part, &shared);
}

/* -- softmax ------------------------------------------------------------------------------------------- */

static void softmax_part(void *context, size_t i)
{
    const kernel_softmax *job = context;
    size_t begin = i * SOFTMAX_PART_ROWS, end = MIN_OF(begin + SOFTMAX_PART_ROWS, job->row_count);
    float *scratch = memory_alloc((job->key_count + KERNEL_PAD) * sizeof *scratch);
    for (size_t row = begin; row < end; row++) kernel_set_current()->softmax(job, row, scratch);
    free(scratch);
}

void kernel_softmax_run(const kernel_softmax *job)
{
    kernel_softmax shared = *job;
    tensor_parallel_for((job->row_count + SOFTMAX_PART_ROWS - 1) / SOFTMAX_PART_ROWS, softmax_part, &shared);
}

/* -- rows ------------------------------------------------------------------------------------------------ */

/* All rows here, or split over threads when they are enough work. */
static void run_rows(size_t row_count, size_t row_size, void (*part)(void *context, size_t row),
                     void *context)
{
    if (row_count * row_size >= ROWS_WORK_MIN)
        tensor_parallel_for(row_count, part, context);
    else
        for (size_t row = 0; row < row_count; row++) part(context, row);
}

static void norm_part(void *context, size_t row) { kernel_set_current()->norm(context, row); }
static void rope_part(void *context, size_t row) { kernel_set_current()->rope(context, row); }
static void gate_part(void *context, size_t row) { kernel_set_current()->gate(context, row); }

void kernel_norm_run(const kernel_norm *job)
{
    kernel_norm shared = *job;
    run_rows(job->row_count, job->size, norm_part, &shared);
}

void kernel_rope_run(const kernel_rope *job)
{
    kernel_rope shared = *job;
    run_rows(job->row_count, job->head_count * job->head_size, rope_part, &shared);
}

void kernel_gate_run(const kernel_gate *job)
{
    kernel_gate shared = *job;
    run_rows(job->row_count, job->size, gate_part, &shared);
}

typedef struct softcap_split {
    float *x, cap;
    size_t count;
} softcap_split;

static void softcap_part(void *context, size_t i)
{
    const softcap_split *split = context;
    size_t begin = i * SOFTCAP_PART;
    size_t count = MIN_OF(split->count - begin, (size_t)SOFTCAP_PART);
    kernel_set_current()->softcap(split->x + begin, count, split->cap);
}

void kernel_softcap_run(float *x, size_t count, float cap)
{
    softcap_split split = {.x = x, .cap = cap, .count = count};
    tensor_parallel_for((count + SOFTCAP_PART - 1) / SOFTCAP_PART, softcap_part, &split);
}
