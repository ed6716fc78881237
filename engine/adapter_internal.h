/* engine/adapter_internal.h: what a stack asks of an adapter. */
#ifndef ENGINE_ADAPTER_INTERNAL_H
#define ENGINE_ADAPTER_INTERNAL_H

#include "engine/adapter.h"

const engine_decoder *engine_adapter_borrow_base(const engine_adapter *a); /* to compare, not to use */

/* An adapter made here: `parts` [module count of the base] and their tensors are the adapter's from now on. */
engine_adapter *engine_adapter_of_parts(const engine_decoder *base, const char *title,
                                        engine_adapter_part *parts);

#endif
