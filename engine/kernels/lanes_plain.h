/* engine/kernels/lanes_plain.h: 8 floats in an array, for any machine; see lanes_avx512.h for what is what.
 */
#include <math.h>
#include <string.h>

#define LANES 8
#define LANES_TARGET
typedef struct lanes {
    float at[LANES];
} lanes;

#define LANES_FN static inline __attribute__((unused))
#define LANES_EACH(expression)                                                                               \
    lanes y;                                                                                                 \
    for (int i = 0; i < LANES; i++) y.at[i] = (expression);                                                  \
    return y

LANES_FN lanes lanes_all(float value) { LANES_EACH(value); }
LANES_FN lanes lanes_load(const float *p) { LANES_EACH(p[i]); }
LANES_FN void lanes_store(float *p, lanes a) { memcpy(p, a.at, sizeof a.at); }
LANES_FN lanes lanes_load_part(const float *p, size_t count) { LANES_EACH((size_t)i < count ? p[i] : 0); }
LANES_FN lanes lanes_load_bf16(const uint16_t *p) { LANES_EACH(kernel_from_bf16(p[i])); }
LANES_FN lanes lanes_load_bf16_part(const uint16_t *p, size_t count)
{
    LANES_EACH((size_t)i < count ? kernel_from_bf16(p[i]) : 0);
}
LANES_FN void lanes_store_bf16(uint16_t *p, lanes a)
{
    for (int i = 0; i < LANES; i++) p[i] = kernel_to_bf16(a.at[i]);
}
LANES_FN lanes lanes_load_i8(const int8_t *p) { LANES_EACH(p[i]); }
LANES_FN lanes lanes_load_i8_part(const int8_t *p, size_t count) { LANES_EACH((size_t)i < count ? p[i] : 0); }
LANES_FN void lanes_store_i8(int8_t *p, lanes a)
{
    for (int i = 0; i < LANES; i++) p[i] = (int8_t)a.at[i];
}
LANES_FN void lanes_store_u16(uint16_t *p, lanes a)
{
    for (int i = 0; i < LANES; i++) p[i] = (uint16_t)a.at[i];
}
LANES_FN lanes lanes_above(lanes a, lanes b) { LANES_EACH(a.at[i] > b.at[i] ? 1 : 0); }
typedef struct lanes_nf4 {
    const uint16_t *words;
    float table[16];
} lanes_nf4;
LANES_FN lanes_nf4 lanes_nf4_open(const uint16_t *words, float scale)
{
    lanes_nf4 block = {.words = words};
    for (int i = 0; i < 16; i++) block.table[i] = kernel_nf4_table[i] * scale;
    return block;
}
LANES_FN lanes lanes_nf4_take(const lanes_nf4 *block, int i)
{
    const uint16_t *words = block->words + i % 2 * LANES;
    int shift = i / 2 * 4;
    lanes y;
    for (int k = 0; k < LANES; k++) y.at[k] = block->table[words[k] >> shift & 15];
    return y;
}
LANES_FN lanes lanes_add(lanes a, lanes b) { LANES_EACH(a.at[i] + b.at[i]); }
LANES_FN lanes lanes_sub(lanes a, lanes b) { LANES_EACH(a.at[i] - b.at[i]); }
LANES_FN lanes lanes_mul(lanes a, lanes b) { LANES_EACH(a.at[i] * b.at[i]); }
LANES_FN lanes lanes_div(lanes a, lanes b) { LANES_EACH(a.at[i] / b.at[i]); }
LANES_FN lanes lanes_min(lanes a, lanes b) { LANES_EACH(a.at[i] < b.at[i] ? a.at[i] : b.at[i]); }
LANES_FN lanes lanes_max(lanes a, lanes b) { LANES_EACH(a.at[i] > b.at[i] ? a.at[i] : b.at[i]); }
LANES_FN lanes lanes_fma(lanes a, lanes b, lanes c) { LANES_EACH(a.at[i] * b.at[i] + c.at[i]); }
LANES_FN lanes lanes_round(lanes a) { LANES_EACH(rintf(a.at[i])); }
LANES_FN lanes lanes_scale2(lanes a, lanes n) { LANES_EACH(ldexpf(a.at[i], (int)n.at[i])); }
LANES_FN float lanes_sum(lanes a)
{
    return ((a.at[0] + a.at[4]) + (a.at[2] + a.at[6])) + ((a.at[1] + a.at[5]) + (a.at[3] + a.at[7]));
}
