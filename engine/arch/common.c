/* engine/arch/common.c: what several families read alike. */
#include "engine/arch/arch.h"

void engine_arch_read_attention_bias(engine_arch_build *build)
{
    bool bias = engine_config_bool(build->config, build->config->inner, "attention_bias", false);
    build->spec->qkv_bias |= bias;
    build->spec->o_bias |= bias;
}

size_t engine_arch_read_window(engine_arch_build *build, size_t absent)
{
    const json_node *inner = build->config->inner;
    size_t fallback = json_get(inner, "sliding_window") ? 0 : absent;
    return engine_config_size(build->config, inner, "sliding_window", fallback, ENGINE_SPEC_CONTEXT_MAX);
}

void engine_arch_slide_all(engine_arch_build *build)
{
    for (size_t i = 0; i < build->spec->layer_count; i++) build->sliding[i] = true;
}

void engine_arch_slide_qwen(engine_arch_build *build)
{
    engine_config *c = build->config;
    if (!engine_config_bool(c, c->inner, "use_sliding_window", false)) return;
    build->window = engine_arch_read_window(build, 4096);
    size_t first = engine_config_size(c, c->inner, "max_window_layers", 28, SIZE_MAX);
    for (size_t i = first; i < build->spec->layer_count; i++) build->sliding[i] = true;
}

double engine_arch_read_softcap(engine_arch_build *build, const char *key, double absent)
{
    const json_node *inner = build->config->inner;
    return engine_config_positive(build->config, inner, key, json_get(inner, key) ? 0 : absent);
}
