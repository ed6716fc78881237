/* training/speed.h: how long a step will take, by the first layers of the model itself.
 *
 * Before its first step a run's own pass (engine/train_pass.h), and what follows it, are timed on a model of
 * one layer and on one of two to eight: the difference is the layers between; passes with one target and with
 * many tell the head. The rest is a sum. Not in it: evaluations, samples, saves. Threads: as many as are set
 * on this one. */
#ifndef TRAINING_SPEED_H
#define TRAINING_SPEED_H

#include "engine/model.h"
#include "engine/trainable.h"
#include "training/estimate.h"
#include "training/settings.h"

typedef struct training_speed {
    double product_flop_per_s; /* of a bare product with a weight of the model's size: what the MFU is a share
                                  of */
    double step_seconds;       /* of a window of average size */
} training_speed;

/* On the CPU; some tenths of a second, on a large model some seconds. Weights are read for these layers,
 * embedding and head. `settings` are settled, `trained` is what the run makes of them, `estimate` is made
 * with both; `ranks`: the processes that share a window. Opens the door to libtorch. Errors as of the run's
 * own first step. */
err training_speed_measure(const engine_model *model, const engine_trainable_options *trained,
                           const training_settings *settings, const training_extent *extent,
                           const training_estimate *estimate, size_t ranks, training_speed *out);

#endif
