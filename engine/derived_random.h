/* engine/derived_random.h: splitmix64, a random number as a function of where it is needed.
 *
 * Source: spec training.md, section 22 ("Order"): add 0x9E3779B97F4A7C15; z ^= z>>30, *= 0xBF58476D1CE4E5B9;
 * ^= z>>27, *= 0x94D049BB133111EB; ^= z>>31. Pure, any thread. */
#ifndef ENGINE_DERIVED_RANDOM_H
#define ENGINE_DERIVED_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The output that follows `state`. */
static inline uint64_t derived_random(uint64_t state)
{
    uint64_t z = state + 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* The same, and the state moves on: a sequence. */
static inline uint64_t derived_random_next(uint64_t *state)
{
    uint64_t out = derived_random(*state);
    *state += 0x9E3779B97F4A7C15u;
    return out;
}

/* key(x1..xn): k = seed; for each x: k = next(k) xor x; then next(k). The first x says what it is for. */
static inline uint64_t derived_random_key(uint64_t seed, const uint64_t *x, size_t count)
{
    for (size_t i = 0; i < count; i++) seed = derived_random(seed) ^ x[i];
    return derived_random(seed);
}

#endif
