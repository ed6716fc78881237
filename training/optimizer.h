/* training/optimizer.h: from gradients to a step.
 *
 * An optimizer holds the moments of a trainable's leaves; its state is tensors with names, so that whoever
 * saves them needs no libtorch to read them. Leaves without a gradient are left alone. LoRA+: B and DoRA's m
 * learn `ratio` times as fast as A. Weight decay acts on all leaves but m and biases. Threads: the
 * trainable's. Source: spec training.md, section 3. */
#ifndef TRAINING_OPTIMIZER_H
#define TRAINING_OPTIMIZER_H

#include "base/err.h"
#include "engine/trainable.h"

typedef struct training_optimizer training_optimizer;

typedef enum training_optimizer_kind {
    TRAINING_ADAMW,
    TRAINING_SGD,
    TRAINING_LION,
    TRAINING_OPTIMIZER_COUNT,
} training_optimizer_kind;

typedef struct training_optimizer_options {
    training_optimizer_kind kind;
    double beta1, beta2, eps;
    double decay;
    double ratio; /* LoRA+; 1: off */
    bool plain;   /* AdamW by the formula as it is written, not by libtorch's fused step */
} training_optimizer_options;

/* What each kind uses by default: AdamW 0.9, 0.999, 1e-8; Lion 0.9, 0.99; no decay, ratio 1. */
training_optimizer_options training_optimizer_defaults(training_optimizer_kind kind);
/* "adamw", "sgd", "lion". False: no such name. */
bool training_optimizer_parse(const char *name, training_optimizer_kind *out);
const char *training_optimizer_name(training_optimizer_kind kind); /* as training_optimizer_parse reads it */

/* `t` must outlive it. Errors: ERR_USAGE (betas outside [0, 1), a negative decay, a ratio below 1),
 * ERR_MEMORY. */
err training_optimizer_new(engine_trainable *t, const training_optimizer_options *options,
                           training_optimizer **out);
void training_optimizer_free(training_optimizer *o); /* NULL is fine */

/* The L2 norm of all gradients together, before clipping; then, when `most` > 0, gradients times
 * min(1, most / (norm + 1e-6)). A norm that is not finite scales nothing: the caller skips the step. */
err training_optimizer_clip(training_optimizer *o, double most, double *norm);
/* One step at this rate; the gradients stay (engine_trainable_clear). */
err training_optimizer_step(training_optimizer *o, double rate);
/* Steps taken: what AdamW's bias correction counts by. Saved and set again with the state. */
uint64_t training_optimizer_steps(const training_optimizer *o);
void training_optimizer_steps_set(training_optimizer *o, uint64_t steps); /* of a state that is read back */

/* The moments, f32, of the shapes of their leaves: "m.NAME" and "v.NAME". SGD has none, Lion has no v.
 * Borrowed; written to in place when a state is read back. */
size_t training_optimizer_state_count(const training_optimizer *o);
/* i below the count. */
const char *training_optimizer_state_borrow_name(const training_optimizer *o, size_t i);
tensor *training_optimizer_state_borrow(const training_optimizer *o, size_t i); /* i below the count */

#endif
