/* engine/arch/mistral.c: as llama without biases; every layer slides unless sliding_window is null. */
#include "engine/arch/arch.h"

static void fill(engine_arch_build *build)
{
    build->window = engine_arch_read_window(build, 4096);
    engine_arch_slide_all(build);
}

const engine_arch engine_arch_mistral = {
    .model_type = "mistral",
    .form = {.kv_head_count = 8, .norm_eps = 1e-6, .pre_norms = true},
    .rope_base = 10000,
    .fill = fill,
};
