/* engine/adapter_write.c: tensors by module, and the config that says the same of them. */
#include "engine/adapter_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/arch/modules.h"
#include "engine/safetensors_write.h"

typedef struct out_tensor {
    char *name;
    size_t module;
    engine_adapter_slot slot;
    engine_dtype type;
    unsigned rank;
    int64_t shape[2];
    bytes data;
} out_tensor;

typedef struct out_scale {
    size_t rank; /* 0: the module has no low-rank tensors */
    double alpha;
} out_scale;

struct engine_adapter_out {
    const engine_spec *spec;
    char *base;
    char *prefix; /* of modules in the base's own names, in place of "model." */
    out_tensor *tensors;
    size_t count, module_count;
    out_scale *scales; /* by module */
    bool rank_stabilised;
};

static const char *const endings[ENGINE_ADAPTER_SLOT_COUNT] = {
    [ENGINE_ADAPTER_A] = ".lora_A.weight",
    [ENGINE_ADAPTER_B] = ".lora_B.weight",
    [ENGINE_ADAPTER_B_BIAS] = ".lora_B.bias",
    [ENGINE_ADAPTER_MAGNITUDE] = ".lora_magnitude_vector",
    [ENGINE_ADAPTER_EMBED_A] = ".lora_embedding_A",
    [ENGINE_ADAPTER_EMBED_B] = ".lora_embedding_B",
    [ENGINE_ADAPTER_WEIGHT] = ".weight",
    [ENGINE_ADAPTER_BIAS] = ".bias",
};

static const char usual_prefix[] = "base_model.model.model.";

engine_adapter_out *engine_adapter_out_new(const engine_spec *spec, const char *base_name)
{
    engine_adapter_out *out = memory_alloc(sizeof *out);
    out->spec = spec;
    out->base = memory_text(base_name);
    out->prefix = memory_text(usual_prefix);
    out->module_count = engine_module_count(spec);
    out->scales = memory_alloc(out->module_count * sizeof *out->scales);
    return out;
}

const engine_spec *engine_adapter_out_borrow_spec(const engine_adapter_out *out) { return out->spec; }

void engine_adapter_out_free(engine_adapter_out *out)
{
    if (!out) return;
    for (size_t i = 0; i < out->count; i++) {
        free(out->tensors[i].name);
        bytes_free(&out->tensors[i].data);
    }
    free(out->tensors);
    free(out->scales);
    free(out->base);
    free(out->prefix);
    free(out);
}

/* "layers.0.self_attn.q_proj" of "model.layers.0.self_attn.q_proj"; "lm_head" as it is. */
static const char *below_model(const char *module)
{
    static const char model[] = "model.";
    return strncmp(module, model, sizeof model - 1) == 0 ? module + sizeof model - 1 : module;
}

static bool prefix_take(engine_adapter_out *out, size_t module, const char *tensor_name)
{
    CLEANUP(bytes_free) bytes name = {0};
    char own[ENGINE_MODULE_NAME_MAX];
    engine_module_name(out->spec, module, own, sizeof own);
    const char *tail = below_model(own);
    engine_adapter_peft_name(tensor_name, &name);
    const char *at = tail != own ? strstr(bytes_text(&name), tail) : NULL;
    if (!at) return false;
    free(out->prefix);
    out->prefix = memory_text_n(bytes_text(&name), (size_t)(at - bytes_text(&name)));
    return true;
}

void engine_adapter_out_name_as(engine_adapter_out *out, const engine_adapter_file *file)
{
    for (size_t m = 0; m < out->module_count; m++)
        for (int slot = 0; slot < ENGINE_ADAPTER_SLOT_COUNT; slot++) {
            const engine_weight *w = engine_adapter_file_borrow(file, m, (engine_adapter_slot)slot);
            if (w && prefix_take(out, m, w->name)) return;
        }
}

/* -- putting in ---------------------------------------------------------------------------------------------
 */

static out_tensor *tensor_push(engine_adapter_out *out, size_t module, engine_adapter_slot slot)
{
    bytes name = {0};
    char module_name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(out->spec, module, module_name, sizeof module_name);
    const char *tail = below_model(module_name);
    bytes_printf(&name, "%s%s%s", tail != module_name ? out->prefix : "base_model.model.", tail,
                 endings[slot]);
    if ((out->count & (out->count - 1)) == 0)
        out->tensors =
            memory_resize_array(out->tensors, out->count ? 2 * out->count : 1, sizeof *out->tensors);
    out_tensor *t = &out->tensors[out->count++];
    *t = (out_tensor){.name = bytes_take(&name), .module = module, .slot = slot};
    return t;
}

void engine_adapter_out_add(engine_adapter_out *out, size_t module, engine_adapter_slot slot,
                            engine_dtype type, unsigned rank, const int64_t *shape, bytes_view data)
{
    out_tensor *t = tensor_push(out, module, slot);
    t->type = type;
    t->rank = rank;
    for (unsigned i = 0; i < rank && i < COUNT_OF(t->shape); i++) t->shape[i] = shape[i];
    bytes_append_view(&t->data, data);
}

void engine_adapter_out_add_f32(engine_adapter_out *out, size_t module, engine_adapter_slot slot, size_t rows,
                                size_t columns, const float *values)
{
    const int64_t shape[] = {(int64_t)rows, (int64_t)columns};
    size_t count = columns ? rows * columns : rows;
    engine_adapter_out_add(out, module, slot, ENGINE_DTYPE_F32, columns ? 2 : 1, shape,
                           (bytes_view){(const char *)values, count * sizeof *values});
}

void engine_adapter_out_scale(engine_adapter_out *out, size_t module, size_t rank, double alpha)
{
    out->scales[module] = (out_scale){rank, alpha};
}

void engine_adapter_out_rank_stabilised(engine_adapter_out *out) { out->rank_stabilised = true; }

/* -- the config ---------------------------------------------------------------------------------------------
 */

/* The shortest text that reads back to the same; 32 is 32, not 32.0. */
static void number_append(bytes *json, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    bytes_append_text(json, text);
}

static int text_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A list of names, sorted, each once: "a", "b". Frees the names. */
static void list_append(bytes *json, char **names, size_t count)
{
    const char *last = NULL;
    if (count) qsort(names, count, sizeof *names, text_compare);
    bytes_append_byte(json, '[');
    for (size_t i = 0; i < count; i++) {
        if (!last || strcmp(last, names[i]) != 0) {
            if (last) bytes_append_text(json, ", ");
            json_append_string(json, bytes_view_of(names[i]));
        }
        last = names[i];
    }
    bytes_append_byte(json, ']');
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
}

static bool is_low_rank(const engine_adapter_out *out, size_t module) { return out->scales[module].rank > 0; }

/* Do all layers that have targets have the same ones? Then their endings and the layers say all. */
static bool layers_alike(const engine_adapter_out *out, bool *layer_acts)
{
    bool kinds[ENGINE_MODULE_KIND_COUNT] = {false}, alike = true;
    size_t layer_count = out->spec->layer_count;
    for (size_t m = 0; m < out->module_count; m++) {
        if (!is_low_rank(out, m)) continue;
        kinds[engine_module_kind_of(m)] = true;
        if (engine_module_kind_of(m) >= ENGINE_MODULE_GLOBAL_COUNT)
            layer_acts[engine_module_layer_of(m)] = true;
    }
    for (size_t layer = 0; layer < layer_count; layer++)
        for (int kind = ENGINE_MODULE_GLOBAL_COUNT; kind < ENGINE_MODULE_KIND_COUNT && layer_acts[layer];
             kind++)
            if (kinds[kind] &&
                !is_low_rank(out, engine_module_of(out->spec, layer, (engine_module_kind)kind)))
                alike = false;
    return alike;
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static void targets_append(const engine_adapter_out *out, bool endings_do, bytes *json)
{
    char **names = memory_alloc((out->module_count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t m = 0; m < out->module_count; m++) {
        char name[ENGINE_MODULE_NAME_MAX];
        if (!is_low_rank(out, m)) continue;
        engine_module_name(out->spec, m, name, sizeof name);
        names[count++] = memory_text(endings_do ? last_part(name) : name);
    }
    list_append(json, names, count);
}

/* null when it is all of them, or the targets are full names. */
static void layers_append(const engine_adapter_out *out, bool endings_do, const bool *layer_acts, bytes *json)
{
    size_t acting = 0;
    for (size_t layer = 0; layer < out->spec->layer_count; layer++) acting += layer_acts[layer];
    if (!endings_do || acting == 0 || acting == out->spec->layer_count) {
        bytes_append_text(json, "null");
        return;
    }
    const char *between = "[";
    for (size_t layer = 0; layer < out->spec->layer_count; layer++) {
        if (!layer_acts[layer]) continue;
        bytes_printf(json, "%s%zu", between, layer);
        between = ", ";
    }
    bytes_append_byte(json, ']');
}

static bool has_slot(const engine_adapter_out *out, engine_adapter_slot slot)
{
    for (size_t i = 0; i < out->count; i++)
        if (out->tensors[i].slot == slot) return true;
    return false;
}

static void saved_append(const engine_adapter_out *out, bytes *json)
{
    char **names = memory_alloc((out->count + 1) * sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < out->count; i++) {
        char name[ENGINE_MODULE_NAME_MAX];
        if (out->tensors[i].slot != ENGINE_ADAPTER_WEIGHT) continue;
        engine_module_name(out->spec, out->tensors[i].module, name, sizeof name);
        names[count++] = memory_text(name);
    }
    if (count) {
        list_append(json, names, count);
    } else {
        free(names);
        bytes_append_text(json, "null");
    }
}

/* What most modules have. */
static out_scale main_scale(const engine_adapter_out *out)
{
    out_scale best = {8, 8};
    size_t best_count = 0;
    for (size_t m = 0; m < out->module_count; m++) {
        size_t count = 0;
        if (!is_low_rank(out, m)) continue;
        for (size_t k = m; k < out->module_count; k++)
            count +=
                out->scales[k].rank == out->scales[m].rank && out->scales[k].alpha == out->scales[m].alpha;
        if (count <= best_count) continue;
        best = out->scales[m];
        best_count = count;
    }
    return best;
}

/* A regular expression that fits this name alone. */
static void pattern_key_append(const engine_adapter_out *out, size_t module, bytes *json)
{
    char name[ENGINE_MODULE_NAME_MAX];
    engine_module_name(out->spec, module, name, sizeof name);
    bytes_append_byte(json, '"');
    for (const char *c = name; *c; c++) {
        if (*c == '.') bytes_append_text(json, "\\\\");
        bytes_append_byte(json, *c);
    }
    bytes_append_text(json, "\": ");
}

static void patterns_append(const engine_adapter_out *out, out_scale usual, bool of_rank, bytes *json)
{
    const char *between = "";
    bytes_append_byte(json, '{');
    for (size_t m = 0; m < out->module_count; m++) {
        const out_scale *own = &out->scales[m];
        if (!own->rank || (of_rank ? own->rank == usual.rank : own->alpha == usual.alpha)) continue;
        bytes_append_text(json, between);
        pattern_key_append(out, m, json);
        if (of_rank)
            bytes_printf(json, "%zu", own->rank);
        else
            number_append(json, own->alpha);
        between = ", ";
    }
    bytes_append_byte(json, '}');
}

static const char *yes(bool value) { return value ? "true" : "false"; }

/* The keys that PEFT 0.21 loads without a warning, in one order. */
static void config_append(const engine_adapter_out *out, bytes *json)
{
    bool *layer_acts = memory_alloc((out->spec->layer_count + 1) * sizeof *layer_acts);
    bool endings_do = layers_alike(out, layer_acts);
    out_scale usual = main_scale(out);

    bytes_append_text(json, "{\n  \"alpha_pattern\": ");
    patterns_append(out, usual, false, json);
    bytes_append_text(json, ",\n  \"base_model_name_or_path\": ");
    json_append_string(json, bytes_view_of(out->base));
    bytes_printf(json, ",\n  \"bias\": \"%s\"", has_slot(out, ENGINE_ADAPTER_BIAS) ? "all" : "none");
    bytes_append_text(json, ",\n  \"fan_in_fan_out\": false,\n  \"inference_mode\": true");
    bytes_append_text(json, ",\n  \"init_lora_weights\": true,\n  \"layers_pattern\": null");
    bytes_append_text(json, ",\n  \"layers_to_transform\": ");
    layers_append(out, endings_do, layer_acts, json);
    bytes_append_text(json, ",\n  \"lora_alpha\": ");
    number_append(json, usual.alpha);
    if (has_slot(out, ENGINE_ADAPTER_B_BIAS)) bytes_append_text(json, ",\n  \"lora_bias\": true");
    bytes_append_text(json, ",\n  \"lora_dropout\": 0.0,\n  \"modules_to_save\": ");
    saved_append(out, json);
    bytes_printf(json, ",\n  \"peft_type\": \"LORA\",\n  \"r\": %zu,\n  \"rank_pattern\": ", usual.rank);
    patterns_append(out, usual, true, json);
    bytes_append_text(json, ",\n  \"revision\": null,\n  \"target_modules\": ");
    targets_append(out, endings_do, json);
    bytes_append_text(json, ",\n  \"task_type\": \"CAUSAL_LM\"");
    bytes_printf(json, ",\n  \"use_dora\": %s,\n  \"use_rslora\": %s\n}\n",
                 yes(has_slot(out, ENGINE_ADAPTER_MAGNITUDE)), yes(out->rank_stabilised));
    free(layer_acts);
}

void engine_adapter_out_write(const engine_adapter_out *out, bytes *weights, bytes *config)
{
    engine_safetensor_out *list = memory_alloc((out->count + 1) * sizeof *list);
    for (size_t i = 0; i < out->count; i++) {
        const out_tensor *t = &out->tensors[i];
        list[i] = (engine_safetensor_out){
            .name = t->name, .type = t->type, .rank = t->rank, .data = bytes_borrow(&t->data)};
        memcpy(list[i].shape, t->shape, sizeof t->shape);
    }
    engine_safetensors_sort(list, out->count);
    engine_safetensors_write(list, out->count, weights);
    config_append(out, config);
    free(list);
}
