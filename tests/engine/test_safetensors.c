#include "engine/safetensors.h"

#include <string.h>

#include "tests/support/check.h"
#include "tests/support/safetensors.h"

#define TWO                                                                                                  \
    "{\"__metadata__\":{\"format\":\"pt\"},"                                                                 \
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"                                     \
    "\"a\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[24,26]}}"

static engine_safetensors *parsed(bytes file)
{
    engine_safetensors *st = NULL;
    check_ok(engine_safetensors_parse(bytes_borrow(&file), &st));
    return st;
}

static void refused_view(bytes_view file, err_code code, const char *words)
{
    engine_safetensors *st = NULL;
    check_fails(engine_safetensors_parse(file, &st), code, words);
    check_true(st == NULL);
}

static void refused(const char *header, size_t data_size, err_code code, const char *words)
{
    bytes file = safetensors_of(header, data_size);
    refused_view(bytes_borrow(&file), code, words);
    bytes_free(&file);
}

/* One tensor "t" with these fields and this much data. */
static void refused_tensor(const char *fields, size_t data_size, err_code code, const char *words)
{
    bytes header = {0};
    bytes_printf(&header, "{\"t\":{%s}}", fields);
    refused(bytes_text(&header), data_size, code, words);
    bytes_free(&header);
}

TEST(a_header_is_read_into_a_table)
{
    bytes file = safetensors_of(TWO, 26);
    engine_safetensors *st = parsed(file);
    check_int(engine_safetensors_count(st), 2);
    const engine_safetensor *b = engine_safetensors_borrow(st, 0), *a = engine_safetensors_find(st, "a");
    check_text(b->name, "b");
    check_true(b->type == ENGINE_DTYPE_F32 && b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 3);
    check_int(b->count, 6);
    check_int(b->data.size, 24);
    check_true(a->rank == 0 && a->count == 1 && a->data.size == 2 && a->data.data[0] == 24);
    check_true(engine_safetensors_find(st, "c") == NULL);
    check_true(bytes_view_is(engine_safetensors_metadata(st, "format"), "pt"));
    check_int(engine_safetensors_metadata(st, "absent").size, 0);
    check_int(engine_safetensors_data_bytes(st), 26);
    engine_safetensors_free(st);
    bytes_free(&file);
}

TEST(white_space_around_the_header_is_fine)
{
    bytes file =
        safetensors_of(" \t\r\n{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}} \n ", 1);
    engine_safetensors_free(parsed(file));
    bytes_free(&file);
}

TEST(a_file_of_no_tensors_is_fine)
{
    bytes file = safetensors_of("{}", 0);
    engine_safetensors *st = parsed(file);
    check_int(engine_safetensors_count(st), 0);
    check_true(engine_safetensors_find(st, "a") == NULL);
    engine_safetensors_free(st);
    bytes_free(&file);
}

TEST(a_tensor_of_no_elements_takes_no_bytes)
{
    bytes file = safetensors_of("{\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[0,0]},"
                                "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                                "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                                2);
    engine_safetensors *st = parsed(file);
    check_int(engine_safetensors_find(st, "z")->count, 0);
    check_int(engine_safetensors_find(st, "e")->data.size, 0);
    engine_safetensors_free(st);
    bytes_free(&file);
}

TEST(types_of_less_than_a_byte_are_packed)
{
    bytes file = safetensors_of("{\"f6\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[0,3]},"
                                "\"f4\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[3,4]}}",
                                4);
    engine_safetensors_free(parsed(file));
    bytes_free(&file);
    refused_tensor("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]", 2, ERR_FORMAT,
                   "do not fill whole bytes");
}

TEST(every_type_has_a_name_and_a_size)
{
    for (int i = 0; i < ENGINE_DTYPE_COUNT; i++) {
        check_true(engine_dtype_bits((engine_dtype)i) > 0);
        assert_string_not_equal(engine_dtype_name((engine_dtype)i), "unknown");
    }
    check_text(engine_dtype_name(ENGINE_DTYPE_COUNT), "unknown");
    check_int(engine_dtype_bits(ENGINE_DTYPE_COUNT), 0);
}

TEST(a_file_below_eight_bytes_is_too_short)
{
    for (size_t size = 0; size < 8; size++)
        refused_view((bytes_view){"\2\0\0\0\0\0\0", size}, ERR_FORMAT, "too short");
}

TEST(a_header_past_its_limit_or_the_file_is_refused)
{
    uint64_t size = ENGINE_SAFETENSORS_HEADER_BYTES_MAX + 1ull;
    refused_view((bytes_view){(const char *)&size, 8}, ERR_LIMIT, "the limit is 100000000");
    size = 1;
    refused_view((bytes_view){(const char *)&size, 8}, ERR_FORMAT, "cut off");
    size = UINT64_MAX;
    refused_view((bytes_view){(const char *)&size, 8}, ERR_LIMIT, "is this a safetensors file?");
}

TEST(a_file_cut_at_any_byte_is_refused)
{
    bytes file = safetensors_of(TWO, 26);
    for (size_t size = 0; size < file.size; size++) {
        engine_safetensors *st = NULL;
        err e = engine_safetensors_parse((bytes_view){file.data, size}, &st);
        check_true(e.code == ERR_FORMAT && st == NULL);
    }
    bytes_free(&file);
}

TEST(a_header_that_is_no_json_object_is_refused)
{
    refused("", 0, ERR_FORMAT, "the header is no JSON");
    refused("[]", 0, ERR_FORMAT, "the header is an array");
    refused("{\"a\":", 0, ERR_FORMAT, "line 1");
    refused("{\"\xff\":1}", 0, ERR_FORMAT, "the header is no JSON");
    refused("{\"a\":[[[[[[[[[[[1]]]]]]]]]]]}", 0, ERR_LIMIT, "line 1");
}

TEST(a_name_that_stands_twice_or_holds_a_nul_is_refused)
{
#define ONE "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"
    refused("{\"t\":" ONE ",\"t\":" ONE "}", 1, ERR_FORMAT, "t stands twice");
    refused("{\"t\\u0000\":" ONE "}", 1, ERR_FORMAT, "NUL");
}

TEST(metadata_is_text_alone)
{
    refused("{\"__metadata__\":{\"a\":1}}", 0, ERR_FORMAT, "a is a number, expected a string");
    refused("{\"__metadata__\":[]}", 0, ERR_FORMAT, "expected an object");
}

TEST(each_field_must_be_there_once_and_of_its_type)
{
    refused("{\"t\":1}", 0, ERR_FORMAT, "t: is a number, expected an object");
    refused_tensor("\"shape\":[1],\"data_offsets\":[0,1]", 1, ERR_FORMAT, "dtype is missing");
    refused_tensor("\"dtype\":\"U8\",\"data_offsets\":[0,1]", 1, ERR_FORMAT, "shape is missing");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1]", 1, ERR_FORMAT, "data_offsets is missing");
    refused_tensor("\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]", 1, ERR_FORMAT, "dtype is a number");
    refused_tensor("\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]", 1, ERR_FORMAT, "shape is a number");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,1]", 1, ERR_FORMAT,
                   "shape stands twice");
}

TEST(an_unknown_type_is_named)
{
    refused_tensor("\"dtype\":\"F7\",\"shape\":[1],\"data_offsets\":[0,1]", 1, ERR_UNSUPPORTED, "\"F7\"");
}

TEST(sizes_and_offsets_are_whole_numbers_from_zero_on)
{
    static const char *const numbers[] = {"-1", "1.0", "1e0", "0.5", "\"1\"", "null", "9223372036854775808"};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        bytes fields = {0};
        bytes_printf(&fields, "\"dtype\":\"U8\",\"shape\":[%s],\"data_offsets\":[0,1]", numbers[i]);
        refused_tensor(bytes_text(&fields), 1, ERR_FORMAT, "shape");
        bytes_clear(&fields);
        bytes_printf(&fields, "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,%s]", numbers[i]);
        refused_tensor(bytes_text(&fields), 1, ERR_FORMAT, "data_offsets");
        bytes_free(&fields);
    }
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]", 1, ERR_FORMAT, "two whole numbers");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]", 1, ERR_FORMAT,
                   "two whole numbers");
}

TEST(a_shape_that_overflows_is_refused)
{
    refused_tensor("\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]", 0, ERR_FORMAT,
                   "2^64 elements");
    refused_tensor("\"dtype\":\"F64\",\"shape\":[4294967296,1073741824],\"data_offsets\":[0,0]", 0,
                   ERR_FORMAT, "2^64 bits");
    bytes fields = {0};
    bytes_append_text(&fields, "\"dtype\":\"U8\",\"data_offsets\":[0,1],\"shape\":[1");
    for (int i = 0; i < ENGINE_SAFETENSORS_RANK_MAX; i++) bytes_append_text(&fields, ",1");
    bytes_append_text(&fields, "]");
    refused_tensor(bytes_text(&fields), 1, ERR_LIMIT, "33 dimensions");
    bytes_free(&fields);
}

TEST(offsets_must_hold_what_the_shape_says)
{
    refused_tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,7]", 7, ERR_FORMAT,
                   "expected 8 bytes");
    refused_tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9]", 9, ERR_FORMAT,
                   "expected 8 bytes");
    refused_tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]", 8, ERR_FORMAT,
                   "expected 8 bytes");
    refused_tensor("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]", 7, ERR_FORMAT, "only 7");
}

TEST(tensors_tile_the_data_without_holes_overlaps_or_a_rest)
{
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]", 2, ERR_FORMAT, "a hole");
    refused_tensor("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]", 3, ERR_FORMAT, "2 bytes follow");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
            3, ERR_FORMAT, "an overlap");
    refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
            "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[3,4]}}",
            4, ERR_FORMAT, "a hole");
    refused("{}", 1, ERR_FORMAT, "1 bytes follow");
}

TEST(a_shape_prints_as_a_list)
{
    bytes text = {0};
    engine_shape_print((int64_t[]){4096, 1024}, 2, &text);
    engine_shape_print(NULL, 0, &text);
    check_text(bytes_text(&text), "[4096, 1024][]");
    bytes_free(&text);
}

TEST(headers_as_peft_wrote_them_are_read)
{
    const char *shared = check_shared_data();
    if (!shared) skip();
    static const struct {
        const char *name;
        size_t bytes, tensors;
    } files[] = {{"opt125m-lora-r16", 1186328, 48}, {"gpt2-lora-r8-seqcls", 1201208, 25}};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        bytes file = check_read("%s/adapters/real-headers/%s.header.bin", shared, files[i].name);
        while (file.size < files[i].bytes) bytes_append_byte(&file, 0);
        engine_safetensors *st = parsed(file);
        check_int(engine_safetensors_count(st), files[i].tensors);
        engine_safetensors_free(st);
        bytes_free(&file);
    }
}

TESTS(RUN(a_header_is_read_into_a_table), RUN(white_space_around_the_header_is_fine),
      RUN(a_file_of_no_tensors_is_fine), RUN(a_tensor_of_no_elements_takes_no_bytes),
      RUN(types_of_less_than_a_byte_are_packed), RUN(every_type_has_a_name_and_a_size),
      RUN(a_file_below_eight_bytes_is_too_short), RUN(a_header_past_its_limit_or_the_file_is_refused),
      RUN(a_file_cut_at_any_byte_is_refused), RUN(a_header_that_is_no_json_object_is_refused),
      RUN(a_name_that_stands_twice_or_holds_a_nul_is_refused), RUN(metadata_is_text_alone),
      RUN(each_field_must_be_there_once_and_of_its_type), RUN(an_unknown_type_is_named),
      RUN(sizes_and_offsets_are_whole_numbers_from_zero_on), RUN(a_shape_that_overflows_is_refused),
      RUN(offsets_must_hold_what_the_shape_says), RUN(tensors_tile_the_data_without_holes_overlaps_or_a_rest),
      RUN(a_shape_prints_as_a_list), RUN(headers_as_peft_wrote_them_are_read))
