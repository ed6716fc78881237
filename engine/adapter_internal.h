/* engine/adapter_internal.h: what a stack asks of an adapter. */
#ifndef ENGINE_ADAPTER_INTERNAL_H
#define ENGINE_ADAPTER_INTERNAL_H

#include "engine/adapter.h"

const engine_decoder *engine_adapter_borrow_base(const engine_adapter *a); /* to compare, not to use */

#endif
