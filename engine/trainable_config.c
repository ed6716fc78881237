/* engine/trainable_config.c: adapter_config.json of what is trained (spec training.md, section 15.1). */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/trainable_internal.h"

/* What the config says beside the modules. */
typedef struct config_facts {
    size_t rank;
    double alpha, dropout;
    bool rslora, dora, full;
    cJSON *rank_pattern, *alpha_pattern; /* objects, or NULL; taken by config_print */
} config_facts;

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* The endings of the targets' names, sorted, each once. */
static cJSON *endings_of(const engine_spec *spec, const bool *targets)
{
    char names[ENGINE_MODULE_KIND_COUNT][ENGINE_MODULE_NAME_MAX];
    const char *found[ENGINE_MODULE_KIND_COUNT];
    size_t count = 0;
    for (size_t kind = 0; kind < ENGINE_MODULE_KIND_COUNT; kind++) {
        bool any = false;
        for (size_t module = 0; module < engine_module_count(spec); module++)
            any = any || (targets[module] && (size_t)engine_module_kind_of(module) == kind);
        if (!any) continue;
        engine_module_name(spec, engine_module_of(spec, 0, (engine_module_kind)kind), names[kind],
                           sizeof names[kind]);
        const char *dot = strrchr(names[kind], '.');
        found[count++] = dot ? dot + 1 : names[kind];
    }
    qsort(found, count, sizeof *found, compare_names);
    return cJSON_CreateStringArray(found, (int)count);
}

/* The layers that hold targets, when some layer holds none; null when all do. */
static cJSON *layers_of(const engine_spec *spec, const bool *targets)
{
    cJSON *list = cJSON_CreateArray();
    size_t count = 0;
    for (size_t layer = 0; layer < spec->layer_count; layer++) {
        bool any = false;
        for (size_t kind = ENGINE_MODULE_GLOBAL_COUNT; kind < ENGINE_MODULE_KIND_COUNT; kind++)
            any = any || targets[engine_module_of(spec, layer, (engine_module_kind)kind)];
        if (!any) continue;
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)layer));
        count++;
    }
    if (count < spec->layer_count) return list;
    cJSON_Delete(list);
    return cJSON_CreateNull();
}

static char *config_print(const engine_spec *spec, const bool *targets, const config_facts *facts)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "peft_type", "LORA");
    cJSON_AddStringToObject(root, "task_type", "CAUSAL_LM");
    cJSON_AddStringToObject(root, "base_model_name_or_path", "");
    cJSON_AddNullToObject(root, "revision");
    cJSON_AddTrueToObject(root, "inference_mode");
    cJSON_AddNumberToObject(root, "r", (double)facts->rank);
    cJSON_AddNumberToObject(root, "lora_alpha", facts->alpha);
    cJSON_AddNumberToObject(root, "lora_dropout", facts->dropout);
    cJSON_AddItemToObject(root, "target_modules",
                          facts->full ? cJSON_CreateArray() : endings_of(spec, targets));
    cJSON_AddStringToObject(root, "bias", "none");
    cJSON_AddFalseToObject(root, "fan_in_fan_out");
    cJSON_AddTrueToObject(root, "init_lora_weights");
    cJSON_AddItemToObject(root, "modules_to_save",
                          facts->full ? endings_of(spec, targets) : cJSON_CreateNull());
    cJSON_AddBoolToObject(root, "use_rslora", facts->rslora);
    cJSON_AddBoolToObject(root, "use_dora", facts->dora);
    cJSON_AddItemToObject(root, "rank_pattern",
                          facts->rank_pattern ? facts->rank_pattern : cJSON_CreateObject());
    cJSON_AddItemToObject(root, "alpha_pattern",
                          facts->alpha_pattern ? facts->alpha_pattern : cJSON_CreateObject());
    cJSON_AddItemToObject(root, "layers_to_transform",
                          facts->full ? cJSON_CreateNull() : layers_of(spec, targets));
    cJSON_AddNullToObject(root, "layers_pattern");
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) memory_exhausted(0);
    return text;
}

static err read_pattern(const char *text, const char *what, cJSON **out)
{
    if (!text || !*text) return ERR_OK;
    *out = cJSON_Parse(text);
    if (cJSON_IsObject(*out)) return ERR_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return err_make(ERR_FORMAT, "%s is no JSON object of patterns and numbers: %.80s", what, text);
}

err trainable_config_of(const engine_spec *spec, const engine_trainable_options *options, const bool *targets,
                        char **out)
{
    config_facts facts = {.rank = options->rank,
                          .alpha = options->alpha,
                          .dropout = options->dropout,
                          .rslora = options->rslora,
                          .dora = options->dora,
                          .full = options->full};
    if (options->full)
        facts.rank = 1, facts.alpha = 1; /* PEFT asks for them; no module has a low-rank part */
    err e = read_pattern(options->rank_pattern, "the rank pattern", &facts.rank_pattern);
    if (!e.code) e = read_pattern(options->alpha_pattern, "the alpha pattern", &facts.alpha_pattern);
    if (e.code) {
        cJSON_Delete(facts.rank_pattern);
        return e;
    }
    *out = config_print(spec, targets, &facts);
    return ERR_OK;
}

static double number_of(const cJSON *root, const char *key, double absent)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, key);
    return cJSON_IsNumber(item) ? item->valuedouble : absent;
}

/* A file that writes the older keys says rank and alpha under other names. */
err trainable_config_from(const engine_spec *spec, const bool *targets, bytes_view json, char **out)
{
    engine_adapter_config *config = NULL;
    err e = engine_adapter_config_parse(json, &config);
    if (e.code) return e;
    cJSON *root = cJSON_ParseWithLength(json.data, json.size);
    config_facts facts = {
        .rank = engine_adapter_config_rank(config),
        .alpha = engine_adapter_config_alpha(config),
        .dropout = number_of(root, "lora_dropout", 0),
        .rslora = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "use_rslora")),
        .dora = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "use_dora")),
        .rank_pattern = cJSON_DetachItemFromObjectCaseSensitive(root, "rank_pattern"),
        .alpha_pattern = cJSON_DetachItemFromObjectCaseSensitive(root, "alpha_pattern"),
    };
    cJSON **const patterns[] = {&facts.rank_pattern, &facts.alpha_pattern};
    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        if (cJSON_IsObject(*patterns[i])) continue;
        cJSON_Delete(*patterns[i]);
        *patterns[i] = NULL;
    }
    *out = config_print(spec, targets, &facts);
    cJSON_Delete(root);
    engine_adapter_config_free(config);
    return ERR_OK;
}

err engine_trainable_config(const engine_trainable *t, const char *base_name, bytes *out)
{
    cJSON *root = cJSON_Parse(t->config);
    bool rebuilt = false;
    cJSON_ReplaceItemInObjectCaseSensitive(root, "base_model_name_or_path",
                                           cJSON_CreateString(base_name ? base_name : ""));
    for (size_t module = 0; module < t->module_count; module++) rebuilt = rebuilt || t->parts[module].base;
    if (rebuilt) { /* written as a difference of twice the rank, whose scale must stay */
        double rank = number_of(root, "r", 1), alpha = number_of(root, "lora_alpha", 1);
        bool rslora = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "use_rslora"));
        cJSON_SetNumberHelper(cJSON_GetObjectItemCaseSensitive(root, "r"), 2 * rank);
        cJSON_SetNumberHelper(cJSON_GetObjectItemCaseSensitive(root, "lora_alpha"),
                              rslora ? alpha * sqrt(2) : 2 * alpha);
        static const struct {
            const char *key;
            bool rank;
        } doubled[] = {{"rank_pattern", true}, {"alpha_pattern", false}};
        for (size_t i = 0; i < COUNT_OF(doubled); i++) {
            cJSON *item = NULL;
            cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, doubled[i].key))
                cJSON_SetNumberHelper(item, item->valuedouble * (doubled[i].rank || !rslora ? 2 : sqrt(2)));
        }
    }
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    if (!text) memory_exhausted(0);
    bytes_append_text(out, text);
    bytes_append_byte(out, '\n');
    free(text);
    return ERR_OK;
}
