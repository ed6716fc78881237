/* engine/kernels/linear_avx512_bf16.c: weights times bf16 rows, 32 products an instruction (AVX512-BF16), and
 * what is quantised expanded to bf16.
 *
 * int8 weights become bf16 without loss. Sums of whole numbers (VNNI) are no way to the same results: x would
 * have to be rounded to the steps of its largest element. nf4 weights are rounded to bf16, as they are when
 * expanded. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/kernels/set.h"

#define PAIRS_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

PAIRS_TARGET static inline __m512bh pairs_load(const uint16_t *p) { return (__m512bh)_mm512_loadu_si512(p); }
PAIRS_TARGET static inline __m512bh pairs_load_part(const uint16_t *p, size_t count)
{
    return (__m512bh)_mm512_maskz_loadu_epi16((__mmask32)((1u << count) - 1), p);
}

#define LINEAR_NAME            kernel_linear_avx512_bf16
#define LINEAR_TILE(name)      pairs_##name
#define LINEAR_TARGET          PAIRS_TARGET
#define LINEAR_WEIGHT          uint16_t
#define LINEAR_X               uint16_t
#define LINEAR_VECTOR          __m512bh
#define LINEAR_STEP            32
#define LINEAR_LOAD(p)         pairs_load(p)
#define LINEAR_LOAD_PART(p, n) pairs_load_part((p), (n))
#define LINEAR_LOAD_X(p)       pairs_load(p)
#define LINEAR_SUM             __m512
#define LINEAR_ZERO            _mm512_setzero_ps()
#define LINEAR_MAC(sum, w, x)  _mm512_dpbf16_ps((sum), (w), (x))
#define LINEAR_REDUCE(sum)     _mm512_reduce_add_ps(sum)
#include "engine/kernels/linear_body.h"

PAIRS_TARGET static inline __m512bh pairs_of_bytes(__m128i low, __m128i high)
{
    return _mm512_cvtne2ps_pbh(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(high)),
                               _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(low)));
}
PAIRS_TARGET static inline __m512bh pairs_load_i8(const int8_t *p)
{
    return pairs_of_bytes(_mm_loadu_si128((const __m128i *)p), _mm_loadu_si128((const __m128i *)(p + 16)));
}
PAIRS_TARGET static inline __m512bh pairs_load_i8_part(const int8_t *p, size_t count)
{
    __m256i bytes = _mm256_maskz_loadu_epi8((__mmask32)((1u << count) - 1), p);
    return pairs_of_bytes(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
}

#define LINEAR_NAME            kernel_linear_avx512_int8
#define LINEAR_TILE(name)      int8_##name
#define LINEAR_TARGET          PAIRS_TARGET
#define LINEAR_WEIGHT          int8_t
#define LINEAR_X               uint16_t
#define LINEAR_VECTOR          __m512bh
#define LINEAR_STEP            32
#define LINEAR_LOAD(p)         pairs_load_i8(p)
#define LINEAR_LOAD_PART(p, n) pairs_load_i8_part((p), (n))
#define LINEAR_LOAD_X(p)       pairs_load(p)
#define LINEAR_SUM             __m512
#define LINEAR_ZERO            _mm512_setzero_ps()
#define LINEAR_MAC(sum, w, x)  _mm512_dpbf16_ps((sum), (w), (x))
#define LINEAR_REDUCE(sum)     _mm512_reduce_add_ps(sum)
#include "engine/kernels/linear_body.h"

/* A block's words twice and its table twice: 32 words looked up at once, the upper ones shifted by one index
 * more. Bit 4 of what is looked up chooses between two equal tables, so that nothing need be masked. */
typedef struct pairs_nf4 {
    __m512i words, table;
} pairs_nf4;

PAIRS_TARGET static inline pairs_nf4 pairs_nf4_open(const uint16_t *words, float scale)
{
    __m512 table = _mm512_mul_ps(_mm512_loadu_ps(kernel_nf4_table), _mm512_set1_ps(scale));
    return (pairs_nf4){_mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)words)),
                       _mm512_broadcast_i64x4((__m256i)_mm512_cvtneps_pbh(table))};
}
PAIRS_TARGET static inline __m512bh pairs_nf4_take(const pairs_nf4 *block, int i)
{
    __m512i shift =
        _mm512_inserti64x4(_mm512_set1_epi16((short)(8 * i)), _mm256_set1_epi16((short)(8 * i + 4)), 1);
    return (__m512bh)_mm512_permutexvar_epi16(_mm512_srlv_epi16(block->words, shift), block->table);
}

#define NF4_NAME               kernel_linear_avx512_nf4
#define NF4_TILE(name)         nf4_##name
#define NF4_TARGET             PAIRS_TARGET
#define NF4_X                  uint16_t
#define NF4_BLOCK              pairs_nf4
#define NF4_OPEN(words, scale) pairs_nf4_open((words), (scale))
#define NF4_TAKE(block, i)     pairs_nf4_take((block), (i))
#define NF4_STEP               32
#define NF4_VECTOR             __m512bh
#define NF4_LOAD_X(p)          pairs_load(p)
#define NF4_SUM                __m512
#define NF4_ZERO               _mm512_setzero_ps()
#define NF4_MAC(sum, w, x)     _mm512_dpbf16_ps((sum), (w), (x))
#define NF4_REDUCE(sum)        _mm512_reduce_add_ps(sum)
#include "engine/kernels/nf4_body.h"

/* -- expanding to bf16 ----------------------------------------------------------------------------------- */

PAIRS_TARGET static void expand_int8(const int8_t *values, size_t count, float scale, uint16_t *to)
{
    __m512 factor = _mm512_set1_ps(scale);
    for (size_t i = 0; i < count; i += 32) {
        __mmask32 part = count - i < 32 ? (1u << (count - i)) - 1 : ~(__mmask32)0;
        __builtin_prefetch(values + KERNEL_TILE * count + i);
        __m256i bytes = _mm256_maskz_loadu_epi8(part, values + i);
        __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_castsi256_si128(bytes)));
        __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm256_extracti128_si256(bytes, 1)));
        __m512bh both = _mm512_cvtne2ps_pbh(_mm512_mul_ps(high, factor), _mm512_mul_ps(low, factor));
        _mm512_mask_storeu_epi16(to + i, part, (__m512i)both);
    }
}

PAIRS_TARGET static void expand_nf4(const uint16_t *words, const float *scales, size_t blocks, uint16_t *to)
{
    for (size_t b = 0; b < blocks; b++, words += KERNEL_NF4_WORDS, to += KERNEL_NF4_BLOCK) {
        __builtin_prefetch(words + KERNEL_TILE * blocks * KERNEL_NF4_WORDS);
        pairs_nf4 block = pairs_nf4_open(words, scales[b]);
        _mm512_storeu_si512(to, (__m512i)pairs_nf4_take(&block, 0));
        _mm512_storeu_si512(to + KERNEL_NF4_BLOCK / 2, (__m512i)pairs_nf4_take(&block, 1));
    }
}

void kernel_expand_avx512_bf16(const kernel_quantised *q, size_t row, bool scaled, kernel_type type, void *to)
{
    bool whole = q->packing == KERNEL_INT8 || q->in % KERNEL_NF4_BLOCK == 0;
    if (type != KERNEL_BF16 || !whole) {
        kernel_set_avx512.expand(q, row, scaled, type, to);
    } else if (q->packing == KERNEL_INT8) {
        expand_int8((const int8_t *)q->values + row * q->in, q->in, scaled ? q->scales[row] : 1, to);
    } else {
        size_t blocks = q->in / KERNEL_NF4_BLOCK, first = row * blocks;
        expand_nf4((const uint16_t *)q->values + first * KERNEL_NF4_WORDS, q->scales + first, blocks, to);
    }
}
#endif
