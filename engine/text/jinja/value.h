/* engine/text/jinja/value.h: what a template computes with. Python's values, as far as templates see them.
 *
 * Every value lives in the arena of its render. A string is a stretch of a buffer that may still grow behind
 * it: bytes that a buffer once held never change, so a slice costs nothing and appending to the string that
 * ends where its buffer ends is amortised constant. Lists share their items in the same way. A buffer says
 * where its characters came from (marks), and whoever makes text of text hands the marks on.
 *
 * Private to the template engine. Functions that take a jinja_render may leave by jinja_fail(). */
#ifndef ENGINE_TEXT_JINJA_VALUE_H
#define ENGINE_TEXT_JINJA_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

typedef struct jinja_render jinja_render;
typedef struct jinja_node jinja_node;
typedef struct jinja_scope jinja_scope;

/* -- text with marks ------------------------------------------------------------------------------------- */

/* Bit 0: a character of the caller's strings. The rest: number of the generation block it was printed in. */
typedef uint32_t jinja_marks;
enum { JINJA_DATA = 1, JINJA_BLOCK_SHIFT = 1 };

typedef struct jinja_span {
    size_t begin, end;
    jinja_marks marks; /* not 0 */
} jinja_span;

typedef struct jinja_buffer {
    char *data;
    size_t used, capacity;
    jinja_span *spans; /* sorted, apart from each other */
    size_t span_count, span_capacity;
    bool frozen; /* shared with other renders or borrowed: never appended to */
} jinja_buffer;

typedef struct jinja_string {
    jinja_buffer *buffer;
    size_t begin, size;
    bool markup; /* went through safe or escape: what is added to it by + is escaped, as markupsafe does */
} jinja_string;

/* A copy, with its marks. */
void jinja_buffer_append(jinja_render *r, jinja_buffer *b, bytes_view text, jinja_marks marks);
/* With the marks of its parts. */
void jinja_buffer_append_string(jinja_render *r, jinja_buffer *b, const jinja_string *s);
void jinja_buffer_append_text(jinja_render *r, jinja_buffer *b, const char *text); /* without marks */
/* As printf, without marks. */
void jinja_buffer_printf(jinja_render *r, jinja_buffer *b, const char *format, ...) PRINTF_LIKE(3, 4);

/* A string taken apart into stretches of equal marks. */
typedef struct jinja_runs {
    const jinja_string *string;
    size_t at, span;
} jinja_runs;
jinja_runs jinja_runs_of(const jinja_string *s); /* at its beginning */
bool jinja_runs_next(jinja_runs *runs, bytes_view *text,
                     jinja_marks *marks); /* the next run; false: there is none */
/* The same, character by character: the bytes of one, and its code point. */
typedef struct jinja_characters {
    jinja_runs runs;
    bytes_view left;
    jinja_marks marks; /* of the character last given */
} jinja_characters;
jinja_characters jinja_characters_of(const jinja_string *s); /* at its beginning */
/* False: there is none. bytes_out is borrowed from the string. */
bool jinja_characters_next(jinja_characters *c, bytes_view *bytes_out, uint32_t *code);

bytes_view jinja_string_view(const jinja_string *s); /* its bytes, borrowed */
size_t jinja_string_length(const jinja_string *s);   /* in characters */

/* -- values ---------------------------------------------------------------------------------------------- */

typedef enum jinja_type {
    JINJA_ABSENT, /* an argument that was not given; no expression has this value */
    JINJA_UNDEFINED,
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_BIG,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_DICT,
    JINJA_RANGE,
    JINJA_STREAM,
    JINJA_NAMESPACE,
    JINJA_LOOP,
    JINJA_MACRO,
    JINJA_NATIVE,
} jinja_type;

typedef struct jinja_list jinja_list;
typedef struct jinja_dict jinja_dict;
typedef struct jinja_stream jinja_stream;
typedef struct jinja_loop jinja_loop;
typedef struct jinja_macro jinja_macro;
typedef struct jinja_bound jinja_bound;

/* Why a value is undefined: a variable (owner NULL), or an attribute or item of something. */
typedef struct jinja_missing {
    const char *owner;
    bytes_view name;
} jinja_missing;

typedef struct jinja_range {
    int64_t start, stop, step;
} jinja_range;

typedef struct jinja_value {
    jinja_type type;
    union {
        bool truth;
        int64_t integer;
        double number;
        const jinja_string *string; /* of JINJA_BIG: the digits of an integer past 64 bits */
        jinja_list *list;           /* and JINJA_TUPLE */
        jinja_dict *dict;           /* and JINJA_NAMESPACE */
        const jinja_missing *missing;
        const jinja_range *range;
        jinja_stream *stream;
        jinja_loop *loop;
        const jinja_macro *macro;
        const jinja_bound *bound;
    };
} jinja_value;

typedef struct jinja_items {
    jinja_value *data;
    size_t used, capacity;
} jinja_items;

struct jinja_list {
    jinja_items *items;
    size_t begin, count;
};

typedef struct jinja_entry {
    jinja_value key, value;
    uint64_t hash;
} jinja_entry;

/* In the order of insertion. The index (open addressing, entry number + 1) is there once there are many. */
struct jinja_dict {
    jinja_entry *entries;
    size_t count, capacity;
    uint32_t *index;
    size_t index_size;
};

/* What can be walked but is no list: a generator (once), or a view of a dict (again and again). */
struct jinja_stream {
    jinja_list *list;
    const char *name; /* "generator", "dict_keys", ... */
    bool once, done;
};

struct jinja_macro {
    const jinja_node *node;
    jinja_scope *scope;
};

extern const jinja_value jinja_none, jinja_absent;
jinja_value jinja_bool(bool truth);                        /* true or False */
jinja_value jinja_int(int64_t integer);                    /* an int of 64 bits */
jinja_value jinja_float(double number);                    /* a float */
jinja_value jinja_wide(jinja_render *r, __int128 integer); /* INT, or BIG when it needs more than 64 bits */
/* owner NULL: a variable of that name; both are borrowed. */
jinja_value jinja_undefined(jinja_render *r, const char *owner, bytes_view name);

jinja_value jinja_text(jinja_render *r, bytes_view text, jinja_marks marks); /* text is borrowed */
/* In `a`, which outlives the render; text is borrowed. */
const jinja_string *jinja_string_frozen(arena *a, bytes_view text, jinja_marks marks);
jinja_value jinja_taken(jinja_render *r, jinja_buffer *b); /* all of b */
jinja_buffer *jinja_buffer_new(jinja_render *r);           /* empty, the render's */
jinja_value jinja_part(jinja_render *r, const jinja_string *s, size_t begin, size_t size); /* in bytes */
jinja_value jinja_escaped(jinja_render *r, const jinja_string *s); /* as HTML, and marked so */
jinja_value jinja_markup(jinja_render *r, const jinja_string *s);  /* the same text, marked so */
/* a, then b, with the marks of both. */
jinja_value jinja_joined(jinja_render *r, const jinja_string *a, const jinja_string *b);

jinja_list *jinja_list_new(jinja_render *r);                                    /* empty, the render's */
void jinja_list_push(jinja_render *r, jinja_list *l, jinja_value v);            /* at the end */
void jinja_list_append(jinja_render *r, jinja_list *l, const jinja_list *more); /* all of `more` at the end */
jinja_value jinja_list_at(const jinja_list *l, size_t i);                       /* i below the count */
/* Shares the items of l. */
jinja_list *jinja_list_part(jinja_render *r, const jinja_list *l, size_t begin, size_t count);
jinja_value jinja_list_value(jinja_list *l);                           /* as a list */
jinja_value jinja_tuple_value(jinja_list *l);                          /* as a tuple */
jinja_value jinja_pair(jinja_render *r, jinja_value a, jinja_value b); /* the tuple (a, b) */
jinja_value jinja_generator(jinja_render *r, jinja_list *l);           /* its items once */

jinja_dict *jinja_dict_new(jinja_render *r); /* empty, the render's */
/* A key that is there keeps its place. Fails on a key that Python cannot hash. */
void jinja_dict_set(jinja_render *r, jinja_dict *d, jinja_value key, jinja_value value);
void jinja_dict_set_text(jinja_render *r, jinja_dict *d, const char *key,
                         jinja_value value); /* key is borrowed */
const jinja_value *jinja_dict_get(jinja_render *r, const jinja_dict *d, jinja_value key);     /* NULL: none */
const jinja_value *jinja_dict_get_text(jinja_render *r, const jinja_dict *d, bytes_view key); /* NULL: none */
void jinja_dict_remove(jinja_render *r, jinja_dict *d, jinja_value key); /* none of that key is fine */
void jinja_dict_clear(jinja_dict *d);                                    /* empty again */

/* -- what Python says of them ---------------------------------------------------------------------------- */

const char *jinja_type_name(jinja_value v);                      /* "str", "int", "NoneType" */
bool jinja_true(jinja_value v);                                  /* bool(v) */
bool jinja_is_number(jinja_value v);                             /* bool, int, big int, float */
double jinja_as_double(jinja_value v);                           /* of a number */
bool jinja_as_wide(jinja_value v, __int128 *out);                /* false: no integer, or past 128 bits */
bool jinja_equal(jinja_render *r, jinja_value a, jinja_value b); /* a == b */
int jinja_compare(jinja_render *r, jinja_value a, jinja_value b, const char *sign); /* fails on mixed types */
bool jinja_in(jinja_render *r, jinja_value needle,
              jinja_value hay); /* needle in hay; fails where hay holds nothing */
/* Elements, keys or characters. Fails on what cannot be walked. Not to be changed. */
const jinja_list *jinja_walk(jinja_render *r, jinja_value v);
/* False: has no length. */
bool jinja_length(jinja_value v, size_t *out);

/* -- printing -------------------------------------------------------------------------------------------- */

void jinja_print(jinja_render *r, jinja_buffer *out, jinja_value v); /* str(v) */
void jinja_repr(jinja_render *r, jinja_buffer *out, jinja_value v);  /* repr(v) */
const jinja_string *jinja_str(jinja_render *r, jinja_value v);       /* str(v), the render's */
enum { JINJA_FLOAT_BYTES = 64 };
void jinja_float_text(double number, char out[JINJA_FLOAT_BYTES]); /* shortest that reads back equal */
/* One number in printf's format; the decimal point is a point whatever the locale. */
void jinja_float_format(jinja_render *r, jinja_buffer *out, const char *format, int precision, double number);
bool jinja_float_parse(bytes_view text, double *out); /* Python's float(text) */

/* -- JSON ------------------------------------------------------------------------------------------------ */

typedef struct json_node json_node;
typedef struct jinja_json_style {
    bool ascii, sort_keys, indented;
    bytes_view indent, item, key; /* one step of indentation; what separates items; what follows a key */
} jinja_json_style;
/* Fails on a value that JSON cannot hold. */
void jinja_json_print(jinja_render *r, jinja_buffer *out, jinja_value v, const jinja_json_style *style);
/* Each string of it has these marks; the node is borrowed. */
jinja_value jinja_of_json(jinja_render *r, const struct json_node *node, jinja_marks marks);

#endif
