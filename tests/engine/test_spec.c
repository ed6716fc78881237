#include "engine/spec.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/arch/modules.h"
#include "engine/weights.h"
#include "tests/support/check.h"

#define SIZES                                                                                                \
    "\"hidden_size\":32,\"intermediate_size\":48,\"num_hidden_layers\":4,\"num_attention_heads\":4,"         \
    "\"vocab_size\":96,\"max_position_embeddings\":64"
#define LLAMA "\"model_type\":\"llama\"," SIZES

/* `fields` are the members of the object, braces aside. */
static err parse(const char *fields, engine_spec **out)
{
    bytes json = {0};
    bytes_printf(&json, "{%s}", fields);
    err e = engine_spec_parse(bytes_borrow(&json), out);
    bytes_free(&json); /* the spec keeps nothing of it */
    return e;
}

static engine_spec *parsed(const char *fields)
{
    engine_spec *spec = NULL;
    check_ok(parse(fields, &spec));
    return spec;
}

static void refused(const char *fields, err_code code, const char *words)
{
    engine_spec *spec = NULL;
    check_fails(parse(fields, &spec), code, words);
    check_true(spec == NULL);
}

static void check_near(double got, double wanted) { check_true(fabs(got - wanted) <= 1e-12 * fabs(wanted)); }

/* "6/0 0/-1 ": window and rope of each layer. */
static void check_layers(const engine_spec *spec, const char *wanted)
{
    bytes text = {0};
    for (size_t i = 0; i < spec->layer_count; i++)
        bytes_printf(&text, "%zu/%d ", spec->layers[i].window, spec->layers[i].rope);
    check_text(bytes_text(&text), wanted);
    bytes_free(&text);
}

TEST(llama_fills_in_what_the_file_leaves_out)
{
    engine_spec *spec = parsed(LLAMA);
    check_text(spec->model_type, "llama");
    check_text(spec->architecture, "");
    check_text(spec->dtype, "");
    check_true(spec->hidden == 32 && spec->inner == 48 && spec->layer_count == 4 && spec->vocab_count == 96);
    check_true(spec->head_count == 4 && spec->kv_head_count == 4 && spec->head_size == 8);
    check_true(spec->norm == ENGINE_NORM_LLAMA && spec->activation == ENGINE_ACTIVATION_SILU);
    check_true(!spec->tied && !spec->qkv_bias && !spec->o_bias && !spec->mlp_bias && !spec->fused_qkv);
    check_true(spec->pre_norms && !spec->post_norms && spec->qk_norm == ENGINE_QK_NORM_NONE);
    check_true(spec->bos == -1 && spec->eos_count == 0 && spec->context_max == 64);
    check_near(spec->norm_eps, 1e-6);
    check_near(spec->attention_scale, 1 / sqrt(8));
    check_true(spec->embedding_scale == 1 && spec->final_softcap == 0 && spec->attention_softcap == 0);
    check_true(spec->rope_count == 1 && spec->ropes[0].kind == ENGINE_ROPE_DEFAULT &&
               spec->ropes[0].base == 10000);
    check_true(spec->ropes[0].size == 8 && spec->ropes[0].attention_factor == 1);
    check_layers(spec, "0/0 0/0 0/0 0/0 ");
    engine_spec_free(spec);
}

TEST(llama_reads_what_the_file_says)
{
    engine_spec *spec =
        parsed(LLAMA ",\"architectures\":[\"LlamaForCausalLM\"],\"torch_dtype\":\"bfloat16\","
                     "\"num_key_value_heads\":2,\"head_dim\":12,\"hidden_act\":\"gelu_new\","
                     "\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":true,\"attention_bias\":true,"
                     "\"mlp_bias\":true,\"bos_token_id\":1,\"eos_token_id\":[2,5],\"rope_theta\":5e5");
    check_text(spec->architecture, "LlamaForCausalLM");
    check_text(spec->dtype, "bfloat16");
    check_true(spec->kv_head_count == 2 && spec->head_size == 12 && spec->tied);
    check_true(spec->qkv_bias && spec->o_bias && spec->mlp_bias);
    check_true(spec->activation == ENGINE_ACTIVATION_GELU_TANH && spec->norm_eps == 1e-5);
    check_true(spec->bos == 1 && spec->eos_count == 2 && spec->eos[0] == 2 && spec->eos[1] == 5);
    check_true(spec->ropes[0].base == 5e5);
    engine_spec_free(spec);
}

TEST(null_means_absent_and_minus_one_no_token)
{
    engine_spec *spec =
        parsed(LLAMA ",\"num_key_value_heads\":null,\"head_dim\":null,\"rope_scaling\":null,"
                     "\"bos_token_id\":null,\"eos_token_id\":-1,\"quantization_config\":null");
    check_true(spec->kv_head_count == 4 && spec->head_size == 8 && spec->bos == -1 && spec->eos_count == 0);
    engine_spec_free(spec);
}

TEST(mistral_slides_in_every_layer_unless_told_not_to)
{
#define MISTRAL "\"model_type\":\"mistral\"," SIZES ",\"num_key_value_heads\":2"
    engine_spec *spec = parsed(MISTRAL);
    check_layers(spec, "4096/0 4096/0 4096/0 4096/0 ");
    engine_spec_free(spec);
    spec = parsed(MISTRAL ",\"sliding_window\":null");
    check_layers(spec, "0/0 0/0 0/0 0/0 ");
    engine_spec_free(spec);
    spec = parsed(MISTRAL ",\"sliding_window\":6,\"layer_types\":[\"full_attention\",\"sliding_attention\","
                          "\"sliding_attention\",\"full_attention\"]");
    check_layers(spec, "0/0 6/0 6/0 0/0 ");
    engine_spec_free(spec);
    refused("\"model_type\":\"mistral\"," SIZES, ERR_FORMAT, "multiple of num_key_value_heads 8");
}

TEST(qwen2_has_biases_on_q_k_v_and_slides_in_its_last_layers)
{
#define QWEN2 "\"model_type\":\"qwen2\"," SIZES ",\"num_key_value_heads\":2,\"sliding_window\":6"
    engine_spec *spec = parsed(QWEN2);
    check_true(spec->qkv_bias && !spec->o_bias);
    check_layers(spec, "0/0 0/0 0/0 0/0 ");
    engine_spec_free(spec);
    spec = parsed(QWEN2 ",\"use_sliding_window\":true,\"max_window_layers\":3");
    check_layers(spec, "0/0 0/0 0/0 6/0 ");
    engine_spec_free(spec);
}

TEST(qwen3_has_heads_of_128_and_norms_on_them)
{
    engine_spec *spec = parsed("\"model_type\":\"qwen3\"," SIZES ",\"num_key_value_heads\":2");
    check_true(spec->head_size == 128 && spec->qk_norm == ENGINE_QK_NORM_HEAD && !spec->qkv_bias);
    check_near(spec->attention_scale, 1 / sqrt(128));
    engine_spec_free(spec);
}

TEST(gemma2_caps_scales_and_slides_in_every_other_layer)
{
#define GEMMA2 "\"model_type\":\"gemma2\"," SIZES
    engine_spec *spec = parsed(GEMMA2 ",\"query_pre_attn_scalar\":144,\"hidden_act\":\"relu\"");
    check_true(spec->norm == ENGINE_NORM_GEMMA && spec->activation == ENGINE_ACTIVATION_GELU_TANH &&
               spec->tied);
    check_true(spec->pre_norms && spec->post_norms && spec->head_size == 256 && spec->kv_head_count == 4);
    check_true(spec->attention_softcap == 50 && spec->final_softcap == 30);
    check_near(spec->attention_scale, 1.0 / 12);
    check_near(spec->embedding_scale, sqrt(32));
    check_layers(spec, "4096/0 0/0 4096/0 0/0 ");
    engine_spec_free(spec);
    spec = parsed(
        GEMMA2
        ",\"attn_logit_softcapping\":null,\"final_logit_softcapping\":5,\"hidden_activation\":\"gelu\"");
    check_true(spec->attention_softcap == 0 && spec->final_softcap == 5);
    check_true(spec->activation == ENGINE_ACTIVATION_GELU);
    engine_spec_free(spec);
}

TEST(gemma3_rotates_sliding_layers_by_a_base_of_their_own)
{
#define GEMMA3 "\"model_type\":\"gemma3_text\"," SIZES ",\"sliding_window\":6"
    engine_spec *spec =
        parsed(GEMMA3 ",\"sliding_window_pattern\":2,\"rope_scaling\":{\"rope_type\":\"linear\","
                      "\"factor\":8}");
    check_true(spec->qk_norm == ENGINE_QK_NORM_HEAD && spec->attention_softcap == 0 &&
               spec->final_softcap == 0);
    check_layers(spec, "6/1 0/0 6/1 0/0 ");
    check_true(spec->ropes[0].kind == ENGINE_ROPE_LINEAR && spec->ropes[0].base == 1e6 &&
               spec->ropes[0].factor == 8);
    check_true(spec->ropes[1].kind == ENGINE_ROPE_DEFAULT && spec->ropes[1].base == 1e4);
    check_int(spec->context_max, 64);
    engine_spec_free(spec);
    spec = parsed(GEMMA3
                  ",\"rope_parameters\":{\"full_attention\":{\"rope_type\":\"default\",\"rope_theta\":500},"
                  "\"sliding_attention\":{\"rope_type\":\"default\",\"rope_theta\":300}}");
    check_layers(spec, "6/1 6/1 6/1 6/1 ");
    check_true(spec->ropes[0].base == 500 && spec->ropes[1].base == 300);
    engine_spec_free(spec);
    refused(GEMMA3 ",\"use_bidirectional_attention\":true", ERR_UNSUPPORTED, "use_bidirectional_attention");
}

TEST(a_wrapper_keeps_the_language_model_inside)
{
    engine_spec *spec =
        parsed("\"model_type\":\"gemma3\",\"architectures\":[\"Gemma3ForConditionalGeneration\"],"
               "\"eos_token_id\":[1,106],\"torch_dtype\":\"bfloat16\",\"vision_config\":{},"
               "\"text_config\":{\"model_type\":\"gemma3_text\",\"hidden_size\":2560,"
               "\"intermediate_size\":10240,\"num_hidden_layers\":34,\"sliding_window\":1024}");
    check_text(spec->model_type, "gemma3_text");
    check_text(spec->dtype, "bfloat16");
    check_true(spec->vocab_count == 262208 && spec->head_count == 8 && spec->kv_head_count == 4);
    check_true(spec->context_max == 131072 && spec->eos_count == 2 && spec->eos[1] == 106);
    engine_spec_free(spec);
}

TEST(phi3_fuses_its_matrices_and_rotates_a_part_of_a_head)
{
    engine_spec *spec =
        parsed("\"model_type\":\"phi3\"," SIZES ",\"partial_rotary_factor\":0.75,\"head_dim\":8,"
               "\"original_max_position_embeddings\":16,\"rope_scaling\":{\"type\":\"su\","
               "\"short_factor\":[1,1.5,2],\"long_factor\":[3,4,5]}");
    check_true(spec->fused_qkv && spec->fused_gate_up && spec->norm_eps == 1e-5);
    const engine_rope_spec *rope = &spec->ropes[0];
    check_true(rope->kind == ENGINE_ROPE_LONG && rope->size == 6 && rope->factor == 4 &&
               rope->original_max == 16);
    check_true(rope->short_factor[1] == 1.5 && rope->long_factor[2] == 5);
    check_near(rope->attention_factor, sqrt(1 + log(4) / log(16)));
    check_layers(spec, "0/0 0/0 0/0 0/0 ");
    engine_spec_free(spec);
    spec =
        parsed("\"model_type\":\"phi3\"," SIZES ",\"sliding_window\":7,\"rope_scaling\":{\"type\":\"yarn\","
               "\"short_factor\":[1,1,1,1],\"long_factor\":[1,1,1,1],\"attention_factor\":2}");
    check_true(spec->ropes[0].kind == ENGINE_ROPE_LONG && spec->ropes[0].original_max == 4096);
    check_true(spec->ropes[0].attention_factor == 2);
    check_layers(spec, "7/0 7/0 7/0 7/0 ");
    engine_spec_free(spec);
    refused("\"model_type\":\"phi3\"," SIZES ",\"rope_scaling\":{\"type\":\"longrope\",\"short_factor\":[1],"
            "\"long_factor\":[1,1,1,1]}",
            ERR_FORMAT, "short_factor has 1 numbers, expected an array of 4");
    refused("\"model_type\":\"phi3\"," SIZES ",\"partial_rotary_factor\":0.4", ERR_FORMAT,
            "partial_rotary_factor");
}

TEST(olmo2_norms_what_comes_out)
{
    engine_spec *spec = parsed("\"model_type\":\"olmo2\"," SIZES);
    check_true(!spec->pre_norms && spec->post_norms && spec->qk_norm == ENGINE_QK_NORM_WHOLE &&
               spec->rope_in_f32);
    check_true(spec->norm == ENGINE_NORM_F32_WEIGHT);
    engine_spec_free(spec);
}

TEST(smollm3_leaves_some_layers_unrotated)
{
#define SMOLLM3 "\"model_type\":\"smollm3\"," SIZES
    engine_spec *spec = parsed(SMOLLM3);
    check_true(spec->tied && spec->ropes[0].base == 2e6);
    check_layers(spec, "0/0 0/0 0/0 0/-1 ");
    engine_spec_free(spec);
    spec = parsed(SMOLLM3 ",\"no_rope_layers\":[0,1,1,0],\"use_sliding_window\":true,\"sliding_window\":5");
    check_layers(spec, "5/-1 0/0 0/0 5/-1 ");
    engine_spec_free(spec);
    refused(SMOLLM3 ",\"no_rope_layers\":[0]", ERR_FORMAT,
            "no_rope_layers is an array of 1, expected an array of 4");
}

static engine_rope_spec rope_of(const char *scaling, size_t *context)
{
    bytes fields = {0};
    bytes_printf(&fields, LLAMA ",%s", scaling);
    engine_spec *spec = parsed(bytes_text(&fields));
    engine_rope_spec rope = spec->ropes[0];
    *context = spec->context_max;
    engine_spec_free(spec);
    bytes_free(&fields);
    return rope;
}

TEST(each_kind_of_rope_reads_its_fields)
{
    size_t context;
    engine_rope_spec rope = rope_of("\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}", &context);
    check_true(rope.kind == ENGINE_ROPE_LINEAR && rope.factor == 2 && context == 128);
    rope = rope_of("\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":3}", &context);
    check_true(rope.kind == ENGINE_ROPE_DYNAMIC && rope.context_max == 64 && context == 192);
    rope = rope_of("\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
                   "\"high_freq_factor\":4,\"original_max_position_embeddings\":16}",
                   &context);
    check_true(rope.kind == ENGINE_ROPE_LLAMA3 && rope.low_freq == 1 && rope.high_freq == 4);
    check_true(rope.original_max == 16 && context == 64);
    rope = rope_of("\"rope_scaling\":{\"rope_type\":\"yarn\",\"original_max_position_embeddings\":32,"
                   "\"factor\":4,\"truncate\":false}",
                   &context);
    check_true(rope.kind == ENGINE_ROPE_YARN && rope.beta_fast == 32 && rope.beta_slow == 1 &&
               !rope.truncate);
    check_near(rope.attention_factor, 0.1 * log(4) + 1);
    check_int(context, 128);
    rope = rope_of(
        "\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":null,\"mscale\":1,\"mscale_all_dim\":0.5},"
        "\"original_max_position_embeddings\":16",
        &context);
    check_true(rope.factor == 4 && rope.truncate && context == 64);
    check_near(rope.attention_factor, (0.1 * log(4) + 1) / (0.05 * log(4) + 1));
}

TEST(the_newer_spelling_of_rope_is_read_and_the_older_one_wins)
{
    size_t context;
    engine_rope_spec rope =
        rope_of("\"rope_theta\":7,\"rope_parameters\":{\"rope_theta\":500,\"rope_type\":\"linear\","
                "\"factor\":2,\"partial_rotary_factor\":0.5}",
                &context);
    check_true(rope.base == 500 && rope.kind == ENGINE_ROPE_LINEAR && rope.size == 4);
    rope =
        rope_of("\"rope_theta\":7,\"rope_parameters\":{\"rope_theta\":500},\"rope_scaling\":{\"rope_type\":"
                "\"dynamic\",\"factor\":2}",
                &context);
    check_true(rope.base == 7 && rope.kind == ENGINE_ROPE_DYNAMIC);
}

TEST(a_rope_that_makes_no_sense_is_refused)
{
    refused(LLAMA ",\"rope_scaling\":{\"rope_type\":\"proportional\"}", ERR_UNSUPPORTED, "\"proportional\"");
    refused(LLAMA ",\"rope_scaling\":{\"type\":\"mrope\"}", ERR_UNSUPPORTED, "\"mrope\"");
    refused(LLAMA ",\"rope_scaling\":[]", ERR_FORMAT, "expected an object");
    refused(LLAMA ",\"rope_scaling\":{\"type\":\"linear\"}", ERR_FORMAT, "linear: factor is missing");
    refused(LLAMA ",\"rope_scaling\":{\"type\":\"linear\",\"factor\":-1}", ERR_FORMAT, "factor is -1");
    refused(
        LLAMA
        ",\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":1}",
        ERR_FORMAT, "high_freq_factor");
    refused(LLAMA ",\"rope_theta\":1", ERR_FORMAT, "rope_theta is 1");
}

TEST(what_cannot_be_run_is_refused_by_name)
{
    refused("\"model_type\":\"mixtral\"," SIZES, ERR_UNSUPPORTED, "model_type mixtral: mixtures of experts");
    refused("\"model_type\":\"qwen3_moe\"," SIZES, ERR_UNSUPPORTED, "qwen3_moe");
    refused("\"model_type\":\"gpt_oss\"," SIZES, ERR_UNSUPPORTED, "gpt_oss");
    refused("\"model_type\":\"bloom\"," SIZES, ERR_UNSUPPORTED,
            "\"bloom\", expected one of llama, mistral, qwen2");
    refused(SIZES, ERR_FORMAT, "model_type is missing");
    refused(LLAMA ",\"quantization_config\":{\"quant_method\":\"gptq\"}", ERR_UNSUPPORTED, "(gptq)");
    refused(LLAMA ",\"quantization_config\":{}", ERR_UNSUPPORTED, "unknown method");
    refused(LLAMA ",\"architectures\":[\"LlamaForSequenceClassification\"]", ERR_UNSUPPORTED,
            "LlamaForSequenceClassification");
    refused(LLAMA ",\"hidden_act\":\"tanhshrink\"", ERR_UNSUPPORTED, "hidden_act \"tanhshrink\"");
    refused(
        LLAMA
        ",\"layer_types\":[\"full_attention\",\"linear_attention\",\"full_attention\",\"full_attention\"]",
        ERR_UNSUPPORTED, "\"linear_attention\"");
}

TEST(every_number_has_a_type_and_a_limit)
{
    refused("\"model_type\":\"llama\"", ERR_FORMAT, "hidden_size is missing");
    refused(LLAMA ",\"hidden_size\":\"32\"", ERR_FORMAT, "line 1: hidden_size is a string");
    refused(LLAMA ",\"hidden_size\":0", ERR_FORMAT, "hidden_size is 0, expected a whole number from 1 on");
    refused(LLAMA ",\"hidden_size\":-4", ERR_FORMAT, "hidden_size is -4");
    refused(LLAMA ",\"hidden_size\":32.5", ERR_FORMAT, "hidden_size is 32.5");
    refused(LLAMA ",\"hidden_size\":1000000000", ERR_LIMIT, "hidden_size is 1000000000, the limit is 262144");
    refused(LLAMA ",\"num_hidden_layers\":2000", ERR_LIMIT, "the limit is 1024");
    refused(LLAMA ",\"num_attention_heads\":5", ERR_FORMAT, "hidden_size 32, expected a multiple");
    refused(LLAMA ",\"num_key_value_heads\":3", ERR_FORMAT, "expected a multiple of num_key_value_heads 3");
    refused(LLAMA ",\"hidden_size\":65536,\"num_attention_heads\":4", ERR_LIMIT, "a head of 16384");
    refused(LLAMA ",\"rms_norm_eps\":0", ERR_FORMAT, "rms_norm_eps is 0");
    refused(LLAMA ",\"tie_word_embeddings\":1", ERR_FORMAT,
            "tie_word_embeddings is 1, expected true or false");
    refused(LLAMA ",\"eos_token_id\":\"</s>\"", ERR_FORMAT, "eos_token_id is no token id");
    refused(LLAMA ",\"bos_token_id\":-7", ERR_FORMAT, "bos_token_id is no token id");
    refused(LLAMA ",\"layer_types\":[]", ERR_FORMAT, "layer_types is an array of 0, expected an array of 4");
    refused(LLAMA ",\"eos_token_id\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", ERR_LIMIT,
            "more than 16 ids");
}

TEST(what_is_no_json_object_is_refused)
{
    engine_spec *spec = NULL;
    check_fails(engine_spec_parse(VIEW("[]"), &spec), ERR_FORMAT, "is an array, expected an object");
    check_fails(engine_spec_parse(VIEW("{"), &spec), ERR_FORMAT, "line 1");
    check_fails(engine_spec_parse(VIEW(""), &spec), ERR_FORMAT, "line 1");
}

TEST(parameters_and_cache_are_sums_over_the_shapes)
{
    engine_spec *spec =
        parsed(LLAMA ",\"num_key_value_heads\":2,\"tie_word_embeddings\":true,\"mlp_bias\":true");
    uint64_t attention = 32 * 32 + 2 * 16 * 32 + 32 * 32, mlp = 3 * 32 * 48 + 48 + 48 + 32;
    check_int(engine_spec_parameters(spec), 96 * 32 + 32 + 4 * (attention + mlp + 2 * 32));
    check_int(engine_spec_cache_bytes(spec, 10, 2), 2 * 4 * 2 * 8 * 10 * 2);
    engine_spec_free(spec);
}

TEST(a_module_is_found_under_every_prefix)
{
    engine_spec *spec = parsed(LLAMA);
    size_t q = engine_module_of(spec, 3, ENGINE_MODULE_Q),
           pre = engine_module_of(spec, 0, ENGINE_MODULE_PRE_FFW_NORM);
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(spec, q, name, sizeof name);
    check_text(name, "model.layers.3.self_attn.q_proj");
    check_true(engine_module_kind_of(q) == ENGINE_MODULE_Q && engine_module_layer_of(q) == 3);
    check_int(engine_module_find(spec, name), q);
    check_int(engine_module_find(spec, "layers.3.self_attn.q_proj"), q);
    check_int(engine_module_find(spec, "language_model.model.layers.3.self_attn.q_proj"), q);
    check_int(engine_module_find(spec, "model.language_model.layers.3.self_attn.q_proj"), q);
    check_int(engine_module_find(spec, "model.layers.0.post_attention_layernorm"), pre);
    check_int(engine_module_find(spec, "lm_head"), ENGINE_MODULE_HEAD);
    check_int(engine_module_find(spec, "language_model.lm_head"), ENGINE_MODULE_HEAD);
    check_int(engine_module_find(spec, "model.embed_tokens"), ENGINE_MODULE_EMBED);
    static const char *const absent[] = {
        "model.layers.4.self_attn.q_proj",
        "model.layers.03.self_attn.q_proj",
        "model.layers.x.self_attn.q_proj",
        "model.layers.0.self_attn.qkv_proj",
        "model.layers.0.self_attn",
        "model.lm_head",
        "model.layers.0.pre_feedforward_layernorm",
        "model.layers.99999999999999999999.mlp.up_proj",
        "model.layers.-1.mlp.up_proj",
        "q_proj",
        "",
    };
    for (size_t i = 0; i < COUNT_OF(absent); i++)
        check_true(engine_module_find(spec, absent[i]) == ENGINE_MODULE_NONE);
    engine_spec_free(spec);
}

/* Every module the spec names is in the file with its shape, and nothing else is. */
static void check_folder_against_spec(const engine_spec *spec, const engine_weights *w)
{
    size_t seen = 0;
    for (size_t module = 0; module < engine_module_count(spec); module++) {
        char name[ENGINE_MODULE_NAME_MAX], tensor_name[ENGINE_MODULE_NAME_MAX + 8];
        engine_weight_want want = {.name = tensor_name};
        bool bias;
        engine_module_shape(spec, module, want.shape, &want.rank, &bias);
        if (!want.rank || (module == ENGINE_MODULE_HEAD && spec->tied)) continue;
        engine_module_name(spec, module, name, sizeof name);
        check_int(engine_module_find(spec, name), module);
        snprintf(tensor_name, sizeof tensor_name, "%s.weight", name);
        check_ok(engine_weights_check(w, &want, 1));
        snprintf(tensor_name, sizeof tensor_name, "%s.bias", name);
        want.rank = 1;
        if (bias) check_ok(engine_weights_check(w, &want, 1));
        seen += bias ? 2 : 1;
    }
    check_int(seen, engine_weights_count(w));
    check_int(engine_spec_parameters(spec), engine_weights_parameters(w));
}

static bool is_mixture(const char *name)
{
    return strstr(name, "moe") || strstr(name, "mixtral") || strstr(name, "gpt-oss");
}

TEST(the_spec_of_every_reference_model_names_exactly_its_tensors)
{
    const char *shared = check_shared_data();
    if (!shared) skip();
    char path[1024];
    snprintf(path, sizeof path, "%s/models", shared);
    DIR *models = opendir(path);
    size_t run = 0, mixtures = 0;
    for (struct dirent *entry; (entry = readdir(models));) {
        if (entry->d_name[0] == '.') continue;
        engine_spec *spec = NULL;
        bytes json = check_read("%s/models/%s/config.json", shared, entry->d_name);
        if (is_mixture(entry->d_name)) {
            check_fails(engine_spec_parse(bytes_borrow(&json), &spec), ERR_UNSUPPORTED,
                        "mixtures of experts");
            mixtures++;
        } else {
            engine_files *files = NULL;
            engine_weights *w = NULL;
            snprintf(path, sizeof path, "%s/models/%s", shared, entry->d_name);
            check_ok(engine_spec_parse(bytes_borrow(&json), &spec));
            check_ok(engine_files_open_folder(path, &files));
            check_ok(engine_weights_open(files, &w));
            check_folder_against_spec(spec, w);
            engine_weights_free(w);
            engine_files_free(files);
            run++;
        }
        engine_spec_free(spec);
        bytes_free(&json);
    }
    closedir(models);
    check_true(run >= 14 && mixtures == 3);
}

TESTS(RUN(llama_fills_in_what_the_file_leaves_out), RUN(llama_reads_what_the_file_says),
      RUN(null_means_absent_and_minus_one_no_token), RUN(mistral_slides_in_every_layer_unless_told_not_to),
      RUN(qwen2_has_biases_on_q_k_v_and_slides_in_its_last_layers),
      RUN(qwen3_has_heads_of_128_and_norms_on_them), RUN(gemma2_caps_scales_and_slides_in_every_other_layer),
      RUN(gemma3_rotates_sliding_layers_by_a_base_of_their_own),
      RUN(a_wrapper_keeps_the_language_model_inside),
      RUN(phi3_fuses_its_matrices_and_rotates_a_part_of_a_head), RUN(olmo2_norms_what_comes_out),
      RUN(smollm3_leaves_some_layers_unrotated), RUN(each_kind_of_rope_reads_its_fields),
      RUN(the_newer_spelling_of_rope_is_read_and_the_older_one_wins),
      RUN(a_rope_that_makes_no_sense_is_refused), RUN(what_cannot_be_run_is_refused_by_name),
      RUN(every_number_has_a_type_and_a_limit), RUN(what_is_no_json_object_is_refused),
      RUN(parameters_and_cache_are_sums_over_the_shapes), RUN(a_module_is_found_under_every_prefix),
      RUN(the_spec_of_every_reference_model_names_exactly_its_tensors))
