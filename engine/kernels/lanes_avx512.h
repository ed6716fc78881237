/* engine/kernels/lanes_avx512.h: 16 floats at once (AVX-512 F and BW).
 *
 * What each of the three lanes_*.h gives: LANES, the type `lanes` and the functions below. A part is the
 * first `count` < LANES elements; a loaded part is zero behind them. */
#include <immintrin.h>

#define LANES        16
#define LANES_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx2,fma")))
typedef __m512 lanes;

#define LANES_FN LANES_TARGET static inline __attribute__((unused))

LANES_FN lanes lanes_all(float value) { return _mm512_set1_ps(value); }
LANES_FN lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
LANES_FN void lanes_store(float *p, lanes a) { _mm512_storeu_ps(p, a); }
LANES_FN lanes lanes_load_part(const float *p, size_t count)
{
    return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), p);
}
LANES_FN lanes lanes_widen(__m256i half)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
LANES_FN lanes lanes_load_bf16(const uint16_t *p)
{
    return lanes_widen(_mm256_loadu_si256((const __m256i *)p));
}
LANES_FN lanes lanes_load_bf16_part(const uint16_t *p, size_t count)
{
    return lanes_widen(_mm256_maskz_loadu_epi16((__mmask16)((1u << count) - 1), p));
}
/* To nearest, ties to even. NaN keeps its upper half and gets a mantissa bit. */
LANES_FN void lanes_store_bf16(uint16_t *p, lanes a)
{
    __m512i bits = _mm512_castps_si512(a), high = _mm512_srli_epi32(bits, 16);
    __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    __m512i rounded =
        _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
    __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
    rounded = _mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(rounded));
}
/* Whole numbers of 8 bits in and out; of 16 bits, without sign, out. */
LANES_FN lanes lanes_load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
LANES_FN lanes lanes_load_i8_part(const int8_t *p, size_t count)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8((__mmask16)((1u << count) - 1), p)));
}
LANES_FN void lanes_store_i8(int8_t *p, lanes a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
LANES_FN void lanes_store_u16(uint16_t *p, lanes a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(a)));
}
/* 1 where a > b, else 0 */
LANES_FN lanes lanes_above(lanes a, lanes b)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), _mm512_set1_ps(1));
}
/* A block of nf4: its words, and its table times its scale. Elements i * LANES and on of it. */
typedef struct lanes_nf4 {
    __m512i words;
    __m512 table;
} lanes_nf4;
LANES_FN lanes_nf4 lanes_nf4_open(const uint16_t *words, float scale)
{
    __m512 table = _mm512_mul_ps(_mm512_loadu_ps(kernel_nf4_table), _mm512_set1_ps(scale));
    return (lanes_nf4){_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)words)), table};
}
LANES_FN lanes lanes_nf4_take(const lanes_nf4 *block, int i)
{
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(block->words, _mm512_set1_epi32(4 * i)), block->table);
}
LANES_FN lanes lanes_add(lanes a, lanes b) { return _mm512_add_ps(a, b); }
LANES_FN lanes lanes_sub(lanes a, lanes b) { return _mm512_sub_ps(a, b); }
LANES_FN lanes lanes_mul(lanes a, lanes b) { return _mm512_mul_ps(a, b); }
LANES_FN lanes lanes_div(lanes a, lanes b) { return _mm512_div_ps(a, b); }
LANES_FN lanes lanes_min(lanes a, lanes b) { return _mm512_min_ps(a, b); }
LANES_FN lanes lanes_max(lanes a, lanes b) { return _mm512_max_ps(a, b); }
LANES_FN lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); } /* a * b + c */
LANES_FN lanes lanes_round(lanes a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a * 2^n for a whole n in [-126, 127] */
LANES_FN lanes lanes_scale2(lanes a, lanes n)
{
    __m512i power = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
    return _mm512_mul_ps(a, _mm512_castsi512_ps(power));
}
LANES_FN float lanes_sum(lanes a) { return _mm512_reduce_add_ps(a); }
