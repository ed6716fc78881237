/* engine/arch/table.c: all families. */
#include <string.h>

#include "engine/arch/arch.h"

extern const engine_arch engine_arch_llama, engine_arch_mistral, engine_arch_qwen2, engine_arch_qwen3,
    engine_arch_gemma2, engine_arch_gemma3, engine_arch_phi3, engine_arch_olmo2, engine_arch_smollm3;

#define MIXTURE "mixtures of experts are not run"

static const engine_arch refused[] = {
    {.model_type = "mixtral", .refused = MIXTURE},     {.model_type = "qwen2_moe", .refused = MIXTURE},
    {.model_type = "qwen3_moe", .refused = MIXTURE},   {.model_type = "gpt_oss", .refused = MIXTURE},
    {.model_type = "olmoe", .refused = MIXTURE},       {.model_type = "phimoe", .refused = MIXTURE},
    {.model_type = "deepseek_v2", .refused = MIXTURE}, {.model_type = "deepseek_v3", .refused = MIXTURE},
};

static const engine_arch *const run[] = {
    &engine_arch_llama,  &engine_arch_mistral, &engine_arch_qwen2, &engine_arch_qwen3,   &engine_arch_gemma2,
    &engine_arch_gemma3, &engine_arch_phi3,    &engine_arch_olmo2, &engine_arch_smollm3,
};

const engine_arch *engine_arch_find(const char *model_type)
{
    for (size_t i = 0; i < COUNT_OF(run); i++)
        if (strcmp(run[i]->model_type, model_type) == 0) return run[i];
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (strcmp(refused[i].model_type, model_type) == 0) return &refused[i];
    return NULL;
}

void engine_arch_list(bytes *out)
{
    for (size_t i = 0; i < COUNT_OF(run); i++) bytes_printf(out, i ? ", %s" : "%s", run[i]->model_type);
}
