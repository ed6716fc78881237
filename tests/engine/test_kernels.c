/* Every set of kernels this machine can run, against loops in double. */
#include "engine/kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/tensor/tensor.h"
#include "tests/support/check.h"

/* -- numbers ------------------------------------------------------------------------------------------ */

static uint32_t random_state = 1;

static float random_value(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) / (float)(1 << 23) - 1;
}

static size_t unit_of(kernel_type type) { return type == KERNEL_F32 ? sizeof(float) : sizeof(uint16_t); }

static void *random_values(kernel_type type, size_t count)
{
    void *values = memory_alloc(count * unit_of(type) + 1);
    for (size_t i = 0; i < count; i++) kernel_element_add(values, i, random_value(), type);
    return values;
}

/* bf16 keeps 8 bits of mantissa. */
static double tolerance_of(kernel_type type) { return type == KERNEL_F32 ? 2e-5 : 1.0 / 128; }

static void check_near(double got, double wanted, kernel_type type, const char *what, size_t i)
{
    double off = fabs(got - wanted), allowed = tolerance_of(type) * (1 + fabs(wanted));
    if (!(off <= allowed)) fail_msg("%s, element %zu: %g, expected %g", what, i, got, wanted);
}

/* Run `body` once with each set. */
static void with_each_set(void (*body)(void))
{
    check_ok(tensor_door_open());
    check_true(kernel_sets_count() >= 1);
    for (size_t i = 0; i < kernel_sets_count(); i++) {
        kernel_set_use(i);
        body();
    }
    kernel_set_use(0);
}

/* -- linear ---------------------------------------------------------------------------------------------- */

typedef struct linear_case {
    kernel_type weight_type, x_type, y_type;
    size_t in, out, rows;
    bool bias;
} linear_case;

static const linear_case linear_cases[] = {
    {KERNEL_F32, KERNEL_F32, KERNEL_F32, 64, 172, 1, false},
    {KERNEL_F32, KERNEL_F32, KERNEL_F32, 7, 5, 3, true},
    {KERNEL_F32, KERNEL_BF16, KERNEL_F32, 33, 16, 5, true},
    {KERNEL_BF16, KERNEL_BF16, KERNEL_BF16, 1024, 50, 1, true},
    {KERNEL_BF16, KERNEL_BF16, KERNEL_BF16, 72, 131, 9, false},
    {KERNEL_BF16, KERNEL_F32, KERNEL_F32, 100, 12, 4, true},
    {KERNEL_BF16, KERNEL_BF16, KERNEL_BF16, 1, 1, 1, false},
    {KERNEL_BF16, KERNEL_BF16, KERNEL_F32, 65, 66, 17, true},
};

/* rows begin..begin+count of x into y. */
static void linear_run(const linear_case *c, const void *weight, const void *bias, const void *x, void *y,
                       size_t begin, size_t count)
{
    const void *x_rows[32];
    void *y_rows[32];
    for (size_t r = 0; r < count; r++) {
        x_rows[r] = (const char *)x + (begin + r) * c->in * unit_of(c->x_type);
        y_rows[r] = (char *)y + (begin + r) * c->out * unit_of(c->y_type);
    }
    kernel_linear_run(&(kernel_linear){weight, c->weight_type, c->x_type, c->y_type, bias, c->in, c->out,
                                       count, x_rows, y_rows});
}

static void linear_one(const linear_case *c)
{
    void *weight = random_values(c->weight_type, c->out * c->in),
         *x = random_values(c->x_type, c->rows * c->in);
    void *bias = c->bias ? random_values(c->y_type, c->out) : NULL;
    size_t y_bytes = c->rows * c->out * unit_of(c->y_type);
    void *y = memory_alloc(y_bytes), *alone = memory_alloc(y_bytes);
    linear_run(c, weight, bias, x, y, 0, c->rows);
    for (size_t i = 0; i < c->rows * c->out; i++) {
        size_t row = i / c->out, o = i % c->out;
        double sum = bias ? (double)kernel_element(bias, o, c->y_type) : 0;
        for (size_t k = 0; k < c->in; k++)
            sum += (double)kernel_element(weight, o * c->in + k, c->weight_type) *
                   (double)kernel_element(x, row * c->in + k, c->x_type);
        check_near((double)kernel_element(y, i, c->y_type), sum, c->y_type, "linear", i);
    }
    for (size_t row = 0; row < c->rows; row++) linear_run(c, weight, bias, x, alone, row, 1);
    assert_memory_equal(y, alone, y_bytes);
    free(weight), free(x), free(bias), free(y), free(alone);
}

static void linear_all(void)
{
    for (size_t i = 0; i < COUNT_OF(linear_cases); i++) linear_one(&linear_cases[i]);
}

TEST(linear_is_right_and_a_row_has_the_same_bits_in_any_company) { with_each_set(linear_all); }

/* -- attention ---------------------------------------------------------------------------------------------
 */

typedef struct attention_case {
    kernel_type type;
    size_t heads, kv_heads, size, begin, end;
    float softcap;
} attention_case;

static const attention_case attention_cases[] = {
    {KERNEL_F32, 8, 4, 8, 0, 1, 0},       {KERNEL_F32, 6, 2, 12, 0, 130, 0},
    {KERNEL_BF16, 16, 8, 128, 0, 200, 0}, {KERNEL_F32, 4, 1, 256, 70, 150, 50},
    {KERNEL_BF16, 20, 2, 80, 3, 64, 0},   {KERNEL_F32, 2, 2, 33, 63, 65, 10},
};

static void attention_one(const attention_case *c)
{
    size_t block_count = (c->end + KERNEL_KEYS_BLOCK - 1) / KERNEL_KEYS_BLOCK, width = c->heads * c->size;
    void *q = random_values(c->type, width), *out = memory_alloc(width * unit_of(c->type));
    const void **blocks = memory_alloc(c->kv_heads * block_count * 2 * sizeof *blocks);
    for (size_t i = 0; i < c->kv_heads * block_count * 2; i++)
        blocks[i] = random_values(c->type, KERNEL_KEYS_BLOCK * c->size);
    kernel_query query = {q, out, blocks, block_count, c->begin, c->end};
    float scale = 1 / sqrtf((float)c->size) * 3;
    kernel_attention_run(
        &(kernel_attention){c->type, c->heads, c->kv_heads, c->size, scale, c->softcap, &query, 1});
    double *weights = memory_alloc(c->end * sizeof *weights);
    for (size_t h = 0; h < c->heads; h++) {
        const void **own = blocks + h / (c->heads / c->kv_heads) * block_count * 2;
        double total = 0;
        for (size_t t = c->begin; t < c->end; t++) {
            double score = 0;
            for (size_t i = 0; i < c->size; i++)
                score += (double)kernel_element(q, h * c->size + i, c->type) *
                         (double)kernel_element(own[t / KERNEL_KEYS_BLOCK * 2],
                                                t % KERNEL_KEYS_BLOCK * c->size + i, c->type);
            score *= (double)scale;
            if (c->softcap > 0) score = (double)c->softcap * tanh(score / (double)c->softcap);
            total += weights[t] = exp(score);
        }
        for (size_t i = 0; i < c->size; i++) {
            double sum = 0;
            for (size_t t = c->begin; t < c->end; t++)
                sum += weights[t] / total *
                       (double)kernel_element(own[t / KERNEL_KEYS_BLOCK * 2 + 1],
                                              t % KERNEL_KEYS_BLOCK * c->size + i, c->type);
            check_near((double)kernel_element(out, h * c->size + i, c->type), sum, c->type, "attention", i);
        }
    }
    for (size_t i = 0; i < c->kv_heads * block_count * 2; i++) free((void *)(uintptr_t)blocks[i]);
    free(weights), free(blocks), free(q), free(out);
}

static void attention_all(void)
{
    for (size_t i = 0; i < COUNT_OF(attention_cases); i++) attention_one(&attention_cases[i]);
}

TEST(attention_over_blocks_is_right) { with_each_set(attention_all); }

static void softmax_one(kernel_type type, size_t keys, float softcap)
{
    enum { ROWS = 6, TOKENS = 3 };
    size_t begin[TOKENS] = {0, 1, keys / 2}, end[TOKENS] = {keys, 2, keys};
    void *x = random_values(type, ROWS * keys), *y = memory_alloc(ROWS * keys * unit_of(type));
    memcpy(y, x, ROWS * keys * unit_of(type));
    kernel_softmax_run(&(kernel_softmax){type, y, ROWS, keys, TOKENS, begin, end, 4, softcap});
    for (size_t row = 0; row < ROWS; row++) {
        double total = 0, *weights = memory_alloc(keys * sizeof *weights);
        for (size_t k = begin[row % TOKENS]; k < end[row % TOKENS]; k++) {
            double score = 4 * (double)kernel_element(x, row * keys + k, type);
            if (softcap > 0) score = (double)softcap * tanh(score / (double)softcap);
            total += weights[k] = exp(score);
        }
        for (size_t k = 0; k < keys; k++)
            check_near((double)kernel_element(y, row * keys + k, type), weights[k] / total, type, "softmax",
                       k);
        free(weights);
    }
    free(x), free(y);
}

static void softmax_all(void)
{
    softmax_one(KERNEL_F32, 2, 0);
    softmax_one(KERNEL_F32, 75, 2);
    softmax_one(KERNEL_BF16, 131, 0);
}

TEST(softmax_of_scores_leaves_out_what_a_row_does_not_see) { with_each_set(softmax_all); }

/* -- rows
 * ----------------------------------------------------------------------------------------------------- */

static void norm_one(kernel_type type, kernel_norm_kind kind, size_t size)
{
    enum { ROWS = 3 };
    void *x = random_values(type, ROWS * size), *w = random_values(type, size);
    void *y = memory_alloc(ROWS * size * unit_of(type));
    kernel_norm_run(&(kernel_norm){type, kind, x, w, y, ROWS, size, 1e-5f});
    for (size_t i = 0; i < ROWS * size; i++) {
        double squares = 0, weight = (double)kernel_element(w, i % size, type);
        for (size_t k = 0; k < size; k++)
            squares += pow((double)kernel_element(x, i / size * size + k, type), 2);
        if (kind == KERNEL_NORM_GEMMA) weight += 1;
        double wanted = (double)kernel_element(x, i, type) / sqrt(squares / (double)size + 1e-5) * weight;
        check_near((double)kernel_element(y, i, type), wanted, type, "norm", i);
    }
    free(x), free(w), free(y);
}

static void norm_all(void)
{
    for (kernel_norm_kind kind = KERNEL_NORM_LLAMA; kind <= KERNEL_NORM_GEMMA; kind++) {
        norm_one(KERNEL_F32, kind, 64);
        norm_one(KERNEL_F32, kind, 13);
        norm_one(KERNEL_BF16, kind, 131);
    }
}

TEST(the_three_norms_are_right) { with_each_set(norm_all); }

static double activation_of(double x, kernel_activation a)
{
    switch (a) {
    case KERNEL_SILU: return x / (1 + exp(-x));
    case KERNEL_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
    case KERNEL_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979) * (x + 0.044715 * x * x * x)));
    case KERNEL_RELU: return x > 0 ? x : 0;
    }
    return NAN;
}

static void gate_one(kernel_type type, kernel_activation activation)
{
    enum { COUNT = 77 };
    void *gate = random_values(type, COUNT), *up = random_values(type, COUNT);
    double values[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        kernel_element_add(gate, i, (float)i - 38, type); /* far out on both sides */
        values[i] = (double)kernel_element(gate, i, type);
    }
    kernel_gate_run(&(kernel_gate){type, activation, gate, up, gate, 1, COUNT});
    for (size_t i = 0; i < COUNT; i++)
        check_near((double)kernel_element(gate, i, type),
                   activation_of(values[i], activation) * (double)kernel_element(up, i, type), type, "gate",
                   i);
    free(gate), free(up);
}

static void gate_all(void)
{
    for (kernel_activation a = KERNEL_SILU; a <= KERNEL_RELU; a++) {
        gate_one(KERNEL_F32, a);
        gate_one(KERNEL_BF16, a);
    }
}

TEST(the_four_activations_are_right) { with_each_set(gate_all); }

static void rope_one(kernel_type type, size_t size, size_t half)
{
    enum { ROWS = 2, HEADS = 3 };
    size_t count = ROWS * HEADS * size;
    void *x = random_values(type, count), *y = memory_alloc(count * unit_of(type));
    memcpy(y, x, count * unit_of(type));
    float *c = random_values(KERNEL_F32, ROWS * half), *s = random_values(KERNEL_F32, ROWS * half);
    kernel_rope_run(&(kernel_rope){type, y, c, s, ROWS, HEADS, size, half});
    for (size_t i = 0; i < count; i++) {
        size_t at = i % size, table = i / size / HEADS * half + at % half;
        double own = (double)kernel_element(x, i, type), wanted = own;
        if (at < half)
            wanted = own * (double)c[table] - (double)kernel_element(x, i + half, type) * (double)s[table];
        else if (at < 2 * half)
            wanted = own * (double)c[table] + (double)kernel_element(x, i - half, type) * (double)s[table];
        check_near((double)kernel_element(y, i, type), wanted, type, "rope", i);
    }
    free(x), free(y), free(c), free(s);
}

static void rope_all(void)
{
    rope_one(KERNEL_F32, 128, 64);
    rope_one(KERNEL_BF16, 128, 48); /* a part of each head alone */
    rope_one(KERNEL_F32, 12, 6);
}

TEST(rotation_is_right_and_leaves_the_rest_of_a_head) { with_each_set(rope_all); }

static void softcap_all(void)
{
    float *x = random_values(KERNEL_F32, 20001), *y = memory_alloc(20001 * sizeof *y);
    for (size_t i = 0; i < 20001; i++) y[i] = x[i] *= 100;
    kernel_softcap_run(y, 20001, 30);
    for (size_t i = 0; i < 20001; i++)
        check_near((double)y[i], 30 * tanh((double)x[i] / 30), KERNEL_F32, "softcap", i);
    free(x), free(y);
}

TEST(softcap_is_right) { with_each_set(softcap_all); }

TEST(bf16_is_rounded_to_nearest_even_and_keeps_nan)
{
    assert_int_equal(kernel_to_bf16(1.0f), 0x3F80);
    assert_int_equal(kernel_to_bf16(1.00390625f), 0x3F80); /* halfway: to even */
    assert_int_equal(kernel_to_bf16(1.01171875f), 0x3F82);
    assert_int_equal(kernel_to_bf16(-INFINITY), 0xFF80);
    check_true(isnan(kernel_from_bf16(kernel_to_bf16(NAN))));
    check_true(kernel_from_bf16(0x4049) == 3.140625f);
}

TESTS(RUN(linear_is_right_and_a_row_has_the_same_bits_in_any_company), RUN(attention_over_blocks_is_right),
      RUN(softmax_of_scores_leaves_out_what_a_row_does_not_see), RUN(the_three_norms_are_right),
      RUN(the_four_activations_are_right), RUN(rotation_is_right_and_leaves_the_rest_of_a_head),
      RUN(softcap_is_right), RUN(bf16_is_rounded_to_nearest_even_and_keeps_nan))
