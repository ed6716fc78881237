/* What Python says of values: truth, equality, order, length, what can be walked. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/chat_template.h"
#include "engine/text/jinja/render.h"

const char *jinja_type_name(jinja_value v)
{
    static const char *const names[] = {
        [JINJA_ABSENT] = "nothing",
        [JINJA_UNDEFINED] = "Undefined",
        [JINJA_NONE] = "NoneType",
        [JINJA_BOOL] = "bool",
        [JINJA_INT] = "int",
        [JINJA_BIG] = "int",
        [JINJA_FLOAT] = "float",
        [JINJA_STRING] = "str",
        [JINJA_LIST] = "list",
        [JINJA_TUPLE] = "tuple",
        [JINJA_DICT] = "dict",
        [JINJA_RANGE] = "range",
        [JINJA_NAMESPACE] = "Namespace",
        [JINJA_LOOP] = "LoopContext",
        [JINJA_MACRO] = "Macro",
        [JINJA_NATIVE] = "function",
    };
    return v.type == JINJA_STREAM ? v.stream->name : names[v.type];
}

static int64_t range_count(const jinja_range *range)
{
    __int128 distance =
        range->step > 0 ? (__int128)range->stop - range->start : (__int128)range->start - range->stop;
    __int128 step = range->step > 0 ? range->step : -(__int128)range->step;
    return distance <= 0 ? 0 : (int64_t)((distance + step - 1) / step);
}

bool jinja_true(jinja_value v)
{
    switch (v.type) {
    case JINJA_ABSENT:
    case JINJA_UNDEFINED:
    case JINJA_NONE: return false;
    case JINJA_BOOL: return v.truth;
    case JINJA_INT: return v.integer != 0;
    case JINJA_FLOAT: return v.number != 0;
    case JINJA_STRING: return v.string->size != 0;
    case JINJA_LIST:
    case JINJA_TUPLE: return v.list->count != 0;
    case JINJA_DICT: return v.dict->count != 0;
    case JINJA_RANGE: return range_count(v.range) != 0;
    case JINJA_STREAM: return v.stream->once || v.stream->list->count != 0;
    default: return true;
    }
}

bool jinja_is_number(jinja_value v) { return v.type >= JINJA_BOOL && v.type <= JINJA_FLOAT; }

double jinja_as_double(jinja_value v)
{
    double number = 0;
    switch (v.type) {
    case JINJA_BOOL: return v.truth;
    case JINJA_INT: return (double)v.integer;
    case JINJA_FLOAT: return v.number;
    case JINJA_BIG: return jinja_float_parse(jinja_string_view(v.string), &number) ? number : 0;
    default: return 0;
    }
}

bool jinja_as_wide(jinja_value v, __int128 *out)
{
    if (v.type == JINJA_BOOL || v.type == JINJA_INT) {
        *out = v.type == JINJA_BOOL ? v.truth : v.integer;
        return true;
    }
    bytes_view digits = v.type == JINJA_BIG ? jinja_string_view(v.string) : VIEW("");
    bool minus = digits.size && digits.data[0] == '-';
    if (!digits.size || digits.size - minus > 38) return false; /* 10^38 fits */
    __int128 integer = 0;
    for (size_t i = minus; i < digits.size; i++) integer = integer * 10 + (digits.data[i] - '0');
    *out = minus ? -integer : integer;
    return true;
}

static bool numbers_equal(jinja_value a, jinja_value b)
{
    __int128 x, y;
    if (a.type == JINJA_FLOAT || b.type == JINJA_FLOAT) return jinja_as_double(a) == jinja_as_double(b);
    if (jinja_as_wide(a, &x) && jinja_as_wide(b, &y)) return x == y;
    return a.type == JINJA_BIG && b.type == JINJA_BIG &&
           bytes_view_equal(jinja_string_view(a.string), jinja_string_view(b.string));
}

static bool lists_equal(jinja_render *r, const jinja_list *a, const jinja_list *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (!jinja_equal(r, jinja_list_at(a, i), jinja_list_at(b, i))) return false;
    return true;
}

static bool dicts_equal(jinja_render *r, const jinja_dict *a, const jinja_dict *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        const jinja_value *other = jinja_dict_get(r, b, a->entries[i].key);
        if (!other || !jinja_equal(r, a->entries[i].value, *other)) return false;
    }
    return true;
}

bool jinja_equal(jinja_render *r, jinja_value a, jinja_value b)
{
    jinja_steps(r, 1);
    if (jinja_is_number(a) && jinja_is_number(b)) return numbers_equal(a, b);
    if (a.type != b.type) return false;
    bool equal = true;
    jinja_enter(r);
    switch (a.type) {
    case JINJA_UNDEFINED:
    case JINJA_NONE: break;
    case JINJA_STRING:
        jinja_bytes_steps(r, a.string->size);
        equal = bytes_view_equal(jinja_string_view(a.string), jinja_string_view(b.string));
        break;
    case JINJA_LIST:
    case JINJA_TUPLE: equal = lists_equal(r, a.list, b.list); break;
    case JINJA_DICT: equal = dicts_equal(r, a.dict, b.dict); break;
    case JINJA_RANGE: equal = lists_equal(r, jinja_walk(r, a), jinja_walk(r, b)); break;
    default: equal = a.stream == b.stream; /* identity of whatever the pointer names */
    }
    jinja_leave(r);
    return equal;
}

static int numbers_compare(jinja_value a, jinja_value b)
{
    __int128 x, y;
    if (a.type != JINJA_FLOAT && b.type != JINJA_FLOAT && jinja_as_wide(a, &x) && jinja_as_wide(b, &y))
        return x < y ? -1 : x > y;
    double p = jinja_as_double(a), q = jinja_as_double(b);
    return p < q ? -1 : p > q ? 1 : p == q ? 0 : 2; /* 2: not a number, no order holds */
}

/* UTF-8 sorts as its code points do. */
static int texts_compare(bytes_view a, bytes_view b)
{
    size_t size = MIN_OF(a.size, b.size);
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order < 0 ? -1 : order > 0 ? 1 : a.size < b.size ? -1 : a.size > b.size;
}

int jinja_compare(jinja_render *r, jinja_value a, jinja_value b, const char *sign)
{
    jinja_steps(r, 1);
    if (jinja_is_number(a) && jinja_is_number(b)) return numbers_compare(a, b);
    if (a.type == JINJA_UNDEFINED) jinja_fail_undefined(r, a);
    if (b.type == JINJA_UNDEFINED) jinja_fail_undefined(r, b);
    if (a.type == JINJA_STRING && b.type == JINJA_STRING) {
        jinja_bytes_steps(r, MIN_OF(a.string->size, b.string->size));
        return texts_compare(jinja_string_view(a.string), jinja_string_view(b.string));
    }
    if (a.type != b.type || (a.type != JINJA_LIST && a.type != JINJA_TUPLE))
        jinja_fail(r, ERR_FORMAT, "'%s' cannot compare %s and %s", sign, jinja_type_name(a),
                   jinja_type_name(b));
    jinja_enter(r);
    int order = a.list->count < b.list->count ? -1 : a.list->count > b.list->count;
    for (size_t i = 0; i < MIN_OF(a.list->count, b.list->count); i++) {
        jinja_value x = jinja_list_at(a.list, i), y = jinja_list_at(b.list, i);
        if (jinja_equal(r, x, y)) continue;
        order = jinja_compare(r, x, y, sign);
        break;
    }
    jinja_leave(r);
    return order;
}

bool jinja_in(jinja_render *r, jinja_value needle, jinja_value hay)
{
    if (hay.type == JINJA_DICT) return jinja_dict_get(r, hay.dict, needle) != NULL;
    if (hay.type == JINJA_STRING) {
        if (needle.type == JINJA_UNDEFINED) jinja_fail_undefined(r, needle);
        if (needle.type != JINJA_STRING)
            jinja_fail(r, ERR_FORMAT, "'in' looks for a str in a str, not for %s", jinja_type_name(needle));
        jinja_bytes_steps(r, hay.string->size);
        return jinja_find(jinja_string_view(hay.string), jinja_string_view(needle.string), 0) != SIZE_MAX;
    }
    const jinja_list *l = jinja_walk(r, hay);
    for (size_t i = 0; i < l->count; i++)
        if (jinja_equal(r, jinja_list_at(l, i), needle)) return true;
    return false;
}

static jinja_list *characters_list(jinja_render *r, const jinja_string *s)
{
    jinja_list *l = jinja_list_new(r);
    jinja_string plain = *s;
    plain.markup = false;
    jinja_characters c = jinja_characters_of(s);
    bytes_view one;
    uint32_t code;
    for (size_t at = 0; jinja_characters_next(&c, &one, &code); at += one.size)
        jinja_list_push(r, l, jinja_part(r, &plain, at, one.size));
    return l;
}

static jinja_list *range_list(jinja_render *r, const jinja_range *range)
{
    jinja_list *l = jinja_list_new(r);
    int64_t count = range_count(range);
    for (int64_t i = 0; i < count; i++) jinja_list_push(r, l, jinja_int(range->start + i * range->step));
    return l;
}

static jinja_list *keys_list(jinja_render *r, const jinja_dict *d)
{
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < d->count; i++) jinja_list_push(r, l, d->entries[i].key);
    return l;
}

const jinja_list *jinja_walk(jinja_render *r, jinja_value v)
{
    switch (v.type) {
    case JINJA_UNDEFINED: return jinja_list_new(r);
    /* a copy of the header: append() may lengthen the list while it is walked */
    case JINJA_LIST:
    case JINJA_TUPLE: return jinja_list_part(r, v.list, 0, v.list->count);
    case JINJA_STRING: return characters_list(r, v.string);
    case JINJA_DICT: return keys_list(r, v.dict);
    case JINJA_RANGE: return range_list(r, v.range);
    case JINJA_STREAM:
        if (v.stream->done) return jinja_list_new(r);
        v.stream->done = v.stream->once;
        return v.stream->list;
    default: jinja_fail(r, ERR_FORMAT, "a value of type %s cannot be iterated over", jinja_type_name(v));
    }
}

bool jinja_length(jinja_value v, size_t *out)
{
    switch (v.type) {
    case JINJA_UNDEFINED: *out = 0; return true;
    case JINJA_STRING: *out = jinja_string_length(v.string); return true;
    case JINJA_LIST:
    case JINJA_TUPLE: *out = v.list->count; return true;
    case JINJA_DICT: *out = v.dict->count; return true;
    case JINJA_RANGE: *out = (size_t)range_count(v.range); return true;
    case JINJA_STREAM: *out = v.stream->list->count; return !v.stream->once;
    default: return false;
    }
}
