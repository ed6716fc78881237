#include "engine/model_generation.h"

#include <math.h>

#include "base/json.h"

enum { GENERATION_DEPTH_MAX = 32 };

static const engine_generation_defaults neutral = {
    .temperature = 1,
    .top_p = 1,
    .repetition_penalty = 1,
};

/* A number of `object` within [least, most]; absent and null leave *out and *has alone. */
static err read_number(const json_node *object, const char *key, double least, double most, double *out,
                       bool *has)
{
    const json_node *node = json_get(object, key);
    if (json_is_null(node)) return ERR_OK;
    double value = json_double(node, NAN);
    if (!(value >= least && value <= most))
        return err_make(ERR_FORMAT, "line %u: %s, expected a number from %g to %g", node->line, key, least,
                        most);
    *out = value;
    *has = true;
    return ERR_OK;
}

static err read_whole(const json_node *object, const char *key, int64_t least, int64_t most, int64_t *out,
                      bool *has)
{
    const json_node *node = json_get(object, key);
    if (json_is_null(node)) return ERR_OK;
    int64_t value = json_int(node, INT64_MIN);
    if (value < least || value > most)
        return err_make(ERR_FORMAT, "line %u: %s, expected a whole number from %lld to %lld", node->line, key,
                        (long long)least, (long long)most);
    *out = value;
    *has = true;
    return ERR_OK;
}

static err read_eos(const json_node *node, engine_generation *out)
{
    int64_t id = json_int(node, -2);
    if (id < -1 || id > INT32_MAX)
        return err_make(ERR_FORMAT, "line %u: eos_token_id is no token id", node->line);
    if (id == -1) return ERR_OK; /* none, as in old files */
    if (out->eos_count == ENGINE_MODEL_EOS_MAX)
        return err_make(ERR_LIMIT, "more than %d ids in eos_token_id", ENGINE_MODEL_EOS_MAX);
    out->eos[out->eos_count++] = (int32_t)id;
    return ERR_OK;
}

static err read_all_eos(const json_node *root, engine_generation *out)
{
    const json_node *eos = json_get(root, "eos_token_id");
    if (json_is_null(eos)) return ERR_OK;
    if (!json_is(eos, JSON_ARRAY)) return read_eos(eos, out);
    err e = ERR_OK;
    for (const json_node *item = json_first(eos); !e.code && item; item = item->next) e = read_eos(item, out);
    return e;
}

static err read_defaults(const json_node *root, engine_generation_defaults *d)
{
    const json_node *sample = json_get(root, "do_sample");
    if (!json_is_null(sample) && !json_is(sample, JSON_TRUE) && !json_is(sample, JSON_FALSE))
        return err_make(ERR_FORMAT, "line %u: do_sample, expected true or false", sample->line);
    d->has_file = true;
    d->has_do_sample = !json_is_null(sample);
    d->do_sample = json_bool(sample, false);
    int64_t top_k = 0;
    err e = read_number(root, "temperature", 0, 100, &d->temperature, &d->has_temperature);
    if (!e.code) e = read_number(root, "top_p", 0, 1, &d->top_p, &d->has_top_p);
    if (!e.code) e = read_number(root, "min_p", 0, 1, &d->min_p, &d->has_min_p);
    if (!e.code)
        e = read_number(root, "repetition_penalty", 0, 100, &d->repetition_penalty,
                        &d->has_repetition_penalty);
    if (!e.code) e = read_whole(root, "top_k", -1, INT32_MAX, &top_k, &d->has_top_k);
    if (!e.code)
        e = read_whole(root, "max_new_tokens", 1, INT32_MAX, &d->token_count_max, &d->has_token_count_max);
    d->top_k = top_k > 0 ? (int)top_k : 0; /* -1 is another word for off */
    return e;
}

err engine_generation_parse(bytes_view json, engine_generation *out)
{
    engine_generation read = {.defaults = neutral};
    arena scratch = {0};
    const json_node *root = NULL;
    err e = ERR_OK;
    if (json.size) e = json_parse(json, GENERATION_DEPTH_MAX, &scratch, &root);
    if (root && !json_is(root, JSON_OBJECT))
        e = err_make(ERR_FORMAT, "is %s, expected an object", json_type_name(root->type));
    if (root && !e.code) e = read_defaults(root, &read.defaults);
    if (root && !e.code) e = read_all_eos(root, &read);
    arena_free(&scratch);
    if (!e.code) *out = read;
    return e;
}
