/* engine/quantise.h: a weight matrix in 8 or 4 bits, packed from f32 or bf16 and expanded again.
 *
 * int8: for each output row, scale = max|w| / 127, q = round(w / scale) (ties to even).
 * nf4: blocks of 64 along the flattened matrix (a block may span two rows), each with its largest absolute
 * value in f32 and 4-bit indices into the table of normal floats (QLoRA, Dettmers et al. 2023, appendix E).
 * How they lie: engine/kernels/kernels.h, which also multiplies them as they lie. Packing and expanding are
 * split over libtorch's threads, so the door must be open. Packed weights never change: any thread may expand
 * them. A decoder holds the linear layers of a quantised base so (engine/decoder.h). */
#ifndef ENGINE_QUANTISE_H
#define ENGINE_QUANTISE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kernels/kernels.h"

typedef enum engine_quantised_kind { ENGINE_INT8, ENGINE_NF4 } engine_quantised_kind;

typedef struct engine_quantised engine_quantised;

/* weight [out, in], row by row; in and out at least 1. It is copied. A value that is not finite is ERR_FORMAT
 * and names its row. Caller frees with engine_quantised_free. */
err engine_quantised_new(engine_quantised_kind kind, const void *weight, kernel_type type, size_t out,
                         size_t in, engine_quantised **q);
void engine_quantised_free(engine_quantised *q); /* NULL is fine */

size_t engine_quantised_outputs(const engine_quantised *q); /* rows */
size_t engine_quantised_inputs(const engine_quantised *q);  /* columns */
/* Bytes held by the packed values and their scales. */
size_t engine_quantised_bytes(const engine_quantised *q);
/* Rows [begin, begin + count) as [count, in] of `type`; computed in f32, rounded once. */
void engine_quantised_expand(const engine_quantised *q, size_t begin, size_t count, kernel_type type,
                             void *to);
/* As the kernels read it; it lives as long as q. NULL for NULL. */
const kernel_quantised *engine_quantised_borrow(const engine_quantised *q);

#endif
