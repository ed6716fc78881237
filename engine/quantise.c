/* engine/quantise.c: int8 per row, nf4 per block. */
#include "engine/quantise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

struct engine_quantised {
    engine_quantised_kind kind;
    size_t out, in;
    float *scales;   /* int8: [out], nf4: one per block */
    uint8_t *values; /* int8: [out, in] as int8_t, nf4: two to a byte */
};

static const float nf4_table[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

static size_t ceil_div(size_t a, size_t b) { return a / b + (a % b != 0); }

static size_t scale_count(const engine_quantised *q)
{
    return q->kind == ENGINE_INT8 ? q->out : ceil_div(q->out * q->in, ENGINE_NF4_BLOCK);
}

static size_t value_bytes(const engine_quantised *q)
{
    return q->kind == ENGINE_INT8 ? q->out * q->in : ceil_div(q->out * q->in, 2);
}

static float value_at(const void *weight, size_t i, kernel_type type)
{
    if (type == KERNEL_F32) return ((const float *)weight)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)weight)[i] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Largest |w| of elements [begin, end). */
static float largest(const void *weight, kernel_type type, size_t begin, size_t end)
{
    float most = 0;
    for (size_t i = begin; i < end; i++) most = fmaxf(most, fabsf(value_at(weight, i, type)));
    return most;
}

static void pack_int8(engine_quantised *q, const void *weight, kernel_type type)
{
    for (size_t row = 0; row < q->out; row++) {
        size_t begin = row * q->in, end = begin + q->in;
        float scale = q->scales[row] = largest(weight, type, begin, end) / 127;
        for (size_t i = begin; i < end; i++) {
            /* A scale among the smallest numbers is itself rounded, and then the quotient may pass 127. */
            float value = scale > 0 ? rintf(value_at(weight, i, type) / scale) : 0;
            q->values[i] = (uint8_t)(int8_t)fmaxf(-127, fminf(127, value));
        }
    }
}

/* The nearest entry of the table; halfway goes to the lower. */
static unsigned nf4_index(float value)
{
    unsigned index = 0;
    for (unsigned i = 1; i < COUNT_OF(nf4_table); i++) index += value > (nf4_table[i - 1] + nf4_table[i]) / 2;
    return index;
}

static void pack_nf4(engine_quantised *q, const void *weight, kernel_type type)
{
    size_t total = q->out * q->in;
    for (size_t begin = 0; begin < total; begin += ENGINE_NF4_BLOCK) {
        size_t end = MIN_OF(begin + ENGINE_NF4_BLOCK, total);
        float most = q->scales[begin / ENGINE_NF4_BLOCK] = largest(weight, type, begin, end);
        for (size_t i = begin; i < end; i++) {
            float value = most > 0 ? value_at(weight, i, type) / most : 0;
            q->values[i / 2] |= (uint8_t)(nf4_index(value) << (i % 2 ? 0 : 4));
        }
    }
}

static err check_finite(const void *weight, kernel_type type, size_t out, size_t in)
{
    for (size_t i = 0; i < out * in; i++)
        if (!isfinite(value_at(weight, i, type)))
            return err_make(ERR_FORMAT,
                            "row %zu of a weight holds a value that is not finite; it cannot be quantised",
                            i / in);
    return ERR_OK;
}

err engine_quantised_new(engine_quantised_kind kind, const void *weight, kernel_type type, size_t out,
                         size_t in, engine_quantised **q)
{
    *q = NULL;
    err e = check_finite(weight, type, out, in);
    if (e.code) return e;
    engine_quantised *made = memory_alloc(sizeof *made);
    *made = (engine_quantised){.kind = kind, .out = out, .in = in};
    made->scales = memory_alloc(scale_count(made) * sizeof *made->scales);
    made->values = calloc(value_bytes(made), 1);
    if (!made->values) {
        e = err_make(ERR_MEMORY, "no memory for a quantised weight of %zu bytes", value_bytes(made));
        engine_quantised_free(made);
        return e;
    }
    if (kind == ENGINE_INT8)
        pack_int8(made, weight, type);
    else
        pack_nf4(made, weight, type);
    *q = made;
    return e;
}

void engine_quantised_free(engine_quantised *q)
{
    if (!q) return;
    free(q->scales);
    free(q->values);
    free(q);
}

size_t engine_quantised_outputs(const engine_quantised *q) { return q->out; }
size_t engine_quantised_inputs(const engine_quantised *q) { return q->in; }

size_t engine_quantised_bytes(const engine_quantised *q)
{
    return scale_count(q) * sizeof *q->scales + value_bytes(q);
}

/* Values of the same factor one after another; they are finite, so that rounding needs no care. */
static void put(float value, void *to, size_t i, kernel_type type)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (type == KERNEL_F32)
        ((float *)to)[i] = value;
    else
        ((uint16_t *)to)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static void expand_int8(const int8_t *values, float scale, size_t count, kernel_type type, void *to)
{
    if (type == KERNEL_F32)
        for (size_t i = 0; i < count; i++) put((float)values[i] * scale, to, i, KERNEL_F32);
    else
        for (size_t i = 0; i < count; i++) put((float)values[i] * scale, to, i, KERNEL_BF16);
}

/* Elements [begin, end) of one block, to to[0] and on. */
static void expand_nf4(const engine_quantised *q, size_t begin, size_t end, kernel_type type, void *to)
{
    float scale = q->scales[begin / ENGINE_NF4_BLOCK], table[16];
    for (size_t i = 0; i < COUNT_OF(table); i++) put(nf4_table[i] * scale, table, i, type);
    const uint16_t *narrow = (const uint16_t *)(const void *)table;
    for (size_t i = begin; i < end; i++) {
        unsigned index = i % 2 ? q->values[i / 2] & 15u : q->values[i / 2] >> 4;
        if (type == KERNEL_F32)
            ((float *)to)[i - begin] = table[index];
        else
            ((uint16_t *)to)[i - begin] = narrow[index];
    }
}

void engine_quantised_expand(const engine_quantised *q, size_t begin, size_t count, kernel_type type,
                             void *to)
{
    size_t unit = type == KERNEL_F32 ? sizeof(float) : sizeof(uint16_t);
    char *at = to;
    if (q->kind == ENGINE_INT8) {
        const int8_t *values = (const int8_t *)q->values;
        for (size_t row = begin; row < begin + count; row++, at += q->in * unit)
            expand_int8(values + row * q->in, q->scales[row], q->in, type, at);
        return;
    }
    for (size_t i = begin * q->in, end = (begin + count) * q->in, next; i < end; i = next) {
        next = MIN_OF((i / ENGINE_NF4_BLOCK + 1) * ENGINE_NF4_BLOCK, end);
        expand_nf4(q, i, next, type, at);
        at += (next - i) * unit;
    }
}
