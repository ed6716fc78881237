/* training/state.h: all that a run needs to go on, in a folder per saved step.
 *
 *   step-00000300/state.safetensors   p.NAME, m.NAME, v.NAME: values and moments, f32
 *   step-00000300/state.json          everything else, with size and sha256 of the former
 *   refs.bin                          log-probabilities of a preference run's reference, and of which data
 *
 * A folder is written beside its name, state.json last, and renamed: what has its name is whole. Nothing of
 * it needs libtorch to be read. Resuming gives the same bits as never having stopped. Source: spec
 * training.md, sections 15.2 and 16. */
#ifndef TRAINING_STATE_H
#define TRAINING_STATE_H

#include "training/trainer.h"

enum { TRAINING_STATE_NAME_SIZE = 32 };

/* What the run knows beside the trainer. */
typedef struct training_progress {
    uint32_t attempt; /* grows each time the run is resumed */
    bool has_best;
    uint64_t best_step;
    double best_loss;
    uint32_t worse_count;         /* evaluations since that were no better */
    double train_loss, eval_loss; /* the last ones, for what is still to be committed; NaN: none */
} training_progress;

/* Saves the trainer as it is, after `step` steps; `name` is the folder's. ERR_FORMAT: a value is not finite,
 * nothing is written. ERR_IO: what was there stays. */
err training_state_save(training_trainer *tr, const char *run_folder, const training_progress *progress,
                        char name[TRAINING_STATE_NAME_SIZE]);
/* Puts a saved step back, or with `name` NULL the newest that is whole (damaged ones are passed over).
 * ERR_NOT_FOUND: there is none. ERR_FORMAT names file and place: another trainable, a wrong sha256. */
err training_state_load(training_trainer *tr, const char *run_folder, const char *name,
                        training_progress *out);

/* Where a run goes on, without what it wants to do so. */
typedef struct training_place {
    uint64_t step;          /* the next one */
    uint64_t epoch, window; /* its place in the data; 0 and `step` where the state does not say */
} training_place;
/* Of the newest state that is whole. Errors as of training_state_load, but for what a trainer refuses. */
err training_state_find(const char *run_folder, training_place *out);

/* Steps that are saved and have a state.json, rising; what a killed save left is removed. The caller frees
 * *steps. An absent folder has none. */
err training_state_list(const char *run_folder, uint64_t **steps, size_t *count);
/* Removes all but these. */
err training_state_prune(const char *run_folder, const uint64_t *keep, size_t keep_count);
void training_state_name(uint64_t step, char name[TRAINING_STATE_NAME_SIZE]); /* "step-00000300" */
/* Bytes that a state of this trainer takes. */
uint64_t training_state_bytes(training_trainer *tr);

/* What the answers were worth before the first step, into the run's folder. ERR_IO. */
err training_references_save(const training_trainer *tr, const char *run_folder);
/* ERR_NOT_FOUND: none were saved, or of other data; ERR_FORMAT. */
err training_references_load(training_trainer *tr, const char *run_folder);

#endif
