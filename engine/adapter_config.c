/* engine/adapter_config.c: adapter_config.json: rank, alpha, and the patterns that change them by module.
 *
 * Two key sets: PEFT's, and an older one of trainers that kept their own words (rank, alpha, learning_rate,
 * ...) beside the weights. Without peft_type and with rank it is the older one; what it says of training is
 * left aside.
 *
 * Which modules an adapter acts on is told by the tensors of its file, so target_modules and its like are not
 * read, nor what concerns training alone. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <math.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "engine/adapter.h"

enum {
    CONFIG_DEPTH_MAX = 32,
    PATTERN_BYTES_MAX = 1024,
    MATCH_STEPS_MAX = 1000000, /* a name has under a hundred characters; a pattern past this is an attack */
    RANK_DEFAULT = 8,
    ALPHA_DEFAULT = 8,
};

typedef struct pattern {
    char *text;
    pcre2_code *code;
    double value;
} pattern;

typedef struct pattern_list {
    pattern *items; /* in the order of the file: the first that fits decides */
    size_t count;
} pattern_list;

struct engine_adapter_config {
    size_t rank;
    double alpha;
    bool rank_stabilised; /* alpha / sqrt(rank) */
    bool old_keys;
    char *base;
    pattern_list ranks, alphas;
};

static void patterns_free(pattern_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        pcre2_code_free(list->items[i].code);
        free(list->items[i].text);
    }
    free(list->items);
}

void engine_adapter_config_free(engine_adapter_config *config)
{
    if (!config) return;
    patterns_free(&config->ranks);
    patterns_free(&config->alphas);
    free(config->base);
    free(config);
}

/* ---- fields ---- */

static err read_number(const json_node *node, const char *what, double *out)
{
    double value = json_double(node, NAN);
    if (!isfinite(value))
        return err_make(ERR_FORMAT, "line %u: %s is %s, expected a number", node->line, what,
                        json_type_name(node->type));
    *out = value;
    return ERR_OK;
}

static err read_rank(const json_node *node, const char *what, double *out)
{
    int64_t value = json_int(node, 0);
    if (value < 1)
        return err_make(ERR_FORMAT, "line %u: %s is no rank, expected a whole number from 1 on", node->line,
                        what);
    if (value > ENGINE_ADAPTER_RANK_MAX)
        return err_make(ERR_LIMIT, "line %u: %s is %lld, the limit is %d", node->line, what, (long long)value,
                        ENGINE_ADAPTER_RANK_MAX);
    *out = (double)value;
    return ERR_OK;
}

/* Set, in the sense of a field whose default does nothing: not null, not false, not empty. */
static bool is_set(const json_node *node)
{
    if (json_is_null(node) || json_is(node, JSON_FALSE)) return false;
    return !json_is(node, JSON_OBJECT) && !json_is(node, JSON_ARRAY) ? true : json_count(node) > 0;
}

static err refuse_unsupported(const json_node *root)
{
    static const char *const fields[] = {
        "trainable_token_indices", "target_parameters", "layer_replication", "megatron_config",
        "alora_invocation_tokens", "use_qalora",        "use_bdlora",        "arrow_config",
    };
    const json_node *type = json_get(root, "peft_type");
    bytes_view name = json_text(type);
    if (json_is_null(type)) return err_make(ERR_FORMAT, "peft_type is missing, expected \"LORA\"");
    if (!bytes_view_is(name, "LORA"))
        return err_make(ERR_UNSUPPORTED, "line %u: peft_type \"%.*s\", expected \"LORA\"", type->line,
                        (int)MIN_OF(name.size, 40u), name.data);
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        const json_node *node = json_get(root, fields[i]);
        if (is_set(node))
            return err_make(ERR_UNSUPPORTED, "line %u: adapters with %s", node->line, fields[i]);
    }
    return ERR_OK;
}

/* ---- patterns ---- */

/* As PEFT: the key matches the end of a module's name, from a dot or the beginning on. */
static err pattern_compile(pattern *p, uint32_t line)
{
    CLEANUP(bytes_free) bytes whole = {0};
    bytes_printf(&whole, "(.*\\.)?(%s)", p->text);
    int code;
    size_t offset;
    p->code = pcre2_compile((PCRE2_SPTR)bytes_text(&whole), whole.size, PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                            &code, &offset, NULL);
    if (p->code) return ERR_OK;
    char words[120] = "";
    pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof words);
    return err_make(ERR_FORMAT, "line %u: the pattern \"%.100s\" is no regular expression: %s", line, p->text,
                    words);
}

static err pattern_read(const json_node *node, pattern *p,
                        err (*read)(const json_node *, const char *, double *))
{
    if (node->key.size > PATTERN_BYTES_MAX)
        return err_make(ERR_LIMIT, "line %u: a pattern of %zu bytes, the limit is %d", node->line,
                        node->key.size, PATTERN_BYTES_MAX);
    if (node->key.size && memchr(node->key.data, 0, node->key.size))
        return err_make(ERR_FORMAT, "line %u: a pattern holds a NUL", node->line);
    p->text = memory_text_n(node->key.data, node->key.size);
    err e = read(node, p->text, &p->value);
    return e.code ? e : pattern_compile(p, node->line);
}

static err patterns_read(const json_node *root, const char *key, pattern_list *list,
                         err (*read)(const json_node *, const char *, double *))
{
    const json_node *object = json_get(root, key);
    if (json_is_null(object)) return ERR_OK;
    if (!json_is(object, JSON_OBJECT))
        return err_make(ERR_FORMAT, "line %u: %s is %s, expected an object", object->line, key,
                        json_type_name(object->type));
    if (json_count(object) > ENGINE_ADAPTER_PATTERNS_MAX)
        return err_make(ERR_LIMIT, "line %u: %zu patterns in %s, the limit is %d", object->line,
                        json_count(object), key, ENGINE_ADAPTER_PATTERNS_MAX);
    list->items = memory_alloc((json_count(object) + 1) * sizeof *list->items);
    err e = ERR_OK;
    for (const json_node *item = json_first(object); !e.code && item; item = item->next)
        e = pattern_read(item, &list->items[list->count++], read);
    return err_note(e, "%s", key);
}

/* *value becomes that of the first pattern that fits, or stays. */
static err patterns_find(const pattern_list *list, const char *module, double *value)
{
    if (!list->count) return ERR_OK;
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!limits || !data) memory_exhausted(0);
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    err e = ERR_OK;
    for (size_t i = 0; i < list->count; i++) {
        int found = pcre2_match(list->items[i].code, (PCRE2_SPTR)module, strlen(module), 0, 0, data, limits);
        if (found == PCRE2_ERROR_NOMATCH) continue;
        if (found < 0)
            e = err_make(ERR_LIMIT, "the pattern \"%.100s\" takes too long on %.100s", list->items[i].text,
                         module);
        else
            *value = list->items[i].value;
        break;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return e;
}

/* ---- the whole ---- */

static char *text_of(const json_node *node)
{
    bytes_view text = json_text(node);
    return memory_text_n(text.data, text.size);
}

static err peft_read(const json_node *root, engine_adapter_config *config)
{
    err e = refuse_unsupported(root);
    const json_node *rank = json_get(root, "r"), *alpha = json_get(root, "lora_alpha");
    const json_node *stabilised = json_get(root, "use_rslora");
    double rank_read = RANK_DEFAULT;
    config->alpha = ALPHA_DEFAULT;
    if (!e.code && !json_is_null(rank)) e = read_rank(rank, "r", &rank_read);
    if (!e.code && !json_is_null(alpha)) e = read_number(alpha, "lora_alpha", &config->alpha);
    if (!e.code && !json_is_null(stabilised) && !json_is(stabilised, JSON_TRUE) &&
        !json_is(stabilised, JSON_FALSE))
        e = err_make(ERR_FORMAT, "line %u: use_rslora is %s, expected true or false", stabilised->line,
                     json_type_name(stabilised->type));
    config->rank = (size_t)rank_read;
    config->rank_stabilised = json_bool(stabilised, false);
    config->base = text_of(json_get(root, "base_model_name_or_path"));
    if (!e.code) e = patterns_read(root, "rank_pattern", &config->ranks, read_rank);
    if (!e.code) e = patterns_read(root, "alpha_pattern", &config->alphas, read_number);
    return e;
}

/* There is no default here: whose would it be? */
static err old_read(const json_node *root, engine_adapter_config *config)
{
    static const char *const bases[] = {"base_model", "model_ref", "base_model_name_or_path"};
    const json_node *alpha = json_get(root, "alpha");
    double rank = 0;

    config->old_keys = true;
    if (json_is_null(alpha)) alpha = json_get(root, "lora_alpha");
    if (json_is_null(alpha)) return err_make(ERR_FORMAT, "alpha is missing beside rank");
    err e = read_rank(json_get(root, "rank"), "rank", &rank);
    if (!e.code) e = read_number(alpha, "alpha", &config->alpha);
    config->rank = (size_t)rank;
    const json_node *base = NULL;
    for (size_t i = 0; i < COUNT_OF(bases) && json_is_null(base); i++) base = json_get(root, bases[i]);
    config->base = text_of(base);
    return e;
}

static err config_read(const json_node *root, engine_adapter_config *config)
{
    if (!json_is(root, JSON_OBJECT))
        return err_make(ERR_FORMAT, "is %s, expected an object", json_type_name(root->type));
    bool old = json_is_null(json_get(root, "peft_type")) && !json_is_null(json_get(root, "rank"));
    return old ? old_read(root, config) : peft_read(root, config);
}

err engine_adapter_config_parse(bytes_view json, engine_adapter_config **out)
{
    if (json.size > ENGINE_ADAPTER_CONFIG_BYTES_MAX)
        return err_make(ERR_LIMIT, "%zu bytes, the limit is %d", json.size, ENGINE_ADAPTER_CONFIG_BYTES_MAX);
    arena scratch = {0};
    const json_node *root = NULL;
    engine_adapter_config *config = memory_alloc(sizeof *config);
    err e = json_parse(json, CONFIG_DEPTH_MAX, &scratch, &root);
    if (!e.code) e = config_read(root, config);
    arena_free(&scratch);
    if (e.code)
        engine_adapter_config_free(config);
    else
        *out = config;
    return e;
}

size_t engine_adapter_config_rank(const engine_adapter_config *config) { return config->rank; }

double engine_adapter_config_alpha(const engine_adapter_config *config) { return config->alpha; }

bool engine_adapter_config_is_rank_stabilised(const engine_adapter_config *config)
{
    return config->rank_stabilised;
}

bool engine_adapter_config_has_old_keys(const engine_adapter_config *config) { return config->old_keys; }

const char *engine_adapter_config_borrow_base(const engine_adapter_config *config) { return config->base; }

err engine_adapter_config_module(const engine_adapter_config *config, const char *module, size_t *rank,
                                 double *scale)
{
    double r = (double)config->rank, alpha = config->alpha;
    err e = patterns_find(&config->ranks, module, &r);
    if (!e.code) e = patterns_find(&config->alphas, module, &alpha);
    if (e.code) return e;
    *rank = (size_t)r;
    *scale = alpha / (config->rank_stabilised ? sqrt(r) : r);
    return ERR_OK;
}
