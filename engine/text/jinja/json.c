/* json.dumps of Python, and values made of JSON. */
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/jinja/render.h"

typedef struct printer {
    jinja_render *r;
    jinja_buffer *out;
    const jinja_json_style *style;
    size_t depth;
} printer;

static void print(printer *p, jinja_value v);

static void put(printer *p, bytes_view text) { jinja_buffer_append(p->r, p->out, text, 0); }

/* What JSON writes instead of the character; an empty text: itself. */
static void character_escape(const printer *p, uint32_t code, char escape[16])
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *name = code && code < 0x80 ? strchr(named, (int)code) : NULL;
    escape[0] = 0;
    if (name)
        snprintf(escape, 16, "\\%c", letters[name - named]);
    else if (code < 0x20 || (p->style->ascii && code >= 0x7F && code < 0x10000))
        snprintf(escape, 16, "\\u%04x", code);
    else if (p->style->ascii && code >= 0x10000)
        snprintf(escape, 16, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                 0xDC00 + ((code - 0x10000) & 0x3FF));
}

static void print_string(printer *p, const jinja_string *s)
{
    jinja_characters c = jinja_characters_of(s);
    bytes_view one;
    uint32_t code;
    char escape[16];
    jinja_steps(p->r, s->size / 8);
    put(p, VIEW("\""));
    while (jinja_characters_next(&c, &one, &code)) {
        character_escape(p, code, escape);
        jinja_buffer_append(p->r, p->out, escape[0] ? bytes_view_of(escape) : one, c.marks);
    }
    put(p, VIEW("\""));
}

static void print_float(printer *p, double number)
{
    char text[JINJA_FLOAT_BYTES];
    jinja_float_text(number, text);
    if (isnan(number))
        put(p, VIEW("NaN"));
    else if (isinf(number))
        put(p, number < 0 ? VIEW("-Infinity") : VIEW("Infinity"));
    else
        put(p, bytes_view_of(text));
}

static void line_break(printer *p)
{
    if (!p->style->indented) return;
    put(p, VIEW("\n"));
    for (size_t i = 0; i < p->depth; i++) put(p, p->style->indent);
}

static void print_list(printer *p, const jinja_list *l)
{
    put(p, VIEW("["));
    p->depth++;
    for (size_t i = 0; i < l->count; i++) {
        if (i) put(p, p->style->item);
        line_break(p);
        print(p, jinja_list_at(l, i));
    }
    p->depth--;
    if (l->count) line_break(p);
    put(p, VIEW("]"));
}

/* Keys that are numbers, bools or none become strings, as in Python. */
static void print_key(printer *p, jinja_value key)
{
    if (key.type == JINJA_STRING) {
        print_string(p, key.string);
        return;
    }
    if (!jinja_is_number(key) && key.type != JINJA_NONE)
        jinja_fail(p->r, ERR_FORMAT, "a %s cannot be a key in JSON", jinja_type_name(key));
    put(p, VIEW("\""));
    print(p, key);
    put(p, VIEW("\""));
}

static int entry_order(jinja_render *r, jinja_value a, jinja_value b, void *unused)
{
    (void)unused;
    return jinja_compare(r, a, b, "<");
}

static const jinja_dict *sorted(printer *p, const jinja_dict *d)
{
    jinja_list *keys = jinja_list_new(p->r);
    jinja_dict *ordered = jinja_dict_new(p->r);
    for (size_t i = 0; i < d->count; i++) jinja_list_push(p->r, keys, d->entries[i].key);
    jinja_sort(p->r, keys, entry_order, NULL);
    for (size_t i = 0; i < keys->count; i++) {
        jinja_value key = jinja_list_at(keys, i);
        jinja_dict_set(p->r, ordered, key, *jinja_dict_get(p->r, d, key));
    }
    return ordered;
}

static void print_dict(printer *p, const jinja_dict *d)
{
    if (p->style->sort_keys) d = sorted(p, d);
    put(p, VIEW("{"));
    p->depth++;
    for (size_t i = 0; i < d->count; i++) {
        if (i) put(p, p->style->item);
        line_break(p);
        print_key(p, d->entries[i].key);
        put(p, p->style->key);
        print(p, d->entries[i].value);
    }
    p->depth--;
    if (d->count) line_break(p);
    put(p, VIEW("}"));
}

static void print(printer *p, jinja_value v)
{
    jinja_steps(p->r, 1);
    jinja_enter(p->r);
    switch (v.type) {
    case JINJA_NONE: put(p, VIEW("null")); break;
    case JINJA_BOOL: put(p, v.truth ? VIEW("true") : VIEW("false")); break;
    case JINJA_INT:
    case JINJA_BIG: jinja_print(p->r, p->out, v); break;
    case JINJA_FLOAT: print_float(p, v.number); break;
    case JINJA_STRING: print_string(p, v.string); break;
    case JINJA_LIST:
    case JINJA_TUPLE: print_list(p, v.list); break;
    case JINJA_DICT: print_dict(p, v.dict); break;
    case JINJA_UNDEFINED: jinja_fail_undefined(p->r, v);
    default: jinja_fail(p->r, ERR_FORMAT, "a value of type %s cannot be written as JSON", jinja_type_name(v));
    }
    jinja_leave(p->r);
}

void jinja_json_print(jinja_render *r, jinja_buffer *out, jinja_value v, const jinja_json_style *style)
{
    printer p = {r, out, style, 0};
    print(&p, v);
}

/* ---- reading ---- */

static jinja_value number_of_json(jinja_render *r, const json_node *node)
{
    bytes_view text = node->text;
    bool is_float = memchr(text.data, '.', text.size) || memchr(text.data, 'e', text.size) ||
                    memchr(text.data, 'E', text.size);
    if (is_float) return jinja_float(json_double(node, text.data[0] == '-' ? -INFINITY : INFINITY));
    char digits[24];
    if (text.size < sizeof digits) {
        memcpy(digits, text.data, text.size);
        digits[text.size] = 0;
        errno = 0;
        long long integer = strtoll(digits, NULL, 10);
        if (!errno) return jinja_int(integer);
    }
    jinja_value v = jinja_text(r, text, 0);
    v.type = JINJA_BIG;
    return v;
}

jinja_value jinja_of_json(jinja_render *r, const json_node *node, jinja_marks marks)
{
    jinja_list *l;
    jinja_dict *d;
    switch (node->type) {
    case JSON_NULL: return jinja_none;
    case JSON_FALSE:
    case JSON_TRUE: return jinja_bool(node->type == JSON_TRUE);
    case JSON_NUMBER: return number_of_json(r, node);
    case JSON_STRING: return jinja_text(r, node->text, marks);
    case JSON_ARRAY:
        l = jinja_list_new(r);
        for (const json_node *n = json_first(node); n; n = n->next)
            jinja_list_push(r, l, jinja_of_json(r, n, marks));
        return jinja_list_value(l);
    default:
        d = jinja_dict_new(r);
        for (const json_node *n = json_first(node); n; n = n->next)
            jinja_dict_set(r, d, jinja_text(r, n->key, marks), jinja_of_json(r, n, marks));
        return (jinja_value){JINJA_DICT, {.dict = d}};
    }
}
