/* The door to libtorch: every op against numbers worked out by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tensor/tensor.h"
#include "tests/support/check.h"

#define SHAPE(...) (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Element i of t is near wanted[i], for every element. */
static void check_numbers_near(const tensor *t, size_t count, const float *wanted, float tolerance)
{
    float got[64];
    assert_non_null(t);
    assert_true(count <= COUNT_OF(got));
    check_ok(tensor_read_f32(t, got, count));
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(got[i] - wanted[i]) <= tolerance))
            fail_msg("element %zu is %.9g, expected %.9g", i, (double)got[i], (double)wanted[i]);
}

#define CHECK_NUMBERS(t, ...)                                                                                \
    check_numbers_near((t), sizeof((float[]){__VA_ARGS__}) / sizeof(float), (const float[]){__VA_ARGS__},    \
                       1e-5f)

static tensor *numbers(tensor_scope *s, int64_t rows, int64_t columns, const float *values)
{
    tensor *flat = tensor_from_f32(s, TENSOR_CPU, values, (size_t)(rows * columns));
    return tensor_reshape(s, flat, SHAPE(rows, columns));
}

#define NUMBERS(s, rows, columns, ...) numbers((s), (rows), (columns), (const float[]){__VA_ARGS__})

TEST(the_door_opens_once_and_says_what_lies_behind)
{
    check_ok(tensor_door_open());
    check_ok(tensor_door_open());
    check_true(tensor_door_is_open());
    int major = 0, minor = 0;
    check_int(sscanf(tensor_library_version(), "%d.%d.", &major, &minor), 2);
    check_true(major > 2 || (major == 2 && minor >= 6));
    check_true(tensor_library_path()[0] == '/');
    check_true(tensor_threads() >= 1);
    tensor_threads_set(1);
    check_int(tensor_threads(), 1);
    tensor_threads_set(0);
    check_true(tensor_threads() >= 1);
}

TEST(types_have_names_and_sizes)
{
    check_text(tensor_type_name(TENSOR_BF16), "bf16");
    check_text(tensor_type_name(TENSOR_I64), "i64");
    check_int(tensor_type_bytes(TENSOR_F32), 4);
    check_int(tensor_type_bytes(TENSOR_BF16), 2);
}

TEST(a_tensor_is_made_looked_at_and_read_back)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = NUMBERS(s, 2, 3, 1, 2, 3, 4, 5, 6);
    check_int(tensor_rank(t), 2);
    check_int(tensor_size(t, 0), 2);
    check_int(tensor_size(t, -1), 3);
    check_int(tensor_count(t), 6);
    check_int(tensor_bytes(t), 24);
    check_int(tensor_type_of(t), TENSOR_F32);
    check_true(!tensor_device_of(t).cuda);
    check_true(((const float *)tensor_borrow_data(t))[4] == 5);
    CHECK_NUMBERS(tensor_full(s, TENSOR_BF16, TENSOR_CPU, SHAPE(2, 1), 1.5), 1.5f, 1.5f);
    CHECK_NUMBERS(tensor_range(s, TENSOR_F32, TENSOR_CPU, 2, 5), 2, 3, 4);
    check_int(tensor_count(tensor_empty(s, TENSOR_I32, TENSOR_CPU, SHAPE(3, 0))), 0);
    int64_t ids[3];
    check_ok(tensor_read_i64(tensor_from_i32(s, TENSOR_CPU, (const int32_t[]){7, -1, 9}, 3), ids, 3));
    check_true(ids[0] == 7 && ids[1] == -1 && ids[2] == 9);
    check_fails(tensor_read_i64(t, ids, 3), ERR_STATE, "6 elements");
    check_ok(tensor_scope_close(s));
}

static void count_release(void *owner) { ++*(int *)owner; }

TEST(memory_of_others_is_viewed_and_given_back_once)
{
    _Alignas(8) float memory[4] = {1, 2, 3, 4};
    int released = 0;
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = tensor_over(s, TENSOR_F32, SHAPE(2, 2), memory, count_release, &released);
    check_true(tensor_borrow_data(t) == memory);
    tensor *part = tensor_keep(s, tensor_select(s, t, 0, 1));
    check_ok(tensor_scope_close(s));
    check_int(released, 0); /* the view still holds it */
    CHECK_NUMBERS(part, 3, 4);
    tensor_free(part);
    check_int(released, 1);
}

TEST(unaligned_memory_is_copied)
{
    _Alignas(8) char raw[1 + 8];
    memcpy(raw + 1, (const float[]){5, 6}, 8);
    int released = 0;
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = tensor_over(s, TENSOR_F32, SHAPE(2), raw + 1, count_release, &released);
    check_true(tensor_borrow_data(t) != raw + 1);
    CHECK_NUMBERS(t, 5, 6);
    check_int(released, 1);
    tensor *bad = tensor_over(s, TENSOR_F32, SHAPE(-2), raw, count_release, &released);
    assert_null(bad);
    check_int(released, 2);
    assert_true(tensor_scope_close(s).code != ERR_NONE);
}

TEST(shapes_change_without_changing_numbers)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = NUMBERS(s, 2, 3, 1, 2, 3, 4, 5, 6);
    CHECK_NUMBERS(TENSOR_RESHAPE(s, t, 3, -1), 1, 2, 3, 4, 5, 6);
    check_int(tensor_size(TENSOR_RESHAPE(s, t, 3, -1), 1), 2);
    tensor *turned = tensor_transpose(s, t, 0, 1);
    CHECK_NUMBERS(turned, 1, 4, 2, 5, 3, 6);
    check_true(!tensor_is_contiguous(turned));
    assert_null(tensor_borrow_data(turned));
    check_true(tensor_is_contiguous(tensor_contiguous(s, turned)));
    CHECK_NUMBERS(tensor_narrow(s, t, 1, 1, 2), 2, 3, 5, 6);
    CHECK_NUMBERS(tensor_select(s, t, 1, 2), 3, 6);
    check_int(tensor_rank(tensor_unsqueeze(s, t, 0)), 3);
    check_int(tensor_rank(tensor_squeeze(s, tensor_unsqueeze(s, t, 0), 0)), 2);
    tensor *ids = tensor_from_i32(s, TENSOR_CPU, (const int32_t[]){1, 0, 1}, 3);
    CHECK_NUMBERS(tensor_index_select(s, t, 0, ids), 4, 5, 6, 1, 2, 3, 4, 5, 6);
    CHECK_NUMBERS(tensor_embedding(s, t, ids), 4, 5, 6, 1, 2, 3, 4, 5, 6);
    tensor *columns = TENSOR_RESHAPE(s, tensor_from_i32(s, TENSOR_CPU, (const int32_t[]){2, 0}, 2), 2, 1);
    CHECK_NUMBERS(tensor_gather(s, t, 1, columns), 3, 4);
    CHECK_NUMBERS(tensor_cat(s, (tensor *[]){t, t}, 2, 1), 1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6);
    tensor *column = tensor_narrow(s, t, 1, 0, 1);
    CHECK_NUMBERS(tensor_expand(s, column, SHAPE(2, 2)), 1, 1, 4, 4);
    CHECK_NUMBERS(tensor_repeat_interleave(s, column, 2, 0), 1, 1, 4, 4);
    tensor *target = tensor_clone(s, t);
    check_true(tensor_copy_into(s, tensor_select(s, target, 0, 0), tensor_select(s, t, 0, 1)));
    CHECK_NUMBERS(target, 4, 5, 6, 4, 5, 6);
    CHECK_NUMBERS(tensor_share(s, t), 1, 2, 3, 4, 5, 6);
    check_ok(tensor_scope_close(s));
}

TEST(types_are_converted_as_the_format_says)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = NUMBERS(s, 1, 2, 1.00390625f, -3);
    CHECK_NUMBERS(tensor_cast(s, t, TENSOR_BF16), 1.0f, -3); /* to the even neighbour */
    CHECK_NUMBERS(tensor_to(s, t, TENSOR_F16, TENSOR_CPU), 1.00390625f, -3);
    check_true(tensor_borrow_data(tensor_to(s, t, TENSOR_F32, TENSOR_CPU)) == tensor_borrow_data(t));
    int64_t whole[2];
    check_ok(tensor_read_i64(tensor_cast(s, t, TENSOR_I32), whole, 2));
    check_true(whole[0] == 1 && whole[1] == -3);
    check_ok(tensor_scope_close(s));
}

TEST(arithmetic_agrees_with_the_c_library)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *a = NUMBERS(s, 1, 3, 1, -2, 0.5f), *b = NUMBERS(s, 1, 3, 4, 5, 8);
    CHECK_NUMBERS(tensor_add(s, a, b), 5, 3, 8.5f);
    CHECK_NUMBERS(tensor_sub(s, a, b), -3, -7, -7.5f);
    CHECK_NUMBERS(tensor_mul(s, a, b), 4, -10, 4);
    CHECK_NUMBERS(tensor_div(s, a, b), 0.25f, -0.4f, 0.0625f);
    CHECK_NUMBERS(tensor_scale(s, a, 3), 3, -6, 1.5f);
    CHECK_NUMBERS(tensor_shift(s, a, 3), 4, 1, 3.5f);
    CHECK_NUMBERS(tensor_power(s, a, 2), 1, 4, 0.25f);
    CHECK_NUMBERS(tensor_neg(s, a), -1, 2, -0.5f);
    CHECK_NUMBERS(tensor_exp(s, a), expf(1), expf(-2), expf(0.5f));
    CHECK_NUMBERS(tensor_log(s, b), logf(4), logf(5), logf(8));
    CHECK_NUMBERS(tensor_sin(s, a), sinf(1), sinf(-2), sinf(0.5f));
    CHECK_NUMBERS(tensor_cos(s, a), cosf(1), cosf(-2), cosf(0.5f));
    CHECK_NUMBERS(tensor_tanh(s, a), tanhf(1), tanhf(-2), tanhf(0.5f));
    CHECK_NUMBERS(tensor_sqrt(s, b), 2, sqrtf(5), sqrtf(8));
    CHECK_NUMBERS(tensor_rsqrt(s, b), 0.5f, 1 / sqrtf(5), 1 / sqrtf(8));
    CHECK_NUMBERS(tensor_relu(s, a), 1, 0, 0.5f);
    CHECK_NUMBERS(tensor_sigmoid(s, a), 1 / (1 + expf(-1)), 1 / (1 + expf(2)), 1 / (1 + expf(-0.5f)));
    CHECK_NUMBERS(tensor_silu(s, a), 1 / (1 + expf(-1)), -2 / (1 + expf(2)), 0.5f / (1 + expf(-0.5f)));
    CHECK_NUMBERS(tensor_gelu(s, a, false), 0.5f * (1 + erff(sqrtf(0.5f))), -1 * (1 + erff(-2 * sqrtf(0.5f))),
                  0.25f * (1 + erff(0.5f * sqrtf(0.5f))));
    CHECK_NUMBERS(tensor_gelu(s, a, true), 0.841192f, -0.0454023f, 0.345714f);
    check_ok(tensor_scope_close(s));
}

TEST(sums_run_over_one_dimension)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *t = NUMBERS(s, 2, 3, 1, 2, 3, 4, 8, 6);
    CHECK_NUMBERS(tensor_sum(s, t, -1, false), 6, 18);
    CHECK_NUMBERS(tensor_sum(s, t, 0, true), 5, 10, 9);
    CHECK_NUMBERS(tensor_mean(s, t, -1, true), 2, 6);
    check_int(tensor_rank(tensor_mean(s, t, -1, true)), 2);
    CHECK_NUMBERS(tensor_max(s, t, 1, false), 3, 8);
    CHECK_NUMBERS(tensor_argmax(s, t, 1), 2, 1);
    CHECK_NUMBERS(tensor_norm(s, t, 1, false), sqrtf(14), sqrtf(116));
    CHECK_NUMBERS(tensor_logsumexp(s, t, 1, false), logf(expf(1) + expf(2) + expf(3)),
                  8 + logf(1 + expf(-4) + expf(-2)));
    float total = expf(-2) + expf(-1) + 1;
    tensor *row = tensor_narrow(s, t, 0, 0, 1);
    CHECK_NUMBERS(tensor_softmax(s, row, -1), expf(-2) / total, expf(-1) / total, 1 / total);
    CHECK_NUMBERS(tensor_log_softmax(s, row, -1), -2 - logf(total), -1 - logf(total), -logf(total));
    tensor *mask = tensor_cast(s, NUMBERS(s, 1, 3, 0, 1, 0), TENSOR_BOOL);
    CHECK_NUMBERS(tensor_masked_fill(s, row, mask, -9), 1, -9, 3);
    check_ok(tensor_scope_close(s));
}

TEST(products_agree_with_sums_by_hand)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *x = NUMBERS(s, 1, 2, 1, 2), *w = NUMBERS(s, 3, 2, 1, 0, 0, 1, 2, 3);
    tensor *bias = tensor_from_f32(s, TENSOR_CPU, (const float[]){10, 20, 30}, 3);
    CHECK_NUMBERS(tensor_linear(s, x, w, NULL), 1, 2, 8);
    CHECK_NUMBERS(tensor_linear(s, x, w, bias), 11, 22, 38);
    CHECK_NUMBERS(tensor_matmul(s, x, tensor_transpose(s, w, 0, 1)), 1, 2, 8);
    check_ok(tensor_scope_close(s));
}

/* One key/value head, two query heads, two tokens of size one: small enough to do on paper. */
TEST(attention_with_shared_heads_is_causal_and_scaled)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *q = TENSOR_RESHAPE(s, NUMBERS(s, 1, 4, 1, 2, 3, 4), 1, 2, 2, 1);
    tensor *k = TENSOR_RESHAPE(s, NUMBERS(s, 1, 2, 1, -1), 1, 1, 2, 1);
    tensor *v = TENSOR_RESHAPE(s, NUMBERS(s, 1, 2, 10, 20), 1, 1, 2, 1);
    float late_0 = 10 + 10 / (1 + expf(2)), late_1 = 10 + 10 / (1 + expf(4));
    CHECK_NUMBERS(tensor_attention(s, q, k, v, NULL, true, 0.5), 10, late_0, 10, late_1);
    float early_0 = 10 + 10 / (1 + expf(1)), early_1 = 10 + 10 / (1 + expf(3));
    CHECK_NUMBERS(tensor_attention(s, q, k, v, NULL, false, 0.5), early_0, late_0, early_1, late_1);
    tensor *mask = TENSOR_RESHAPE(s, NUMBERS(s, 2, 2, 0, -INFINITY, 0, 0), 1, 1, 2, 2);
    CHECK_NUMBERS(tensor_attention(s, q, k, v, mask, false, 0.5), 10, late_0, 10, late_1);
    tensor *allowed =
        TENSOR_RESHAPE(s, tensor_cast(s, NUMBERS(s, 2, 2, 1, 0, 1, 1), TENSOR_BOOL), 1, 1, 2, 2);
    CHECK_NUMBERS(tensor_attention(s, q, k, v, allowed, false, 0.5), 10, late_0, 10, late_1);
    check_ok(tensor_scope_close(s));
}

TEST(the_three_norms_round_in_three_orders)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *x = NUMBERS(s, 1, 2, 3, 4), *w = tensor_from_f32(s, TENSOR_CPU, (const float[]){2, 0.5f}, 2);
    float unit = 1 / sqrtf(12.5f);
    CHECK_NUMBERS(tensor_rms_norm(s, x, w, 0, TENSOR_NORM_LLAMA), 6 * unit, 2 * unit);
    CHECK_NUMBERS(tensor_rms_norm(s, x, w, 0, TENSOR_NORM_F32_WEIGHT), 6 * unit, 2 * unit);
    CHECK_NUMBERS(tensor_rms_norm(s, x, w, 0, TENSOR_NORM_GEMMA), 9 * unit, 6 * unit);
    CHECK_NUMBERS(tensor_rms_norm(s, x, w, 37.5, TENSOR_NORM_LLAMA), 6 / sqrtf(50), 2 / sqrtf(50));
    /* 1.04 and 1.03 have no bf16: rounded before the weight or after it, the product differs. */
    tensor *narrow = tensor_cast(s, NUMBERS(s, 1, 2, 3, 4), TENSOR_BF16);
    tensor *wide =
        tensor_cast(s, tensor_from_f32(s, TENSOR_CPU, (const float[]){1.04f, 1.03f}, 2), TENSOR_BF16);
    CHECK_NUMBERS(tensor_rms_norm(s, narrow, wide, 0, TENSOR_NORM_LLAMA), 0.87890625f, 1.171875f);
    CHECK_NUMBERS(tensor_rms_norm(s, narrow, wide, 0, TENSOR_NORM_F32_WEIGHT), 0.8828125f, 1.1640625f);
    check_ok(tensor_scope_close(s));
}

TEST(the_first_failure_is_kept_and_said_in_one_line)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *a = NUMBERS(s, 2, 3, 1, 2, 3, 4, 5, 6);
    tensor *wrong = tensor_matmul(s, a, a);
    assert_null(wrong);
    check_true(tensor_scope_failed(s));
    assert_null(tensor_add(s, wrong, a));
    assert_null(tensor_fail(s, err_make(ERR_FORMAT, "a later one")));
    assert_false(tensor_copy_into(s, a, wrong));
    err e = tensor_scope_close(s);
    check_int(e.code, ERR_STATE);
    check_true(check_text_holds(e.text, "matmul: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"));
    assert_null(strchr(e.text, '\n'));
    assert_null(strstr(e.text, "Exception raised"));
}

TEST(a_failure_of_the_callers_own_comes_out_of_the_scope)
{
    tensor_scope *s = tensor_scope_new(false);
    assert_null(tensor_fail(s, err_make(ERR_CANCELLED, "stopped")));
    check_fails(tensor_scope_close(s), ERR_CANCELLED, "stopped");
    s = tensor_scope_new(false);
    assert_null(tensor_neg(s, NULL));
    check_fails(tensor_scope_close(s), ERR_STATE, "neg: it was given no tensor");
    check_ok(tensor_scope_close(NULL));
    tensor_free(NULL);
}

TEST(a_tensor_too_large_for_the_machine_is_a_memory_error)
{
    tensor_scope *s = tensor_scope_new(false);
    assert_null(tensor_empty(s, TENSOR_F32, TENSOR_CPU, SHAPE(1 << 30, 1 << 20)));
    check_fails(tensor_scope_close(s), ERR_MEMORY, "4503599627370496 bytes");
}

TEST(temporaries_go_and_kept_tensors_stay)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *first = NUMBERS(s, 1, 2, 1, 2);
    size_t mark = tensor_scope_mark(s);
    tensor *kept = NULL;
    for (int i = 0; i < 1000; i++) {
        tensor *t = tensor_scale(s, first, i);
        if (i == 7) kept = tensor_keep(s, t);
        tensor_scope_release(s, mark);
    }
    check_int(tensor_scope_mark(s), mark);
    CHECK_NUMBERS(first, 1, 2);
    tensor *freed = tensor_neg(s, first);
    tensor_free(freed); /* before its scope: fine too */
    check_ok(tensor_scope_close(s));
    CHECK_NUMBERS(kept, 7, 14);
    s = tensor_scope_new(false);
    CHECK_NUMBERS(tensor_neg(s, tensor_adopt(s, kept)), -7, -14);
    check_ok(tensor_scope_close(s));
}

TEST(a_gradient_flows_back_to_its_leaf)
{
    tensor_scope *plain = tensor_scope_new(false);
    tensor *w = tensor_keep(plain, NUMBERS(plain, 2, 2, 1, 2, 3, 4));
    tensor *x = tensor_keep(plain, NUMBERS(plain, 1, 2, 5, 6));
    check_ok(tensor_scope_close(plain));

    tensor_scope *s = tensor_scope_new(true);
    check_true(tensor_requires_grad(s, w));
    assert_null(tensor_grad(s, w));
    for (int round = 1; round <= 2; round++) { /* gradients add up until they are cleared */
        tensor *y = tensor_linear(s, x, w, NULL);
        check_true(tensor_backward(s, tensor_sum(s, TENSOR_RESHAPE(s, tensor_mul(s, y, y), -1), 0, false)));
        float r = (float)round;
        CHECK_NUMBERS(tensor_grad(s, w), 170 * r, 204 * r, 390 * r, 468 * r);
    }
    tensor_grad_clear(w);
    assert_null(tensor_grad(s, w));
    check_true(!tensor_scope_failed(s));
    assert_false(tensor_requires_grad(s, tensor_neg(s, w)));
    check_fails(tensor_scope_close(s), ERR_STATE, "requires_grad:");

    s = tensor_scope_new(false); /* the same leaf without a graph */
    assert_false(tensor_backward(s, tensor_sum(s, tensor_select(s, w, 0, 0), 0, false)));
    check_fails(tensor_scope_close(s), ERR_STATE, "backward:");
    tensor_free(w);
    tensor_free(x);
}

static void square_it(void *context, size_t index) { ((int *)context)[index] = (int)(index * index); }

TEST(a_loop_in_parallel_runs_every_index_once)
{
    int squares[1000] = {0};
    tensor_parallel_for(COUNT_OF(squares), square_it, squares);
    for (int i = 0; i < 1000; i++) check_int(squares[i], i * i);
    tensor_parallel_for(0, square_it, NULL);
}

TEST(devices_are_named_as_libtorch_names_them)
{
    tensor_device device = {.cuda = true, .index = 9};
    check_ok(tensor_device_parse("cpu", &device));
    check_true(!device.cuda);
    check_fails(tensor_device_parse("gpu", &device), ERR_USAGE, "'gpu'");
    check_fails(tensor_device_parse("cuda:x", &device), ERR_USAGE, "cuda:x");
    check_fails(tensor_device_parse("cuda:1000", &device), ERR_DEVICE, "cuda:1000");
    tensor_device_info info;
    check_ok(tensor_device_describe(TENSOR_CPU, &info));
    check_true(check_text_holds(info.name, "CPU"));
    check_true(info.memory_bytes > 0 && info.memory_free_bytes <= info.memory_bytes);
    if (tensor_cuda_count() == 0) {
        tensor_scope *s = tensor_scope_new(false);
        assert_null(tensor_full(s, TENSOR_F32, (tensor_device){.cuda = true}, SHAPE(1), 0));
        assert_true(tensor_scope_close(s).code != ERR_NONE);
    }
}

TESTS(RUN(the_door_opens_once_and_says_what_lies_behind), RUN(types_have_names_and_sizes),
      RUN(a_tensor_is_made_looked_at_and_read_back), RUN(memory_of_others_is_viewed_and_given_back_once),
      RUN(unaligned_memory_is_copied), RUN(shapes_change_without_changing_numbers),
      RUN(types_are_converted_as_the_format_says), RUN(arithmetic_agrees_with_the_c_library),
      RUN(sums_run_over_one_dimension), RUN(products_agree_with_sums_by_hand),
      RUN(attention_with_shared_heads_is_causal_and_scaled), RUN(the_three_norms_round_in_three_orders),
      RUN(the_first_failure_is_kept_and_said_in_one_line),
      RUN(a_failure_of_the_callers_own_comes_out_of_the_scope),
      RUN(a_tensor_too_large_for_the_machine_is_a_memory_error), RUN(temporaries_go_and_kept_tensors_stay),
      RUN(a_gradient_flows_back_to_its_leaf), RUN(a_loop_in_parallel_runs_every_index_once),
      RUN(devices_are_named_as_libtorch_names_them))
