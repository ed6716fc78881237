#include <math.h>
#include <string.h>

#include "engine/adapter.h"
#include "tests/support/check.h"

static engine_adapter_config *parsed(const char *json)
{
    engine_adapter_config *config = NULL;
    check_ok(engine_adapter_config_parse(bytes_view_of(json), &config));
    return config;
}

static void refused(const char *json, err_code code, const char *words)
{
    engine_adapter_config *config = NULL;
    check_fails(engine_adapter_config_parse(bytes_view_of(json), &config), code, words);
    check_true(config == NULL);
}

static void check_module(const engine_adapter_config *config, const char *module, size_t rank, double scale)
{
    size_t got_rank = 0;
    double got_scale = 0;
    check_ok(engine_adapter_config_module(config, module, &got_rank, &got_scale));
    check_int(got_rank, rank);
    check_true(fabs(got_scale - scale) < 1e-12);
}

TEST(rank_and_alpha_are_8_unless_the_file_says_otherwise)
{
    engine_adapter_config *config = parsed("{\"peft_type\":\"LORA\"}");
    check_int(engine_adapter_config_rank(config), 8);
    check_true(engine_adapter_config_alpha(config) == 8);
    check_text(engine_adapter_config_borrow_base(config), "");
    check_module(config, "model.layers.0.self_attn.q_proj", 8, 1);
    engine_adapter_config_free(config);
    config = parsed(
        "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":6.5,\"base_model_name_or_path\":\"org/base\"}");
    check_text(engine_adapter_config_borrow_base(config), "org/base");
    check_module(config, "lm_head", 4, 6.5 / 4);
    engine_adapter_config_free(config);
}

TEST(a_rank_stabilised_adapter_divides_by_the_root)
{
    engine_adapter_config *config =
        parsed("{\"peft_type\":\"LORA\",\"r\":16,\"lora_alpha\":8,\"use_rslora\":true}");
    check_module(config, "lm_head", 16, 2);
    engine_adapter_config_free(config);
}

TEST(the_first_pattern_that_fits_the_end_of_a_name_decides)
{
    engine_adapter_config *config =
        parsed("{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8,"
               "\"rank_pattern\":{\"layers\\\\.0\\\\.self_attn\\\\.q_proj\":2,\"q_proj\":16,\"head|norm\":1},"
               "\"alpha_pattern\":{\".*layers.1.*\":1,\"q_proj\":32}}");
    check_module(config, "model.layers.0.self_attn.q_proj", 2, 16);
    check_module(config, "model.layers.1.self_attn.q_proj", 16, 1.0 / 16);
    check_module(config, "model.layers.2.self_attn.q_proj", 16, 2);
    check_module(config, "model.layers.2.self_attn.xq_proj", 4, 2); /* not from a dot on */
    check_module(config, "model.layers.2.q_proj.inner", 4, 2);      /* not to the end */
    check_module(config, "norm", 1, 8);
    check_module(config, "q_proj", 16, 2);
    engine_adapter_config_free(config);
}

TEST(a_pattern_that_is_no_regular_expression_is_shown)
{
    refused("{\"peft_type\":\"LORA\",\n\"rank_pattern\":{\"q_(\":2}}", ERR_FORMAT,
            "line 2: the pattern \"q_(\"");
    refused("{\"peft_type\":\"LORA\",\"alpha_pattern\":{\"[\":2}}", ERR_FORMAT, "alpha_pattern");
    refused("{\"peft_type\":\"LORA\",\"alpha_pattern\":{\"a\\u0000\":2}}", ERR_FORMAT, "NUL");
}

TEST(a_pattern_that_never_ends_is_stopped)
{
    engine_adapter_config *config =
        parsed("{\"peft_type\":\"LORA\",\"rank_pattern\":{\"(a|aa)*(a|aa)*(a|aa)*b\":2}}");
    size_t rank = 0;
    double scale = 0;
    const char *module = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac";
    err e = engine_adapter_config_module(config, module, &rank, &scale);
    check_true(e.code == ERR_LIMIT || (!e.code && rank == 8));
    engine_adapter_config_free(config);
}

TEST(ranks_and_alphas_are_numbers_within_bounds)
{
    refused("{\"peft_type\":\"LORA\",\"r\":0}", ERR_FORMAT, "r is no rank");
    refused("{\"peft_type\":\"LORA\",\"r\":\"8\"}", ERR_FORMAT, "r is no rank");
    refused("{\"peft_type\":\"LORA\",\"r\":4097}", ERR_LIMIT, "the limit is 4096");
    refused("{\"peft_type\":\"LORA\",\"lora_alpha\":\"8\"}", ERR_FORMAT, "lora_alpha is a string");
    refused("{\"peft_type\":\"LORA\",\"use_rslora\":1}", ERR_FORMAT, "use_rslora is a number");
    refused("{\"peft_type\":\"LORA\",\"rank_pattern\":{\"q\":0.5}}", ERR_FORMAT, "q is no rank");
    refused("{\"peft_type\":\"LORA\",\"rank_pattern\":[]}", ERR_FORMAT, "rank_pattern is an array");
}

TEST(what_is_not_supported_is_refused_by_name)
{
    refused("{\"peft_type\":\"IA3\"}", ERR_UNSUPPORTED, "\"IA3\"");
    refused("{}", ERR_FORMAT, "peft_type is missing");
    refused("[]", ERR_FORMAT, "expected an object");
    refused("{", ERR_FORMAT, "line 1");
    refused("{\"peft_type\":\"LORA\",\"layer_replication\":[[0,1]]}", ERR_UNSUPPORTED, "layer_replication");
    refused("{\"peft_type\":\"LORA\",\"trainable_token_indices\":[1]}", ERR_UNSUPPORTED,
            "trainable_token_indices");
    refused("{\"peft_type\":\"LORA\",\"target_parameters\":[\"x\"]}", ERR_UNSUPPORTED, "target_parameters");
    refused("{\"peft_type\":\"LORA\",\"megatron_config\":{\"a\":1}}", ERR_UNSUPPORTED, "megatron_config");
    refused("{\"peft_type\":\"LORA\",\"alora_invocation_tokens\":[1]}", ERR_UNSUPPORTED,
            "alora_invocation_tokens");
    refused("{\"peft_type\":\"LORA\",\"use_qalora\":true}", ERR_UNSUPPORTED, "use_qalora");
}

TEST(fields_at_their_harmless_defaults_are_fine)
{
    engine_adapter_config_free(
        parsed("{\"peft_type\":\"LORA\",\"layer_replication\":null,\"use_qalora\":false,"
               "\"megatron_core\":\"megatron.core\",\"target_parameters\":[],"
               "\"rank_pattern\":null,\"fan_in_fan_out\":true,\"lora_dropout\":0.1}"));
}

TEST(configs_as_peft_wrote_them_are_read)
{
    const char *shared = check_shared_data();
    if (!shared) skip();
    static const struct {
        const char *path;
        size_t rank;
        const char *base;
    } files[] = {
        {"real-headers/opt125m-lora-r16.adapter_config.json", 16, "facebook/opt-125m"},
        {"real-headers/gpt2-lora-r8-seqcls.adapter_config.json", 8, "gpt2"},
        {"real-headers/qwen2.5-7b-lora-r8.adapter_config.json", 8, NULL},
        {"stories260K-dora-r2/adapter_config.json", 2, "stories260K"},
        {"stories260K-lora-r4/adapter_config.json", 4, "stories260K"},
        {"stories260K-lora-save-norm/adapter_config.json", 2, "stories260K"},
        {"stories260K-rslora-patterns/adapter_config.json", 4, "stories260K"},
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        bytes json = check_read("%s/adapters/%s", shared, files[i].path);
        engine_adapter_config *config = parsed(bytes_text(&json));
        check_int(engine_adapter_config_rank(config), files[i].rank);
        if (files[i].base) check_text(engine_adapter_config_borrow_base(config), files[i].base);
        if (strstr(files[i].path, "patterns")) {
            check_module(config, "model.layers.0.self_attn.q_proj", 2, 6 / sqrt(2));
            check_module(config, "model.layers.3.mlp.down_proj", 8, 6 / sqrt(8));
            check_module(config, "model.layers.3.self_attn.o_proj", 4, 6);
        }
        engine_adapter_config_free(config);
        bytes_free(&json);
    }
}

TEST(the_older_keys_are_read_where_there_is_no_peft_type)
{
    engine_adapter_config *config =
        parsed("{\"rank\":16,\"alpha\":32.0,\"learning_rate\":0.0001,\"batch_size\":4,\"model_ref\":\"org/base\"}");
    check_true(engine_adapter_config_has_old_keys(config) && !engine_adapter_config_is_rank_stabilised(config));
    check_text(engine_adapter_config_borrow_base(config), "org/base");
    check_module(config, "model.layers.0.self_attn.q_proj", 16, 2);
    engine_adapter_config_free(config);
    config = parsed("{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":4,\"rank\":16,\"alpha\":99}");
    check_true(!engine_adapter_config_has_old_keys(config));
    check_module(config, "lm_head", 4, 1);
    engine_adapter_config_free(config);
    refused("{\"rank\":16}", ERR_FORMAT, "alpha is missing");
    refused("{\"rank\":99999,\"alpha\":1}", ERR_LIMIT, "rank is 99999");
    refused("{\"rank\":1.5,\"alpha\":1}", ERR_FORMAT, "no rank");
}

TESTS(RUN(rank_and_alpha_are_8_unless_the_file_says_otherwise),
      RUN(a_rank_stabilised_adapter_divides_by_the_root),
      RUN(the_first_pattern_that_fits_the_end_of_a_name_decides),
      RUN(a_pattern_that_is_no_regular_expression_is_shown), RUN(a_pattern_that_never_ends_is_stopped),
      RUN(ranks_and_alphas_are_numbers_within_bounds), RUN(what_is_not_supported_is_refused_by_name),
      RUN(fields_at_their_harmless_defaults_are_fine), RUN(configs_as_peft_wrote_them_are_read), RUN(the_older_keys_are_read_where_there_is_no_peft_type))
