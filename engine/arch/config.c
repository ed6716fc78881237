#include "engine/arch/config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void engine_config_fail(engine_config *c, err_code code, const char *format, ...)
{
    if (c->failure.code) return;
    va_list args;
    va_start(args, format);
    c->failure.code = code;
    vsnprintf(c->failure.text, sizeof c->failure.text, format, args);
    va_end(args);
}

static const json_node *member(const json_node *from, const char *key)
{
    const json_node *node = json_get(from, key);
    return json_is_null(node) ? NULL : node;
}

const json_node *engine_config_find(const engine_config *c, const char *key)
{
    const json_node *node = member(c->inner, key);
    return node ? node : member(c->outer, key);
}

/* "line 3: hidden_size is a string, expected ..." or, of a number, what it is. */
static void fail_value(engine_config *c, const json_node *node, const char *key, const char *expected)
{
    if (json_is(node, JSON_NUMBER))
        engine_config_fail(c, ERR_FORMAT, "line %u: %s is %.*s, expected %s", node->line, key,
                           (int)MIN_OF(node->text.size, 40u), node->text.data, expected);
    else
        engine_config_fail(c, ERR_FORMAT, "line %u: %s is %s, expected %s", node->line, key,
                           json_type_name(node->type), expected);
}

size_t engine_config_size(engine_config *c, const json_node *from, const char *key, size_t fallback,
                          size_t max)
{
    const json_node *node = member(from, key);
    if (!node) return fallback;
    int64_t value = json_int(node, -1);
    if (value < 0) {
        fail_value(c, node, key, "a whole number from 0 on");
        return fallback;
    }
    if ((uint64_t)value > max) {
        engine_config_fail(c, ERR_LIMIT, "line %u: %s is %lld, the limit is %zu", node->line, key,
                           (long long)value, max);
        return fallback;
    }
    return (size_t)value;
}

size_t engine_config_size_wanted(engine_config *c, const char *key, size_t fallback, size_t max)
{
    size_t value = engine_config_size(c, c->inner, key, fallback, max);
    if (value) return value;
    const json_node *node = member(c->inner, key);
    if (node)
        fail_value(c, node, key, "a whole number from 1 on");
    else
        engine_config_fail(c, ERR_FORMAT, "%s is missing", key);
    return 1;
}

static double number(engine_config *c, const json_node *node, const char *key, double fallback, bool positive)
{
    double value = json_double(node, NAN);
    if (isfinite(value) && (!positive || value > 0)) return value;
    fail_value(c, node, key, positive ? "a number above 0" : "a number");
    return fallback;
}

double engine_config_number(engine_config *c, const json_node *from, const char *key, double fallback)
{
    const json_node *node = member(from, key);
    return node ? number(c, node, key, fallback, false) : fallback;
}

double engine_config_positive(engine_config *c, const json_node *from, const char *key, double fallback)
{
    const json_node *node = member(from, key);
    return node ? number(c, node, key, fallback, true) : fallback;
}

bool engine_config_bool(engine_config *c, const json_node *from, const char *key, bool fallback)
{
    const json_node *node = member(from, key);
    if (node && !json_is(node, JSON_TRUE) && !json_is(node, JSON_FALSE))
        fail_value(c, node, key, "true or false");
    return json_bool(node, fallback);
}

const char *engine_config_text(engine_config *c, const json_node *from, const char *key, const char *fallback)
{
    const json_node *node = member(from, key);
    if (!node) return fallback;
    if (!json_is(node, JSON_STRING)) {
        fail_value(c, node, key, "a string");
        return fallback;
    }
    bytes_view text = json_text(node);
    return arena_text_n(c->memory, text.data, text.size);
}

const double *engine_config_positives(engine_config *c, const json_node *from, const char *key, size_t count)
{
    const json_node *node = member(from, key);
    if (!json_is(node, JSON_ARRAY) || json_count(node) != count) {
        engine_config_fail(c, ERR_FORMAT, "%s has %zu numbers, expected an array of %zu", key,
                           json_count(node), count);
        return NULL;
    }
    double *values = arena_array(c->memory, double, count);
    size_t i = 0;
    for (const json_node *item = json_first(node); item; item = item->next)
        values[i++] = number(c, item, key, 1, true);
    return values;
}
