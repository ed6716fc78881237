/* engine/spec.c: config.json to a spec: the family's row, the common fields, the layers, and the checks. */
#include "engine/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/arch/arch.h"
#include "engine/arch/modules.h"
#include "engine/arch/rope.h"

/* A spec and what its pointers point to; the spec is first, so that one pointer is the other. */
typedef struct spec_owner {
    engine_spec spec;
    arena memory;
} spec_owner;

static const struct {
    const char *name;
    engine_activation activation;
} activations[] = {
    /* the first name of each is what it is called */
    {"silu", ENGINE_ACTIVATION_SILU},          {"swish", ENGINE_ACTIVATION_SILU},
    {"gelu", ENGINE_ACTIVATION_GELU},          {"gelu_pytorch_tanh", ENGINE_ACTIVATION_GELU_TANH},
    {"gelu_new", ENGINE_ACTIVATION_GELU_TANH}, {"relu", ENGINE_ACTIVATION_RELU},
};

const char *engine_activation_name(engine_activation a)
{
    for (size_t i = 0; i < COUNT_OF(activations); i++)
        if (activations[i].activation == a) return activations[i].name;
    return "unknown";
}

static void read_activation(engine_config *c, const char *key, engine_spec *spec)
{
    const char *name = engine_config_text(c, c->inner, key, engine_activation_name(spec->activation));
    for (size_t i = 0; i < COUNT_OF(activations); i++) {
        if (strcmp(activations[i].name, name) != 0) continue;
        spec->activation = activations[i].activation;
        return;
    }
    engine_config_fail(c, ERR_UNSUPPORTED, "%s \"%.40s\"", key, name);
}

/* ---- who it is ---- */

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), end = strlen(ending);
    return size >= end && strcmp(text + size - end, ending) == 0;
}

/* The class in `architectures`: one that writes text, or none. */
static const char *read_architecture(engine_config *c)
{
    const json_node *first = json_first(engine_config_find(c, "architectures"));
    bytes_view text = json_text(first);
    const char *name = arena_text_n(c->memory, text.data, text.size);
    if (*name && !ends_with(name, "ForCausalLM") && !ends_with(name, "ForConditionalGeneration"))
        engine_config_fail(c, ERR_UNSUPPORTED,
                           "architecture %.80s, expected one that writes text (...ForCausalLM)", name);
    return name;
}

static const engine_arch *read_arch(engine_config *c)
{
    const char *type = engine_config_text(c, c->inner, "model_type", "");
    if (!*type) {
        engine_config_fail(c, ERR_FORMAT, "model_type is missing");
        return NULL;
    }
    const engine_arch *arch = engine_arch_find(type);
    if (arch && !arch->refused) return arch;
    CLEANUP(bytes_free) bytes known = {0};
    engine_arch_list(&known);
    if (arch)
        engine_config_fail(c, ERR_UNSUPPORTED, "model_type %s: %s", type, arch->refused);
    else
        engine_config_fail(c, ERR_UNSUPPORTED, "model_type \"%.60s\", expected one of %s", type,
                           bytes_text(&known));
    return NULL;
}

static void refuse_quantised(engine_config *c)
{
    const json_node *quantisation = engine_config_find(c, "quantization_config");
    if (!quantisation) return;
    bytes_view method = json_text(json_get(quantisation, "quant_method"));
    if (!method.size) method = VIEW("unknown method");
    engine_config_fail(c, ERR_UNSUPPORTED, "quantised weights (%.*s), expected bf16, f16 or f32",
                       (int)MIN_OF(method.size, 40u), method.data);
}

/* ---- common fields ---- */

static void read_sizes(engine_config *c, engine_spec *spec)
{
    spec->hidden = engine_config_size_wanted(c, "hidden_size", 0, ENGINE_SPEC_HIDDEN_MAX);
    spec->inner = engine_config_size_wanted(c, "intermediate_size", 0, ENGINE_SPEC_INNER_MAX);
    spec->layer_count = engine_config_size_wanted(c, "num_hidden_layers", 0, ENGINE_SPEC_LAYERS_MAX);
    spec->vocab_count = engine_config_size_wanted(c, "vocab_size", spec->vocab_count, ENGINE_SPEC_VOCAB_MAX);
    spec->context_max =
        engine_config_size_wanted(c, "max_position_embeddings", spec->context_max, ENGINE_SPEC_CONTEXT_MAX);
}

/* How many heads, and how large: head_dim, else the family's size, else an equal share of the hidden size. */
static void read_heads(engine_config *c, engine_spec *spec)
{
    size_t heads =
        engine_config_size_wanted(c, "num_attention_heads", spec->head_count, ENGINE_SPEC_HEADS_MAX);
    size_t kv = spec->kv_head_count ? spec->kv_head_count : heads;
    spec->head_count = heads;
    spec->kv_head_count = kv = engine_config_size_wanted(c, "num_key_value_heads", kv, ENGINE_SPEC_HEADS_MAX);
    if (heads % kv != 0)
        engine_config_fail(c, ERR_FORMAT,
                           "num_attention_heads %zu, expected a multiple of num_key_value_heads %zu", heads,
                           kv);
    size_t given = engine_config_size(c, c->inner, "head_dim", spec->head_size, ENGINE_SPEC_HEAD_SIZE_MAX);
    spec->head_size = given ? given : spec->hidden / heads;
    if (!given && spec->hidden % heads != 0)
        engine_config_fail(c, ERR_FORMAT,
                           "hidden_size %zu, expected a multiple of num_attention_heads %zu or a head_dim",
                           spec->hidden, heads);
    if (spec->head_size < 1 || spec->head_size > ENGINE_SPEC_HEAD_SIZE_MAX)
        engine_config_fail(c, ERR_LIMIT, "a head of %zu elements, expected 1 to %d", spec->head_size,
                           ENGINE_SPEC_HEAD_SIZE_MAX);
}

static void id_add(engine_config *c, engine_spec *spec, const json_node *node)
{
    int64_t id = json_int(node, -2);
    if (id < -1 || id > INT32_MAX) {
        engine_config_fail(c, ERR_FORMAT, "line %u: eos_token_id is no token id", node->line);
    } else if (spec->eos_count == ENGINE_SPEC_EOS_MAX) {
        engine_config_fail(c, ERR_LIMIT, "more than %d ids in eos_token_id", ENGINE_SPEC_EOS_MAX);
    } else if (id >= 0) {
        spec->eos[spec->eos_count++] = (int32_t)id;
    }
}

/* A wrapper keeps them outside of text_config. -1 means none, as in old files. */
static void read_ids(engine_config *c, engine_spec *spec)
{
    const json_node *bos = engine_config_find(c, "bos_token_id"),
                    *eos = engine_config_find(c, "eos_token_id");
    int64_t id = bos ? json_int(bos, -2) : -1;
    if (id < -1 || id > INT32_MAX)
        engine_config_fail(c, ERR_FORMAT, "line %u: bos_token_id is no token id", bos ? bos->line : 0);
    spec->bos = (int32_t)id;
    if (json_is(eos, JSON_ARRAY))
        for (const json_node *item = json_first(eos); item; item = item->next) id_add(c, spec, item);
    else if (eos)
        id_add(c, spec, eos);
}

static void read_common(engine_config *c, const engine_arch *arch, engine_spec *spec)
{
    *spec = arch->form;
    spec->model_type = arch->model_type;
    spec->architecture = read_architecture(c);
    const json_node *dtype = engine_config_find(c, "dtype");
    bytes_view type = json_text(dtype ? dtype : engine_config_find(c, "torch_dtype"));
    spec->dtype = arena_text_n(c->memory, type.data, type.size);
    read_sizes(c, spec);
    read_heads(c, spec);
    read_activation(c, arch->activation_key ? arch->activation_key : "hidden_act", spec);
    spec->norm_eps = engine_config_positive(c, c->inner, "rms_norm_eps", spec->norm_eps);
    bool tied = engine_config_bool(c, c->outer, "tie_word_embeddings", spec->tied);
    spec->tied = engine_config_bool(c, c->inner, "tie_word_embeddings", tied);
    spec->attention_scale = 1 / sqrt((double)spec->head_size);
    spec->embedding_scale = 1;
    read_ids(c, spec);
}

/* ---- layers ---- */

static void read_layer_types(engine_arch_build *build)
{
    engine_config *c = build->config;
    const json_node *types = json_get(c->inner, "layer_types");
    size_t count = build->spec->layer_count, i = 0;
    if (json_is_null(types)) return;
    if (!json_is(types, JSON_ARRAY) || json_count(types) != count) {
        engine_config_fail(c, ERR_FORMAT, "line %u: layer_types is %s of %zu, expected an array of %zu",
                           types->line, json_type_name(types->type), json_count(types), count);
        return;
    }
    for (const json_node *item = json_first(types); item; item = item->next, i++) {
        bytes_view text = json_text(item);
        build->sliding[i] = bytes_view_is(text, "sliding_attention");
        if (!build->sliding[i] && !bytes_view_is(text, "full_attention"))
            engine_config_fail(c, ERR_UNSUPPORTED, "line %u: a layer of type \"%.*s\"", item->line,
                               (int)MIN_OF(text.size, 40u), text.data);
    }
}

static void fill_layers(engine_arch_build *build, const engine_arch *arch)
{
    engine_spec *spec = build->spec;
    arena *memory = build->config->memory;
    build->sliding = arena_array(memory, bool, spec->layer_count);
    build->rotates = arena_array(memory, bool, spec->layer_count);
    for (size_t i = 0; i < spec->layer_count; i++) build->rotates[i] = true;
    if (arch->fill) arch->fill(build);
    read_layer_types(build);
    engine_arch_read_ropes(build, arch);
    engine_layer_spec *layers = arena_array(memory, engine_layer_spec, spec->layer_count);
    for (size_t i = 0; i < spec->layer_count; i++) {
        int rope = build->sliding[i] && spec->rope_count > 1 ? 1 : 0;
        layers[i].window = build->sliding[i] ? build->window : 0;
        layers[i].rope = build->rotates[i] ? rope : -1;
    }
    spec->layers = layers;
}

static void fill_spec(engine_config *c, engine_spec *spec)
{
    const engine_arch *arch = read_arch(c);
    if (!arch) return;
    refuse_quantised(c);
    read_common(c, arch, spec);
    if (!c->failure.code) fill_layers(&(engine_arch_build){.config = c, .spec = spec}, arch);
}

err engine_spec_parse(bytes_view config_json, engine_spec **out)
{
    arena scratch = {0};
    const json_node *root = NULL;
    spec_owner *owner = memory_alloc(sizeof *owner);
    engine_config c = {.memory = &owner->memory};
    c.failure = json_parse(config_json, ENGINE_SPEC_DEPTH_MAX, &scratch, &root);
    if (root && !json_is(root, JSON_OBJECT))
        c.failure = err_make(ERR_FORMAT, "is %s, expected an object", json_type_name(root->type));
    if (!c.failure.code) {
        const json_node *inner = json_get(root, "text_config");
        c.outer = root;
        c.inner = json_is(inner, JSON_OBJECT) ? inner : root;
        fill_spec(&c, &owner->spec);
    }
    arena_free(&scratch);
    if (c.failure.code)
        engine_spec_free(&owner->spec);
    else
        *out = &owner->spec;
    return c.failure;
}

void engine_spec_free(engine_spec *spec)
{
    if (!spec) return;
    spec_owner *owner = (spec_owner *)spec;
    arena_free(&owner->memory);
    free(owner);
}

/* ---- sums ---- */

uint64_t engine_spec_parameters(const engine_spec *spec)
{
    uint64_t sum = 0;
    for (size_t module = 0; module < engine_module_count(spec); module++) {
        int64_t shape[2];
        unsigned rank;
        bool bias;
        engine_module_shape(spec, module, shape, &rank, &bias);
        if (!rank || (module == ENGINE_MODULE_HEAD && spec->tied)) continue;
        sum += (uint64_t)shape[0] * (uint64_t)(rank == 2 ? shape[1] : 1) + (bias ? (uint64_t)shape[0] : 0);
    }
    return sum;
}

uint64_t engine_spec_cache_bytes(const engine_spec *spec, size_t token_count, size_t bytes_each)
{
    uint64_t per_token = 2 * (uint64_t)spec->layer_count * spec->kv_head_count * spec->head_size;
    return per_token * token_count * bytes_each;
}
