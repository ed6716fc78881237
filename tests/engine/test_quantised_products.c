/* Products with weights in 8 and 4 bits: every set of kernels against the plain one and loops in double, and
 * libtorch's products piece by piece against those with the whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/quantise.h"
#include "engine/tensor/tensor.h"
#include "tests/support/check.h"

/* -- numbers ------------------------------------------------------------------------------------------ */

static uint32_t random_state = 7;

static uint32_t random_bits(void) { return random_state = random_state * 1664525u + 1013904223u; }
static float random_value(void) { return (float)(random_bits() >> 8) / (float)(1 << 23) - 1; }
static size_t random_size(size_t least, size_t most)
{
    return least + (random_bits() >> 8) % (most - least + 1);
}

static size_t unit_of(kernel_type type) { return type == KERNEL_F32 ? sizeof(float) : sizeof(uint16_t); }

static void *random_values(kernel_type type, size_t count)
{
    void *values = memory_alloc(count * unit_of(type) + 1);
    for (size_t i = 0; i < count; i++) kernel_element_add(values, i, random_value(), type);
    return values;
}

static size_t plain_set(void) { return kernel_sets_count() - 1; }

/* -- one weight ------------------------------------------------------------------------------------------ */

typedef struct product_case {
    engine_quantised_kind kind;
    kernel_type weight_type, x_type; /* y's is x's */
    size_t in, out, rows, begin;     /* outputs from `begin` on */
    bool bias;
} product_case;

static engine_quantised *quantised_by(size_t set, const product_case *c, const void *weight)
{
    engine_quantised *q;
    kernel_set_use(set);
    check_ok(engine_quantised_new(c->kind, weight, c->weight_type, c->out, c->in, &q));
    return q;
}

/* Each set packs to the same bytes as the plain one, and expands to the same as that. */
static void check_packing(const product_case *c, const void *weight, const engine_quantised *plain)
{
    const kernel_quantised *wanted = engine_quantised_borrow(plain);
    size_t count = c->out * c->in;
    for (kernel_type type = KERNEL_F32; type <= KERNEL_BF16; type++) {
        char *expanded = memory_alloc(count * unit_of(type)), *other = memory_alloc(count * unit_of(type));
        kernel_set_use(plain_set());
        engine_quantised_expand(plain, 0, c->out, type, expanded);
        for (size_t set = 0; set < plain_set(); set++) {
            engine_quantised *q = quantised_by(set, c, weight);
            const kernel_quantised *got = engine_quantised_borrow(q);
            assert_memory_equal(got->values, wanted->values, kernel_quantised_value_bytes(wanted));
            assert_memory_equal(got->scales, wanted->scales, kernel_quantised_scales(wanted) * sizeof(float));
            engine_quantised_expand(q, 0, c->out, type, other);
            assert_memory_equal(other, expanded, count * unit_of(type));
            engine_quantised_free(q);
        }
        free(expanded), free(other);
    }
}

/* Rows [first, first + count) of x times the weight, to y. */
static void product_run(const product_case *c, const engine_quantised *q, const void *bias, const void *x,
                        void *y, size_t first, size_t count)
{
    const void *x_rows[32];
    void *y_rows[32];
    size_t unit = unit_of(c->x_type), out = c->out - c->begin;
    for (size_t r = 0; r < count; r++) {
        x_rows[r] = (const char *)x + (first + r) * c->in * unit;
        y_rows[r] = (char *)y + (first + r) * out * unit;
    }
    kernel_linear_run(&(kernel_linear){.x_type = c->x_type,
                                       .y_type = c->x_type,
                                       .bias = bias,
                                       .in = c->in,
                                       .out = out,
                                       .row_count = count,
                                       .x = x_rows,
                                       .y = y_rows,
                                       .quantised = engine_quantised_borrow(q),
                                       .begin = c->begin});
}

/* What bf16 products read of nf4: weights rounded to bf16, as libtorch's are for many rows. */
static bool rounds_weights(size_t set, const product_case *c)
{
    return c->kind == ENGINE_NF4 && c->x_type == KERNEL_BF16 &&
           strcmp(kernel_set_name(set), "avx512-bf16") == 0;
}

/* Dequantised, then multiplied. */
static double wanted_at(const product_case *c, bool rounded, const float *expanded, const void *bias,
                        const void *x, size_t row, size_t o)
{
    double sum = bias ? (double)kernel_element(bias, o, c->x_type) : 0;
    for (size_t k = 0; k < c->in; k++) {
        float w = expanded[(c->begin + o) * c->in + k];
        if (rounded) w = kernel_from_bf16(kernel_to_bf16(w));
        sum += (double)w * (double)kernel_element(x, row * c->in + k, c->x_type);
    }
    return sum;
}

static void check_product(const product_case *c, const engine_quantised *q, const float *expanded)
{
    size_t out = c->out - c->begin, y_bytes = c->rows * out * unit_of(c->x_type);
    void *x = random_values(c->x_type, c->rows * c->in),
         *bias = c->bias ? random_values(c->x_type, out) : NULL;
    void *y = memory_alloc(y_bytes), *alone = memory_alloc(y_bytes);
    double part = c->x_type == KERNEL_F32 ? 2e-5 : 1.0 / 128;
    for (size_t set = 0; set < kernel_sets_count(); set++) {
        kernel_set_use(set);
        product_run(c, q, bias, x, y, 0, c->rows);
        for (size_t i = 0; i < c->rows * out; i++) {
            double got = (double)kernel_element(y, i, c->x_type),
                   wanted = wanted_at(c, rounds_weights(set, c), expanded, bias, x, i / out, i % out);
            if (!(fabs(got - wanted) <= part * (1 + fabs(wanted))))
                fail_msg("%s, %s, in %zu, out %zu from %zu, row %zu of %zu, output %zu: %g, expected %g",
                         kernel_set_name(set), c->kind == ENGINE_INT8 ? "int8" : "nf4", c->in, c->out,
                         c->begin, i / out, c->rows, i % out, got, wanted);
        }
        for (size_t row = 0; row < c->rows; row++) product_run(c, q, bias, x, alone, row, 1);
        assert_memory_equal(y, alone, y_bytes); /* in any company */
    }
    free(x), free(bias), free(y), free(alone);
}

static void check_case(const product_case *c)
{
    void *weight = random_values(c->weight_type, c->out * c->in);
    engine_quantised *plain = quantised_by(plain_set(), c, weight);
    float *expanded = memory_alloc(c->out * c->in * sizeof *expanded);
    engine_quantised_expand(plain, 0, c->out, KERNEL_F32, expanded);
    check_packing(c, weight, plain);
    check_product(c, plain, expanded);
    engine_quantised_free(plain);
    free(weight), free(expanded);
    kernel_set_use(0);
}

TEST(every_set_packs_expands_and_multiplies_as_the_plain_one)
{
    check_ok(tensor_door_open());
    for (size_t i = 0; i < 60; i++) {
        size_t whole = random_size(1, 4) * KERNEL_NF4_BLOCK;
        product_case c = {
            .kind = i % 2 ? ENGINE_NF4 : ENGINE_INT8,
            .weight_type = i / 2 % 2 ? KERNEL_BF16 : KERNEL_F32,
            .x_type = i / 4 % 2 ? KERNEL_BF16 : KERNEL_F32,
            .in = i / 8 % 2 ? whole : random_size(1, 200),
            .out = random_size(1, 70),
            .rows = random_size(1, 9),
            .bias = i % 3 == 0,
        };
        c.begin = i % 5 == 0 ? random_size(0, c.out - 1) : 0;
        check_case(&c);
    }
}

TEST(products_large_enough_for_several_threads_are_right)
{
    check_ok(tensor_door_open());
    for (int kind = ENGINE_INT8; kind <= ENGINE_NF4; kind++) {
        check_case(
            &(product_case){(engine_quantised_kind)kind, KERNEL_BF16, KERNEL_BF16, 1024, 99, 1, 7, true});
        check_case(
            &(product_case){(engine_quantised_kind)kind, KERNEL_F32, KERNEL_F32, 704, 130, 4, 0, false});
    }
}

/* -- by libtorch -------------------------------------------------------------------------------------------
 */

static void expand_rows(const void *context, size_t begin, size_t count, tensor_type type, void *to)
{
    engine_quantised_expand(context, begin, count, type == TENSOR_F32 ? KERNEL_F32 : KERNEL_BF16, to);
}

static double most_apart(const tensor *a, const tensor *b)
{
    size_t count = (size_t)tensor_count(a);
    float *x = memory_alloc(2 * count * sizeof *x), *y = x + count;
    double most = 0;
    check_int(tensor_count(b), count);
    check_ok(tensor_read_f32(a, x, count));
    check_ok(tensor_read_f32(b, y, count));
    for (size_t i = 0; i < count; i++) most = fmax(most, fabs((double)x[i] - (double)y[i]));
    free(x);
    return most;
}

/* Gradient of the sum of y * y in x. */
static tensor *gradient_in(tensor_scope *s, tensor *x, tensor_projection *one)
{
    tensor_grad_clear(x);
    check_true(tensor_project(s, x, one, 1, NULL, false));
    check_true(
        tensor_backward(s, tensor_sum(s, tensor_sum(s, tensor_mul(s, one->y, one->y), 1, false), 0, false)));
    return tensor_clone(s, tensor_grad(s, x));
}

/* Of 17 MiB in f32: two pieces. */
TEST(libtorchs_products_in_pieces_are_those_with_the_whole)
{
    enum { IN = 2048, OUT = 2200, ROWS = 3 };
    check_ok(tensor_door_open());
    float *weight = random_values(KERNEL_F32, (size_t)OUT * IN),
          *values = random_values(KERNEL_F32, ROWS * IN);
    engine_quantised *q;
    check_ok(engine_quantised_new(ENGINE_NF4, weight, KERNEL_F32, OUT, IN, &q));
    engine_quantised_expand(q, 0, OUT, KERNEL_F32, weight);
    tensor_scope *s = tensor_scope_new(true);
    const int64_t shape[] = {OUT, IN}, x_shape[] = {ROWS, IN};
    tensor *whole = tensor_over(s, TENSOR_F32, shape, 2, weight, NULL, NULL);
    tensor *x = tensor_clone(s, tensor_over(s, TENSOR_F32, x_shape, 2, values, NULL, NULL));
    tensor *bias = tensor_full(s, TENSOR_F32, (tensor_device){0}, shape, 1, 0.5);
    tensor_packed packed = {expand_rows, q, TENSOR_F32, 100, OUT - 100, IN};
    tensor *rows = tensor_narrow(s, whole, 0, 100, OUT - 100),
           *offset = tensor_narrow(s, bias, 0, 0, OUT - 100);
    check_true(most_apart(tensor_linear_packed(s, x, &packed, offset), tensor_linear(s, x, rows, offset)) <
               1e-3);
    check_true(tensor_requires_grad(s, x));
    tensor_projection in_pieces = {.packed = packed}, at_once = {.weight = rows};
    tensor *a = gradient_in(s, x, &in_pieces), *b = gradient_in(s, x, &at_once);
    check_true(most_apart(in_pieces.y, at_once.y) < 1e-3);
    check_true(most_apart(a, b) < 0.1); /* of some 3e4: sums of 2,100 products of numbers near 20 */
    check_ok(tensor_scope_close(s));
    engine_quantised_free(q);
    free(weight), free(values);
}

TESTS(RUN(every_set_packs_expands_and_multiplies_as_the_plain_one),
      RUN(products_large_enough_for_several_threads_are_right),
      RUN(libtorchs_products_in_pieces_are_those_with_the_whole))
