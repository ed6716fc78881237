#include "engine/model.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "engine/decoder.h"
#include "engine/text/tokenizer.h"
#include "engine/weights.h"
#include "tests/support/check.h"
#include "tests/support/safetensors.h"

static char folder[256];

static void given_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *parent = file_parent(path);
    check_ok(file_make_folders(parent));
    free(parent);
    check_write(path, text, strlen(text));
}

static void without_file(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(remove(path), 0);
}

/* One layer of llama: hidden 4, inner 4, one head of 4, 16 tokens, tied. */
static const char *const tensors[] = {"mlp.down_proj",    "mlp.gate_proj",    "mlp.up_proj",
                                      "self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj",
                                      "self_attn.v_proj"};

static void given_weights(const char *type, size_t element_bytes)
{
    bytes header = {0};
    size_t at = 16 * 4 * element_bytes;
    bytes_printf(
        &header,
        "{\"model.embed_tokens.weight\":{\"dtype\":\"%s\",\"shape\":[16,4],\"data_offsets\":[0,%zu]}", type,
        at);
    for (size_t i = 0; i < COUNT_OF(tensors); i++, at += 16 * element_bytes)
        bytes_printf(
            &header,
            ",\"model.layers.0.%s.weight\":{\"dtype\":\"%s\",\"shape\":[4,4],\"data_offsets\":[%zu,%zu]}",
            tensors[i], type, at, at + 16 * element_bytes);
    static const char *const norms[] = {"layers.0.input_layernorm", "layers.0.post_attention_layernorm",
                                        "norm"};
    for (size_t i = 0; i < COUNT_OF(norms); i++, at += 4 * element_bytes)
        bytes_printf(&header,
                     ",\"model.%s.weight\":{\"dtype\":\"%s\",\"shape\":[4],\"data_offsets\":[%zu,%zu]}",
                     norms[i], type, at, at + 4 * element_bytes);
    bytes_append_text(&header, "}");
    while (header.size % 8) bytes_append_byte(&header, ' ');
    bytes file = safetensors_of(bytes_text(&header), 0);
    for (size_t i = 0; i < at; i++) bytes_append_byte(&file, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    check_write(path, file.data, file.size);
    bytes_free(&header);
    bytes_free(&file);
}

#define CONFIG                                                                                               \
    "\"model_type\":\"llama\",\"hidden_size\":4,\"intermediate_size\":4,\"num_hidden_layers\":1,"            \
    "\"num_attention_heads\":1,\"vocab_size\":16,\"max_position_embeddings\":32,"                            \
    "\"tie_word_embeddings\":true,\"eos_token_id\":9"
#define ADDED(id, content)                                                                                   \
    "{\"id\":" #id ",\"content\":\"" content "\",\"special\":true,\"single_word\":false,\"lstrip\":false,"   \
    "\"rstrip\":false,\"normalized\":false}"
#define TOKENIZER                                                                                            \
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[" ADDED(                    \
        6,                                                                                                   \
        "<s>") "," ADDED(7,                                                                                  \
                         "</s>") "," ADDED(8,                                                                \
                                           "<|im_end|>") "],\"normalizer\":null,\"pre_tokenizer\":null,"     \
                                                         "\"post_processor\":null,\"decoder\":null,"         \
                                                         "\"model\":{"                                       \
                                                         "\"type\":\"BPE\",\"dropout\":null,\"unk_token\":"  \
                                                         "null,"                                             \
                                                         "\"continuing_subword_prefix\":null,"               \
                                                         "\"end_of_word_suffix\":null,\"fuse_unk\":false,"   \
                                                         "\"byte_fallback\":false,\"ignore_merges\":false,"  \
                                                         "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<\":3,"      \
                                                         "\"s\":4,"                                          \
                                                         "\">\":5},\"merges\":[\"a b\"]}}"

/* A whole model in a folder of this name. */
static void given_model(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", check_folder(), name);
    given_file("config.json", "{" CONFIG "}");
    given_file("tokenizer.json", TOKENIZER);
    given_file("tokenizer_config.json", "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\"}");
    given_file("chat_template.jinja", "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
    given_file("generation_config.json", "{\"eos_token_id\":[12,9],\"temperature\":0.5,\"top_k\":40}");
    given_weights("F32", 4);
}

static err opened(const engine_model_options *options, engine_model **out)
{
    engine_files *files = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    return engine_model_open(files, options, out);
}

static engine_model *inspected(void)
{
    engine_model *m = NULL;
    check_ok(opened(&(engine_model_options){0}, &m));
    return m;
}

static void refused(err_code code, const char *words)
{
    engine_model *m = NULL;
    check_fails(opened(&(engine_model_options){0}, &m), code, words);
    check_true(m == NULL);
}

/* The first test of all: nothing has opened the door before it. */
TEST(a_model_is_inspected_without_the_door_to_libtorch)
{
    given_model("inspected");
    engine_model *m = inspected();
    check_true(!tensor_door_is_open());
    check_text(engine_model_borrow_name(m), "inspected");
    check_text(engine_model_borrow_place(m), folder);
    check_text(engine_model_borrow_spec(m)->model_type, "llama");
    check_true(engine_model_borrow_decoder(m) == NULL);
    check_int(engine_weights_count(engine_model_borrow_weights(m)), 11);
    check_int(engine_model_parameters(m), 16 * 4 + 7 * 16 + 12);
    check_int(engine_model_bytes(m), 4 * engine_model_parameters(m));
    check_true(engine_model_type(m) == TENSOR_F32 && engine_model_load_seconds(m) == 0);
    check_true(strlen(engine_model_borrow_content_id(m)) > 0);
    check_true(engine_model_borrow_tokenizer(m) && engine_model_borrow_chat_template(m, NULL));
    engine_model_free(m);
    engine_model_free(NULL);
}

TEST(the_ids_that_end_an_answer_come_from_every_file)
{
    given_model("eos");
    engine_model *m = inspected();
    size_t count = 0;
    const int32_t *eos = engine_model_borrow_eos(m, &count);
    const int32_t wanted[] = {7, 8, 9, 12}; /* </s>, <|im_end|>, both configs, generation_config */
    check_int(count, 4);
    assert_memory_equal(eos, wanted, sizeof wanted);
    check_true(engine_model_is_eos(m, 12) && !engine_model_is_eos(m, 6));
    engine_model_free(m);
}

TEST(wishes_for_sampling_are_read_and_neutral_when_absent)
{
    given_model("wishes");
    engine_model *m = inspected();
    const engine_generation_defaults *d = engine_model_borrow_generation_defaults(m);
    check_true(d->has_file && d->has_temperature && d->temperature == 0.5 && d->has_top_k && d->top_k == 40);
    check_true(!d->has_top_p && d->top_p == 1 && !d->has_min_p && d->min_p == 0 && !d->has_do_sample);
    check_true(!d->has_repetition_penalty && d->repetition_penalty == 1 && !d->has_token_count_max);
    engine_model_free(m);
    without_file("generation_config.json");
    m = inspected();
    check_true(!engine_model_borrow_generation_defaults(m)->has_file);
    check_true(engine_model_borrow_generation_defaults(m)->temperature == 1);
    engine_model_free(m);
}

TEST(a_model_is_loaded_into_a_decoder)
{
    given_model("loaded");
    engine_model *m = NULL;
    check_ok(opened(&(engine_model_options){.device = "cpu", .weights = true}, &m));
    check_true(tensor_door_is_open() && engine_model_borrow_decoder(m) && engine_model_load_seconds(m) > 0);
    check_true(engine_decoder_type(engine_model_borrow_decoder(m)) == TENSOR_F32);
    check_true(!engine_model_device(m).cuda);
    engine_model_free(m);
    given_weights("BF16", 2);
    check_ok(opened(&(engine_model_options){.device = "cpu", .weights = true}, &m));
    check_true(engine_model_type(m) == TENSOR_BF16);
    engine_model_free(m);
    check_ok(opened(&(engine_model_options){.device = "cpu", .dtype = "nf4", .weights = true}, &m));
    check_true(engine_model_type(m) == TENSOR_BF16 && strcmp(engine_model_dtype(m), "nf4") == 0);
    check_true(engine_decoder_is_quantised(engine_model_borrow_decoder(m)));
    engine_model_free(m);
    check_fails(opened(&(engine_model_options){.dtype = "int3"}, &m), ERR_USAGE, "dtype int3");
    check_fails(opened(&(engine_model_options){.device = "abacus", .weights = true}, &m), ERR_USAGE,
                "abacus");
}

TEST(two_opens_of_one_content_share_one_model)
{
    given_model("shared");
    engine_models *all = engine_models_new();
    engine_model_options options = {.device = "cpu", .weights = true, .shared = all};
    engine_model *first = NULL, *second = NULL, *other_type = NULL, *changed = NULL;
    check_ok(opened(&options, &first));
    given_file("adapters/01_more.config.json", "{}"); /* does not make it another model */
    check_ok(opened(&options, &second));
    assert_ptr_equal(first, second);
    options.dtype = "bf16";
    check_ok(opened(&options, &other_type));
    assert_ptr_not_equal(first, other_type);
    options.dtype = NULL;
    given_file("chat_template.jinja", "other words");
    check_ok(opened(&options, &changed));
    assert_ptr_not_equal(first, changed);
    engine_models_free(all); /* before its models */
    engine_model_free(first);
    engine_model_free(other_type);
    check_text(engine_model_borrow_name(second), "shared");
    engine_model_free(engine_model_share(second));
    engine_model_free(second);
    engine_model_free(changed);
}

TEST(a_model_that_nobody_holds_is_loaded_anew)
{
    given_model("anew");
    engine_models *all = engine_models_new();
    engine_model_options options = {.device = "cpu", .weights = true, .shared = all};
    engine_model *m = NULL;
    for (int i = 0; i < 2; i++) {
        check_ok(opened(&options, &m));
        engine_model_free(m);
    }
    engine_models_free(all);
}

static bool stop(void *context, uint64_t done, uint64_t total)
{
    *(int *)context += 1;
    return total == 0 || done > total;
}

TEST(loading_can_be_cancelled)
{
    given_model("cancelled");
    int calls = 0;
    engine_model *m = NULL;
    engine_model_options options = {.device = "cpu", .weights = true, .progress = stop, .context = &calls};
    check_fails(opened(&options, &m), ERR_CANCELLED, "");
    check_true(calls == 1 && m == NULL);
}

static engine_chat_input input_of(const char *messages, arena *memory)
{
    engine_chat_input input = {.form = ENGINE_CHAT_FORM_OPENAI};
    check_ok(json_parse(bytes_view_of(messages), JSON_DEPTH_MAX, memory, &input.messages));
    return input;
}

TEST(a_conversation_is_encoded_and_its_words_never_become_special)
{
    given_model("chat");
    engine_model *m = inspected();
    arena memory = {0};
    engine_chat_input input = input_of("[{\"role\":\"user\",\"content\":\"ab<s>\"}]", &memory);
    engine_ids ids = {0};
    check_ok(engine_model_encode_chat(m, &input, &ids));
    const int32_t wanted[] = {6, 2, 3, 4, 5}; /* <s> of the template, then ab < s > */
    check_int(ids.count, 5);
    assert_memory_equal(ids.data, wanted, sizeof wanted);
    engine_chat_text text = {0};
    input.bos = VIEW("!");
    check_ok(engine_model_render_chat(m, "absent", &input, &text));
    check_text(bytes_text(&text.text), "!ab<s>");
    engine_chat_text_free(&text);
    engine_ids_free(&ids);
    arena_free(&memory);
    engine_model_free(m);
}

TEST(the_template_for_tools_is_taken_when_there_are_tools)
{
    given_model("tools");
    given_file("additional_chat_templates/tool_use.jinja",
               "{% for m in messages %}{{ m.content }}{% endfor %}");
    engine_model *m = inspected();
    const engine_chat_template *plain = engine_model_borrow_chat_template(m, NULL);
    assert_ptr_equal(engine_model_borrow_chat_template(m, "default"), plain);
    assert_ptr_equal(engine_model_borrow_chat_template(m, "absent"), plain);
    assert_ptr_not_equal(engine_model_borrow_chat_template(m, "tool_use"), plain);
    arena memory = {0};
    engine_chat_input input = input_of("[{\"role\":\"user\",\"content\":\"ab\"}]", &memory);
    check_ok(json_parse(VIEW("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"), JSON_DEPTH_MAX,
                        &memory, &input.tools));
    input.bos = VIEW("");
    engine_chat_text text = {0};
    check_ok(engine_model_render_chat(m, NULL, &input, &text));
    check_text(bytes_text(&text.text), "ab");
    engine_chat_text_free(&text);
    arena_free(&memory);
    engine_model_free(m);
}

TEST(templates_of_tokenizer_config_are_found_by_name)
{
    given_model("named");
    without_file("chat_template.jinja");
    given_file("tokenizer_config.json", "{\"chat_template\":[{\"name\":\"default\",\"template\":\"one\"},"
                                        "{\"name\":\"rag\",\"template\":\"two\"}]}");
    engine_model *m = inspected();
    const engine_chat_template *rag = engine_model_borrow_chat_template(m, "rag");
    check_true(bytes_view_is(engine_chat_template_borrow_source(rag), "two"));
    check_true(
        bytes_view_is(engine_chat_template_borrow_source(engine_model_borrow_chat_template(m, NULL)), "one"));
    engine_model_free(m);
}

TEST(templates_of_chat_template_json_come_before_those_of_tokenizer_config)
{
    given_model("json");
    without_file("chat_template.jinja");
    given_file("tokenizer_config.json", "{\"chat_template\":\"not this\"}");
    given_file("chat_template.json", "{\"chat_template\":[{\"name\":\"default\",\"template\":\"one\"},"
                                     "{\"name\":\"rag\",\"template\":\"two\"}]}");
    engine_model *m = inspected();
    const engine_chat_template *plain = engine_model_borrow_chat_template(m, NULL);
    check_true(bytes_view_is(engine_chat_template_borrow_source(plain), "one"));
    check_true(bytes_view_is(engine_chat_template_borrow_source(engine_model_borrow_chat_template(m, "rag")),
                             "two"));
    engine_model_free(m);
}

TEST(a_folder_without_tokenizer_or_template_opens_too)
{
    given_model("bare");
    without_file("tokenizer.json");
    without_file("tokenizer_config.json");
    without_file("chat_template.jinja");
    engine_model *m = inspected();
    check_true(!engine_model_borrow_tokenizer(m) && !engine_model_borrow_chat_template(m, NULL));
    engine_ids ids = {0};
    arena memory = {0};
    engine_chat_input input = input_of("[]", &memory);
    engine_chat_text text = {0};
    check_fails(engine_model_encode_chat(m, &input, &ids), ERR_UNSUPPORTED, "no tokenizer.json");
    check_fails(engine_model_render_chat(m, NULL, &input, &text), ERR_UNSUPPORTED, "no chat template");
    arena_free(&memory);
    engine_model_free(m);
}

TEST(a_broken_template_spoils_only_the_chat)
{
    given_model("broken");
    given_file("chat_template.jinja", "{% broken");
    engine_model *m = inspected();
    check_true(!engine_model_borrow_chat_template(m, NULL));
    arena memory = {0};
    engine_chat_input input = input_of("[]", &memory);
    engine_chat_text text = {0};
    check_fails(engine_model_render_chat(m, NULL, &input, &text), ERR_FORMAT,
                "broken/chat_template.jinja, line 1");
    arena_free(&memory);
    engine_model_free(m);
}

TEST(every_error_names_the_file)
{
    static const struct {
        const char *file, *text, *words;
        err_code code;
    } cases[] = {
        {"config.json", "{}", "config.json: model_type is missing", ERR_FORMAT},
        {"config.json", "{" CONFIG ",\"quantization_config\":{\"quant_method\":\"awq\"}}",
         "config.json: quantised", ERR_UNSUPPORTED},
        {"config.json", "{" CONFIG ",\"intermediate_size\":5}", "mlp.down_proj.weight", ERR_FORMAT},
        {"generation_config.json", "{\"top_p\":2}", "generation_config.json: line 1: top_p", ERR_FORMAT},
        {"generation_config.json", "{\"eos_token_id\":\"x\"}", "generation_config.json: line 1: eos_token_id",
         ERR_FORMAT},
        {"generation_config.json", "{\"do_sample\":1}", "generation_config.json: line 1: do_sample",
         ERR_FORMAT},
        {"generation_config.json", "{\"max_new_tokens\":0}", "max_new_tokens", ERR_FORMAT},
        {"generation_config.json", "[]", "generation_config.json: is an array", ERR_FORMAT},
        {"tokenizer.json", "[", "tokenizer.json: ", ERR_FORMAT},
        {"tokenizer.json", "version https://git-lfs.github.com/spec/v1\n",
         "tokenizer.json is a Git LFS pointer", ERR_NOT_FOUND},
        {"tokenizer_config.json", "{\"bos_token\":1}", "tokenizer_config.json: bos_token", ERR_FORMAT},
        {"tokenizer_config.json", "[]", "tokenizer_config.json: is an array", ERR_FORMAT},
        {"special_tokens_map.json", "{\"pad_token\":[]}", "special_tokens_map.json: pad_token", ERR_FORMAT},
        {"model.safetensors", "", "model.safetensors: 0 bytes, too short", ERR_FORMAT},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        given_model("named errors");
        given_file(cases[i].file, cases[i].text);
        refused(cases[i].code, cases[i].words);
        without_file(cases[i].file);
    }
    given_model("named errors");
    without_file("config.json");
    refused(ERR_NOT_FOUND, "holds no config.json");
    given_model("named errors");
    without_file("model.safetensors");
    refused(ERR_NOT_FOUND, "holds no weights");
}

TEST(every_reference_model_is_inspected_or_refused_by_name)
{
    const char *shared = check_shared_data();
    if (!shared) skip();
    char path[1024];
    snprintf(path, sizeof path, "%s/models", shared);
    DIR *models = opendir(path);
    size_t opened_count = 0;
    for (struct dirent *entry; (entry = readdir(models));) {
        if (entry->d_name[0] == '.') continue;
        engine_files *files = NULL;
        engine_model *m = NULL;
        snprintf(path, sizeof path, "%s/models/%s", shared, entry->d_name);
        check_ok(engine_files_open_folder(path, &files));
        err e = engine_model_open(files, &(engine_model_options){0}, &m);
        if (e.code)
            check_true(e.code == ERR_UNSUPPORTED && check_text_holds(e.text, "config.json: model_type"));
        opened_count += !e.code;
        engine_model_free(m);
    }
    closedir(models);
    check_true(opened_count >= 14);
}

TESTS(RUN(a_model_is_inspected_without_the_door_to_libtorch),
      RUN(the_ids_that_end_an_answer_come_from_every_file),
      RUN(wishes_for_sampling_are_read_and_neutral_when_absent), RUN(a_model_is_loaded_into_a_decoder),
      RUN(two_opens_of_one_content_share_one_model), RUN(a_model_that_nobody_holds_is_loaded_anew),
      RUN(loading_can_be_cancelled), RUN(a_conversation_is_encoded_and_its_words_never_become_special),
      RUN(the_template_for_tools_is_taken_when_there_are_tools),
      RUN(templates_of_tokenizer_config_are_found_by_name),
      RUN(templates_of_chat_template_json_come_before_those_of_tokenizer_config),
      RUN(a_folder_without_tokenizer_or_template_opens_too), RUN(a_broken_template_spoils_only_the_chat),
      RUN(every_error_names_the_file), RUN(every_reference_model_is_inspected_or_refused_by_name))
