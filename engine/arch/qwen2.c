/* engine/arch/qwen2.c: Qwen 1.5, 2, 2.5 and their distillates: as llama with biases on q, k and v, never on
 * o. */
#include "engine/arch/arch.h"

const engine_arch engine_arch_qwen2 = {
    .model_type = "qwen2",
    .form = {.kv_head_count = 32, .norm_eps = 1e-6, .pre_norms = true, .qkv_bias = true},
    .rope_base = 10000,
    .fill = engine_arch_slide_qwen,
};
