/* Filters that make text or numbers. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/text/jinja/render.h"

static jinja_value f_string(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return (jinja_value){JINJA_STRING, {.string = jinja_str(r, self)}};
}

static jinja_value f_trim(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_stripped(r, jinja_str(r, self), given->positional[0], true, true);
}

static jinja_value f_upper(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_cased(r, jinja_str(r, self), JINJA_UPPER);
}

static jinja_value f_lower(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_cased(r, jinja_str(r, self), JINJA_LOWER);
}

static jinja_value f_capitalize(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_capitalized(r, jinja_str(r, self));
}

/* A word begins after white space or one of -({[< and nowhere else. */
static jinja_value f_title(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_characters c = jinja_characters_of(jinja_str(r, self));
    bytes_view one;
    uint32_t code;
    for (bool begins = true; jinja_characters_next(&c, &one, &code);) {
        jinja_append_case(r, b, code, begins ? JINJA_UPPER : JINJA_LOWER, c.marks);
        begins = jinja_is_space(code) || (code && code < 0x80 && strchr("-({[<", (int)code));
    }
    return jinja_taken(r, b);
}

static jinja_value f_replace(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    int64_t count =
        slots[2].type == JINJA_NONE ? -1 : jinja_want_int(r, slots[2], -1, "the count of replace");
    return jinja_replaced(r, jinja_str(r, self), jinja_str(r, slots[0]), jinja_str(r, slots[1]), count);
}

/* Each line but the first (first=true: also it) moves right; blank lines only with blank=true. */
static jinja_value f_indent(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    bool first = jinja_want_bool(slots[1], false), blank = jinja_want_bool(slots[2], false);
    jinja_buffer *step = jinja_buffer_new(r), *b = jinja_buffer_new(r);
    if (slots[0].type == JINJA_STRING)
        jinja_buffer_append_string(r, step, slots[0].string);
    else
        for (int64_t i = jinja_want_int(r, slots[0], 4, "the width of indent"); i > 0; i--)
            jinja_buffer_append_text(r, step, " ");
    const jinja_string *s = jinja_want_string(r, self, "what indent moves"),
                       *indentation = jinja_taken(r, step).string;
    bytes_view text = jinja_string_view(s);
    for (size_t at = 0, line = 0; at <= text.size; line++) {
        const char *end = at < text.size ? memchr(text.data + at, '\n', text.size - at) : NULL;
        size_t next = end ? (size_t)(end + 1 - text.data) : text.size;
        jinja_string part = {s->buffer, s->begin + at, next - at};
        jinja_steps(r, 1);
        if (line ? blank || (next - at > (end != NULL)) : first)
            jinja_buffer_append_string(r, b, indentation);
        jinja_buffer_append_string(r, b, &part);
        at = end ? next : text.size + 1;
    }
    return jinja_taken(r, b);
}

static jinja_value f_escape(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_escaped(r, jinja_str(r, self));
}

static jinja_value f_safe(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_markup(r, jinja_str(r, self));
}

static jinja_value f_wordcount(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_characters c = jinja_characters_of(jinja_str(r, self));
    bytes_view one;
    uint32_t code;
    int64_t count = 0;
    for (bool inside = false; jinja_characters_next(&c, &one, &code);) {
        bool word = jinja_is_letter(code) || (code >= '0' && code <= '9') || code == '_';
        count += word && !inside;
        inside = word;
    }
    return jinja_int(count);
}

static jinja_value f_format(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    if (given->named_count) jinja_fail(r, ERR_UNSUPPORTED, "format() with named arguments is not supported");
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < given->count; i++) jinja_list_push(r, l, given->positional[i]);
    return jinja_percent(r, jinja_str(r, self), jinja_tuple_value(l));
}

/* ---- numbers ---- */

/* int(text, base) of Python: white space, a sign, underscores between digits. */
static bool int_parse(jinja_render *r, bytes_view text, int base, jinja_value *out)
{
    char digits[64], *to = digits;
    while (text.size && jinja_is_space((unsigned char)text.data[0])) text.data++, text.size--;
    while (text.size && jinja_is_space((unsigned char)text.data[text.size - 1])) text.size--;
    if (!text.size || text.size >= sizeof digits) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '_' && (!i || i + 1 == text.size || text.data[i - 1] == '_')) return false;
        if (text.data[i] != '_') *to++ = text.data[i];
    }
    *to = 0;
    if (digits[0] == '-' || digits[0] == '+' ? !strchr("0123456789abcdefABCDEF", digits[1]) || !digits[1] : 0)
        return false;
    char *end;
    errno = 0;
    long long integer = strtoll(digits, &end, base);
    if (end != to) return false;
    *out = jinja_int(integer);
    if (errno) *out = jinja_text(r, bytes_view_of(arena_text(&r->values, digits)), 0), out->type = JINJA_BIG;
    return true;
}

static jinja_value int_of_double(jinja_render *r, double number, jinja_value fallback)
{
    if (!isfinite(number)) return fallback;
    if (fabs(number) > 1e38) jinja_fail(r, ERR_LIMIT, "an integer grew past 128 bits");
    return jinja_wide(r, (__int128)number);
}

static jinja_value f_int(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    jinja_value fallback = given->positional[0], out;
    int base = (int)jinja_want_int(r, given->positional[1], 10, "the base of int");
    if (base != 0 && (base < 2 || base > 36))
        jinja_fail(r, ERR_FORMAT, "the base of int must lie in 2 to 36");
    double number;
    if (fallback.type == JINJA_ABSENT) fallback = jinja_int(0);
    switch (self.type) {
    case JINJA_UNDEFINED: jinja_fail_undefined(r, self);
    case JINJA_BOOL: return jinja_int(self.truth);
    case JINJA_INT:
    case JINJA_BIG: return self;
    case JINJA_FLOAT: return int_of_double(r, self.number, fallback);
    case JINJA_STRING:
        if (int_parse(r, jinja_string_view(self.string), base, &out)) return out;
        if (jinja_float_parse(jinja_string_view(self.string), &number))
            return int_of_double(r, number, fallback);
        return fallback;
    default: return fallback;
    }
}

static jinja_value f_float(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    double number;
    if (self.type == JINJA_UNDEFINED) jinja_fail_undefined(r, self);
    if (jinja_is_number(self)) return jinja_float(jinja_as_double(self));
    if (self.type == JINJA_STRING && jinja_float_parse(jinja_string_view(self.string), &number))
        return jinja_float(number);
    return given->positional[0].type == JINJA_ABSENT ? jinja_float(0) : given->positional[0];
}

static jinja_value f_abs(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    bool minus = jinja_is_number(self) &&
                 (self.type == JINJA_FLOAT ? signbit(self.number) : jinja_as_double(self) < 0);
    if (minus || !jinja_is_number(self)) return jinja_negated(r, self);
    return self.type == JINJA_BOOL ? jinja_int(self.truth) : self;
}

static jinja_value f_round(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t precision = jinja_want_int(r, given->positional[0], 0, "the precision of round");
    bytes_view method = jinja_want_text(r, given->positional[1], "common", "the method of round");
    if (self.type == JINJA_UNDEFINED) jinja_fail_undefined(r, self);
    if (!jinja_is_number(self))
        jinja_fail(r, ERR_FORMAT, "round wants a number, not %s", jinja_type_name(self));
    if (precision < -300 || precision > 300)
        jinja_fail(r, ERR_LIMIT, "the precision of round must lie in -300 to 300");
    double number = jinja_as_double(self), scale = pow(10, (double)precision);
    if (bytes_view_is(method, "ceil")) return jinja_float(ceil(number * scale) / scale);
    if (bytes_view_is(method, "floor")) return jinja_float(floor(number * scale) / scale);
    if (!bytes_view_is(method, "common")) jinja_fail(r, ERR_FORMAT, "round works by common, ceil or floor");
    if (self.type == JINJA_BOOL) return jinja_int(self.truth);
    if (self.type != JINJA_FLOAT && precision >= 0) return self;
    if (precision < 0) return jinja_float(rint(number * scale) / scale);
    /* printf rounds the exact binary value, halves to even: as Python does */
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_float_format(r, b, "%.*f", (int)precision, number);
    (void)jinja_float_parse(jinja_string_view(jinja_taken(r, b).string), &number);
    return jinja_float(number);
}

/* ---- JSON ---- */

static bytes_view separator(jinja_render *r, jinja_value pair, size_t i, bytes_view fallback)
{
    if (pair.type != JINJA_LIST && pair.type != JINJA_TUPLE) return fallback;
    if (pair.list->count != 2) jinja_fail(r, ERR_FORMAT, "the separators of tojson must be two");
    return jinja_string_view(jinja_want_string(r, jinja_list_at(pair.list, i), "a separator of tojson"));
}

static jinja_value f_tojson(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional; /* ensure_ascii indent separators sort_keys */
    jinja_json_style style = {.ascii = jinja_want_bool(slots[0], false),
                              .sort_keys = jinja_want_bool(slots[3], false)};
    style.indented = slots[1].type != JINJA_ABSENT && slots[1].type != JINJA_NONE;
    jinja_buffer *indent = jinja_buffer_new(r), *out = jinja_buffer_new(r);
    if (style.indented && slots[1].type == JINJA_STRING)
        jinja_buffer_append_string(r, indent, slots[1].string);
    else if (style.indented)
        for (int64_t i = jinja_want_int(r, slots[1], 0, "the indent of tojson"); i > 0; i--)
            jinja_buffer_append_text(r, indent, " ");
    style.indent = (bytes_view){indent->data, indent->used};
    style.item = separator(r, slots[2], 0, style.indented ? VIEW(",") : VIEW(", "));
    style.key = separator(r, slots[2], 1, VIEW(": "));
    jinja_json_print(r, out, self, &style);
    return jinja_taken(r, out);
}

static jinja_value f_from_json(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    const jinja_string *s = jinja_want_string(r, self, "what from_json reads");
    const json_node *root = NULL;
    if (s->size > (16u << 20)) jinja_fail(r, ERR_LIMIT, "from_json reads at most 16 MiB");
    (void)jinja_alloc(r, 0);
    jinja_marks marks = 0, some;
    bytes_view text;
    for (jinja_runs runs = jinja_runs_of(s); jinja_runs_next(&runs, &text, &some);)
        marks |= some & JINJA_DATA;
    err e = json_parse(jinja_string_view(s), JSON_DEPTH_MAX, &r->values, &root);
    if (e.code) jinja_fail(r, e.code, "from_json: %s", e.text);
    return jinja_of_json(r, root, marks);
}

const jinja_row jinja_text_filters[] = {
    {"string", f_string, "", 0},
    {"safe", f_safe, "", 0},
    {"trim", f_trim, "chars", 0},
    {"upper", f_upper, "", 0},
    {"lower", f_lower, "", 0},
    {"capitalize", f_capitalize, "", 0},
    {"title", f_title, "", 0},
    {"replace", f_replace, "old new count", 2},
    {"indent", f_indent, "width first blank", 0},
    {"escape", f_escape, "", 0},
    {"e", f_escape, "", 0},
    {"wordcount", f_wordcount, "", 0},
    {"format", f_format, NULL, 0},
    {"int", f_int, "default base", 0},
    {"float", f_float, "default", 0},
    {"abs", f_abs, "", 0},
    {"round", f_round, "precision method", 0},
    {"tojson", f_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"from_json", f_from_json, "", 0},
    {NULL, NULL, NULL, 0},
};
