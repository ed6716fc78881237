/* engine/safetensors.c: the header read into a table, every number checked against the file. */
#include "engine/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are used as they lie in the file");

enum { LENGTH_BYTES = 8, HEADER_DEPTH_MAX = 8 };

static const struct {
    const char *name;
    unsigned bits;
} types[ENGINE_DTYPE_COUNT] = {
    [ENGINE_DTYPE_BOOL] = {"BOOL", 8},
    [ENGINE_DTYPE_U8] = {"U8", 8},
    [ENGINE_DTYPE_I8] = {"I8", 8},
    [ENGINE_DTYPE_I16] = {"I16", 16},
    [ENGINE_DTYPE_U16] = {"U16", 16},
    [ENGINE_DTYPE_I32] = {"I32", 32},
    [ENGINE_DTYPE_U32] = {"U32", 32},
    [ENGINE_DTYPE_I64] = {"I64", 64},
    [ENGINE_DTYPE_U64] = {"U64", 64},
    [ENGINE_DTYPE_F16] = {"F16", 16},
    [ENGINE_DTYPE_BF16] = {"BF16", 16},
    [ENGINE_DTYPE_F32] = {"F32", 32},
    [ENGINE_DTYPE_F64] = {"F64", 64},
    [ENGINE_DTYPE_C64] = {"C64", 64},
    [ENGINE_DTYPE_F8_E4M3] = {"F8_E4M3", 8},
    [ENGINE_DTYPE_F8_E5M2] = {"F8_E5M2", 8},
    [ENGINE_DTYPE_F8_E8M0] = {"F8_E8M0", 8},
    [ENGINE_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [ENGINE_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [ENGINE_DTYPE_F4] = {"F4", 4},
    [ENGINE_DTYPE_F6_E2M3] = {"F6_E2M3", 6},
    [ENGINE_DTYPE_F6_E3M2] = {"F6_E3M2", 6},
};

const char *engine_dtype_name(engine_dtype type)
{
    return (unsigned)type < ENGINE_DTYPE_COUNT ? types[type].name : "unknown";
}

unsigned engine_dtype_bits(engine_dtype type)
{
    return (unsigned)type < ENGINE_DTYPE_COUNT ? types[type].bits : 0;
}

typedef struct metadata_item {
    const char *key;
    bytes_view value;
} metadata_item;

struct engine_safetensors {
    arena memory; /* all that the tables point to */
    engine_safetensor *tensors;
    size_t count;
    const engine_safetensor **by_name;
    metadata_item *metadata;
    size_t metadata_count;
    bytes_view data; /* after the header */
};

/* ---- one entry of the header ---- */

typedef struct entry {
    const json_node *type, *shape, *offsets;
} entry;

/* The three fields of a tensor, each exactly once; others are ignored as other readers do. */
static err entry_fields(const json_node *node, const char *name, entry *out)
{
    if (!json_is(node, JSON_OBJECT))
        return err_make(ERR_FORMAT, "tensor %s: is %s, expected an object", name, json_type_name(node->type));
    struct {
        const char *key;
        const json_node **to;
        json_type type;
    } fields[] = {
        {"dtype", &out->type, JSON_STRING},
        {"shape", &out->shape, JSON_ARRAY},
        {"data_offsets", &out->offsets, JSON_ARRAY},
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        for (const json_node *item = json_first(node); item; item = item->next) {
            if (!bytes_view_is(item->key, fields[i].key)) continue;
            if (*fields[i].to) return err_make(ERR_FORMAT, "tensor %s: %s stands twice", name, fields[i].key);
            *fields[i].to = item;
        }
        const json_node *found = *fields[i].to;
        if (!found) return err_make(ERR_FORMAT, "tensor %s: %s is missing", name, fields[i].key);
        if (!json_is(found, fields[i].type))
            return err_make(ERR_FORMAT, "tensor %s: %s is %s, expected %s", name, fields[i].key,
                            json_type_name(found->type), json_type_name(fields[i].type));
    }
    return ERR_OK;
}

/* A whole number from 0 to INT64_MAX, written as digits alone. */
static bool whole_read(const json_node *node, uint64_t *out)
{
    if (!json_is(node, JSON_NUMBER)) return false;
    for (size_t i = 0; i < node->text.size; i++)
        if (node->text.data[i] < '0' || node->text.data[i] > '9') return false;
    int64_t value = json_int(node, -1);
    *out = (uint64_t)value;
    return value >= 0;
}

static err entry_type(const json_node *node, engine_safetensor *t)
{
    for (int i = 0; i < ENGINE_DTYPE_COUNT; i++) {
        if (!bytes_view_is(json_text(node), types[i].name)) continue;
        t->type = (engine_dtype)i;
        return ERR_OK;
    }
    bytes_view text = json_text(node);
    return err_make(ERR_UNSUPPORTED, "tensor %s: unknown dtype \"%.*s\"", t->name,
                    (int)MIN_OF(text.size, 40u), text.data);
}

static err entry_shape(const json_node *node, arena *memory, engine_safetensor *t)
{
    if (json_count(node) > ENGINE_SAFETENSORS_RANK_MAX)
        return err_make(ERR_LIMIT, "tensor %s: %zu dimensions, the limit is %d", t->name, json_count(node),
                        ENGINE_SAFETENSORS_RANK_MAX);
    int64_t *shape = arena_array(memory, int64_t, json_count(node));
    t->count = 1;
    for (const json_node *item = json_first(node); item; item = item->next) {
        uint64_t size;
        if (!whole_read(item, &size))
            return err_make(ERR_FORMAT, "tensor %s: a size in shape is no whole number from 0 on", t->name);
        if (__builtin_mul_overflow(t->count, size, &t->count))
            return err_make(ERR_FORMAT, "tensor %s: its shape has more than 2^64 elements", t->name);
        shape[t->rank++] = (int64_t)size;
    }
    t->shape = shape;
    return ERR_OK;
}

/* Bytes that type and shape ask for. */
static err entry_bytes(const engine_safetensor *t, uint64_t *out)
{
    uint64_t bits;
    if (__builtin_mul_overflow(t->count, (uint64_t)types[t->type].bits, &bits))
        return err_make(ERR_FORMAT, "tensor %s: its shape has more than 2^64 bits", t->name);
    if (bits % 8 != 0)
        return err_make(ERR_FORMAT, "tensor %s: %llu bits of %s do not fill whole bytes", t->name,
                        (unsigned long long)bits, types[t->type].name);
    *out = bits / 8;
    return ERR_OK;
}

static err entry_data(const json_node *node, bytes_view data, engine_safetensor *t)
{
    uint64_t begin, end, wanted = 0;
    const json_node *first = json_first(node);
    if (json_count(node) != 2 || !whole_read(first, &begin) || !whole_read(first->next, &end))
        return err_make(ERR_FORMAT, "tensor %s: data_offsets are not two whole numbers from 0 on", t->name);
    err e = entry_bytes(t, &wanted);
    if (e.code) return e;
    if (end < begin || end - begin != wanted)
        return err_make(ERR_FORMAT, "tensor %s: data_offsets [%llu, %llu], expected %llu bytes for its shape",
                        t->name, (unsigned long long)begin, (unsigned long long)end,
                        (unsigned long long)wanted);
    if (end > data.size)
        return err_make(ERR_FORMAT, "tensor %s: ends at byte %llu of the data, but the file has only %zu",
                        t->name, (unsigned long long)end, data.size);
    t->data = (bytes_view){data.data + begin, (size_t)wanted};
    return ERR_OK;
}

/* ---- the whole header ---- */

static err text_keep(arena *memory, bytes_view text, const char **out)
{
    if (text.size && memchr(text.data, 0, text.size))
        return err_make(ERR_FORMAT, "a name in the header holds a NUL");
    *out = arena_text_n(memory, text.data, text.size);
    return ERR_OK;
}

static err metadata_read(engine_safetensors *st, const json_node *node)
{
    if (!json_is(node, JSON_OBJECT))
        return err_make(ERR_FORMAT, "__metadata__ is %s, expected an object", json_type_name(node->type));
    st->metadata = arena_array(&st->memory, metadata_item, json_count(node));
    for (const json_node *item = json_first(node); item; item = item->next) {
        metadata_item *to = &st->metadata[st->metadata_count];
        err e = text_keep(&st->memory, item->key, &to->key);
        if (e.code) return e;
        if (!json_is(item, JSON_STRING))
            return err_make(ERR_FORMAT, "__metadata__: %s is %s, expected a string", to->key,
                            json_type_name(item->type));
        bytes_view text = json_text(item);
        to->value = (bytes_view){arena_text_n(&st->memory, text.data, text.size), text.size};
        st->metadata_count++;
    }
    return ERR_OK;
}

static err tensor_read(engine_safetensors *st, const json_node *node)
{
    engine_safetensor *t = &st->tensors[st->count];
    entry fields = {0};
    err e = text_keep(&st->memory, node->key, &t->name);
    if (!e.code) e = entry_fields(node, t->name, &fields);
    if (!e.code) e = entry_type(fields.type, t);
    if (!e.code) e = entry_shape(fields.shape, &st->memory, t);
    if (!e.code) e = entry_data(fields.offsets, st->data, t);
    if (!e.code) st->count++;
    return e;
}

static err entries_read(engine_safetensors *st, const json_node *root, arena *scratch)
{
    if (json_count(root) > ENGINE_SAFETENSORS_COUNT_MAX)
        return err_make(ERR_LIMIT, "%zu tensors, the limit is %d", json_count(root),
                        ENGINE_SAFETENSORS_COUNT_MAX);
    bytes_view twice = json_duplicate_key(root, scratch);
    if (twice.data)
        return err_make(ERR_FORMAT, "%.*s stands twice in the header", (int)MIN_OF(twice.size, 200u),
                        twice.data);
    st->tensors = arena_array(&st->memory, engine_safetensor, json_count(root));
    err e = ERR_OK;
    for (const json_node *item = json_first(root); !e.code && item; item = item->next)
        e = bytes_view_is(item->key, "__metadata__") ? metadata_read(st, item) : tensor_read(st, item);
    return e;
}

static int name_compare(const void *a, const void *b)
{
    const engine_safetensor *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* By place in the file; of those that begin together, the empty ones first. */
static int data_compare(const void *a, const void *b)
{
    const engine_safetensor *const *left = a, *const *right = b;
    const char *l = (*left)->data.data, *r = (*right)->data.data;
    if (l != r) return l < r ? -1 : 1;
    return ((*left)->data.size > (*right)->data.size) - ((*left)->data.size < (*right)->data.size);
}

/* The tensors cover the data area exactly: no hole, no overlap, nothing after the last. */
static err tiling_check(const engine_safetensors *st, const engine_safetensor **by_place)
{
    if (st->count) qsort(by_place, st->count, sizeof(engine_safetensor *), data_compare);
    size_t end = 0;
    for (size_t i = 0; i < st->count; i++) {
        const engine_safetensor *t = by_place[i];
        size_t begin = (size_t)(t->data.data - st->data.data);
        if (begin != end)
            return err_make(ERR_FORMAT, "tensor %s: begins at byte %zu of the data, expected %zu (%s)",
                            t->name, begin, end, begin > end ? "a hole" : "an overlap");
        end = begin + t->data.size;
    }
    if (end != st->data.size)
        return err_make(ERR_FORMAT, "%zu bytes follow the last tensor", st->data.size - end);
    return ERR_OK;
}

/* The header's JSON and the data area after it. */
static err header_find(bytes_view file, bytes_view *header, bytes_view *data)
{
    if (file.size < LENGTH_BYTES)
        return err_make(ERR_FORMAT,
                        "%zu bytes, too short for a safetensors file (8 bytes of length at least)",
                        file.size);
    uint64_t size;
    memcpy(&size, file.data, sizeof size);
    if (size > ENGINE_SAFETENSORS_HEADER_BYTES_MAX)
        return err_make(ERR_LIMIT, "a header of %llu bytes, the limit is %d: is this a safetensors file?",
                        (unsigned long long)size, ENGINE_SAFETENSORS_HEADER_BYTES_MAX);
    if (size > file.size - LENGTH_BYTES)
        return err_make(ERR_FORMAT,
                        "the header should have %llu bytes, but only %zu follow; the file is cut off",
                        (unsigned long long)size, file.size - LENGTH_BYTES);
    *header = (bytes_view){file.data + LENGTH_BYTES, (size_t)size};
    *data = (bytes_view){header->data + size, file.size - LENGTH_BYTES - (size_t)size};
    return ERR_OK;
}

static err parse(engine_safetensors *st, bytes_view file, arena *scratch)
{
    bytes_view header;
    const json_node *root = NULL;
    err e = header_find(file, &header, &st->data);
    if (e.code) return e;
    e = json_parse(header, HEADER_DEPTH_MAX, scratch, &root);
    if (e.code) return err_note(e, "the header is no JSON");
    if (!json_is(root, JSON_OBJECT))
        return err_make(ERR_FORMAT, "the header is %s, expected an object", json_type_name(root->type));
    e = entries_read(st, root, scratch);
    if (e.code) return e;
    st->by_name = arena_array(&st->memory, const engine_safetensor *, st->count);
    for (size_t i = 0; i < st->count; i++) st->by_name[i] = &st->tensors[i];
    e = tiling_check(st, st->by_name);
    if (!e.code && st->count) qsort(st->by_name, st->count, sizeof *st->by_name, name_compare);
    return e;
}

err engine_safetensors_parse(bytes_view file, engine_safetensors **out)
{
    engine_safetensors *st = memory_alloc(sizeof *st);
    arena scratch = {0};
    err e = parse(st, file, &scratch);
    arena_free(&scratch);
    if (e.code)
        engine_safetensors_free(st);
    else
        *out = st;
    return e;
}

void engine_safetensors_free(engine_safetensors *st)
{
    if (!st) return;
    arena_free(&st->memory);
    free(st);
}

/* ---- reading the table ---- */

size_t engine_safetensors_count(const engine_safetensors *st) { return st->count; }

const engine_safetensor *engine_safetensors_borrow(const engine_safetensors *st, size_t i)
{
    return &st->tensors[i];
}

const engine_safetensor *engine_safetensors_find(const engine_safetensors *st, const char *name)
{
    engine_safetensor wanted = {.name = name};
    const engine_safetensor *key = &wanted, *const *found = NULL;
    if (st->count) found = bsearch(&key, st->by_name, st->count, sizeof *st->by_name, name_compare);
    return found ? *found : NULL;
}

bytes_view engine_safetensors_metadata(const engine_safetensors *st, const char *key)
{
    for (size_t i = st->metadata_count; i-- > 0;)
        if (strcmp(st->metadata[i].key, key) == 0) return st->metadata[i].value;
    return (bytes_view){"", 0};
}

uint64_t engine_safetensors_data_bytes(const engine_safetensors *st) { return st->data.size; }

void engine_shape_print(const int64_t *shape, unsigned rank, bytes *out)
{
    bytes_append_byte(out, '[');
    for (unsigned i = 0; i < rank; i++) bytes_printf(out, i ? ", %lld" : "%lld", (long long)shape[i]);
    bytes_append_byte(out, ']');
}
