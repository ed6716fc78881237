/* engine/arch/rope.h: the rope fields of config.json, old and new spelling. Source: spec models.md,
 * section 5. */
#ifndef ENGINE_ARCH_ROPE_H
#define ENGINE_ARCH_ROPE_H

#include "engine/arch/arch.h"

/* Fills spec->ropes and rope_count: row 0 is how full layers rotate, row 1 (when there is one) how sliding
 * ones do. spec->context_max is max_position_embeddings, and grows where the scaling makes room for more.
 * Failures are kept in build->config. */
void engine_arch_read_ropes(engine_arch_build *build, const engine_arch *arch);

#endif
