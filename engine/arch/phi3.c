/* engine/arch/phi3.c: Phi 3, 3.5, 4: q, k, v in one matrix, gate and up in another. */
#include "engine/arch/arch.h"

static void fill(engine_arch_build *build)
{
    build->window = engine_arch_read_window(build, 0);
    engine_arch_slide_all(build);
}

const engine_arch engine_arch_phi3 = {
    .model_type = "phi3",
    .form = {.norm_eps = 1e-5, .pre_norms = true, .fused_qkv = true, .fused_gate_up = true},
    .rope_base = 10000,
    .original_max = 4096,
    .yarn_is_long = true,
    .fill = fill,
};
