#include "engine/combine_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/derived_random.h"

enum { HALF_COUNT = 1 << 16 };

/* Sizes of floats are ordered as their bits are. */
static uint32_t size_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffff;
}

/* Where in a histogram, from the top, the *kept-th lies; *kept becomes how many of that place are still
 * wanted. */
static uint32_t place_of(const size_t *histogram, size_t *kept)
{
    uint32_t place = HALF_COUNT - 1;
    while (place > 0 && histogram[place] < *kept) *kept -= histogram[place--];
    return place;
}

/* The bits of the kept-th largest (kept >= 1); *equal: how many with just these bits stay. Two passes over
 * halves of the bits instead of a sort. */
static uint32_t threshold_of(const float *values, size_t count, size_t kept, size_t *equal)
{
    size_t *histogram = memory_alloc(HALF_COUNT * sizeof *histogram);
    for (size_t i = 0; i < count; i++) histogram[size_bits(values[i]) >> 16]++;
    uint32_t high = place_of(histogram, &kept);
    memset(histogram, 0, HALF_COUNT * sizeof *histogram);
    for (size_t i = 0; i < count; i++)
        if (size_bits(values[i]) >> 16 == high) histogram[size_bits(values[i]) & 0xffff]++;
    uint32_t low = place_of(histogram, &kept);
    free(histogram);
    *equal = kept;
    return high << 16 | low;
}

void combine_prune_magnitude(float *values, size_t count, double density)
{
    size_t kept = (size_t)(density * (double)count), equal = 0;
    if (density >= 1) return;
    if (kept == 0) {
        memset(values, 0, count * sizeof *values);
        return;
    }
    uint32_t threshold = threshold_of(values, count, kept, &equal);
    for (size_t i = 0; i < count; i++) {
        uint32_t size = size_bits(values[i]);
        if (size > threshold || (size == threshold && equal && equal--)) continue;
        values[i] = 0;
    }
}

void combine_prune_random(float *values, size_t count, double density, uint64_t key)
{
    if (density >= 1) return;
    for (size_t i = 0; i < count; i++) {
        double chance = (double)(derived_random(key + i * 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53;
        values[i] = chance < density ? values[i] / (float)density : 0;
    }
}

void combine_sum(float *const *tensors, const float *weights, size_t tensor_count, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (size_t j = 0; j < tensor_count; j++) sum += tensors[j][i] * weights[j];
        out[i] = sum;
    }
}

static int sign_of(float value) { return (value > 0) - (value < 0); }

void combine_disjoint(float *const *tensors, const float *weights, size_t tensor_count, size_t count,
                      bool by_frequency, float *out)
{
    for (size_t i = 0; i < count; i++) {
        float total = 0, sum = 0, agreeing = 0;
        for (size_t j = 0; j < tensor_count; j++)
            total += by_frequency ? (float)sign_of(tensors[j][i]) : tensors[j][i];
        int majority = total >= 0 ? 1 : -1;
        for (size_t j = 0; j < tensor_count; j++) {
            if (sign_of(tensors[j][i]) != majority) continue;
            sum += tensors[j][i] * weights[j];
            agreeing++;
        }
        out[i] = sum / (agreeing > 1 ? agreeing : 1);
    }
}
