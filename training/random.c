/* training/random.c: keys and orders. */
#include "training/random.h"

#include "base/macros.h"

uint64_t training_key(uint64_t seed, training_purpose purpose, const uint64_t *counters, size_t counter_count)
{
    uint64_t begun = derived_random(seed) ^ (uint64_t)purpose;
    return derived_random_key(begun, counters, counter_count);
}

/* A number below `limit`, each equally likely: draws from the uneven beginning of the range are repeated. */
static uint64_t below(uint64_t *state, uint64_t limit)
{
    uint64_t uneven = -limit % limit, draw;
    do {
        draw = derived_random_next(state);
    } while (draw < uneven);
    return draw % limit;
}

void training_order(uint64_t seed, uint64_t epoch, size_t *order, size_t count)
{
    uint64_t state = derived_random(seed) ^ epoch;
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (size_t k = count; k > 1; k--) {
        size_t other = (size_t)below(&state, k), last = order[k - 1];
        order[k - 1] = order[other];
        order[other] = last;
    }
}
