// Loops over a row that several ops of a training pass share.
#include "engine/tensor/training.h"

#include <cmath>

namespace
{

// e^x for x <= 0 and not below the smallest float by much: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2].
// Good to two units of the last place.
inline __attribute__((always_inline)) float exp_of(float x)
{
    x = x < -87.0f ? -87.0f : x;
    float k = x * 1.44269504f + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &k, sizeof bits);
    k -= 12582912.0f;
    float f = x - k * 0.693359375f + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    uint32_t power = (bits + 127) << 23; // the low bits of the shifted k are k itself
    float two;
    memcpy(&two, &power, sizeof two);
    return p * two;
}

WIDE_LOOPS void raise(const uint16_t *__restrict from, float *__restrict to, int64_t count)
{
    auto *bits = reinterpret_cast<uint32_t *>(to);
    for (int64_t i = 0; i < count; i++) bits[i] = (uint32_t)from[i] << 16;
}

// To the nearest, ties to even; not a number stays one.
WIDE_LOOPS void round_to(const float *__restrict from, uint16_t *__restrict to, int64_t count)
{
    const auto *bits = reinterpret_cast<const uint32_t *>(from);
    for (int64_t i = 0; i < count; i++) {
        uint32_t rounded = (bits[i] + 0x7fffu + (bits[i] >> 16 & 1u)) >> 16;
        to[i] = (uint16_t)((bits[i] & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
    }
}

WIDE_LOOPS float largest(const float *__restrict z, int64_t count)
{
    float most[16];
    int64_t i = 0;
    for (int64_t l = 0; l < 16; l++) most[l] = -INFINITY;
    for (; i + 16 <= count; i += 16)
        for (int64_t l = 0; l < 16; l++) most[l] = z[i + l] > most[l] ? z[i + l] : most[l];
    float all = -INFINITY;
    for (; i < count; i++) all = z[i] > all ? z[i] : all;
    for (int64_t l = 0; l < 16; l++) all = most[l] > all ? most[l] : all;
    return all;
}

WIDE_LOOPS double exp_sum(const float *__restrict z, int64_t count, float from)
{
    enum { BLOCK = 4096 };
    double sum = 0;
    for (int64_t begin = 0; begin < count; begin += BLOCK) {
        float sums[16] = {0}, rest = 0;
        int64_t end = begin + BLOCK < count ? begin + BLOCK : count, i = begin;
        for (; i + 16 <= end; i += 16)
            for (int64_t l = 0; l < 16; l++) sums[l] += exp_of(z[i + l] - from);
        for (; i < end; i++) rest += exp_of(z[i] - from);
        for (int64_t l = 0; l < 16; l++) rest += sums[l];
        sum += (double)rest;
    }
    return sum;
}

WIDE_LOOPS void exp_each(float *__restrict z, int64_t count, float scale, float from, float factor)
{
    for (int64_t i = 0; i < count; i++) z[i] = exp_of(scale * (z[i] - from)) * factor;
}

} // namespace

// Plain functions over the clones: not every compiler lets other files call a clone.
namespace door
{

void row_raise(const uint16_t *from, float *to, int64_t count) { raise(from, to, count); }
void row_round(const float *from, uint16_t *to, int64_t count) { round_to(from, to, count); }
float row_most(const float *z, int64_t count) { return largest(z, count); }
double row_exp_sum(const float *z, int64_t count, float from) { return exp_sum(z, count, from); }
void row_exp(float *z, int64_t count, float scale, float from, float factor)
{
    exp_each(z, count, scale, from, factor);
}

} // namespace door
