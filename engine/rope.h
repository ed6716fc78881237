/* engine/rope.h: the angles of rotary position embedding.
 *
 * Tables for all kinds of scaling; who rotates reads cos and sin and never the kind.
 * Functions of their arguments alone. Source: spec models.md, section 5. */
#ifndef ENGINE_ROPE_H
#define ENGINE_ROPE_H

#include <stddef.h>

#include "engine/spec.h"

/* inv[rope->size / 2]: radians per position, for a sequence that will be `length` tokens long (dynamic and
 * long depend on it; the others do not). */
void engine_rope_frequencies(const engine_rope_spec *rope, size_t length, float *inv);

/* cos and sin [row_count, rope->size / 2] of the positions position, position + 1, ..., times the attention
 * factor. */
void engine_rope_table(const engine_rope_spec *rope, const float *inv, size_t position, size_t row_count,
                       float *cos_out, float *sin_out);

#endif
