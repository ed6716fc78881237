/* engine/dtype_values.h: the elements of a stored tensor as numbers, without libtorch.
 *
 * For looking into files: differences, norms, checks. Sources of the formats: IEEE 754 (F16, F32, F64), the
 * OCP 8-bit floating point specification (E4M3, E5M2). Little-endian, as safetensors stores them. */
#ifndef ENGINE_DTYPE_VALUES_H
#define ENGINE_DTYPE_VALUES_H

#include <stdbool.h>

#include "engine/safetensors.h"

/* Can the elements of this type be read as single numbers? (Complex and the packed small types cannot.) */
bool engine_dtype_has_values(engine_dtype type);
/* out[0..count): elements begin..begin+count of data. The type must have values and data must hold them. */
void engine_dtype_values(engine_dtype type, bytes_view data, uint64_t begin, size_t count, double *out);
/* No infinity and no NaN among the elements of F32, F16 or BF16. */
bool engine_dtype_all_finite(engine_dtype type, bytes_view data);

#endif
