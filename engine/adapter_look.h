/* engine/adapter_look.h: how much an adapter changes each module, and how alike two are.
 *
 * Norms are Frobenius norms of the delta that is added to the weight, the adapter's own scale in it. A
 * low-rank delta is never made: norm, singular values and products come from the small matrices. With DoRA,
 * and of what is saved whole, the delta is the new weight less the old. Needs the door to libtorch. Threads:
 * the decoder's. */
#ifndef ENGINE_ADAPTER_LOOK_H
#define ENGINE_ADAPTER_LOOK_H

#include "engine/decoder.h"
#include "engine/stack.h"

typedef struct engine_adapter_row {
    size_t module;   /* engine/arch/modules.h */
    size_t rank;     /* 0: nothing low-rank there */
    double scale;    /* alpha / rank */
    double norm;     /* of the delta */
    double relative; /* norm / norm of the weight; NAN: the weight is 0 */
    double
        effective; /* exp of the entropy of the singular values' shares, 1 to rank; NAN: not low-rank, or 0 */
} engine_adapter_row;

/* One row for each module that the adapter changes, in their order; *rows is the caller's: free().
 * ERR_MEMORY, ERR_DEVICE. */
err engine_adapter_look(const engine_decoder *base, engine_adapter *adapter, engine_adapter_row **rows,
                        size_t *count);

/* Cosine of the angle between the low-rank deltas of two adapters of one base on a module; NAN: one of them
 * is 0 there, or has none, or DoRA. `dot` and the squares of both norms, for sums over modules, when they are
 * not NULL. */
err engine_adapter_cosine(const engine_adapter *a, const engine_adapter *b, size_t module, double *cosine,
                          double *dot, double *square_a, double *square_b);

#endif
