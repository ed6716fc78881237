/* Arithmetic, comparison and access to parts, as Python does them. */
#include <math.h>
#include <string.h>

#include "engine/text/chat_template.h"
#include "engine/text/jinja/render.h"

void jinja_fail_undefined(jinja_render *r, jinja_value v)
{
    const jinja_missing *m = v.missing;
    int size = (int)MIN_OF(m->name.size, (size_t)100);
    if (m->owner) jinja_fail(r, ERR_FORMAT, "'%s' has no attribute '%.*s'", m->owner, size, m->name.data);
    jinja_fail(r, ERR_FORMAT, "'%.*s' is undefined", size, m->name.data);
}

static const char *const signs[] = {
    [JINJA_ADD] = "+", [JINJA_SUB] = "-",        [JINJA_CONCAT] = "~", [JINJA_MUL] = "*",
    [JINJA_DIV] = "/", [JINJA_FLOOR_DIV] = "//", [JINJA_MOD] = "%",    [JINJA_POW] = "**",
    [JINJA_LT] = "<",  [JINJA_LE] = "<=",        [JINJA_GT] = ">",     [JINJA_GE] = ">=",
};

static void fail_types(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b)
    __attribute__((noreturn));
static void fail_types(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b)
{
    if (a.type == JINJA_UNDEFINED) jinja_fail_undefined(r, a);
    if (b.type == JINJA_UNDEFINED) jinja_fail_undefined(r, b);
    jinja_fail(r, ERR_FORMAT, "'%s' does not work on %s and %s", signs[op], jinja_type_name(a),
               jinja_type_name(b));
}

/* ---- numbers ---- */

static jinja_value float_power(jinja_render *r, double x, double y)
{
    if (x == 0 && y < 0) jinja_fail(r, ERR_FORMAT, "zero cannot be raised to a negative power");
    double power = pow(x, y);
    if (isinf(power) && isfinite(x) && isfinite(y))
        jinja_fail(r, ERR_LIMIT, "the result of '**' is too large");
    if (isnan(power) && !isnan(x) && !isnan(y))
        jinja_fail(r, ERR_UNSUPPORTED, "'**' with a complex result is not supported");
    return jinja_float(power);
}

static jinja_value float_operation(jinja_render *r, jinja_operator op, double x, double y)
{
    if (y == 0 && (op == JINJA_DIV || op == JINJA_FLOOR_DIV || op == JINJA_MOD))
        jinja_fail(r, ERR_FORMAT, "division by zero");
    double rest;
    switch (op) {
    case JINJA_ADD: return jinja_float(x + y);
    case JINJA_SUB: return jinja_float(x - y);
    case JINJA_MUL: return jinja_float(x * y);
    case JINJA_DIV: return jinja_float(x / y);
    case JINJA_POW: return float_power(r, x, y);
    default: /* the remainder has the sign of the divisor */
        rest = fmod(x, y);
        if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
        if (op == JINJA_MOD) return jinja_float(rest == 0 ? copysign(0, y) : rest);
        return jinja_float(round((x - rest) / y));
    }
}

static jinja_value integer_power(jinja_render *r, __int128 base, __int128 exponent)
{
    if (exponent < 0) return float_power(r, (double)base, (double)exponent);
    __int128 power = 1;
    bool overflow = false;
    for (; exponent; exponent >>= 1) {
        if (exponent & 1) overflow |= __builtin_mul_overflow(power, base, &power);
        if (exponent > 1) overflow |= __builtin_mul_overflow(base, base, &base);
        if (overflow) jinja_fail(r, ERR_LIMIT, "an integer grew past 128 bits");
    }
    return jinja_wide(r, power);
}

static jinja_value integer_operation(jinja_render *r, jinja_operator op, __int128 x, __int128 y)
{
    if (y == 0 && (op == JINJA_DIV || op == JINJA_FLOOR_DIV || op == JINJA_MOD))
        jinja_fail(r, ERR_FORMAT, "division by zero");
    __int128 result = 0, rest;
    bool overflow = false;
    switch (op) {
    case JINJA_ADD: overflow = __builtin_add_overflow(x, y, &result); break;
    case JINJA_SUB: overflow = __builtin_sub_overflow(x, y, &result); break;
    case JINJA_MUL: overflow = __builtin_mul_overflow(x, y, &result); break;
    case JINJA_DIV: return jinja_float((double)x / (double)y);
    case JINJA_POW: return integer_power(r, x, y);
    default:
        rest = y == -1 ? 0 : x % y;
        if (rest && (rest < 0) != (y < 0)) rest += y;
        if (op == JINJA_MOD) return jinja_wide(r, rest);
        overflow = __builtin_sub_overflow(x, rest, &result) ||
                   __builtin_mul_overflow(result, y == -1 ? -1 : 1, &result);
        if (y != -1) result /= y;
    }
    if (overflow) jinja_fail(r, ERR_LIMIT, "an integer grew past 128 bits");
    return jinja_wide(r, result);
}

static jinja_value number_operation(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b)
{
    __int128 x, y;
    if (a.type == JINJA_FLOAT || b.type == JINJA_FLOAT)
        return float_operation(r, op, jinja_as_double(a), jinja_as_double(b));
    if (!jinja_as_wide(a, &x) || !jinja_as_wide(b, &y))
        jinja_fail(r, ERR_LIMIT, "an integer is past 128 bits");
    return integer_operation(r, op, x, y);
}

jinja_value jinja_negated(jinja_render *r, jinja_value v)
{
    if (v.type == JINJA_UNDEFINED) jinja_fail_undefined(r, v);
    if (!jinja_is_number(v)) jinja_fail(r, ERR_FORMAT, "'-' does not work on %s", jinja_type_name(v));
    if (v.type == JINJA_FLOAT) return jinja_float(-v.number);
    return number_operation(r, JINJA_SUB, jinja_int(0), v);
}

/* ---- sequences ---- */

static bool is_list(jinja_value v) { return v.type == JINJA_LIST || v.type == JINJA_TUPLE; }

static jinja_value lists_joined(jinja_render *r, jinja_value a, jinja_value b)
{
    jinja_list *l = jinja_list_part(r, a.list, 0, a.list->count);
    jinja_list_append(r, l, b.list);
    return (jinja_value){a.type, {.list = l}};
}

static jinja_value repeated(jinja_render *r, jinja_value v, jinja_value times)
{
    __int128 count;
    if (!jinja_as_wide(times, &count)) fail_types(r, JINJA_MUL, v, times);
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_list *l = jinja_list_new(r);
    bool empty = v.type == JINJA_STRING ? !v.string->size : !v.list->count;
    for (__int128 i = 0; i < count && !empty; i++) {
        jinja_steps(r, 1);
        if (v.type == JINJA_STRING)
            jinja_buffer_append_string(r, b, v.string);
        else
            jinja_list_append(r, l, v.list);
    }
    return v.type == JINJA_STRING ? jinja_taken(r, b) : (jinja_value){v.type, {.list = l}};
}

/* Next to marked-up text, other text is escaped. */
static jinja_value strings_added(jinja_render *r, const jinja_string *a, const jinja_string *b)
{
    if (a->markup == b->markup) return jinja_joined(r, a, b);
    return jinja_joined(r, jinja_escaped(r, a).string, jinja_escaped(r, b).string);
}

jinja_value jinja_binary(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b)
{
    if (op == JINJA_CONCAT) {
        jinja_string left = *jinja_str(r, a);
        left.markup = false; /* ~ makes plain text */
        return jinja_joined(r, &left, jinja_str(r, b));
    }
    if (jinja_is_number(a) && jinja_is_number(b)) return number_operation(r, op, a, b);
    if (op == JINJA_ADD && a.type == JINJA_STRING && b.type == JINJA_STRING)
        return strings_added(r, a.string, b.string);
    if (op == JINJA_ADD && is_list(a) && a.type == b.type) return lists_joined(r, a, b);
    if (op == JINJA_MUL && (a.type == JINJA_STRING || is_list(a))) return repeated(r, a, b);
    if (op == JINJA_MUL && (b.type == JINJA_STRING || is_list(b))) return repeated(r, b, a);
    if (op == JINJA_MOD && a.type == JINJA_STRING) return jinja_percent(r, a.string, b);
    fail_types(r, op, a, b);
}

bool jinja_holds(jinja_render *r, jinja_operator op, jinja_value a, jinja_value b)
{
    switch (op) {
    case JINJA_EQ: return jinja_equal(r, a, b);
    case JINJA_NE: return !jinja_equal(r, a, b);
    case JINJA_IN: return jinja_in(r, a, b);
    case JINJA_NOT_IN: return !jinja_in(r, a, b);
    default: break;
    }
    int order = jinja_compare(r, a, b, signs[op]);
    if (order == 2) return false;
    return op == JINJA_LT ? order < 0 : op == JINJA_LE ? order <= 0 : op == JINJA_GT ? order > 0 : order >= 0;
}

/* ---- parts ---- */

static const char *owner_name(jinja_value v)
{
    switch (v.type) {
    case JINJA_DICT: return "dict object";
    case JINJA_STRING: return "str object";
    case JINJA_LIST: return "list object";
    case JINJA_NONE: return "None";
    default: return jinja_type_name(v);
    }
}

static jinja_value missing(jinja_render *r, jinja_value object, jinja_value key)
{
    return jinja_undefined(r, owner_name(object), jinja_string_view(jinja_str(r, key)));
}

/* What getattr() of Python finds; *found says whether. */
static jinja_value own_attribute(jinja_render *r, jinja_value object, bytes_view name, bool *found)
{
    const jinja_value *member = NULL;
    *found = true;
    if (object.type == JINJA_LOOP) return jinja_loop_attribute(r, object.loop, name, found);
    if (object.type == JINJA_NAMESPACE) member = jinja_dict_get_text(r, object.dict, name);
    if (member) return *member;
    const jinja_row *row = jinja_find_method(object.type, name);
    *found = row != NULL;
    if (!row) return jinja_none;
    jinja_bound *bound = jinja_new(r, jinja_bound);
    *bound = (jinja_bound){row, object};
    return (jinja_value){JINJA_NATIVE, {.bound = bound}};
}

jinja_value jinja_attribute(jinja_render *r, jinja_value object, bytes_view name)
{
    if (object.type == JINJA_UNDEFINED) jinja_fail_undefined(r, object);
    bool found;
    jinja_value v = own_attribute(r, object, name, &found);
    if (found) return v;
    const jinja_value *member = object.type == JINJA_DICT ? jinja_dict_get_text(r, object.dict, name) : NULL;
    return member ? *member : jinja_undefined(r, owner_name(object), name);
}

/* Bytes where character `index` begins; text.size when it is past the end. */
static size_t character_offset(bytes_view text, size_t index)
{
    size_t at = 0;
    for (; at < text.size; at++) {
        if ((text.data[at] & 0xC0) == 0x80) continue;
        if (!index--) break;
    }
    return at;
}

static jinja_value character_at(jinja_render *r, const jinja_string *s, size_t index)
{
    bytes_view text = jinja_string_view(s);
    jinja_bytes_steps(r, text.size);
    size_t begin = character_offset(text, index);
    bytes_view rest = {text.data + begin, text.size - begin};
    return jinja_part(r, s, begin, character_offset(rest, 1));
}

static jinja_value element_at(jinja_render *r, jinja_value object, size_t index)
{
    if (object.type == JINJA_STRING) return character_at(r, object.string, index);
    if (object.type == JINJA_RANGE)
        return jinja_int(object.range->start + (int64_t)index * object.range->step);
    return jinja_list_at(object.list, index);
}

jinja_value jinja_item(jinja_render *r, jinja_value object, jinja_value key)
{
    if (object.type == JINJA_UNDEFINED) jinja_fail_undefined(r, object);
    if (object.type == JINJA_DICT && key.type != JINJA_LIST && key.type != JINJA_DICT) {
        const jinja_value *member = jinja_dict_get(r, object.dict, key);
        if (member) return *member;
    }
    size_t count;
    bool indexed = object.type == JINJA_STRING || is_list(object) || object.type == JINJA_RANGE;
    if (indexed && (key.type == JINJA_INT || key.type == JINJA_BOOL) && jinja_length(object, &count)) {
        int64_t index = key.type == JINJA_BOOL ? key.truth : key.integer;
        if (index < 0) index += (int64_t)count;
        if (index >= 0 && (size_t)index < count) return element_at(r, object, (size_t)index);
    }
    bool found = false;
    jinja_value v = jinja_none;
    if (key.type == JINJA_STRING) v = own_attribute(r, object, jinja_string_view(key.string), &found);
    return found ? v : missing(r, object, key);
}

/* A bound of a slice, made to lie in [low, high]. */
static int64_t slice_bound(jinja_render *r, jinja_value v, int64_t fallback, int64_t count, int64_t low,
                           int64_t high)
{
    if (v.type == JINJA_NONE) return fallback;
    if (v.type == JINJA_UNDEFINED) jinja_fail_undefined(r, v);
    if (v.type != JINJA_INT && v.type != JINJA_BOOL)
        jinja_fail(r, ERR_FORMAT, "a slice wants integers, not %s", jinja_type_name(v));
    int64_t bound = v.type == JINJA_BOOL ? v.truth : v.integer;
    if (bound < 0) bound += count;
    return bound < low ? low : bound > high ? high : bound;
}

/* Every step-th of the elements, taken one by one. */
static jinja_value slice_stepped(jinja_render *r, jinja_value object, int64_t start, int64_t stop,
                                 int64_t step)
{
    jinja_list *l = jinja_list_new(r);
    const jinja_list *from = jinja_walk(r, object);
    for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
        jinja_list_push(r, l, jinja_list_at(from, (size_t)i));
        if (step > 0 ? i > INT64_MAX - step : i < INT64_MIN - step) break;
    }
    if (object.type != JINJA_STRING)
        return (jinja_value){object.type == JINJA_TUPLE ? JINJA_TUPLE : JINJA_LIST, {.list = l}};
    jinja_buffer *b = jinja_buffer_new(r);
    for (size_t i = 0; i < l->count; i++) jinja_buffer_append_string(r, b, jinja_list_at(l, i).string);
    return jinja_taken(r, b);
}

static jinja_value slice_plain(jinja_render *r, jinja_value object, int64_t start, int64_t stop)
{
    size_t begin = (size_t)start, count = stop > start ? (size_t)(stop - start) : 0;
    if (is_list(object))
        return (jinja_value){object.type, {.list = jinja_list_part(r, object.list, begin, count)}};
    bytes_view text = jinja_string_view(object.string);
    jinja_bytes_steps(r, text.size);
    begin = character_offset(text, begin);
    bytes_view rest = {text.data + begin, text.size - begin};
    return jinja_part(r, object.string, begin, character_offset(rest, count));
}

jinja_value jinja_slice(jinja_render *r, jinja_value object, jinja_value start, jinja_value stop,
                        jinja_value step)
{
    if (object.type == JINJA_UNDEFINED) jinja_fail_undefined(r, object);
    size_t length;
    bool sliced = object.type == JINJA_STRING || is_list(object) || object.type == JINJA_RANGE;
    if (!sliced || !jinja_length(object, &length))
        jinja_fail(r, ERR_FORMAT, "a value of type %s cannot be sliced", jinja_type_name(object));
    int64_t count = (int64_t)length, stride = slice_bound(r, step, 1, 0, INT64_MIN + 1, INT64_MAX);
    if (stride == 0) jinja_fail(r, ERR_FORMAT, "the step of a slice cannot be zero");
    if (stride < 0)
        return slice_stepped(r, object, slice_bound(r, start, count - 1, count, -1, count - 1),
                             slice_bound(r, stop, -1, count, -1, count - 1), stride);
    int64_t begin = slice_bound(r, start, 0, count, 0, count),
            end = slice_bound(r, stop, count, count, 0, count);
    if (stride == 1 && object.type != JINJA_RANGE) return slice_plain(r, object, begin, end);
    return slice_stepped(r, object, begin, end, stride);
}
