/* engine/kernels/set.h: what one set of kernels gives; only for this folder.
 *
 * Each function does a part of a job, and parts may run on different threads. */
#ifndef ENGINE_KERNELS_SET_H
#define ENGINE_KERNELS_SET_H

#include "engine/kernels/kernels.h"

enum {
    KERNEL_PAD = 32, /* packed rows are zero up to a multiple of this; no lanes are wider */
    KERNEL_TILE = 4, /* outputs, and rows, that are computed together */
};

/* kernel_linear with the rows of x laid out as the set wants them: f32, or bf16 pairs; `stride` elements. */
typedef struct kernel_linear_packed {
    const kernel_linear *job;
    const void *x;
    size_t stride;
    const void *weight;  /* of the job's outputs from `first` on; not for nf4 */
    size_t first, ahead; /* elements: so far before it is read, a weight is asked for */
    const float *scales; /* [out], of what is not yet scaled; NULL: nothing */
} kernel_linear_packed;

typedef void kernel_linear_part(const kernel_linear_packed *packed, size_t out_begin, size_t out_end);

typedef void kernel_expand_row(const kernel_quantised *q, size_t row, bool scaled, kernel_type type,
                               void *to);

/* How a weight is stored. */
typedef enum linear_form { LINEAR_F32, LINEAR_BF16, LINEAR_INT8, LINEAR_NF4, LINEAR_FORMS } linear_form;

/* The values that 4 bits stand for, as parts of their block's largest. */
extern const float kernel_nf4_table[16];

struct kernel_set {
    const char *name;
    bool (*usable)(void);
    /* By form, x packed as f32, and as bf16 (NULL: there is none). nf4: for one row, `in` in whole blocks.
     * Whatever the form, a product is that of the same weight expanded and not yet scaled, bit for bit. */
    kernel_linear_part *linear[LINEAR_FORMS], *linear_pairs[LINEAR_FORMS];
    /* One row; int8 that is not scaled is whole numbers. */
    kernel_expand_row *expand;
    /* int8: rows, nf4: blocks, [begin, end) of q. */
    bool (*quantise[2])(const kernel_quantised *q, const void *weight, kernel_type type, size_t begin,
                        size_t end);
    void (*attention)(const kernel_attention *job, const kernel_query *query, size_t kv_head);
    void (*softmax)(const kernel_softmax *job, size_t row,
                    float *scratch); /* scratch: key_count + KERNEL_PAD */
    void (*norm)(const kernel_norm *job, size_t row);
    void (*rope)(const kernel_rope *job, size_t row);
    void (*gate)(const kernel_gate *job, size_t row);
    void (*softcap)(float *x, size_t count, float cap);
};

extern const kernel_set kernel_set_plain;
#if defined(__x86_64__)
extern const kernel_set kernel_set_avx2, kernel_set_avx512, kernel_set_avx512_bf16;
kernel_linear_part kernel_linear_avx512_bf16, kernel_linear_avx512_int8, kernel_linear_avx512_nf4;
kernel_expand_row kernel_expand_avx512_bf16;
#endif

const kernel_set *kernel_set_current(void); /* the one in use */

static inline size_t element_bytes(kernel_type type)
{
    return type == KERNEL_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* Sum of the products of one tile: values[row][output]. Writes them scaled, with the bias, rounded, to their
 * places.
 */
static inline void kernel_linear_store(const kernel_linear_packed *packed, size_t out, size_t out_count,
                                       size_t row, size_t row_count, float values[KERNEL_TILE][KERNEL_TILE])
{
    const kernel_linear *job = packed->job;
    for (size_t r = 0; r < row_count; r++) {
        for (size_t o = 0; o < out_count; o++) {
            float value = packed->scales ? values[r][o] * packed->scales[out + o] : values[r][o];
            if (job->y_type == KERNEL_F32) {
                if (job->bias) value += ((const float *)job->bias)[out + o];
                ((float *)job->y[row + r])[out + o] = value;
            } else {
                if (job->bias) value += kernel_from_bf16(((const uint16_t *)job->bias)[out + o]);
                ((uint16_t *)job->y[row + r])[out + o] = kernel_to_bf16(value);
            }
        }
    }
}

#endif
