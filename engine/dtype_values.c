#include "engine/dtype_values.h"

#include <math.h>
#include <string.h>

/* Sign, exponent, mantissa, from the top; exponent bits all set mean infinity and NaN. */
static double small_float(uint32_t bits, int exponent_bits, int mantissa_bits)
{
    uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    uint32_t exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1);
    double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;
    int bias = (1 << (exponent_bits - 1)) - 1;

    if (exponent == (1u << exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp(mantissa | 1u << mantissa_bits, (int)exponent - bias - mantissa_bits);
}

/* E4M3 has no infinity: only all ones is NaN. */
static double e4m3(uint8_t bits)
{
    if ((bits & 0x7f) == 0x7f) return NAN;
    if ((bits & 0x78) != 0x78) return small_float(bits, 4, 3);
    return (bits & 0x80 ? -1 : 1) * ldexp(8 | (bits & 7), 15 - 7 - 3);
}

#define EACH(type, expression)                                                                               \
    do {                                                                                                     \
        const char *at = data.data + begin * sizeof(type);                                                   \
        for (size_t i = 0; i < count; i++, at += sizeof(type)) {                                             \
            type value;                                                                                      \
            memcpy(&value, at, sizeof value);                                                                \
            out[i] = (expression);                                                                           \
        }                                                                                                    \
    } while (0)

static double bf16(uint16_t value)
{
    uint32_t bits = (uint32_t)value << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

bool engine_dtype_has_values(engine_dtype type)
{
    return type <= ENGINE_DTYPE_F64 || type == ENGINE_DTYPE_F8_E4M3 || type == ENGINE_DTYPE_F8_E5M2;
}

void engine_dtype_values(engine_dtype type, bytes_view data, uint64_t begin, size_t count, double *out)
{
    switch (type) {
    case ENGINE_DTYPE_BOOL:
    case ENGINE_DTYPE_U8: EACH(uint8_t, value); break;
    case ENGINE_DTYPE_I8: EACH(int8_t, value); break;
    case ENGINE_DTYPE_I16: EACH(int16_t, value); break;
    case ENGINE_DTYPE_U16: EACH(uint16_t, value); break;
    case ENGINE_DTYPE_I32: EACH(int32_t, value); break;
    case ENGINE_DTYPE_U32: EACH(uint32_t, value); break;
    case ENGINE_DTYPE_I64: EACH(int64_t, (double)value); break;
    case ENGINE_DTYPE_U64: EACH(uint64_t, (double)value); break;
    case ENGINE_DTYPE_F16: EACH(uint16_t, small_float(value, 5, 10)); break;
    case ENGINE_DTYPE_BF16: EACH(uint16_t, bf16(value)); break;
    case ENGINE_DTYPE_F32: EACH(float, value); break;
    case ENGINE_DTYPE_F64: EACH(double, value); break;
    case ENGINE_DTYPE_F8_E4M3: EACH(uint8_t, e4m3(value)); break;
    case ENGINE_DTYPE_F8_E5M2: EACH(uint8_t, small_float(value, 5, 2)); break;
    default: break;
    }
}

/* All ones where the exponent stands. Counted without a way out, so that the compiler takes many at once. */
bool engine_dtype_all_finite(engine_dtype type, bytes_view data)
{
    const uint32_t wide = 0x7f800000;
    const uint16_t narrow = type == ENGINE_DTYPE_F16 ? 0x7c00 : 0x7f80;
    size_t odd = 0, unit = type == ENGINE_DTYPE_F32 ? sizeof wide : sizeof narrow;
    for (size_t i = 0; i < data.size / unit && type == ENGINE_DTYPE_F32; i++) {
        uint32_t bits;
        memcpy(&bits, data.data + i * sizeof bits, sizeof bits);
        odd += (bits & wide) == wide;
    }
    for (size_t i = 0; i < data.size / unit && type != ENGINE_DTYPE_F32; i++) {
        uint16_t bits;
        memcpy(&bits, data.data + i * sizeof bits, sizeof bits);
        odd += (bits & narrow) == narrow;
    }
    return odd == 0;
}
