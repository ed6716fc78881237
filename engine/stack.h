/* engine/stack.h: an ordered list of (adapter, scale), the adapters that are on for a sequence.
 *
 * Adapters are never merged to be used: the deltas of a stack add up at run time, and each row range of a
 * step may carry its own stack. NULL is the empty stack: the base model. Threads: immutable once built and
 * counted; share and free from any thread. */
#ifndef ENGINE_STACK_H
#define ENGINE_STACK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "engine/adapter.h"
#include "engine/tensor/tensor.h"

typedef struct engine_stack engine_stack;

enum { ENGINE_STACK_COUNT_MAX = 16 };

typedef struct engine_stack_item {
    engine_adapter *adapter;
    double scale; /* of the person's; multiplies the adapter's own */
} engine_stack_item;

/* The stack keeps a share of each adapter. Errors: ERR_LIMIT (too many), ERR_USAGE (a scale that is not
 * finite, an adapter of another base, two adapters that both save the same module whole), ERR_MEMORY. With
 * DoRA adapters the row norms of the adapted weights are computed here. */
err engine_stack_new(const engine_decoder *base, const engine_stack_item *items, size_t item_count,
                     engine_stack **out);
engine_stack *engine_stack_share(const engine_stack *stack); /* NULL gives NULL */
void engine_stack_free(engine_stack *stack);                 /* NULL is fine */

size_t engine_stack_count(const engine_stack *stack);                        /* NULL: 0 */
engine_stack_item engine_stack_item_at(const engine_stack *stack, size_t i); /* the adapter is borrowed */
/* The same adapters in the same order with the same scales: what one wrote to a cache the other may read. */
bool engine_stack_equal(const engine_stack *a, const engine_stack *b);

/* DoRA: what the row of a module is multiplied with, [out]; NULL: nothing. Borrowed. */
const tensor *engine_stack_borrow_gain(const engine_stack *stack, size_t item, size_t module);
/* What an adapter of the stack saved whole, in the base's type; NULL: the base's own holds. Borrowed. */
const tensor *engine_stack_borrow_weight(const engine_stack *stack, size_t module);
const tensor *engine_stack_borrow_bias(const engine_stack *stack, size_t module); /* likewise, of the bias */
/* Whether the item, or any item, has a low-rank delta on the module. */
bool engine_stack_item_acts(const engine_stack *stack, size_t item, size_t module);
bool engine_stack_acts(const engine_stack *stack, size_t module); /* any item; a NULL stack never does */

#endif
