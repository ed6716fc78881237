/* engine/kernels/kernels.h: the steps of a decoder for a few rows on a CPU, in plain C.
 *
 * libtorch is made for many rows; with one token per step it reads weights at a fraction of the memory's
 * speed and pays for each small op. These kernels read bf16 or f32 weights and cache blocks in place, compute
 * in f32, and round once where a value is stored. The arithmetic of a row never depends on the other rows of
 * the call nor on the number of threads: the same row gives the same bits in any company.
 * One source for all machines: *_body.h are written over "lanes" (lanes_avx512.h, lanes_avx2.h,
 * lanes_plain.h), compiled once for each, and chosen at run time. Threads: pure functions of their arguments;
 * they split their work with tensor_parallel_for. */
#ifndef ENGINE_KERNELS_KERNELS_H
#define ENGINE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KERNEL_ROWS_MAX = 8, /* segments of up to this many rows are computed here, longer ones by libtorch */
    KERNEL_HEAD_SIZE_MAX = 1024,
    KERNEL_KEYS_BLOCK = 64, /* keys that lie together: a block of the cache */
};

/* Elements of x, y, keys, ...: f32, or bf16 as uint16_t. */
typedef enum kernel_type { KERNEL_F32, KERNEL_BF16 } kernel_type;

/* A weight [out, in] in few bits; which numbers they stand for: engine/quantise.h.
 *   int8  values [out, in] of int8_t; scales [out]
 *   nf4   KERNEL_NF4_WORDS words for each KERNEL_NF4_BLOCK elements of the flattened matrix: word j holds the
 * indices of elements j, 16 + j, 32 + j and 48 + j, from its low bits up, so that lanes that load
 * neighbouring words and shift them alike hold neighbouring elements; scales: one a block. The last block is
 * filled up with zeros. */
typedef enum kernel_packing { KERNEL_INT8, KERNEL_NF4 } kernel_packing;
enum { KERNEL_NF4_BLOCK = 64, KERNEL_NF4_WORDS = 16 };
typedef struct kernel_quantised {
    kernel_packing packing;
    size_t out, in;
    void *values;
    float *scales;
} kernel_quantised;

size_t kernel_quantised_scales(const kernel_quantised *q);      /* how many */
size_t kernel_quantised_value_bytes(const kernel_quantised *q); /* of all values, in whole blocks */
/* Fill values and scales from weight [out, in]. False: an element is not finite, and what they hold is of no
 * use. */
bool kernel_quantise_run(const kernel_quantised *q, const void *weight, kernel_type type);
/* Rows [begin, begin + count) as [count, in] of `type`: computed in f32, rounded once. */
void kernel_expand_run(const kernel_quantised *q, size_t begin, size_t count, kernel_type type, void *to);

typedef struct kernel_linear {
    const void *weight; /* [out, in] of weight_type, aligned to an element */
    kernel_type weight_type, x_type, y_type;
    const void *bias; /* [out] of y_type, or NULL */
    size_t in, out, row_count;
    const void *const *x;              /* row_count rows [in] */
    void *const *y;                    /* row_count rows [out]; may not overlap x */
    const kernel_quantised *quantised; /* in place of weight, or NULL: its outputs from `begin` on */
    size_t begin;
} kernel_linear;

/* y[r] = weight · x[r] + bias. Each weight is read once for all rows. What is quantised is multiplied as it
 * is read, for several rows by way of a few outputs at a time in the core's own cache. */
void kernel_linear_run(const kernel_linear *job);

/* One query token of one sequence: which keys it sees and where they lie. */
typedef struct kernel_query {
    const void *q;             /* [head_count, head_size] */
    void *out;                 /* the same */
    const void *const *blocks; /* [kv_head_count][block_count][2]: keys, values of KERNEL_KEYS_BLOCK tokens,
                                * [token, head_size]; block 0 holds token 0 */
    size_t block_count;
    size_t begin, end; /* tokens it attends to; end > begin */
} kernel_query;

typedef struct kernel_attention {
    kernel_type type;
    size_t head_count, kv_head_count, head_size;
    float scale, softcap; /* softcap 0: none */
    const kernel_query *queries;
    size_t query_count;
} kernel_attention;

/* softmax(softcap(scale · q·kᵀ)) · v for each query and head, all in f32 with a running maximum. */
void kernel_attention_run(const kernel_attention *job);

/* In place, rows of scores become weights: softmax(softcap(scale · x)) over the keys that the row sees, 0 for
 * the others. Row r belongs to token r % token_count, which sees keys [begin[token], end[token]), not none.
 */
typedef struct kernel_softmax {
    kernel_type type;
    void *x; /* [row_count, key_count] */
    size_t row_count, key_count, token_count;
    const size_t *begin, *end; /* [token_count] */
    float scale, softcap;      /* softcap 0: none */
} kernel_softmax;
void kernel_softmax_run(const kernel_softmax *job); /* see kernel_softmax */

/* RMSNorm of row_count rows [size], x and y of one type, weight of the same: the three orders of rounding of
 * tensor_norm_kind. y may be x. */
typedef enum kernel_norm_kind {
    KERNEL_NORM_LLAMA,
    KERNEL_NORM_F32_WEIGHT,
    KERNEL_NORM_GEMMA
} kernel_norm_kind;
typedef struct kernel_norm {
    kernel_type type;
    kernel_norm_kind kind;
    const void *x, *weight;
    void *y;
    size_t row_count, size;
    float eps;
} kernel_norm;
void kernel_norm_run(const kernel_norm *job); /* see kernel_norm */

/* Rotate the first 2 * half elements of each head ("rotate half"), in place.
 * cos, sin [row_count, half] f32. x [row_count, head_count, head_size]. */
typedef struct kernel_rope {
    kernel_type type;
    void *x;
    const float *cos, *sin;
    size_t row_count, head_count, head_size, half;
} kernel_rope;
void kernel_rope_run(const kernel_rope *job); /* see kernel_rope */

/* y = round(act(gate)) * up, element by element. y may be gate. */
typedef enum kernel_activation { KERNEL_SILU, KERNEL_GELU, KERNEL_GELU_TANH, KERNEL_RELU } kernel_activation;
typedef struct kernel_gate {
    kernel_type type;
    kernel_activation activation;
    const void *gate, *up;
    void *y;
    size_t row_count, size; /* rows of `size`, each computed alike wherever it stands */
} kernel_gate;
void kernel_gate_run(const kernel_gate *job); /* see kernel_gate */

/* x = cap * tanh(x / cap), f32, in place. */
void kernel_softcap_run(float *x, size_t count, float cap);

/* The sets this machine can run, best first; the first is used. Tests walk through all of them. */
typedef struct kernel_set kernel_set;
size_t kernel_sets_count(void);        /* at least 1 */
const char *kernel_set_name(size_t i); /* "avx512-bf16", "avx512", "avx2", "plain" */
/* Use the i-th from now on. For tests and measurements; no other thread may be computing. */
void kernel_set_use(size_t i);

float kernel_from_bf16(uint16_t value);                          /* exact */
uint16_t kernel_to_bf16(float value);                            /* to nearest, ties to even; NaN stays NaN */
float kernel_element(const void *p, size_t i, kernel_type type); /* p[i] as f32 */
void kernel_element_add(void *p, size_t i, float value, kernel_type type); /* p[i] += value, rounded once */

#endif
