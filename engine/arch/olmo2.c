/* engine/arch/olmo2.c: norms after attention and MLP only, and over the whole of q and k. */
#include "engine/arch/arch.h"

const engine_arch engine_arch_olmo2 = {
    .model_type = "olmo2",
    .form = {.norm_eps = 1e-5,
             .norm = ENGINE_NORM_F32_WEIGHT,
             .qk_norm = ENGINE_QK_NORM_WHOLE,
             .post_norms = true,
             .rope_in_f32 = true},
    .rope_base = 10000,
    .fill = engine_arch_read_attention_bias,
};
