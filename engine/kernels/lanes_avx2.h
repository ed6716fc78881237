/* engine/kernels/lanes_avx2.h: 8 floats at once (AVX2 and FMA); see lanes_avx512.h for what is what. */
#include <immintrin.h>
#include <string.h>

#define LANES        8
#define LANES_TARGET __attribute__((target("avx2,fma")))
typedef __m256 lanes;

#define LANES_FN LANES_TARGET static inline __attribute__((unused))

LANES_FN lanes lanes_all(float value) { return _mm256_set1_ps(value); }
LANES_FN lanes lanes_load(const float *p) { return _mm256_loadu_ps(p); }
LANES_FN void lanes_store(float *p, lanes a) { _mm256_storeu_ps(p, a); }
LANES_FN lanes lanes_load_part(const float *p, size_t count)
{
    float part[LANES] = {0};
    memcpy(part, p, count * sizeof *p);
    return lanes_load(part);
}
LANES_FN lanes lanes_load_bf16(const uint16_t *p)
{
    __m128i half = _mm_loadu_si128((const __m128i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
LANES_FN lanes lanes_load_bf16_part(const uint16_t *p, size_t count)
{
    uint16_t part[LANES] = {0};
    memcpy(part, p, count * sizeof *p);
    return lanes_load_bf16(part);
}
LANES_FN void lanes_store_bf16(uint16_t *p, lanes a)
{
    __m256i bits = _mm256_castps_si256(a), high = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    rounded = _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x88);
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128(packed));
}
LANES_FN lanes lanes_load_i8(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
LANES_FN lanes lanes_load_i8_part(const int8_t *p, size_t count)
{
    int8_t part[LANES] = {0};
    memcpy(part, p, count);
    return lanes_load_i8(part);
}
LANES_FN void lanes_store_i8(int8_t *p, lanes a)
{
    __m256i whole = _mm256_cvtps_epi32(a);
    __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(half, half));
}
LANES_FN void lanes_store_u16(uint16_t *p, lanes a)
{
    __m256i whole = _mm256_cvtps_epi32(a);
    _mm_storeu_si128((__m128i *)p,
                     _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1)));
}
LANES_FN lanes lanes_above(lanes a, lanes b)
{
    return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ), _mm256_set1_ps(1));
}
typedef struct lanes_nf4 {
    __m256i words[2];
    __m256 below, above; /* the two halves of the table */
} lanes_nf4;
LANES_FN lanes_nf4 lanes_nf4_open(const uint16_t *words, float scale)
{
    __m256 factor = _mm256_set1_ps(scale);
    return (lanes_nf4){{_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)words)),
                        _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(words + LANES)))},
                       _mm256_mul_ps(_mm256_loadu_ps(kernel_nf4_table), factor),
                       _mm256_mul_ps(_mm256_loadu_ps(kernel_nf4_table + LANES), factor)};
}
LANES_FN lanes lanes_nf4_take(const lanes_nf4 *block, int i)
{
    __m256i index = _mm256_srlv_epi32(block->words[i % 2], _mm256_set1_epi32(4 * (i / 2)));
    __m256 upper_half = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)); /* its sign says so */
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(block->below, index),
                            _mm256_permutevar8x32_ps(block->above, index), upper_half);
}
LANES_FN lanes lanes_add(lanes a, lanes b) { return _mm256_add_ps(a, b); }
LANES_FN lanes lanes_sub(lanes a, lanes b) { return _mm256_sub_ps(a, b); }
LANES_FN lanes lanes_mul(lanes a, lanes b) { return _mm256_mul_ps(a, b); }
LANES_FN lanes lanes_div(lanes a, lanes b) { return _mm256_div_ps(a, b); }
LANES_FN lanes lanes_min(lanes a, lanes b) { return _mm256_min_ps(a, b); }
LANES_FN lanes lanes_max(lanes a, lanes b) { return _mm256_max_ps(a, b); }
LANES_FN lanes lanes_fma(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }
LANES_FN lanes lanes_round(lanes a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
LANES_FN lanes lanes_scale2(lanes a, lanes n)
{
    __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(a, _mm256_castsi256_ps(power));
}
LANES_FN float lanes_sum(lanes a)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
