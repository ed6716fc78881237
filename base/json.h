/* base/json.h: a strict JSON reader.
 *
 * Reads RFC 8259 text into a tree that lives in an arena. Strict means: UTF-8 checked, no comments, no
 * trailing commas, no leading zeros, lone surrogates refused, one value and white space only. Kept, since
 * readers need them: the text of every number (2 is not 2.0; 2^53+1 is exact), the order of keys, duplicate
 * keys, and "\u0000" inside strings (so strings have sizes). Building and printing JSON is cJSON's work.
 * Nodes are read-only and valid as long as the arena. Text and number views may point into the source,
 * which must live as long as the tree. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

enum { JSON_DEPTH_MAX = 128 };

typedef enum json_type {
    JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT,
} json_type;

typedef struct json_node json_node;
struct json_node {
    json_type type;
    uint32_t line;         /* 1-based, where the value begins */
    bytes_view key;        /* member of an object: its key, decoded; else empty */
    union {
        bytes_view text;   /* JSON_STRING: decoded; JSON_NUMBER: as written */
        struct {
            const json_node *first; /* first child of an array or object, in file order */
            size_t count;
        };
    };
    const json_node *next; /* next sibling */
};

/* Parse one value. *out lives in `a`. ERR_FORMAT says "line L, column C: expected ...";
 * ERR_LIMIT when nested deeper than depth_max (itself at most JSON_DEPTH_MAX; a scalar has depth 0). */
err json_parse(bytes_view source, unsigned depth_max, arena *a, const json_node **out);

/* for (const json_node *item = json_first(list); item; item = item->next) — NULL and scalars have none. */
const json_node *json_first(const json_node *node);
/* Items of an array, members of an object; 0 for all else and for NULL. */
size_t json_count(const json_node *node);

/* Member of an object by key (the last one when it occurs twice, as Python does); NULL if absent,
 * or if `object` is NULL or no object. */
const json_node *json_get(const json_node *object, const char *key);
/* A key that occurs twice in this object (not deeper), or a view whose data is NULL. O(n log n). */
bytes_view json_duplicate_key(const json_node *object, arena *scratch);

bool json_is(const json_node *node, json_type type); /* false for NULL */
bool json_is_null(const json_node *node);            /* absent or null */
/* The value when the node has that type and fits, else the fallback. */
bool json_bool(const json_node *node, bool fallback);
/* fallback when it is no number, or none that a double holds. */
double json_double(const json_node *node, double fallback);
int64_t json_int(const json_node *node, int64_t fallback); /* an integer as text, or a double that is one (1e3, 2.0) */
bytes_view json_text(const json_node *node);               /* empty unless a string */
const char *json_type_name(json_type type);                /* "an object", "a string", for messages */

/* Text as a JSON string, with its quotes: what must be escaped is, all other bytes stay as they are. */
void json_append_string(bytes *out, bytes_view text);

#endif
