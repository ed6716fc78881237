/* engine/arch/smollm3.c: as llama; some layers do not rotate. */
#include "engine/arch/arch.h"

/* no_rope_layers says 1 where a layer does rotate, in spite of its name. */
static void read_rotating(engine_arch_build *build)
{
    engine_config *c = build->config;
    size_t count = build->spec->layer_count, i = 0;
    const json_node *list = json_get(c->inner, "no_rope_layers");
    if (json_is_null(list)) {
        size_t interval = engine_config_size(c, c->inner, "no_rope_layer_interval", 4, SIZE_MAX);
        for (; i < count; i++) build->rotates[i] = !interval || (i + 1) % interval != 0;
        return;
    }
    if (!json_is(list, JSON_ARRAY) || json_count(list) != count) {
        engine_config_fail(c, ERR_FORMAT, "line %u: no_rope_layers is %s of %zu, expected an array of %zu",
                           list->line, json_type_name(list->type), json_count(list), count);
        return;
    }
    for (const json_node *item = json_first(list); item; item = item->next)
        build->rotates[i++] = json_int(item, 0) != 0 || json_bool(item, false);
}

/* Unless layer_types says otherwise, what slides are the layers that do not rotate. */
static void fill(engine_arch_build *build)
{
    engine_config *c = build->config;
    engine_arch_read_attention_bias(build);
    build->spec->mlp_bias = engine_config_bool(c, c->inner, "mlp_bias", false);
    read_rotating(build);
    if (!engine_config_bool(c, c->inner, "use_sliding_window", false)) return;
    build->window = engine_arch_read_window(build, 0);
    for (size_t i = 0; i < build->spec->layer_count; i++) build->sliding[i] = !build->rotates[i];
}

const engine_arch engine_arch_smollm3 = {
    .model_type = "smollm3",
    .form = {.kv_head_count = 4, .norm_eps = 1e-6, .tied = true, .pre_norms = true},
    .rope_base = 2000000,
    .fill = fill,
};
