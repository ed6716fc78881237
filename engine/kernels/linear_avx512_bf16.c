/* engine/kernels/linear_avx512_bf16.c: bf16 weights times bf16 rows, 32 products an instruction
 * (AVX512-BF16). */
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
#endif
