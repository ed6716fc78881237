#include "engine/safetensors_write.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { ALIGNMENT = 8 };

static int out_compare(const void *a, const void *b)
{
    const engine_safetensor_out *x = a, *y = b;
    unsigned x_bits = engine_dtype_bits(x->type), y_bits = engine_dtype_bits(y->type);
    if (x_bits != y_bits) return x_bits < y_bits ? 1 : -1;
    return strcmp(x->name, y->name);
}

void engine_safetensors_sort(engine_safetensor_out *tensors, size_t count)
{
    if (count) qsort(tensors, count, sizeof *tensors, out_compare);
}

static uint64_t size_of(const engine_safetensor_out *t)
{
    uint64_t count = 1;
    for (unsigned i = 0; i < t->rank; i++) count *= (uint64_t)t->shape[i];
    return (count * engine_dtype_bits(t->type) + 7) / 8;
}

static void entry_append(bytes *out, const engine_safetensor_out *t, uint64_t begin)
{
    bytes_append_byte(out, ',');
    json_append_string(out, bytes_view_of(t->name));
    bytes_printf(out, ":{\"dtype\":\"%s\",\"shape\":[", engine_dtype_name(t->type));
    for (unsigned i = 0; i < t->rank; i++) bytes_printf(out, "%s%lld", i ? "," : "", (long long)t->shape[i]);
    bytes_printf(out, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)begin,
                 (unsigned long long)(begin + size_of(t)));
}

void engine_safetensors_header(const engine_safetensor_out *tensors, size_t count, bytes *out)
{
    CLEANUP(bytes_free) bytes json = {0};
    uint64_t at = 0;

    bytes_append_text(&json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < count; i++) {
        entry_append(&json, &tensors[i], at);
        at += size_of(&tensors[i]);
    }
    bytes_append_byte(&json, '}');
    while (json.size % ALIGNMENT) bytes_append_byte(&json, ' ');
    uint64_t size = json.size;
    for (unsigned i = 0; i < sizeof size; i++) bytes_append_byte(out, (char)(size >> (8 * i) & 0xff));
    bytes_append_view(out, bytes_borrow(&json));
}

void engine_safetensors_write(const engine_safetensor_out *tensors, size_t count, bytes *out)
{
    engine_safetensors_header(tensors, count, out);
    for (size_t i = 0; i < count; i++) {
        assert(tensors[i].data.size == size_of(&tensors[i]));
        bytes_append_view(out, tensors[i].data);
    }
}
