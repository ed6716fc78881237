/* training/trainer_internal.h: what the files of the trainer share. */
#ifndef TRAINING_TRAINER_INTERNAL_H
#define TRAINING_TRAINER_INTERNAL_H

#include "engine/train_pass.h"
#include "training/preference.h"
#include "training/trainer.h"

struct training_trainer {
    training_trainer_options options;
    const training_settings *settings;
    training_windows *windows, *eval_windows; /* eval_windows NULL: nothing to evaluate on */
    training_optimizer *optimizer;
    training_schedule schedule;
    double rate;
    uint64_t total;
    size_t micro_batch, checkpoint_layers; /* what memory allowed so far */
    training_carried carried;
    training_preference preference;
    double *references; /* [reference_count]: data's examples, then eval_data's */
    size_t reference_count;
    training_window last; /* of the last step, for messages */
};

/* What some rows came to. */
typedef struct window_sums {
    double loss; /* cross-entropies of all targets; of pairs: their losses */
    uint64_t tokens, targets, hits, pairs;
    double reward_chosen, reward_rejected, logp_chosen, logp_rejected;
    uint64_t preferred; /* pairs whose chosen answer is worth more */
} window_sums;

bool trainer_learns_pairs(const training_trainer *tr);
/* Where the references of a set of examples begin. */
const double *trainer_references(const training_trainer *tr, bool eval);
/* Every row of a window through the model; with `backward` gradients are added, scaled to the window's mean.
 */
err trainer_run_window(training_trainer *tr, training_window *window, const double *references, bool backward,
                       window_sums *out);
/* The plan of what is evaluated, or NULL. */
err trainer_plan_evaluation(training_trainer *tr);

/* Nothing where there is one rank. Values begin as rank 0's, settings and data are the same. */
err trainer_begin_ranks(training_trainer *tr);
/* Gradients and figures become those of all ranks; `targets` is what the window must hold. */
err trainer_sum_gradients(training_trainer *tr, uint64_t targets, window_sums *sums);
err trainer_sum_figures(training_trainer *tr, window_sums *sums);
/* Now and then: all have the same values. */
err trainer_check_ranks(training_trainer *tr);

#endif
