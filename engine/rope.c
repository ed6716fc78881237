/* engine/rope.c: one function per kind of scaling, in a table. */
#include "engine/rope.h"

#include <math.h>

#include "base/macros.h"

static const double pi = 3.14159265358979323846;

static double plain(double base, size_t i, size_t size) { return pow(base, -2.0 * (double)i / (double)size); }

static void fill_plain(const engine_rope_spec *rope, double base, double divisor, float *inv)
{
    for (size_t i = 0; i < rope->size / 2; i++) inv[i] = (float)(plain(base, i, rope->size) / divisor);
}

static void fill_default(const engine_rope_spec *rope, size_t length, float *inv)
{
    (void)length;
    fill_plain(rope, rope->base, 1, inv);
}

static void fill_linear(const engine_rope_spec *rope, size_t length, float *inv)
{
    (void)length;
    fill_plain(rope, rope->base, rope->factor, inv);
}

/* NTK by parts: a longer sequence gets a larger base. */
static void fill_dynamic(const engine_rope_spec *rope, size_t length, float *inv)
{
    double m = rope->context_max, n = MAX_OF((double)length, m), size = (double)rope->size;
    double stretch = rope->factor * n / m - (rope->factor - 1);
    fill_plain(rope, rope->base * pow(stretch, size / (size - 2)), 1, inv);
}

/* Short waves stay, long ones are divided by the factor, those between are mixed. */
static void fill_llama3(const engine_rope_spec *rope, size_t length, float *inv)
{
    (void)length;
    double o = rope->original_max, low = rope->low_freq, high = rope->high_freq;
    for (size_t i = 0; i < rope->size / 2; i++) {
        double f = plain(rope->base, i, rope->size), wave = 2 * pi / f, mix = (o / wave - low) / (high - low);
        if (wave < o / high)
            inv[i] = (float)f;
        else if (wave > o / low)
            inv[i] = (float)(f / rope->factor);
        else
            inv[i] = (float)((1 - mix) * f / rope->factor + mix * f);
    }
}

/* The element that turns `turns` times over the original context. */
static double yarn_element(const engine_rope_spec *rope, double turns)
{
    return (double)rope->size * log(rope->original_max / (turns * 2 * pi)) / (2 * log(rope->base));
}

static void fill_yarn(const engine_rope_spec *rope, size_t length, float *inv)
{
    (void)length;
    double low = yarn_element(rope, rope->beta_fast), high = yarn_element(rope, rope->beta_slow);
    if (rope->truncate) low = floor(low), high = ceil(high);
    low = MAX_OF(low, 0);
    high = MIN_OF(high, (double)rope->size - 1);
    if (low == high) high += 0.001;
    for (size_t i = 0; i < rope->size / 2; i++) {
        double f = plain(rope->base, i, rope->size), ramp = ((double)i - low) / (high - low);
        ramp = MIN_OF(MAX_OF(ramp, 0.0), 1.0);
        inv[i] = (float)(f / rope->factor * ramp + f * (1 - ramp));
    }
}

static void fill_long(const engine_rope_spec *rope, size_t length, float *inv)
{
    const double *stretch = (double)length > rope->original_max ? rope->long_factor : rope->short_factor;
    for (size_t i = 0; i < rope->size / 2; i++)
        inv[i] = (float)(plain(rope->base, i, rope->size) / stretch[i]);
}

static void (*const fills[ENGINE_ROPE_KIND_COUNT])(const engine_rope_spec *, size_t, float *) = {
    [ENGINE_ROPE_DEFAULT] = fill_default, [ENGINE_ROPE_LINEAR] = fill_linear,
    [ENGINE_ROPE_DYNAMIC] = fill_dynamic, [ENGINE_ROPE_LLAMA3] = fill_llama3,
    [ENGINE_ROPE_YARN] = fill_yarn,       [ENGINE_ROPE_LONG] = fill_long,
};

void engine_rope_frequencies(const engine_rope_spec *rope, size_t length, float *inv)
{
    fills[rope->kind](rope, length, inv);
}

void engine_rope_table(const engine_rope_spec *rope, const float *inv, size_t position, size_t row_count,
                       float *cos_out, float *sin_out)
{
    size_t half = rope->size / 2;
    double factor = rope->attention_factor > 0 ? rope->attention_factor : 1;
    for (size_t row = 0; row < row_count; row++) {
        for (size_t i = 0; i < half; i++) {
            float angle = (float)(position + row) * inv[i]; /* in f32, as the models were trained */
            cos_out[row * half + i] = (float)(factor * cos((double)angle));
            sin_out[row * half + i] = (float)(factor * sin((double)angle));
        }
    }
}
