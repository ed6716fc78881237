/* engine/combine_ops.h: what is done to task tensors before they are added; plain arrays of f32, as PEFT
 * computes. */
#ifndef ENGINE_COMBINE_OPS_H
#define ENGINE_COMBINE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All but the floor(density * count) largest in size become 0. Of equal ones the first stay. */
void combine_prune_magnitude(float *values, size_t count, double density);
/* Each stays with probability `density`, divided by it; else 0. The choice is a function of key and place. */
void combine_prune_random(float *values, size_t count, double density, uint64_t key);
/* out = sum of weights[j] * tensors[j]. */
void combine_sum(float *const *tensors, const float *weights, size_t tensor_count, size_t count, float *out);
/* Per entry the mean of weights[j] * tensors[j] over the j whose sign is the majority's; a zero sum counts as
 * +. */
void combine_disjoint(float *const *tensors, const float *weights, size_t tensor_count, size_t count,
                      bool by_frequency, float *out);

#endif
