#include "ui/app/tensor_diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/dtype_values.h"
#include "tests/support/check.h"
#include "tests/support/safetensors.h"

static double value_of(engine_dtype type, const void *bits, size_t size)
{
    double out = 0;
    engine_dtype_values(type, (bytes_view){bits, size}, 0, 1, &out);
    return out;
}

#define VALUE(type, ctype, bits) value_of(type, &(ctype){bits}, sizeof(ctype))

TEST(elements_of_every_format_are_their_numbers)
{
    check_true(VALUE(ENGINE_DTYPE_F16, uint16_t, 0x3c00) == 1.0);
    check_true(VALUE(ENGINE_DTYPE_F16, uint16_t, 0x7bff) == 65504.0);
    check_true(VALUE(ENGINE_DTYPE_F16, uint16_t, 0x0001) == ldexp(1, -24));
    check_true(isinf(VALUE(ENGINE_DTYPE_F16, uint16_t, 0xfc00)));
    check_true(VALUE(ENGINE_DTYPE_BF16, uint16_t, 0xbf80) == -1.0);
    check_true(VALUE(ENGINE_DTYPE_F8_E4M3, uint8_t, 0x7e) == 448.0);
    check_true(VALUE(ENGINE_DTYPE_F8_E4M3, uint8_t, 0x01) == ldexp(1, -9));
    check_true(isnan(VALUE(ENGINE_DTYPE_F8_E4M3, uint8_t, 0xff)));
    check_true(VALUE(ENGINE_DTYPE_F8_E5M2, uint8_t, 0x7b) == 57344.0);
    check_true(isinf(VALUE(ENGINE_DTYPE_F8_E5M2, uint8_t, 0x7c)));
    check_true(VALUE(ENGINE_DTYPE_I8, uint8_t, 0xff) == -1.0);
    check_true(VALUE(ENGINE_DTYPE_I64, int64_t, -5) == -5.0);
    check_true(!engine_dtype_has_values(ENGINE_DTYPE_F4));
}

static void floats_put(bytes *file, size_t data_begin, const float *values, size_t count)
{
    memcpy(file->data + data_begin, values, count * sizeof *values);
}

static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]},"
                             "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[16,24]}}";

TEST(a_change_has_its_frobenius_norm_and_equal_tensors_none)
{
    bytes before = safetensors_of(header, 24), after = safetensors_of(header, 24);
    size_t data = 8 + sizeof header - 1;
    tensor_diff diff = {0};

    floats_put(&before, data, (float[]){3, 0, 0, 4, 1, 1}, 6);
    floats_put(&after, data, (float[]){3, 3, -4, 4, 1, 1}, 6);
    check_ok(tensor_diff_read(bytes_borrow(&before), bytes_borrow(&after), NULL, &diff));
    check_int(diff.count, 1);
    check_int(diff.same, 1);
    check_text(diff.rows[0].name, "a");
    check_true(diff.rows[0].change == TENSOR_CHANGED && diff.rows[0].norm_before == 5);
    check_true(diff.rows[0].norm_change == 5 && diff.rows[0].largest == 4 && diff.norm_change == 5);
    tensor_diff_free(&diff);

    floats_put(&after, data, (float[]){3, NAN, 0, 4, 1, 1}, 6);
    check_ok(tensor_diff_read(bytes_borrow(&before), bytes_borrow(&after), NULL, &diff));
    check_true(isnan(diff.rows[0].norm_change) && isnan(diff.rows[0].largest));
    tensor_diff_free(&diff);
    bytes_free(&before);
    bytes_free(&after);
}

TEST(added_gone_and_remade_tensors_are_told_apart)
{
    bytes before = safetensors_of(header, 24);
    bytes after = safetensors_of("{\"a\":{\"dtype\":\"BF16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                                 "\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
                                 12);
    tensor_diff diff = {0};

    check_ok(tensor_diff_read(bytes_borrow(&before), bytes_borrow(&after), NULL, &diff));
    check_int(diff.count, 3);
    check_true(diff.rows[0].change == TENSOR_REMADE && diff.rows[1].change == TENSOR_ADDED &&
               diff.rows[2].change == TENSOR_REMOVED);
    check_text(diff.rows[2].name, "b");
    tensor_diff_free(&diff);

    check_ok(tensor_diff_read((bytes_view){0}, bytes_borrow(&after), NULL, &diff));
    check_int(diff.count, 2);
    tensor_diff_free(&diff);
    bytes_free(&before);
    bytes_free(&after);
}

TEST(a_cancel_ends_it_and_a_broken_file_is_told)
{
    bytes before = safetensors_of(header, 24), after = safetensors_of(header, 24);
    volatile sig_atomic_t cancelled = 1;
    tensor_diff diff = {0};

    after.data[8 + sizeof header - 1] = 77;
    check_fails(tensor_diff_read(bytes_borrow(&before), bytes_borrow(&after), &cancelled, &diff),
                ERR_CANCELLED, "cancelled");
    check_fails(tensor_diff_read(bytes_borrow(&before), VIEW("no"), NULL, &diff), ERR_FORMAT, "");
    bytes_free(&before);
    bytes_free(&after);
}

TESTS(RUN(elements_of_every_format_are_their_numbers),
      RUN(a_change_has_its_frobenius_norm_and_equal_tensors_none),
      RUN(added_gone_and_remade_tensors_are_told_apart), RUN(a_cancel_ends_it_and_a_broken_file_is_told))
