/* engine/train_pass.h: one micro-batch, forward and backward.
 *
 * Rows are laid one after another and never padded; each is one sequence, cut into segments that do not see
 * each other and whose positions begin at 0. Gradients are added to those on the leaves of the trainable, so
 * micro-batches of a window add up; the caller clears them. The layers are driven one by one (spec
 * training.md, section 7): layers that are computed again give the same gradients bit for bit.
 * Threads: the decoder's. Source: spec training.md, sections 5 to 7, 10 to 12. */
#ifndef ENGINE_TRAIN_PASS_H
#define ENGINE_TRAIN_PASS_H

#include "engine/trainable.h"

enum { ENGINE_TARGET_NONE = -100 };

typedef struct engine_train_row {
    const int32_t *ids;           /* [count] */
    const int32_t *targets;       /* [count], already shifted: what follows each id, or ENGINE_TARGET_NONE */
    size_t count;                 /* at least 1 */
    const size_t *segment_begins; /* [segment_count], the first is 0, rising; NULL: the row is one segment */
    size_t segment_count;
    const double *factors; /* [segments]: what the targets of each count in the loss; NULL: request->scale */
    uint64_t dropout_key;  /* of this sequence in this step: key(3, step, sequence) of spec training.md, 11 */
} engine_train_row;

/* What the low-rank branches are computed in. */
typedef enum engine_adapter_compute {
    ENGINE_ADAPTER_AUTO,   /* f32 on the CPU, the base's type on a GPU */
    ENGINE_ADAPTER_WIDE,   /* f32, as PEFT does */
    ENGINE_ADAPTER_NARROW, /* the base's type; masters and their gradients stay f32 */
} engine_adapter_compute;

typedef struct engine_train_request {
    const engine_train_row *rows;
    size_t row_count;
    double scale; /* of each target's loss in the gradient: 1 / N of the window */
    bool backward;
    double dropout; /* on the inputs of A; 0: none. Evaluation wants 0 */
    /* Layers whose graph lives at once: 0 all of them (nothing is computed twice), 1 each alone, k as many.
     */
    size_t checkpoint_layers;
    /* Asked between the forward and the backward pass with the log-probability of each segment's targets:
     * gives the factor of each. NULL: factors of the rows. Both [segments of all rows]. */
    void (*weigh)(void *context, const double *logprobs, double *factors, size_t segment_count);
    /* Asked before each layer, forward and backward; false ends the pass with ERR_CANCELLED. NULL: never. */
    bool (*go_on)(void *context);
    void *context;
    engine_adapter_compute compute;
    bool composed; /* every op by libtorch's own autograd: what the written ones are checked against */
    double *segment_logprobs; /* out, [segments of all rows], or NULL */
} engine_train_request;

typedef struct engine_train_result {
    double loss_sum; /* of the cross-entropy of all targets, not scaled, not weighted */
    uint64_t tokens, targets, hits;
} engine_train_result;

/* `t` NULL: the base alone, which nothing can be trained of (a reference, an evaluation).
 * After a failure the gradients hold parts of the micro-batch: clear them. Errors: ERR_USAGE (an id or target
 * outside the vocabulary, segments out of order, backward without a trainable), ERR_LIMIT (a segment past the
 * context), ERR_MEMORY, ERR_CANCELLED, ERR_DEVICE. */
err engine_train_pass(engine_decoder *d, engine_trainable *t, const engine_train_request *request,
                      engine_train_result *result);

#endif
