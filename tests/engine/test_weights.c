#include "engine/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "tests/support/safetensors.h"

#define F32_A "{\"model.a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}"
#define BF16_B                                                                                               \
    "{\"b\":{\"dtype\":\"BF16\",\"shape\":[8],\"data_offsets\":[0,16]},"                                     \
    "\"n\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[16,24]}}"

static char folder[256];

static void given_folder(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", check_folder(), name);
    check_ok(file_make_folders(folder));
}

static void given_text(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    check_write(path, text, strlen(text));
}

static void given_tensors(const char *name, const char *header, size_t data_size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bytes file = safetensors_of(header, data_size);
    check_write(path, file.data, file.size);
    bytes_free(&file);
}

static err opened(engine_weights **out)
{
    engine_files *files = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    err e = engine_weights_open(files, out);
    engine_files_free(files);
    return e;
}

static void refused(err_code code, const char *words)
{
    engine_weights *w = NULL;
    check_fails(opened(&w), code, words);
    check_true(w == NULL);
}

static engine_weights *given_weights(const char *name, const char *header, size_t data_size)
{
    engine_weights *w = NULL;
    given_folder(name);
    given_tensors("model.safetensors", header, data_size);
    check_ok(opened(&w));
    return w;
}

static void check_files(const char *wanted)
{
    engine_files *files = NULL;
    bytes names = {0};
    size_t count = 0;
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_weights_list_files(files, &names, &count));
    for (size_t i = 0, seen = 0; i < names.size; i++)
        if (!names.data[i] && ++seen < count) names.data[i] = ' ';
    check_text(bytes_text(&names), wanted);
    bytes_free(&names);
    engine_files_free(files);
}

TEST(one_file_gives_its_tensors_by_name)
{
    engine_weights *w = given_weights("single", BF16_B, 24);
    check_int(engine_weights_count(w), 2);
    const engine_weight *b = engine_weights_find(w, "b");
    check_text(b->file, "model.safetensors");
    check_true(b->type == ENGINE_DTYPE_BF16 && b->rank == 1 && b->shape[0] == 8 && b->data.size == 16);
    check_text(engine_weights_borrow(w, 1)->name, "n");
    check_true(engine_weights_find(w, "c") == NULL);
    check_int(engine_weights_bytes(w), 24);
    check_int(engine_weights_parameters(w), 9);
    check_true(engine_weights_main_type(w) == ENGINE_DTYPE_BF16);
    check_int(engine_weights_metadata(w, "format").size, 0);
    check_files("model.safetensors");
    engine_weights_free(w);
}

TEST(shards_are_joined_as_the_index_says)
{
    engine_weights *w = NULL;
    given_folder("shards");
    given_tensors("s1.safetensors", F32_A, 16);
    given_tensors("s2.safetensors", BF16_B, 24);
    given_text("model.safetensors.index.json",
               "{\"metadata\":{\"total_size\":1},\"weight_map\":{\"model.a\":\"s1.safetensors\","
               "\"b\":\"s2.safetensors\"}}");
    check_ok(opened(&w));
    check_int(engine_weights_count(w), 2); /* n is in a shard but not in the map */
    check_text(engine_weights_find(w, "model.a")->file, "s1.safetensors");
    check_text(engine_weights_find(w, "b")->file, "s2.safetensors");
    check_files("model.safetensors.index.json s1.safetensors s2.safetensors");
    engine_weights_free(w);
}

TEST(of_two_shards_with_one_tensor_the_map_decides)
{
    engine_weights *w = NULL;
    given_folder("decides");
    given_tensors("s1.safetensors", F32_A, 16);
    given_tensors("s2.safetensors", F32_A, 16);
    given_text("model.safetensors.index.json", "{\"weight_map\":{\"model.a\":\"s2.safetensors\"}}");
    check_ok(opened(&w));
    check_text(engine_weights_find(w, "model.a")->file, "s2.safetensors");
    engine_weights_free(w);
}

TEST(an_index_that_leads_elsewhere_is_refused)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"../s.safetensors\"}}", "same folder"},
        {"{\"weight_map\":{\"a\":\"/s.safetensors\"}}", "same folder"},
        {"{\"weight_map\":{\"a\":\"sub/s.safetensors\"}}", "same folder"},
        {"{\"weight_map\":{\"a\":\"sub\\\\s.safetensors\"}}", "same folder"},
        {"{\"weight_map\":{\"a\":\"\"}}", "same folder"},
        {"{\"weight_map\":{\"a\":1}}", "expected a string"},
        {"{\"weight_map\":{\"a\\u0000\":\"s\"}}", "NUL"},
        {"{\"weight_map\":{\"a\":\"s\",\"a\":\"t\"}}", "a stands twice"},
        {"{\"weight_map\":{}}", "empty"},
        {"{}", "weight_map"},
        {"{", "line 1"},
    };
    given_folder("elsewhere");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        given_text("model.safetensors.index.json", cases[i].json);
        refused(ERR_FORMAT, cases[i].words);
    }
}

TEST(a_shard_or_tensor_that_is_not_there_is_named)
{
    given_folder("missing");
    given_text("model.safetensors.index.json", "{\"weight_map\":{\"gone\":\"s1.safetensors\"}}");
    refused(ERR_NOT_FOUND, "s1.safetensors");
    given_tensors("s1.safetensors", F32_A, 16);
    refused(ERR_FORMAT, "s1.safetensors: holds no tensor gone");
}

TEST(another_single_file_will_do)
{
    engine_weights *w = NULL;
    given_folder("other");
    given_tensors("adapter_model.safetensors", F32_A, 16);
    given_tensors("consolidated.safetensors", F32_A, 16);
    refused(ERR_NOT_FOUND, "holds no weights");
    given_tensors("weights.safetensors", F32_A, 16);
    check_ok(opened(&w));
    check_files("weights.safetensors");
    engine_weights_free(w);
    given_tensors("more.safetensors", F32_A, 16);
    refused(ERR_FORMAT, "more.safetensors and weights.safetensors");
}

TEST(a_pickle_is_never_opened)
{
    given_folder("pickle");
    given_text("pytorch_model.bin", "x");
    refused(ERR_UNSUPPORTED, "Python pickle");
}

TEST(a_pointer_to_a_large_file_is_told_from_a_broken_one)
{
    given_folder("pointer");
    given_text("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n");
    refused(ERR_NOT_FOUND, "Git LFS pointer");
    given_text("model.safetensors", "not at all");
    refused(ERR_LIMIT, "model.safetensors: a header of");
}

TEST(one_named_file_is_opened_alone)
{
    engine_files *files = NULL;
    engine_weights *w = NULL;
    given_folder("named");
    given_tensors("adapter_model.safetensors", F32_A, 16);
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_weights_open_file(files, "adapter_model.safetensors", &w));
    check_int(engine_weights_count(w), 1);
    engine_weights_free(w);
    check_fails(engine_weights_open_file(files, "gone.safetensors", &w), ERR_NOT_FOUND, "gone");
    engine_files_free(files);
}

TEST(the_shortest_name_of_an_ending_shows_the_prefix)
{
#define U8(begin, end) "{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" #begin "," #end "]}"
    engine_weights *w = given_weights("ending",
                                      "{\"x.model.e.w\":" U8(0, 1) ",\"model.e.w\":" U8(1, 2) ",\"e.ww\":" U8(
                                          2, 3) ",\"fe.w\":" U8(3, 4) "}",
                                      4);
    check_text(engine_weights_find_ending(w, "e.w")->name, "model.e.w");
    check_text(engine_weights_find_ending(w, "fe.w")->name, "fe.w");
    check_true(engine_weights_find_ending(w, "model") == NULL);
    engine_weights_free(w);
}

TEST(one_sentence_tells_all_that_is_wrong)
{
    engine_weights *w = given_weights("check", BF16_B, 24);
    engine_weight_want fine[] = {{"b", 1, {8}, false}, {"b", 1, {-1}, false}, {"c", 1, {1}, true}};
    check_ok(engine_weights_check(w, fine, COUNT_OF(fine)));
    engine_weight_want wants[] = {{"x", 1, {1}, false}, {"y", 1, {1}, false}, {"b", 2, {4, 2}, true}};
    check_fails(engine_weights_check(w, wants, COUNT_OF(wants)), ERR_FORMAT,
                "2 tensors are missing: x, y; 1 tensor is of a wrong shape: b is [8], expected [4, 2]");
    engine_weight_want typed = {"n", 1, {1}, false};
    check_fails(engine_weights_check(w, &typed, 1), ERR_UNSUPPORTED, "n is I64, expected F32, F16 or BF16");
    engine_weight_want many[6] = {{"1", 0, {0}, false}, {"2", 0, {0}, false}, {"3", 0, {0}, false},
                                  {"4", 0, {0}, false}, {"5", 0, {0}, false}, {"6", 0, {0}, false}};
    check_fails(engine_weights_check(w, many, 6), ERR_FORMAT, "6 tensors are missing: 1, 2, 3, 4 and 2 more");
    engine_weights_free(w);
}

TEST(a_tensor_lies_in_the_mapped_file_and_outlives_the_weights)
{
    engine_weights *w = NULL;
    given_folder("loaded");
    float values[4] = {1, -2, 0.5f, 3};
    bytes file = safetensors_of(F32_A "      ", 0);
    while (file.size % 8) bytes_append_byte(&file, ' '); /* aligned, as writers do */
    uint64_t header = file.size - 8;
    memcpy(file.data, &header, sizeof header);
    bytes_append(&file, values, sizeof values);
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    check_write(path, file.data, file.size);
    bytes_free(&file);
    check_ok(opened(&w));
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    tensor *a = engine_weights_load(w, s, "model.a", TENSOR_F32, TENSOR_CPU);
    tensor *half = engine_weights_load(w, s, "model.a", TENSOR_BF16, TENSOR_CPU);
    assert_ptr_equal(tensor_borrow_data(a), engine_weights_find(w, "model.a")->data.data);
    engine_weights_free(w);
    float read[4] = {0};
    check_ok(tensor_read_f32(a, read, 4));
    assert_memory_equal(read, values, sizeof read);
    check_true(tensor_type_of(half) == TENSOR_BF16 && tensor_rank(half) == 2);
    check_ok(tensor_scope_close(s));
}

TEST(data_that_lies_unaligned_is_loaded_too)
{
    engine_weights *w = given_weights("unaligned", F32_A, 16); /* a header of 67 bytes */
    check_ok(tensor_door_open());
    tensor_scope *s = tensor_scope_new(false);
    tensor *a = engine_weights_load(w, s, "model.a", TENSOR_F32, TENSOR_CPU);
    float read[4] = {0};
    check_ok(tensor_read_f32(a, read, 4));
    assert_memory_equal(read, engine_weights_find(w, "model.a")->data.data, sizeof read);
    check_ok(tensor_scope_close(s));
    engine_weights_free(w);
}

TEST(what_cannot_be_loaded_fails_the_scope)
{
    static const struct {
        const char *name, *words;
        err_code code;
    } cases[] = {{"gone", "no tensor gone", ERR_NOT_FOUND}, {"n", "stored as I64", ERR_UNSUPPORTED}};
    engine_weights *w = given_weights("unloadable", BF16_B, 24);
    check_ok(tensor_door_open());
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        tensor_scope *s = tensor_scope_new(false);
        check_true(engine_weights_load(w, s, cases[i].name, TENSOR_F32, TENSOR_CPU) == NULL);
        check_fails(tensor_scope_close(s), cases[i].code, cases[i].words);
    }
    engine_weights_free(w);
}

TESTS(RUN(one_file_gives_its_tensors_by_name), RUN(shards_are_joined_as_the_index_says),
      RUN(of_two_shards_with_one_tensor_the_map_decides), RUN(an_index_that_leads_elsewhere_is_refused),
      RUN(a_shard_or_tensor_that_is_not_there_is_named), RUN(another_single_file_will_do),
      RUN(a_pickle_is_never_opened), RUN(a_pointer_to_a_large_file_is_told_from_a_broken_one),
      RUN(one_named_file_is_opened_alone), RUN(the_shortest_name_of_an_ending_shows_the_prefix),
      RUN(one_sentence_tells_all_that_is_wrong),
      RUN(a_tensor_lies_in_the_mapped_file_and_outlives_the_weights),
      RUN(data_that_lies_unaligned_is_loaded_too), RUN(what_cannot_be_loaded_fails_the_scope))
