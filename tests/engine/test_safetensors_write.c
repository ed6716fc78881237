/* What is written reads back, and is laid out as the format's own library does it. */
#include "engine/safetensors_write.h"

#include <string.h>

#include "tests/support/check.h"

static const float floats[] = {1.5f, -2, 3, 0, 7, 8};
static const uint16_t halves[] = {0x3f80, 0xbf80};

TEST(tensors_read_back_as_they_were_written)
{
    engine_safetensor_out tensors[] = {
        {"b.half", ENGINE_DTYPE_BF16, 1, {2}, {(const char *)halves, sizeof halves}},
        {"z", ENGINE_DTYPE_F32, 2, {2, 3}, {(const char *)floats, sizeof floats}},
        {"odd \"name\"\\\n", ENGINE_DTYPE_F32, 0, {0}, {(const char *)floats, 4}},
        {"empty", ENGINE_DTYPE_F32, 2, {0, 3}, {"", 0}},
    };
    engine_safetensors_sort(tensors, COUNT_OF(tensors));
    check_text(tensors[0].name, "empty");
    check_text(tensors[3].name, "b.half");
    bytes file = {0};
    engine_safetensors *read = NULL;
    engine_safetensors_write(tensors, COUNT_OF(tensors), &file);
    check_ok(engine_safetensors_parse(bytes_borrow(&file), &read));
    check_int(engine_safetensors_count(read), COUNT_OF(tensors));
    check_true(bytes_view_is(engine_safetensors_metadata(read, "format"), "pt"));
    for (size_t i = 0; i < COUNT_OF(tensors); i++) {
        const engine_safetensor *t = engine_safetensors_find(read, tensors[i].name);
        check_true(t && t->type == tensors[i].type && t->rank == tensors[i].rank);
        check_true(bytes_view_equal(t->data, tensors[i].data));
        check_int((size_t)(t->data.data - file.data) % (engine_dtype_bits(t->type) / 8), 0);
    }
    engine_safetensors_free(read);
    bytes_free(&file);
}

TEST(a_file_without_tensors_is_one_too)
{
    bytes file = {0};
    engine_safetensors *read = NULL;
    engine_safetensors_write(NULL, 0, &file);
    check_ok(engine_safetensors_parse(bytes_borrow(&file), &read));
    check_int(engine_safetensors_count(read), 0);
    engine_safetensors_free(read);
    bytes_free(&file);
}

TESTS(RUN(tensors_read_back_as_they_were_written), RUN(a_file_without_tensors_is_one_too))
