/* engine/arch/gemma.c: Gemma 2 and 3: norms before and after attention and MLP, (1 + weight) in them, a
 * scaled embedding, windows in some layers. */
#include <math.h>

#include "engine/arch/arch.h"

static void fill_both(engine_arch_build *build)
{
    engine_config *c = build->config;
    engine_spec *spec = build->spec;
    engine_arch_read_attention_bias(build);
    spec->embedding_scale = sqrt((double)spec->hidden);
    spec->attention_scale = 1 / sqrt(engine_config_positive(c, c->inner, "query_pre_attn_scalar", 256));
    build->window = engine_arch_read_window(build, 4096);
}

/* Layers 0, 2, 4, ... slide. */
static void fill_2(engine_arch_build *build)
{
    fill_both(build);
    build->spec->attention_softcap = engine_arch_read_softcap(build, "attn_logit_softcapping", 50);
    build->spec->final_softcap = engine_arch_read_softcap(build, "final_logit_softcapping", 30);
    for (size_t i = 0; i < build->spec->layer_count; i += 2) build->sliding[i] = true;
}

/* All layers but each sixth slide, and rotate by a base of their own. */
static void fill_3(engine_arch_build *build)
{
    engine_config *c = build->config;
    fill_both(build);
    if (engine_config_bool(c, c->inner, "use_bidirectional_attention", false))
        engine_config_fail(c, ERR_UNSUPPORTED, "attention to later tokens (use_bidirectional_attention)");
    build->spec->attention_softcap = engine_arch_read_softcap(build, "attn_logit_softcapping", 0);
    build->spec->final_softcap = engine_arch_read_softcap(build, "final_logit_softcapping", 0);
    build->sliding_rope_base = engine_config_positive(c, c->inner, "rope_local_base_freq", 10000);
    build->context_holds_factor = true;
    const char *key =
        json_get(c->inner, "sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
    size_t pattern = engine_config_size(c, c->inner, key, 6, ENGINE_SPEC_LAYERS_MAX);
    for (size_t i = 0; i < build->spec->layer_count; i++)
        build->sliding[i] = !pattern || (i + 1) % pattern != 0;
}

const engine_arch engine_arch_gemma2 = {
    .model_type = "gemma2",
    .activation_key = "hidden_activation",
    .form = {.kv_head_count = 4,
             .head_size = 256,
             .norm_eps = 1e-6,
             .norm = ENGINE_NORM_GEMMA,
             .activation = ENGINE_ACTIVATION_GELU_TANH,
             .tied = true,
             .pre_norms = true,
             .post_norms = true},
    .rope_base = 10000,
    .fill = fill_2,
};

/* Folders that see pictures leave out more of text_config than others do. */
const engine_arch engine_arch_gemma3 = {
    .model_type = "gemma3_text",
    .activation_key = "hidden_activation",
    .form = {.head_count = 8,
             .kv_head_count = 4,
             .head_size = 256,
             .vocab_count = 262208,
             .context_max = 131072,
             .norm_eps = 1e-6,
             .norm = ENGINE_NORM_GEMMA,
             .activation = ENGINE_ACTIVATION_GELU_TANH,
             .qk_norm = ENGINE_QK_NORM_HEAD,
             .tied = true,
             .pre_norms = true,
             .post_norms = true},
    .rope_base = 1000000,
    .fill = fill_3,
};
