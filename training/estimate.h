/* training/estimate.h: what a run will take of memory and time, before its first step.
 *
 * Formulas; a run shows what came of it beside them. Memory: the base, 18 bytes for each number that is
 * trained, what the backward pass keeps, the loss, a tenth more, and what a process takes without. Ranks on
 * one machine take it several times, but for a base that all map from its file. The arithmetic is counted
 * here; how long it takes is measured (training/speed.h). Source: spec training.md, section 8. */
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
    size_t checkpoint_layers;    /* 0 or, where all layers at once are too much, 1 */
    uint64_t parameters;         /* that are trained */
    double flop_per_token;       /* forward and backward */
    double flop_per_step;        /* of a window of average size */
    double flop_per_token_layer; /* of a token in the linear layers of one layer */
    double flop_per_token_pair;  /* of two tokens that see each other, in all layers */
    double flop_per_target;      /* of the head */
} training_estimate;

/* `model` needs no weights, but is opened with the run's dtype; `parameters` are those trained; settings are
 * settled. */
training_estimate training_estimate_make(const engine_model *model, uint64_t parameters,
                                         const training_settings *settings, const training_extent *extent,
                                         training_room room);

#endif
