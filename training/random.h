/* training/random.h: randomness that is derived, never carried.
 *
 * Each random thing of a run is a function of the run's seed, a purpose and counters, so there is no
 * generator state to save, and resuming, another micro-batch or another number of processes changes nothing.
 * Source: spec training.md, sections 11 and 22 (golden numbers). Pure functions, any thread. */
#ifndef TRAINING_RANDOM_H
#define TRAINING_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "engine/derived_random.h"

typedef enum training_purpose {
    TRAINING_PURPOSE_INIT = 1,
    TRAINING_PURPOSE_SPLIT = 2,
    TRAINING_PURPOSE_DROPOUT = 3,
    TRAINING_PURPOSE_SAMPLE = 4,
} training_purpose;

/* key(purpose, counters...): k = seed; for each x: k = next(k) xor x; then next(k). The counters follow the
 * purpose: key(3, step, sequence) is training_key(seed, TRAINING_PURPOSE_DROPOUT, (uint64_t[]){step,
 * sequence}, 2). */
uint64_t training_key(uint64_t seed, training_purpose purpose, const uint64_t *counters,
                      size_t counter_count);

/* The order of `count` items in an epoch: Fisher-Yates from the top, unbiased by rejection. order [count]. */
void training_order(uint64_t seed, uint64_t epoch, size_t *order, size_t count);

#endif
