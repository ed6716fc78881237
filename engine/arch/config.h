/* engine/arch/config.h: reading fields of config.json, the first failure kept.
 *
 * A reader reads as straight lines and looks at `failure` once at the end. null means absent everywhere.
 * Every failure names line, field, what stands there and what was expected. */
#ifndef ENGINE_ARCH_CONFIG_H
#define ENGINE_ARCH_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

typedef struct engine_config {
    const json_node *inner; /* the language model's object: text_config in a wrapper, else the whole */
    const json_node *outer; /* the whole */
    arena *memory;          /* of the spec: for what is kept */
    err failure;
} engine_config;

/* Record a failure unless there is one. */
void engine_config_fail(engine_config *c, err_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Member of inner, or else of outer; NULL for absent and null. */
const json_node *engine_config_find(const engine_config *c, const char *key);

/* From an object (c->inner, a rope object; NULL has no members). An absent one is the fallback; a number out
 * of its bounds or a value of another type is a failure, and the fallback is given. */
size_t engine_config_size(engine_config *c, const json_node *from, const char *key, size_t fallback,
                          size_t max);
/* Any finite number. */
double engine_config_number(engine_config *c, const json_node *from, const char *key, double fallback);
/* The same, and the number must be above zero. */
double engine_config_positive(engine_config *c, const json_node *from, const char *key, double fallback);
/* true or false; a number is neither. */
bool engine_config_bool(engine_config *c, const json_node *from, const char *key, bool fallback);
/* Kept in c->memory. */
const char *engine_config_text(engine_config *c, const json_node *from, const char *key,
                               const char *fallback);
/* A size from 1 on that must be there unless fallback (not 0) says otherwise. */
size_t engine_config_size_wanted(engine_config *c, const char *key, size_t fallback, size_t max);
/* An array of `count` numbers above zero, kept in c->memory; NULL after a failure (also an absent one). */
const double *engine_config_positives(engine_config *c, const json_node *from, const char *key, size_t count);

#endif
