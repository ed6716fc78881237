/* Lists, dicts and the small constructors. */
#include "engine/text/jinja/value.h"

#include <string.h>

#include "engine/text/jinja/render.h"

enum { DICT_INDEXED_FROM = 9 }; /* below, looking at each key is quicker */

const jinja_value jinja_none = {JINJA_NONE, {0}}, jinja_absent = {JINJA_ABSENT, {0}};

jinja_value jinja_bool(bool truth) { return (jinja_value){JINJA_BOOL, {.truth = truth}}; }
jinja_value jinja_int(int64_t integer) { return (jinja_value){JINJA_INT, {.integer = integer}}; }
jinja_value jinja_float(double number) { return (jinja_value){JINJA_FLOAT, {.number = number}}; }

jinja_value jinja_wide(jinja_render *r, __int128 integer)
{
    if (integer >= INT64_MIN && integer <= INT64_MAX) return jinja_int((int64_t)integer);
    char digits[48], *at = digits + sizeof digits;
    unsigned __int128 rest = integer < 0 ? -(unsigned __int128)integer : (unsigned __int128)integer;
    for (; rest; rest /= 10) *--at = (char)('0' + (int)(rest % 10));
    if (integer < 0) *--at = '-';
    jinja_buffer *b = jinja_buffer_new(r);
    jinja_buffer_append(r, b, (bytes_view){at, (size_t)(digits + sizeof digits - at)}, 0);
    jinja_value v = jinja_taken(r, b);
    v.type = JINJA_BIG;
    return v;
}

jinja_value jinja_undefined(jinja_render *r, const char *owner, bytes_view name)
{
    jinja_missing *missing = jinja_new(r, jinja_missing);
    *missing = (jinja_missing){owner, name};
    return (jinja_value){JINJA_UNDEFINED, {.missing = missing}};
}

/* ---- lists ---- */

jinja_list *jinja_list_new(jinja_render *r)
{
    struct both {
        jinja_list list;
        jinja_items items;
    } *b = jinja_new(r, struct both);
    b->list.items = &b->items;
    return &b->list;
}

static void items_reserve(jinja_render *r, jinja_items *items, size_t more)
{
    if (items->used + more <= items->capacity) return;
    size_t capacity = MAX_OF(items->capacity * 2, MAX_OF(items->used + more, (size_t)4));
    jinja_value *data = jinja_alloc(r, capacity * sizeof *data);
    if (items->used) memcpy(data, items->data, items->used * sizeof *data);
    items->data = data;
    items->capacity = capacity;
}

/* Others may see the items up to `used`; a list that ends before gets its own. */
static void list_open(jinja_render *r, jinja_list *l, size_t more)
{
    if (l->begin + l->count != l->items->used) {
        jinja_items *own = jinja_new(r, jinja_items);
        items_reserve(r, own, l->count + more);
        if (l->count) memcpy(own->data, l->items->data + l->begin, l->count * sizeof *own->data);
        own->used = l->count;
        l->items = own;
        l->begin = 0;
    }
    items_reserve(r, l->items, more);
}

void jinja_list_push(jinja_render *r, jinja_list *l, jinja_value v)
{
    jinja_steps(r, 1);
    list_open(r, l, 1);
    l->items->data[l->items->used++] = v;
    l->count++;
}

void jinja_list_append(jinja_render *r, jinja_list *l, const jinja_list *more)
{
    size_t count = more->count; /* l and more may be one */
    for (size_t i = 0; i < count; i++) jinja_list_push(r, l, jinja_list_at(more, i));
}

jinja_value jinja_list_at(const jinja_list *l, size_t i) { return l->items->data[l->begin + i]; }

jinja_list *jinja_list_part(jinja_render *r, const jinja_list *l, size_t begin, size_t count)
{
    jinja_list *part = jinja_new(r, jinja_list);
    *part = (jinja_list){l->items, l->begin + begin, count};
    return part;
}

jinja_value jinja_list_value(jinja_list *l) { return (jinja_value){JINJA_LIST, {.list = l}}; }
jinja_value jinja_tuple_value(jinja_list *l) { return (jinja_value){JINJA_TUPLE, {.list = l}}; }

jinja_value jinja_pair(jinja_render *r, jinja_value a, jinja_value b)
{
    jinja_list *l = jinja_list_new(r);
    jinja_list_push(r, l, a);
    jinja_list_push(r, l, b);
    return jinja_tuple_value(l);
}

jinja_value jinja_generator(jinja_render *r, jinja_list *l)
{
    jinja_stream *s = jinja_new(r, jinja_stream);
    *s = (jinja_stream){l, "generator", true, false};
    return (jinja_value){JINJA_STREAM, {.stream = s}};
}

/* ---- dicts ---- */

static uint64_t bytes_hash(bytes_view text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < text.size; i++) hash = (hash ^ (unsigned char)text.data[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

/* Numbers that are equal hash alike, whatever their type. */
static uint64_t number_hash(double number)
{
    if (number == 0) number = 0; /* -0.0 */
    return bytes_hash((bytes_view){(const char *)&number, sizeof number});
}

static uint64_t value_hash(jinja_render *r, jinja_value v)
{
    switch (v.type) {
    case JINJA_STRING: return bytes_hash(jinja_string_view(v.string));
    case JINJA_BOOL:
    case JINJA_INT:
    case JINJA_BIG:
    case JINJA_FLOAT: return number_hash(jinja_as_double(v));
    case JINJA_LIST:
    case JINJA_DICT: jinja_fail(r, ERR_FORMAT, "a %s cannot be a key", jinja_type_name(v));
    case JINJA_TUPLE: {
        uint64_t hash = 1;
        jinja_enter(r);
        for (size_t i = 0; i < v.list->count; i++) hash = hash * 31 + value_hash(r, jinja_list_at(v.list, i));
        jinja_leave(r);
        return hash;
    }
    default: return v.type;
    }
}

jinja_dict *jinja_dict_new(jinja_render *r) { return jinja_new(r, jinja_dict); }

/* Number of the entry, or SIZE_MAX. *slot: where the index would name it. */
static size_t dict_find(jinja_render *r, const jinja_dict *d, jinja_value key, uint64_t hash, size_t *slot)
{
    if (!d->index) {
        for (size_t i = 0; i < d->count; i++)
            if (d->entries[i].hash == hash && jinja_equal(r, d->entries[i].key, key)) return i;
        return SIZE_MAX;
    }
    size_t at = hash & (d->index_size - 1);
    for (; d->index[at]; at = (at + 1) & (d->index_size - 1)) {
        jinja_steps(r, 1); /* keys made to collide cost their sender the render */
        const jinja_entry *e = &d->entries[d->index[at] - 1];
        if (e->hash == hash && jinja_equal(r, e->key, key)) return d->index[at] - 1;
    }
    *slot = at;
    return SIZE_MAX;
}

static void dict_reindex(jinja_render *r, jinja_dict *d)
{
    d->index = NULL;
    if (d->capacity < DICT_INDEXED_FROM) return;
    for (d->index_size = 16; d->index_size < d->capacity * 2;) d->index_size *= 2;
    d->index = jinja_alloc(r, d->index_size * sizeof *d->index);
    for (size_t i = 0; i < d->count; i++) {
        size_t at = d->entries[i].hash & (d->index_size - 1);
        while (d->index[at]) at = (at + 1) & (d->index_size - 1);
        d->index[at] = (uint32_t)(i + 1);
    }
}

void jinja_dict_set(jinja_render *r, jinja_dict *d, jinja_value key, jinja_value value)
{
    uint64_t hash = value_hash(r, key);
    size_t slot = 0, i = dict_find(r, d, key, hash, &slot);
    jinja_steps(r, 1);
    if (i != SIZE_MAX) {
        d->entries[i].value = value;
        return;
    }
    if (d->count == d->capacity) {
        d->capacity = d->capacity ? d->capacity * 2 : 4;
        jinja_entry *entries = jinja_alloc(r, d->capacity * sizeof *entries);
        if (d->count) memcpy(entries, d->entries, d->count * sizeof *entries);
        d->entries = entries;
        dict_reindex(r, d);
        (void)dict_find(r, d, key, hash, &slot);
    }
    d->entries[d->count++] = (jinja_entry){key, value, hash};
    if (d->index) d->index[slot] = (uint32_t)d->count;
}

void jinja_dict_set_text(jinja_render *r, jinja_dict *d, const char *key, jinja_value value)
{
    jinja_dict_set(r, d, jinja_text(r, bytes_view_of(key), 0), value);
}

const jinja_value *jinja_dict_get(jinja_render *r, const jinja_dict *d, jinja_value key)
{
    size_t slot, i = dict_find(r, d, key, value_hash(r, key), &slot);
    return i == SIZE_MAX ? NULL : &d->entries[i].value;
}

const jinja_value *jinja_dict_get_text(jinja_render *r, const jinja_dict *d, bytes_view key)
{
    jinja_buffer buffer = {.data = (char *)(uintptr_t)key.data, .used = key.size, .frozen = true};
    jinja_string string = {&buffer, 0, key.size};
    return jinja_dict_get(r, d, (jinja_value){JINJA_STRING, {.string = &string}});
}

void jinja_dict_remove(jinja_render *r, jinja_dict *d, jinja_value key)
{
    size_t slot, i = dict_find(r, d, key, value_hash(r, key), &slot);
    if (i == SIZE_MAX) return;
    jinja_steps(r, d->count);
    memmove(d->entries + i, d->entries + i + 1, (d->count - i - 1) * sizeof *d->entries);
    d->count--;
    dict_reindex(r, d);
}

void jinja_dict_clear(jinja_dict *d) { *d = (jinja_dict){0}; }
