/* What stands after "is". */
#include <string.h>

#include "engine/text/jinja/render.h"

#define TYPE_TEST(name, condition)                                                                           \
    static jinja_value name(jinja_render *r, jinja_value self, const jinja_arguments *given)                 \
    {                                                                                                        \
        (void)r, (void)given;                                                                                \
        return jinja_bool(condition);                                                                        \
    }

static bool is_walkable(jinja_value v)
{
    return v.type == JINJA_UNDEFINED || (v.type >= JINJA_STRING && v.type <= JINJA_STREAM) ||
           v.type == JINJA_LOOP;
}

static bool is_sequence(jinja_value v)
{
    return is_walkable(v) && v.type != JINJA_STREAM && v.type != JINJA_LOOP;
}

TYPE_TEST(t_defined, self.type != JINJA_UNDEFINED)
TYPE_TEST(t_undefined, self.type == JINJA_UNDEFINED)
TYPE_TEST(t_none, self.type == JINJA_NONE)
TYPE_TEST(t_string, self.type == JINJA_STRING)
TYPE_TEST(t_mapping, self.type == JINJA_DICT)
TYPE_TEST(t_iterable, is_walkable(self))
TYPE_TEST(t_sequence, is_sequence(self))
TYPE_TEST(t_true, self.type == JINJA_BOOL && self.truth)
TYPE_TEST(t_false, self.type == JINJA_BOOL && !self.truth)
TYPE_TEST(t_boolean, self.type == JINJA_BOOL)
TYPE_TEST(t_number, jinja_is_number(self))
TYPE_TEST(t_integer, self.type == JINJA_INT || self.type == JINJA_BIG)
TYPE_TEST(t_float, self.type == JINJA_FLOAT)
TYPE_TEST(t_callable, self.type == JINJA_UNDEFINED || self.type == JINJA_MACRO || self.type == JINJA_NATIVE ||
                          self.type == JINJA_LOOP)

#define COMPARE_TEST(name, op)                                                                               \
    static jinja_value name(jinja_render *r, jinja_value self, const jinja_arguments *given)                 \
    {                                                                                                        \
        return jinja_bool(jinja_holds(r, op, self, given->positional[0]));                                   \
    }

COMPARE_TEST(t_eq, JINJA_EQ)
COMPARE_TEST(t_ne, JINJA_NE)
COMPARE_TEST(t_lt, JINJA_LT)
COMPARE_TEST(t_le, JINJA_LE)
COMPARE_TEST(t_gt, JINJA_GT)
COMPARE_TEST(t_ge, JINJA_GE)
COMPARE_TEST(t_in, JINJA_IN)

static bool divides(jinja_render *r, jinja_value v, jinja_value by)
{
    return jinja_equal(r, jinja_binary(r, JINJA_MOD, v, by), jinja_int(0));
}

static jinja_value t_divisibleby(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return jinja_bool(divides(r, self, given->positional[0]));
}

static jinja_value t_even(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(divides(r, self, jinja_int(2)));
}

static jinja_value t_odd(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(jinja_equal(r, jinja_binary(r, JINJA_MOD, self, jinja_int(2)), jinja_int(1)));
}

/* Identity: the same object. Small values have none of their own; equal ones of a type count as the same. */
static jinja_value t_sameas(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    jinja_value other = given->positional[0];
    if (self.type != other.type) return jinja_bool(false);
    bool has_identity = self.type == JINJA_LIST || self.type == JINJA_TUPLE || self.type == JINJA_DICT;
    return jinja_bool(has_identity ? self.list == other.list : jinja_equal(r, self, other));
}

/* str.islower() and str.isupper(): no letter of the other case, and at least one with case. */
static bool all_cased(jinja_render *r, jinja_value v, jinja_case which)
{
    jinja_value same = jinja_cased(r, jinja_str(r, v), which);
    jinja_value other = jinja_cased(r, jinja_str(r, v), which == JINJA_LOWER ? JINJA_UPPER : JINJA_LOWER);
    bytes_view text = jinja_string_view(jinja_str(r, v));
    return bytes_view_equal(jinja_string_view(same.string), text) &&
           !bytes_view_equal(jinja_string_view(other.string), text);
}

static jinja_value t_lower(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(all_cased(r, self, JINJA_LOWER));
}

static jinja_value t_upper(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(all_cased(r, self, JINJA_UPPER));
}

static jinja_value t_filter(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(jinja_find_filter(jinja_string_view(jinja_str(r, self))) != NULL);
}

static jinja_value t_test(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_bool(jinja_find_test(jinja_string_view(jinja_str(r, self))) != NULL);
}

static const jinja_row rows[] = {
    {"defined", t_defined, "", 0},
    {"undefined", t_undefined, "", 0},
    {"none", t_none, "", 0},
    {"string", t_string, "", 0},
    {"mapping", t_mapping, "", 0},
    {"iterable", t_iterable, "", 0},
    {"sequence", t_sequence, "", 0},
    {"true", t_true, "", 0},
    {"false", t_false, "", 0},
    {"boolean", t_boolean, "", 0},
    {"number", t_number, "", 0},
    {"integer", t_integer, "", 0},
    {"float", t_float, "", 0},
    {"callable", t_callable, "", 0},
    {"odd", t_odd, "", 0},
    {"even", t_even, "", 0},
    {"divisibleby", t_divisibleby, "num", 1},
    {"equalto", t_eq, "other", 1},
    {"eq", t_eq, "other", 1},
    {"==", t_eq, "other", 1},
    {"ne", t_ne, "other", 1},
    {"!=", t_ne, "other", 1},
    {"lt", t_lt, "other", 1},
    {"<", t_lt, "other", 1},
    {"lessthan", t_lt, "other", 1},
    {"le", t_le, "other", 1},
    {"<=", t_le, "other", 1},
    {"gt", t_gt, "other", 1},
    {">", t_gt, "other", 1},
    {"greaterthan", t_gt, "other", 1},
    {"ge", t_ge, "other", 1},
    {">=", t_ge, "other", 1},
    {"in", t_in, "seq", 1},
    {"sameas", t_sameas, "other", 1},
    {"lower", t_lower, "", 0},
    {"upper", t_upper, "", 0},
    {"filter", t_filter, "", 0},
    {"test", t_test, "", 0},
    {NULL, NULL, NULL, 0},
};

const jinja_row *jinja_find_test(bytes_view name) { return jinja_find_row(rows, name); }
