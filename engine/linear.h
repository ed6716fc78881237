/* engine/linear.h: a linear layer with the adapters that sit on it.
 *
 * The only place that knows how a weight is stored and what a stack adds: y = W x + b + the deltas of the
 * row's stack; a weight or bias that an adapter saved whole takes the base's place, and DoRA multiplies rows
 * (spec models.md, section 9). Adapters compute in f32 and are added in the model's type. */
#ifndef ENGINE_LINEAR_H
#define ENGINE_LINEAR_H

#include "engine/decoder_internal.h"

/* A module, or the outputs [begin, begin + out) of a fused one. */
typedef struct engine_linear {
    size_t module, begin, out;
} engine_linear;

/* All outputs of a module. */
engine_linear engine_linear_of(const engine_decoder *d, size_t module);

/* x [rows, in] of the decoder's type: [rows, out]. */
tensor *engine_linear_run(const engine_decoder *d, tensor_scope *s, engine_linear linear, tensor *x,
                          const engine_ranges *ranges);
/* Several on one x: y[i] of linears[i]. */
void engine_linear_run_all(const engine_decoder *d, tensor_scope *s, const engine_linear *linears, size_t count,
                           tensor *x, const engine_ranges *ranges, tensor **y);
/* The same in a training pass: differentiable in x, A, B and m. Called by the two above. */
void engine_linear_train(const engine_decoder *d, tensor_scope *s, const engine_linear *linears, size_t count,
                         tensor *x, const engine_training *how, tensor **y);

enum { ENGINE_LINEAR_TOGETHER_MAX = 3 };

#endif
