/* Methods of list, tuple and dict. The sandbox of jinja2 refuses those that change something; here they work
 * on what the render owns, so that templates written for laxer engines render too. */
#include <string.h>

#include "engine/text/jinja/render.h"

static size_t find(jinja_render *r, const jinja_list *l, jinja_value wanted)
{
    for (size_t i = 0; i < l->count; i++)
        if (jinja_equal(r, jinja_list_at(l, i), wanted)) return i;
    return SIZE_MAX;
}

static jinja_value m_index(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    size_t found = find(r, self.list, given->positional[0]);
    if (found == SIZE_MAX) jinja_fail(r, ERR_FORMAT, "index(): not in the list");
    return jinja_int((int64_t)found);
}

static jinja_value m_count(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t count = 0;
    for (size_t i = 0; i < self.list->count; i++)
        count += jinja_equal(r, jinja_list_at(self.list, i), given->positional[0]);
    return jinja_int(count);
}

static jinja_value m_append(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    jinja_list_push(r, self.list, given->positional[0]);
    return jinja_none;
}

static jinja_value m_extend(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    jinja_list_append(r, self.list, jinja_walk(r, given->positional[0]));
    return jinja_none;
}

/* The list without `removed` elements at `at`, and with `put` there when it is not absent. */
static void list_rebuild(jinja_render *r, jinja_list *l, size_t at, size_t removed, jinja_value put)
{
    jinja_list *rebuilt = jinja_list_new(r);
    jinja_list_append(r, rebuilt, jinja_list_part(r, l, 0, at));
    if (put.type != JINJA_ABSENT) jinja_list_push(r, rebuilt, put);
    jinja_list_append(r, rebuilt, jinja_list_part(r, l, at + removed, l->count - at - removed));
    *l = *rebuilt;
}

static jinja_value m_insert(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t count = (int64_t)self.list->count,
            at = jinja_want_int(r, given->positional[0], 0, "the place of insert()");
    if (at < 0) at = at < -count ? 0 : at + count;
    list_rebuild(r, self.list, (size_t)MIN_OF(at, count), 0, given->positional[1]);
    return jinja_none;
}

static jinja_value m_pop(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    int64_t count = (int64_t)self.list->count,
            at = jinja_want_int(r, given->positional[0], -1, "the place of pop()");
    if (at < 0) at += count;
    if (at < 0 || at >= count) jinja_fail(r, ERR_FORMAT, "pop(): no such element");
    jinja_value v = jinja_list_at(self.list, (size_t)at);
    if (at + 1 == count)
        self.list->count--;
    else
        list_rebuild(r, self.list, (size_t)at, 1, jinja_absent);
    return v;
}

static jinja_value m_copy(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    return jinja_list_value(jinja_list_part(r, self.list, 0, self.list->count));
}

const jinja_row jinja_list_methods[] = {
    {"index", m_index, "value", 1},
    {"count", m_count, "value", 1},
    {"append", m_append, "object", 1},
    {"extend", m_extend, "iterable", 1},
    {"insert", m_insert, "index object", 2},
    {"pop", m_pop, "index", 0},
    {"copy", m_copy, "", 0},
    {NULL, NULL, NULL, 0},
};
const jinja_row jinja_tuple_methods[] = {
    {"index", m_index, "value", 1}, {"count", m_count, "value", 1}, {NULL, NULL, NULL, 0}};

/* ---- dict ---- */

static jinja_value view(jinja_render *r, jinja_list *l, const char *name)
{
    jinja_stream *s = jinja_new(r, jinja_stream);
    *s = (jinja_stream){l, name, false, false};
    return (jinja_value){JINJA_STREAM, {.stream = s}};
}

static jinja_value m_keys(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < self.dict->count; i++) jinja_list_push(r, l, self.dict->entries[i].key);
    return view(r, l, "dict_keys");
}

static jinja_value m_values(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < self.dict->count; i++) jinja_list_push(r, l, self.dict->entries[i].value);
    return view(r, l, "dict_values");
}

static jinja_value m_items(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_list *l = jinja_list_new(r);
    for (size_t i = 0; i < self.dict->count; i++)
        jinja_list_push(r, l, jinja_pair(r, self.dict->entries[i].key, self.dict->entries[i].value));
    return view(r, l, "dict_items");
}

static jinja_value m_get(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *found = jinja_dict_get(r, self.dict, given->positional[0]);
    if (found) return *found;
    return given->positional[1].type == JINJA_ABSENT ? jinja_none : given->positional[1];
}

static jinja_value m_dict_pop(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *found = jinja_dict_get(r, self.dict, given->positional[0]);
    if (!found && given->positional[1].type == JINJA_ABSENT) jinja_fail(r, ERR_FORMAT, "pop(): no such key");
    jinja_value v = found ? *found : given->positional[1];
    jinja_dict_remove(r, self.dict, given->positional[0]);
    return v;
}

static jinja_value m_setdefault(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    const jinja_value *found = jinja_dict_get(r, self.dict, given->positional[0]);
    if (found) return *found;
    jinja_value v = given->positional[1].type == JINJA_ABSENT ? jinja_none : given->positional[1];
    jinja_dict_set(r, self.dict, given->positional[0], v);
    return v;
}

static void dict_merge(jinja_render *r, jinja_dict *d, const jinja_dict *more)
{
    for (size_t i = 0; i < more->count; i++)
        jinja_dict_set(r, d, more->entries[i].key, more->entries[i].value);
}

/* update({...}), update(a=1): dict() makes one of the same arguments. */
static jinja_value m_update(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    if (given->count > 1) jinja_fail(r, ERR_FORMAT, "update() takes one dict and named values");
    if (given->count && given->positional[0].type != JINJA_DICT)
        jinja_fail(r, ERR_FORMAT, "update() wants a dict, not %s", jinja_type_name(given->positional[0]));
    if (given->count) dict_merge(r, self.dict, given->positional[0].dict);
    for (size_t i = 0; i < given->named_count; i++)
        jinja_dict_set(r, self.dict, jinja_text(r, given->names[i], 0), given->named[i]);
    return jinja_none;
}

static jinja_value m_dict_copy(jinja_render *r, jinja_value self, const jinja_arguments *given)
{
    (void)given;
    jinja_dict *d = jinja_dict_new(r);
    dict_merge(r, d, self.dict);
    return (jinja_value){JINJA_DICT, {.dict = d}};
}

const jinja_row jinja_dict_methods[] = {
    {"items", m_items, "", 0},
    {"keys", m_keys, "", 0},
    {"values", m_values, "", 0},
    {"get", m_get, "key default", 1},
    {"pop", m_dict_pop, "key default", 1},
    {"setdefault", m_setdefault, "key default", 1},
    {"update", m_update, NULL, 0},
    {"copy", m_dict_copy, "", 0},
    {NULL, NULL, NULL, 0},
};
