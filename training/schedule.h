/* training/schedule.h: the learning rate as a function of the step, and of nothing else.
 *
 * rate(step) = rate * training_schedule_factor(step), step 0 for the first update. Warmups are linear from 0
 * (wsd: from the smallest ratio), so with a warmup the first update moves nothing but the moments. Source:
 * spec training.md, sections 4 and 22 (golden numbers). Pure, any thread. */
#ifndef TRAINING_SCHEDULE_H
#define TRAINING_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum training_schedule_kind {
    TRAINING_SCHEDULE_CONSTANT,
    TRAINING_SCHEDULE_LINEAR,
    TRAINING_SCHEDULE_COSINE,
    TRAINING_SCHEDULE_WSD, /* warmup, stable, decay */
    TRAINING_SCHEDULE_COUNT,
} training_schedule_kind;

typedef enum training_decay {
    TRAINING_DECAY_LINEAR,
    TRAINING_DECAY_COSINE,
    TRAINING_DECAY_ROOT, /* "1-sqrt" */
    TRAINING_DECAY_COUNT,
} training_decay;

typedef struct training_schedule {
    training_schedule_kind kind;
    uint64_t warmup, total; /* steps */
    double min_ratio;       /* cosine, wsd */
    double cycles;          /* cosine; 0 means 0.5: half a wave */
    training_decay decay;   /* wsd */
    uint64_t decay_steps;   /* wsd; 0 means a tenth of `total` */
} training_schedule;

double training_schedule_factor(const training_schedule *schedule, uint64_t step); /* from 0 to 1 */

/* ceil(ratio * total), at least 1 and at most `most` steps; 0 when the ratio is 0. */
uint64_t training_schedule_warmup(double ratio, uint64_t total, uint64_t most);

/* "constant", "linear", "cosine", "wsd"; "linear", "cosine", "1-sqrt". False: no such name. */
bool training_schedule_parse(const char *name, training_schedule_kind *out);
bool training_decay_parse(const char *name, training_decay *out); /* false: no such name */
const char *training_schedule_name(training_schedule_kind kind);  /* as its parse reads it */
const char *training_decay_name(training_decay decay);            /* as training_decay_parse reads it */

#endif
