/* engine/arch/llama.c: Llama 1 to 3.3, TinyLlama, SmolLM 1 and 2, Yi and many more. */
#include "engine/arch/arch.h"

static void fill(engine_arch_build *build)
{
    engine_arch_read_attention_bias(build);
    build->spec->mlp_bias = engine_config_bool(build->config, build->config->inner, "mlp_bias", false);
}

const engine_arch engine_arch_llama = {
    .model_type = "llama",
    .form = {.norm_eps = 1e-6, .pre_norms = true},
    .rope_base = 10000,
    .fill = fill,
};
