/* training/trainer.h: the steps of a run, each a window of the data, a clipped gradient and an update.
 *
 * A trainer knows no files, no processes and no git: it takes a decoder, what is trained and the data, and
 * gives a point for every step. All that it carries from step to step can be taken out and put back
 * (training/state.h), and then it goes on with the same bits. Numbers that are not finite are never applied:
 * the step is skipped and says so, and too many of them end the run. Threads: the decoder's. Source: spec
 * training.md, sections 5, 11 to 14, 17. */
#ifndef TRAINING_TRAINER_H
#define TRAINING_TRAINER_H

#include "engine/decoder.h"
#include "engine/trainable.h"
#include "training/data.h"
#include "training/optimizer.h"
#include "training/ranks.h"
#include "training/schedule.h"
#include "training/settings.h"
#include "training/windows.h"

typedef struct training_trainer training_trainer;

typedef struct training_trainer_options {
    engine_decoder *decoder;
    engine_trainable *trainable;
    const training_data *data;
    const training_data *eval_data;    /* NULL: what `data` held out */
    const training_settings *settings; /* settled */
    size_t checkpoint_layers;          /* see engine/train_pass.h */
    training_ranks *ranks;             /* that train together, each with its rows; NULL: alone */
    /* Asked between layers and between micro-batches: a generation may run there, under no grad. False ends
     * what is going on with ERR_CANCELLED; the step can be taken again. NULL: never. */
    bool (*between)(void *context);
    void *context;
} training_trainer_options;

/* All is borrowed and must outlive it. With ranks, all call alike: this, each step, each evaluation; values
 * begin as rank 0's. ERR_USAGE: no step would be taken. ERR_STATE: the ranks have other settings or data. */
err training_trainer_new(const training_trainer_options *options, training_trainer **out);
void training_trainer_free(training_trainer *tr); /* NULL is fine */

/* -- where it is ------------------------------------------------------------------------------------------
 */

uint64_t training_trainer_total(const training_trainer *tr);                 /* steps of the run */
uint64_t training_trainer_per_epoch(const training_trainer *tr);             /* windows */
uint64_t training_trainer_step_number(const training_trainer *tr);           /* the next one, from 0 */
training_optimizer *training_trainer_borrow_optimizer(training_trainer *tr); /* valid as long as tr */
engine_trainable *training_trainer_borrow_trainable(training_trainer *tr);   /* valid as long as tr */
/* The rate before the schedule, from the next step on. */
double training_trainer_rate(const training_trainer *tr);
void training_trainer_rate_set(training_trainer *tr, double rate); /* see training_trainer_rate */
/* A longer (or shorter) run. `keep_curve`: the schedule keeps the length it had. */
void training_trainer_total_set(training_trainer *tr, uint64_t total, bool keep_curve);
uint64_t training_trainer_curve(const training_trainer *tr); /* steps that the schedule is laid over */
/* The schedule that these settings lay over so many steps. */
training_schedule training_trainer_schedule(const training_settings *settings, uint64_t total);

/* -- a step ------------------------------------------------------------------------------------------------
 */

typedef struct training_point {
    uint64_t step;
    double loss, grad_norm, lr; /* of the window; before clipping; used by this step */
    uint64_t tokens, targets;
    double tokens_per_s, step_ms, data_ms;
    double accuracy;                 /* of the greedy word, over the targets */
    uint64_t mem_peak, mem_reserved; /* resident bytes of the process: the most so far, and now */
    bool skipped;
    size_t micro_batch; /* that the memory allowed */
    bool pairs;         /* the six below hold */
    double reward_chosen, reward_rejected, reward_margin, reward_accuracy, logp_chosen, logp_rejected;
} training_point;

/* The next window. After an error nothing has moved, and the step may be taken again. Errors: ERR_CANCELLED,
 * ERR_MEMORY (with a micro-batch of one and all layers computed again), ERR_DEVICE. */
err training_trainer_step(training_trainer *tr, training_point *out);
/* After a skipped step: whether it was one too many (three in a row, or more than 1 % of the last 500). The
 * sentence says so. */
err training_trainer_health(const training_trainer *tr);
/* The examples of the last window, "a.jsonl:3, a.jsonl:9, ...": the first few, appended. */
void training_trainer_describe_window(const training_trainer *tr, bytes *out);

/* -- evaluation --------------------------------------------------------------------------------------------
 */

typedef struct training_evaluation {
    double loss, perplexity, accuracy; /* exp of at most 20 */
    uint64_t targets;
    double ms;
    double reward_accuracy; /* of pairs; else NaN */
} training_evaluation;

/* Examples that are held out; 0: there is nothing to evaluate on. */
size_t training_trainer_eval_count(const training_trainer *tr);
/* Over all that is held out, nothing is learned. Errors as of a step. */
err training_trainer_evaluate(training_trainer *tr, training_evaluation *out);

/* -- preferences -------------------------------------------------------------------------------------------
 */

/* What the answers are worth to the model as it is now: to be called once, before the first step, or set from
 * what was saved. Nothing to do where the loss has no reference. */
err training_trainer_make_references(training_trainer *tr);
/* [count] log-probabilities, by example; NULL: none. Those of eval_data come after those of data. */
const double *training_trainer_borrow_references(const training_trainer *tr, size_t *count);
err training_trainer_set_references(training_trainer *tr, const double *values,
                                    size_t count); /* ERR_FORMAT */

/* -- what it carries beside tensors ---------------------------------------------------------------------- */

enum { TRAINING_RECENT_STEPS = 128, TRAINING_SKIP_STEPS = 500 };

typedef struct training_carried {
    uint64_t step, optimizer_steps;
    uint64_t epoch, window; /* of the next step: its place in the data */
    uint32_t skipped_in_a_row;
    uint64_t skipped[(TRAINING_SKIP_STEPS + 63) / 64]; /* a bit for each of the last steps, by step modulo */
    double losses[TRAINING_RECENT_STEPS], norms[TRAINING_RECENT_STEPS]; /* of steps not skipped */
    uint32_t recent_count, recent_at;
} training_carried;
void training_trainer_take_out(const training_trainer *tr, training_carried *out); /* a copy, to be saved */
/* As it was saved, before the first step. A window past the end of its epoch lies in a later one. */
void training_trainer_put_back(training_trainer *tr, const training_carried *carried);
/* What was put back was trained on other data: the next step is the first of this epoch, and the losses of
 * late are no measure for those to come. Step, schedule and moments stay. */
void training_trainer_data_changed(training_trainer *tr, uint64_t epoch);
/* Stands for data and eval_data, in this order. */
void training_trainer_digest(const training_trainer *tr, char digest[SHA256_HEX_SIZE]);

/* All that it carries, values and moments become rank 0's: to be called by all alike, after rank 0 has put a
 * state back. Nothing where there is one rank. */
err training_trainer_share(training_trainer *tr);

#endif
