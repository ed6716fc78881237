/* tests/engine/test_quantise.c: weights in 8 and 4 bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "engine/quantise.h"
#include "engine/tensor/tensor.h"
#include "tests/support/check.h"

enum { OUT = 7, IN = 37, COUNT = OUT * IN }; /* blocks span rows, and the last is short and of odd length */

static void fill(float *w)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < COUNT; i++) {
        state = state * 1664525u + 1013904223u;
        w[i] = ((float)(state >> 8) / (1 << 24) - 0.5f) * (float)(1 + i / IN);
    }
}

/* Packing and expanding use its threads. */
static void open_door(void) { check_ok(tensor_door_open()); }

static float most_of(const float *w, size_t begin, size_t end)
{
    float most = 0;
    for (size_t i = begin; i < end; i++) most = fmaxf(most, fabsf(w[i]));
    return most;
}

TEST(int8_is_within_half_a_step_of_its_row)
{
    open_door();
    float w[COUNT], back[COUNT];
    fill(w);
    engine_quantised *q;
    check_ok(engine_quantised_new(ENGINE_INT8, w, KERNEL_F32, OUT, IN, &q));
    check_int(engine_quantised_bytes(q), COUNT + OUT * 4);
    engine_quantised_expand(q, 0, OUT, KERNEL_F32, back);
    for (size_t i = 0; i < COUNT; i++) {
        float step = most_of(w, i / IN * IN, i / IN * IN + IN) / 127;
        check_true(fabsf(back[i] - w[i]) <= step * 0.50001f);
    }
    engine_quantised_free(q);
}

TEST(nf4_is_within_half_the_widest_gap_of_its_block)
{
    open_door();
    float w[COUNT], back[COUNT];
    fill(w);
    engine_quantised *q;
    check_ok(engine_quantised_new(ENGINE_NF4, w, KERNEL_F32, OUT, IN, &q));
    check_int(engine_quantised_bytes(q), (COUNT + 63) / 64 * (32 + 4)); /* the last block is filled up */
    engine_quantised_expand(q, 0, OUT, KERNEL_F32, back);
    for (size_t i = 0; i < COUNT; i++) {
        size_t begin = i / 64 * 64;
        float most = most_of(w, begin, MIN_OF(begin + 64, (size_t)COUNT));
        check_true(fabsf(back[i] - w[i]) <= most * 0.15191f); /* (1 - 0.6961928) / 2, at the low end */
        if (fabsf(w[i]) == most) check_true(back[i] == w[i]); /* the ends are in the table */
    }
    engine_quantised_free(q);
}

TEST(nf4_keeps_the_values_of_its_table_and_takes_the_nearest)
{
    open_door();
    /* The 16 values to 8 digits, then values a little on either side of a middle: 0.0397901 and -0.8480964.
     */
    static const float w[] = {
        -1,          -0.69619280f, -0.52507305f, -0.39491749f, -0.28444138f, -0.18477343f, -0.09105004f, 0,
        0.07958030f, 0.16093020f,  0.24611230f,  0.33791524f,  0.44070983f,  0.56261700f,  0.72295684f,  1,
        0.0397f,     0.0398f,      -0.8480f,     -0.8482f};
    static const float wanted[] = {0, 0.07958030f, -0.69619280f, -1};
    float back[COUNT_OF(w)];
    engine_quantised *q;
    check_ok(engine_quantised_new(ENGINE_NF4, w, KERNEL_F32, 1, COUNT_OF(w), &q));
    engine_quantised_expand(q, 0, 1, KERNEL_F32, back);
    for (size_t i = 0; i < 16; i++) check_true(fabsf(back[i] - w[i]) < 1e-7f);
    for (size_t i = 0; i < 4; i++) check_true(fabsf(back[16 + i] - wanted[i]) < 1e-7f);
    engine_quantised_free(q);
}

TEST(rows_alone_are_the_rows_of_the_whole_and_bf16_is_rounded_once)
{
    open_door();
    float w[COUNT], whole[COUNT], part[2 * IN];
    uint16_t narrow[COUNT];
    fill(w);
    for (int kind = ENGINE_INT8; kind <= ENGINE_NF4; kind++) {
        engine_quantised *q;
        check_ok(engine_quantised_new((engine_quantised_kind)kind, w, KERNEL_F32, OUT, IN, &q));
        engine_quantised_expand(q, 0, OUT, KERNEL_F32, whole);
        engine_quantised_expand(q, 3, 2, KERNEL_F32, part);
        assert_memory_equal(part, whole + 3 * IN, sizeof part);
        engine_quantised_expand(q, 0, OUT, KERNEL_BF16, narrow);
        for (size_t i = 0; i < COUNT; i++) check_int(narrow[i], kernel_to_bf16(whole[i]));
        engine_quantised_free(q);
    }
}

TEST(rows_of_zeros_stay_zeros_and_bf16_goes_in)
{
    open_door();
    uint16_t w[128] = {0};
    w[127] = kernel_to_bf16(-3);
    for (int kind = ENGINE_INT8; kind <= ENGINE_NF4; kind++) {
        engine_quantised *q;
        float back[128];
        check_ok(engine_quantised_new((engine_quantised_kind)kind, w, KERNEL_BF16, 2, 64, &q));
        engine_quantised_expand(q, 0, 2, KERNEL_F32, back);
        for (size_t i = 0; i < 127; i++) check_true(back[i] == 0);
        check_true(fabsf(back[127] + 3) < 1e-6f);
        engine_quantised_free(q);
    }
}

TEST(a_value_that_is_not_finite_is_refused_with_its_row)
{
    open_door();
    float w[COUNT];
    fill(w);
    w[2 * IN + 5] = NAN;
    engine_quantised *q;
    check_fails(engine_quantised_new(ENGINE_NF4, w, KERNEL_F32, OUT, IN, &q), ERR_FORMAT, "row 2");
    check_true(q == NULL);
    w[2 * IN + 5] = INFINITY;
    check_fails(engine_quantised_new(ENGINE_INT8, w, KERNEL_F32, OUT, IN, &q), ERR_FORMAT, "row 2");
}

TESTS(RUN(int8_is_within_half_a_step_of_its_row), RUN(nf4_is_within_half_the_widest_gap_of_its_block),
      RUN(nf4_keeps_the_values_of_its_table_and_takes_the_nearest),
      RUN(rows_alone_are_the_rows_of_the_whole_and_bf16_is_rounded_once),
      RUN(rows_of_zeros_stay_zeros_and_bf16_goes_in), RUN(a_value_that_is_not_finite_is_refused_with_its_row))
