/* training/estimate.h: what a run will take of memory and arithmetic, before its first step.
 *
 * Formulas, not measurements: the screen shows them beside what is measured. Source: spec training.md,
 * section 8. */
#ifndef TRAINING_ESTIMATE_H
#define TRAINING_ESTIMATE_H

#include "engine/model.h"
#include "training/settings.h"

typedef struct training_estimate {
    uint64_t base, adapter, graph, loss, fixed, total; /* bytes */
    uint64_t free;            /* of memory now, on the device of the run; 0: not known */
    size_t checkpoint_layers; /* 0 or, where all layers at once are too much, 1 */
    double flop_per_token;    /* forward and backward */
} training_estimate;

/* `model` needs no weights; `parameters` are those trained; settings are settled. */
training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings);

#endif
