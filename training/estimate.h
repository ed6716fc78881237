/* training/estimate.h: what a run will take of memory and time, before its first step.
 *
 * Formulas, and two speeds that are measured; a run shows what came of it beside them. Memory: the base, 18
 * bytes for each number that is trained, what the backward pass keeps, the loss, a tenth more, and what a
 * process takes before. Ranks on one machine take it several times, but for a base that all map from its
 * file. Time: the arithmetic at the speed of a bare product of the model's size, and the ops at what a small
 * one costs. The share of that speed that a run reaches is its MFU here. Source: spec training.md, section 8.
 */
#ifndef TRAINING_ESTIMATE_H
#define TRAINING_ESTIMATE_H

#include "engine/model.h"
#include "training/ranks.h"
#include "training/settings.h"

/* What the settings make of the data: the first epoch. */
typedef struct training_extent {
    uint64_t windows, rows, examples;
    uint64_t row_tokens; /* of the longest row */
    uint64_t tokens, targets;
} training_extent;
/* ERR_USAGE: no step would be taken. */
err training_extent_of(const training_data *data, const training_settings *settings, training_extent *out);

/* What there is to take memory from: that of a device, now. */
typedef struct training_room {
    uint64_t free; /* bytes; 0: not known */
    size_t ranks;  /* that take from it; 1: the run is one process */
    bool cuda;     /* it is a GPU's */
} training_room;
/* For the ranks of this machine (NULL: one) on this device. own_gpus: it was not named for all of them, they
 * have taken the GPUs in turn. For a GPU the door to libtorch is open. */
training_room training_room_look(tensor_device device, bool own_gpus, const training_ranks *ranks);

typedef struct training_estimate {
    uint64_t base, adapter, graph, loss, fixed, total; /* bytes, of one process */
    uint64_t together;                                 /* bytes of all ranks in the room */
    training_room room;
    size_t checkpoint_layers; /* 0 or, where all layers at once are too much, 1 */
    double flop_per_token;    /* forward and backward */
    double flop_per_step;     /* of a window of average size */
    double ops_per_step;      /* how many calls of the tensor library that is */
} training_estimate;

/* `model` needs no weights, but is opened with the run's dtype; `parameters` are those trained; settings are
 * settled. */
training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings, const training_extent *extent,
                                         training_room room);

typedef struct training_speed {
    double flop_per_s; /* of a product of so many rows with a weight of the model's size */
    double op_seconds; /* of an op on one row */
} training_speed;
/* A tenth of a second on the CPU, with as many threads as are set on this one. Opens the door to libtorch. */
err training_speed_measure(const engine_model *model, const training_extent *extent, training_speed *out);
double training_estimate_step_seconds(const training_estimate *e,
                                      const training_speed *speed); /* a formula */

#endif
