/* Filters over sequences and dicts. */
#include <string.h>

#include "engine/text/jinja/render.h"

/* ---- the attribute of an element, "a.b.0" ---- */

static bool is_integer(bytes_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9') return false;
    return text.size && text.size < 10;
}

/* What `path` names in v; `fallback` stands for what is not defined. An absent path is v itself. */
static jinja_value attribute_of(jinja_render *r, jinja_value v, jinja_value path, jinja_value fallback)
{
    if (path.type == JINJA_ABSENT || path.type == JINJA_NONE) return v;
    if (path.type != JINJA_STRING) return jinja_item(r, v, path);
    bytes_view rest = jinja_string_view(path.string);
    for (bool more = true; more;) {
        const char *dot = rest.size ? memchr(rest.data, '.', rest.size) : NULL;
        bytes_view part = {rest.data, dot ? (size_t)(dot - rest.data) : rest.size};
        int64_t index = 0;
        for (size_t i = 0; is_integer(part) && i < part.size; i++) index = index * 10 + (part.data[i] - '0');
        v = jinja_item(r, v, is_integer(part) ? jinja_int(index) : jinja_text(r, part, 0));
        if (v.type == JINJA_UNDEFINED && fallback.type != JINJA_ABSENT) v = fallback;
        more = dot != NULL;
        if (more) rest = (bytes_view){dot + 1, rest.size - part.size - 1};
    }
    return v;
}

static jinja_value lowered(jinja_render *r, jinja_value v, bool case_sensitive)
{
    return v.type == JINJA_STRING && !case_sensitive ? jinja_cased(r, v.string, JINJA_LOWER) : v;
}

/* ---- sorting ---- */

static void merge(jinja_render *r, jinja_value *to, const jinja_value *a, size_t a_count,
                  const jinja_value *b, size_t b_count, jinja_order *order, void *payload)
{
    while (a_count && b_count) {
        jinja_steps(r, 1);
        bool from_b = order(r, *a, *b, payload) > 0;
        *to++ = from_b ? *b++ : *a++;
        from_b ? b_count-- : a_count--;
    }
    memcpy(to, a_count ? a : b, (a_count + b_count) * sizeof *to);
}

void jinja_sort(jinja_render *r, jinja_list *l, jinja_order *order, void *payload)
{
    if (l->count < 2) return;
    jinja_value *from = l->items->data + l->begin, *to = jinja_alloc(r, l->count * sizeof *to), *first = from;
    for (size_t width = 1; width < l->count; width *= 2) {
        for (size_t at = 0; at < l->count; at += 2 * width) {
            size_t a_count = MIN_OF(width, l->count - at), b_count = MIN_OF(width, l->count - at - a_count);
            merge(r, to + at, from + at, a_count, from + at + a_count, b_count, order, payload);
        }
        jinja_value *swap = from;
        from = to;
        to = swap;
    }
    if (from != first) memcpy(first, from, l->count * sizeof *first);
}

typedef struct sorting {
    jinja_value attribute;
    bool case_sensitive, reverse;
    bool several; /* the attribute may be "a,b"; equal keys need no order, even when their type has none */
} sorting;

static int sorting_order_by(jinja_render *r, jinja_value a, jinja_value b, jinja_value attribute,
                            const sorting *s)
{
    a = lowered(r, attribute_of(r, a, attribute, jinja_absent), s->case_sensitive);
    b = lowered(r, attribute_of(r, b, attribute, jinja_absent), s->case_sensitive);
    if (s->several && jinja_equal(r, a, b)) return 0;
    int order = jinja_compare(r, a, b, "<");
    return order == 2 ? 0 : order;
}

/* The first attribute that differs decides. */
static int sorting_order(jinja_render *r, jinja_value a, jinja_value b, void *payload)
{
    const sorting *s = payload;
    jinja_value attribute = s->attribute;
    int order = 0;
    bytes_view rest = attribute.type == JINJA_STRING ? jinja_string_view(attribute.string) : VIEW("");
    if (!s->several)
        return s->reverse ? -sorting_order_by(r, a, b, attribute, s)
                          : sorting_order_by(r, a, b, attribute, s);
    for (bool more = true; more && !order;) {
        const char *comma = rest.size ? memchr(rest.data, ',', rest.size) : NULL;
        bytes_view part = {rest.data, comma ? (size_t)(comma - rest.data) : rest.size};
        if (attribute.type == JINJA_STRING) attribute = jinja_text(r, part, 0);
        order = sorting_order_by(r, a, b, attribute, s);
        more = comma != NULL;
        if (more) rest = (bytes_view){comma + 1, rest.size - part.size - 1};
    }
    return s->reverse ? -order : order;
}

/* A list of its own, in order. */
static jinja_list *sorted_copy(jinja_render *r, jinja_value v, sorting *how)
{
    jinja_list *l = jinja_list_new(r);
    jinja_list_append(r, l, jinja_walk(r, v));
    jinja_sort(r, l, sorting_order, how);
    return l;
}

static jinja_value f_sort(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    sorting how = {slots[2], jinja_want_bool(slots[1], false), jinja_want_bool(slots[0], false), true};
    return jinja_list_value(sorted_copy(r, self, &how));
}

static jinja_list *items_of(jinja_render *r, const jinja_dict *d)
{
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < d->count; i++)
        jinja_list_push(r, l, jinja_pair(r, d->entries[i].key, d->entries[i].value));
    return l;
}

static jinja_value f_dictsort(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    bytes_view by = jinja_want_text(r, slots[1], "key", "what dictsort sorts by");
    if (self.type != JINJA_DICT)
        jinja_fail(r, ERR_FORMAT, "dictsort wants a dict, not %s", jinja_type_name(self));
    sorting how = {jinja_int(bytes_view_is(by, "value")), jinja_want_bool(slots[0], false),
                   jinja_want_bool(slots[2], false)};
    jinja_list *l = items_of(r, self.dict);
    jinja_sort(r, l, sorting_order, &how);
    return jinja_list_value(l);
}

/* ---- whole sequences ---- */

static jinja_value f_length(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    size_t count;
    if (!jinja_length(self, &count))
        jinja_fail(r, ERR_FORMAT, "a value of type %s has no length", jinja_type_name(self));
    return jinja_int((int64_t)count);
}

static jinja_value f_list(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    const jinja_list *l = jinja_walk(r, self);
    return jinja_list_value(jinja_list_part(r, l, 0, l->count));
}

static jinja_value f_items(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    if (self.type == JINJA_UNDEFINED) return jinja_generator(r, jinja_list_new(r));
    if (self.type != JINJA_DICT)
        jinja_fail(r, ERR_FORMAT, "items wants a dict, not %s", jinja_type_name(self));
    return jinja_generator(r, items_of(r, self.dict));
}

static jinja_value f_join(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    const jinja_list *l = jinja_walk(r, self);
    jinja_buffer *b = jinja_buffer_new(r);
    const jinja_string *between = slots[0].type == JINJA_ABSENT ? NULL : jinja_str(r, slots[0]);
    for (size_t i = 0; i < l->count; i++) {
        if (i && between) jinja_buffer_append_string(r, b, between);
        jinja_print(r, b, attribute_of(r, jinja_list_at(l, i), slots[1], jinja_absent));
    }
    return jinja_taken(r, b);
}

static jinja_value f_first(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    const jinja_list *l = jinja_walk(r, self);
    return l->count ? jinja_list_at(l, 0)
                    : jinja_undefined(r, NULL, VIEW("the first item of an empty sequence"));
}

static jinja_value f_last(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    if (self.type == JINJA_STREAM && self.stream->once)
        jinja_fail(r, ERR_FORMAT, "a value of type generator has no last item");
    const jinja_list *l = jinja_walk(r, self);
    return l->count ? jinja_list_at(l, l->count - 1)
                    : jinja_undefined(r, NULL, VIEW("the last item of an empty sequence"));
}

static jinja_value f_reverse(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    if (self.type == JINJA_STRING) return jinja_slice(r, self, jinja_none, jinja_none, jinja_int(-1));
    const jinja_list *from = jinja_walk(r, self);
    jinja_list *l = jinja_list_new(r);
    for (size_t i = from->count; i > 0; i--) jinja_list_push(r, l, jinja_list_at(from, i - 1));
    return jinja_generator(r, l);
}

static jinja_value f_sum(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    const jinja_list *l = jinja_walk(r, self);
    jinja_value sum = slots[1].type == JINJA_ABSENT ? jinja_int(0) : slots[1];
    for (size_t i = 0; i < l->count; i++)
        sum = jinja_binary(r, JINJA_ADD, sum, attribute_of(r, jinja_list_at(l, i), slots[0], jinja_absent));
    return sum;
}

static jinja_value extreme(jinja_render *r, jinja_value self, const jinja_arguments *given, bool largest)
{
    const jinja_value *slots = given->positional;
    const jinja_list *l = jinja_walk(r, self);
    sorting how = {slots[1], jinja_want_bool(slots[0], false), largest};
    if (!l->count) return jinja_undefined(r, NULL, VIEW("the extreme of an empty sequence"));
    jinja_value best = jinja_list_at(l, 0);
    for (size_t i = 1; i < l->count; i++)
        if (sorting_order(r, jinja_list_at(l, i), best, &how) < 0) best = jinja_list_at(l, i);
    return best;
}

static jinja_value f_min(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return extreme(r, self, given, false);
}
static jinja_value f_max(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return extreme(r, self, given, true);
}

static jinja_value f_unique(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    const jinja_list *from = jinja_walk(r, self);
    jinja_list *l = jinja_list_new(r);
    jinja_dict *seen = jinja_dict_new(r);
    for (size_t i = 0; i < from->count; i++) {
        jinja_value key = attribute_of(r, jinja_list_at(from, i), slots[1], jinja_absent);
        key = lowered(r, key, jinja_want_bool(slots[0], false));
        if (jinja_dict_get(r, seen, key)) continue;
        jinja_dict_set(r, seen, key, jinja_none);
        jinja_list_push(r, l, jinja_list_at(from, i));
    }
    return jinja_generator(r, l);
}

static jinja_value f_batch(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t size = jinja_want_int(r, given->positional[0], 0, "the size of batch");
    const jinja_list *from = jinja_walk(r, self);
    jinja_list *l = jinja_list_new(r), *one = NULL;
    for (size_t i = 0; i < from->count; i++) {
        if (!one || (size > 0 && (int64_t)one->count == size)) {
            one = jinja_list_new(r);
            jinja_list_push(r, l, jinja_list_value(one));
        }
        jinja_list_push(r, one, jinja_list_at(from, i));
    }
    bool fills = given->positional[1].type != JINJA_ABSENT && given->positional[1].type != JINJA_NONE;
    while (one && fills && (int64_t)one->count < size) jinja_list_push(r, one, given->positional[1]);
    return jinja_generator(r, l);
}

static jinja_value f_groupby(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional; /* attribute default case_sensitive */
    bool case_sensitive = jinja_want_bool(slots[2], false);
    sorting how = {slots[0], case_sensitive, false};
    jinja_list *sorted = sorted_copy(r, self, &how), *groups = jinja_list_new(r), *group = NULL;
    jinja_value last = jinja_none;
    for (size_t i = 0; i < sorted->count; i++) {
        jinja_value item = jinja_list_at(sorted, i), label = attribute_of(r, item, slots[0], slots[1]);
        jinja_value key = lowered(r, label, case_sensitive);
        if (!group || !jinja_equal(r, key, last)) {
            group = jinja_list_new(r);
            jinja_list_push(r, groups, jinja_pair(r, label, jinja_list_value(group)));
        }
        jinja_list_push(r, group, item);
        last = key;
    }
    return jinja_list_value(groups);
}

static jinja_value f_default(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *slots = given->positional;
    bool replaced = self.type == JINJA_UNDEFINED || (jinja_want_bool(slots[1], false) && !jinja_true(self));
    if (!replaced) return self;
    return slots[0].type == JINJA_ABSENT ? jinja_text(r, VIEW(""), 0) : slots[0];
}

static jinja_value f_attr(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    bytes_view name = jinja_want_text(r, given->positional[0], "", "the name of attr");
    if (self.type == JINJA_DICT && !jinja_find_method(JINJA_DICT, name))
        return jinja_undefined(r, "dict object", name);
    return jinja_attribute(r, self, name);
}

/* ---- map, select, reject ---- */

static const jinja_value *named_argument(const jinja_arguments *given, const char *name)
{
    for (size_t i = 0; i < given->named_count; i++)
        if (bytes_view_is(given->names[i], name)) return &given->named[i];
    return NULL;
}

/* map(attribute='a.b', default=x), or map('filter', its arguments). */
static jinja_value f_map(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *attribute = named_argument(given, "attribute"),
                      *fallback = named_argument(given, "default");
    const jinja_row *row = NULL;
    jinja_arguments rest = *given;
    if (given->count) {
        bytes_view name = jinja_string_view(jinja_want_string(r, given->positional[0], "the filter of map"));
        row = jinja_find_filter(name);
        if (!row) jinja_fail(r, ERR_UNSUPPORTED, "map: there is no filter of that name");
        rest.positional++;
        rest.count--;
    } else if (!attribute) {
        jinja_fail(r, ERR_FORMAT, "map wants a filter or an attribute");
    }
    jinja_list *l = jinja_list_new(r);
    const jinja_list *from =
        jinja_true(self) ? jinja_walk(r, self) : l; /* false values, none too, are empty */
    for (size_t i = 0; i < from->count; i++) {
        jinja_value item = jinja_list_at(from, i);
        jinja_list_push(r, l,
                        row ? jinja_call_row(r, row, item, &rest)
                            : attribute_of(r, item, *attribute, fallback ? *fallback : jinja_absent));
    }
    return jinja_generator(r, l);
}

/* The elements for which a test (without one: truth) holds of themselves or of an attribute. */
static jinja_value selected(jinja_render *r, jinja_value self, const jinja_arguments *given,
                            bool by_attribute, bool wanted)
{
    jinja_arguments rest = *given;
    jinja_value attribute = jinja_absent;
    const jinja_row *row = NULL;
    if (by_attribute) {
        if (!rest.count) jinja_fail(r, ERR_FORMAT, "selectattr and rejectattr want an attribute");
        attribute = *rest.positional++;
        rest.count--;
    }
    if (rest.count) {
        row = jinja_find_test(
            jinja_string_view(jinja_want_string(r, *rest.positional++, "the name of a test")));
        rest.count--;
        if (!row) jinja_fail(r, ERR_UNSUPPORTED, "select: there is no test of that name");
    }
    jinja_list *l = jinja_list_new(r);
    const jinja_list *from = jinja_true(self) ? jinja_walk(r, self) : l;
    for (size_t i = 0; i < from->count; i++) {
        jinja_value v = attribute_of(r, jinja_list_at(from, i), attribute, jinja_absent);
        bool holds = jinja_true(row ? jinja_call_row(r, row, v, &rest) : v);
        if (holds == wanted) jinja_list_push(r, l, jinja_list_at(from, i));
    }
    return jinja_generator(r, l);
}

static jinja_value f_select(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return selected(r, self, given, false, true);
}
static jinja_value f_reject(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return selected(r, self, given, false, false);
}
static jinja_value f_selectattr(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return selected(r, self, given, true, true);
}
static jinja_value f_rejectattr(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    return selected(r, self, given, true, false);
}

const jinja_row jinja_list_filters[] = {
    {"length", f_length, "", 0},
    {"count", f_length, "", 0},
    {"join", f_join, "d attribute", 0},
    {"items", f_items, "", 0},
    {"list", f_list, "", 0},
    {"selectattr", f_selectattr, NULL, 0},
    {"rejectattr", f_rejectattr, NULL, 0},
    {"select", f_select, NULL, 0},
    {"reject", f_reject, NULL, 0},
    {"map", f_map, NULL, 0},
    {"default", f_default, "default_value boolean", 0},
    {"d", f_default, "default_value boolean", 0},
    {"dictsort", f_dictsort, "case_sensitive by reverse", 0},
    {"sort", f_sort, "reverse case_sensitive attribute", 0},
    {"unique", f_unique, "case_sensitive attribute", 0},
    {"first", f_first, "", 0},
    {"last", f_last, "", 0},
    {"reverse", f_reverse, "", 0},
    {"sum", f_sum, "attribute start", 0},
    {"min", f_min, "case_sensitive attribute", 0},
    {"max", f_max, "case_sensitive attribute", 0},
    {"batch", f_batch, "linecount fill_with", 1},
    {"groupby", f_groupby, "attribute default case_sensitive", 1},
    {"attr", f_attr, "name", 1},
    {NULL, NULL, NULL, 0},
};
