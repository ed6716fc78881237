/* engine/arch/qwen3.c: as llama with a norm on each head of q and k; heads need not add up to the hidden
 * size. */
#include "engine/arch/arch.h"

static void fill(engine_arch_build *build)
{
    engine_arch_read_attention_bias(build);
    engine_arch_slide_qwen(build);
}

const engine_arch engine_arch_qwen3 = {
    .model_type = "qwen3",
    .form = {.kv_head_count = 32,
             .head_size = 128,
             .norm_eps = 1e-6,
             .pre_norms = true,
             .qk_norm = ENGINE_QK_NORM_HEAD},
    .rope_base = 10000,
    .fill = fill,
};
