/* engine/arch/modules.c: one table of names, one of sizes. */
#include "engine/arch/modules.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

/* After "model." or "model.layers.N.". The names of the norms around the MLP depend on which norms there are
 * (norm_name). */
static const char *const names[ENGINE_MODULE_KIND_COUNT] = {
    [ENGINE_MODULE_EMBED] = "embed_tokens",
    [ENGINE_MODULE_HEAD] = "lm_head",
    [ENGINE_MODULE_FINAL_NORM] = "norm",
    [ENGINE_MODULE_Q] = "self_attn.q_proj",
    [ENGINE_MODULE_K] = "self_attn.k_proj",
    [ENGINE_MODULE_V] = "self_attn.v_proj",
    [ENGINE_MODULE_QKV] = "self_attn.qkv_proj",
    [ENGINE_MODULE_O] = "self_attn.o_proj",
    [ENGINE_MODULE_GATE] = "mlp.gate_proj",
    [ENGINE_MODULE_UP] = "mlp.up_proj",
    [ENGINE_MODULE_GATE_UP] = "mlp.gate_up_proj",
    [ENGINE_MODULE_DOWN] = "mlp.down_proj",
    [ENGINE_MODULE_INPUT_NORM] = "input_layernorm",
    [ENGINE_MODULE_POST_ATTENTION_NORM] = "post_attention_layernorm",
    [ENGINE_MODULE_PRE_FFW_NORM] = "pre_feedforward_layernorm",
    [ENGINE_MODULE_POST_FFW_NORM] = "post_feedforward_layernorm",
    [ENGINE_MODULE_Q_NORM] = "self_attn.q_norm",
    [ENGINE_MODULE_K_NORM] = "self_attn.k_norm",
};

/* A block with pre-norms alone says "post attention" for the norm that stands before its MLP. */
static const char *name_of(const engine_spec *spec, engine_module_kind kind)
{
    if (kind == ENGINE_MODULE_PRE_FFW_NORM && !spec->post_norms) kind = ENGINE_MODULE_POST_ATTENTION_NORM;
    return names[kind];
}

size_t engine_module_count(const engine_spec *spec)
{
    return ENGINE_MODULE_GLOBAL_COUNT + spec->layer_count * ENGINE_MODULE_LAYER_COUNT;
}

size_t engine_module_of(const engine_spec *spec, size_t layer, engine_module_kind kind)
{
    (void)spec;
    return kind < ENGINE_MODULE_GLOBAL_COUNT ? (size_t)kind : layer * ENGINE_MODULE_LAYER_COUNT + kind;
}

engine_module_kind engine_module_kind_of(size_t module)
{
    if (module < ENGINE_MODULE_GLOBAL_COUNT) return (engine_module_kind)module;
    size_t in_layer = (module - ENGINE_MODULE_GLOBAL_COUNT) % ENGINE_MODULE_LAYER_COUNT;
    return (engine_module_kind)(ENGINE_MODULE_GLOBAL_COUNT + in_layer);
}

size_t engine_module_layer_of(size_t module)
{
    return module < ENGINE_MODULE_GLOBAL_COUNT
               ? 0
               : (module - ENGINE_MODULE_GLOBAL_COUNT) / ENGINE_MODULE_LAYER_COUNT;
}

bool engine_module_is_linear(engine_module_kind kind)
{
    return kind == ENGINE_MODULE_HEAD || (kind >= ENGINE_MODULE_Q && kind <= ENGINE_MODULE_DOWN);
}

typedef struct module_size {
    bool present, bias;
    size_t out, in; /* in 0: rank 1 */
} module_size;

static module_size size_of(const engine_spec *spec, engine_module_kind kind)
{
    size_t hidden = spec->hidden, inner = spec->inner;
    size_t q = spec->head_count * spec->head_size, kv = spec->kv_head_count * spec->head_size;
    bool per_head = spec->qk_norm == ENGINE_QK_NORM_HEAD, qk_norm = spec->qk_norm != ENGINE_QK_NORM_NONE;
    bool split = !spec->fused_qkv, split_mlp = !spec->fused_gate_up;
    const module_size sizes[ENGINE_MODULE_KIND_COUNT] = {
        [ENGINE_MODULE_EMBED] = {true, false, spec->vocab_count, hidden},
        [ENGINE_MODULE_HEAD] = {true, false, spec->vocab_count, hidden},
        [ENGINE_MODULE_FINAL_NORM] = {true, false, hidden, 0},
        [ENGINE_MODULE_Q] = {split, spec->qkv_bias, q, hidden},
        [ENGINE_MODULE_K] = {split, spec->qkv_bias, kv, hidden},
        [ENGINE_MODULE_V] = {split, spec->qkv_bias, kv, hidden},
        [ENGINE_MODULE_QKV] = {!split, spec->qkv_bias, q + 2 * kv, hidden},
        [ENGINE_MODULE_O] = {true, spec->o_bias, hidden, q},
        [ENGINE_MODULE_GATE] = {split_mlp, spec->mlp_bias, inner, hidden},
        [ENGINE_MODULE_UP] = {split_mlp, spec->mlp_bias, inner, hidden},
        [ENGINE_MODULE_GATE_UP] = {!split_mlp, spec->mlp_bias, 2 * inner, hidden},
        [ENGINE_MODULE_DOWN] = {true, spec->mlp_bias, hidden, inner},
        [ENGINE_MODULE_INPUT_NORM] = {spec->pre_norms, false, hidden, 0},
        [ENGINE_MODULE_POST_ATTENTION_NORM] = {spec->post_norms, false, hidden, 0},
        [ENGINE_MODULE_PRE_FFW_NORM] = {spec->pre_norms, false, hidden, 0},
        [ENGINE_MODULE_POST_FFW_NORM] = {spec->post_norms, false, hidden, 0},
        [ENGINE_MODULE_Q_NORM] = {qk_norm, false, per_head ? spec->head_size : q, 0},
        [ENGINE_MODULE_K_NORM] = {qk_norm, false, per_head ? spec->head_size : kv, 0},
    };
    return sizes[kind];
}

void engine_module_shape(const engine_spec *spec, size_t module, int64_t shape[2], unsigned *rank,
                         bool *has_bias)
{
    module_size size = {0};
    if (module < engine_module_count(spec)) size = size_of(spec, engine_module_kind_of(module));
    shape[0] = (int64_t)size.out;
    shape[1] = (int64_t)size.in;
    *rank = !size.present ? 0 : size.in ? 2 : 1;
    *has_bias = size.present && size.bias;
}

void engine_module_name(const engine_spec *spec, size_t module, char *buffer, size_t size)
{
    engine_module_kind kind = engine_module_kind_of(module);
    const char *name = name_of(spec, kind);
    if (kind == ENGINE_MODULE_HEAD)
        snprintf(buffer, size, "%s", name);
    else if (kind < ENGINE_MODULE_GLOBAL_COUNT)
        snprintf(buffer, size, "model.%s", name);
    else
        snprintf(buffer, size, "model.layers.%zu.%s", engine_module_layer_of(module), name);
}

/* "7.self_attn.q_proj": *layer and what follows the dot; NULL when it does not begin with a plain number. */
static const char *layer_read(const char *text, size_t *layer)
{
    size_t value = 0, digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
        if (value > ENGINE_SPEC_LAYERS_MAX) return NULL;
        value = value * 10 + (size_t)(text[digits] - '0');
    }
    bool plain = digits > 0 && (text[0] != '0' || digits == 1) && text[digits] == '.';
    *layer = value;
    return plain ? text + digits + 1 : NULL;
}

/* `name` without any prefix. */
static size_t find_bare(const engine_spec *spec, const char *name, bool head)
{
    size_t layer = 0;
    engine_module_kind kind = ENGINE_MODULE_EMBED, end = ENGINE_MODULE_GLOBAL_COUNT;
    if (strncmp(name, "layers.", 7) == 0) {
        name = layer_read(name + 7, &layer);
        if (!name || layer >= spec->layer_count) return ENGINE_MODULE_NONE;
        kind = ENGINE_MODULE_GLOBAL_COUNT;
        end = ENGINE_MODULE_KIND_COUNT;
    }
    for (; kind < end; kind++) {
        if ((kind == ENGINE_MODULE_HEAD) != head) continue;
        if (strcmp(name, name_of(spec, kind)) == 0 && size_of(spec, kind).present)
            return engine_module_of(spec, layer, kind);
    }
    return ENGINE_MODULE_NONE;
}

size_t engine_module_find(const engine_spec *spec, const char *name)
{
    static const struct {
        const char *text;
        bool head; /* the head lies under this one, else the rest of the model */
    } prefixes[] = {
        {"model.", false},
        {"", false},
        {"language_model.model.", false},
        {"model.language_model.", false},
        {"", true},
        {"language_model.", true},
    };
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        size_t size = strlen(prefixes[i].text);
        if (strncmp(name, prefixes[i].text, size) != 0) continue;
        size_t module = find_bare(spec, name + size, prefixes[i].head);
        if (module != ENGINE_MODULE_NONE) return module;
    }
    return ENGINE_MODULE_NONE;
}
