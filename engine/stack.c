/* engine/stack.c: the items, what they save whole, and DoRA's gains. */
#include "engine/stack.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "engine/adapter_internal.h"
#include "engine/arch/modules.h"
#include "engine/decoder.h"

struct engine_stack {
    atomic_size_t reference_count;
    size_t item_count, module_count;
    engine_stack_item items[ENGINE_STACK_COUNT_MAX];
    const tensor **weights, **biases; /* [module_count], of the adapters */
    tensor **gains;                   /* [item_count][module_count] */
};

/* -- building ------------------------------------------------------------------------------------------ */

/* ‖row of W + scale · B A‖, then m over it. Whole f32 copies of one module at a time. */
static tensor *gain_of(tensor_scope *s, const tensor *weight, const engine_adapter_part *part, double scale)
{
    tensor *delta = tensor_scale(s, tensor_matmul(s, part->b, part->a), scale);
    tensor *adapted = tensor_add(s, tensor_cast(s, weight, TENSOR_F32), delta);
    return tensor_div(s, part->magnitude, tensor_norm(s, adapted, 1, false));
}

static err fill_gains(engine_stack *stack, const engine_decoder *base)
{
    tensor_scope *s = tensor_scope_new(false);
    for (size_t i = 0; i < stack->item_count; i++) {
        for (size_t module = 0; module < stack->module_count; module++) {
            const engine_adapter_part *part = engine_adapter_borrow_part(stack->items[i].adapter, module);
            if (!part->magnitude) continue;
            size_t mark = tensor_scope_mark(s);
            const tensor *weight = stack->weights[module];
            if (!weight) weight = engine_decoder_weight(base, s, module);
            tensor *gain = gain_of(s, weight, part, stack->items[i].scale * part->scale);
            stack->gains[i * stack->module_count + module] = tensor_keep(s, gain);
            tensor_scope_release(s, mark);
        }
    }
    return tensor_scope_close(s);
}

static err save_one(const engine_decoder *base, const engine_stack_item *item, size_t module,
                    const tensor *tensor_saved, const tensor **place)
{
    if (!tensor_saved) return ERR_OK;
    if (*place) {
        char name[ENGINE_MODULE_NAME_MAX];
        engine_module_name(engine_decoder_borrow_spec(base), module, name, sizeof name);
        return err_make(ERR_USAGE, "adapter %s saves %s whole, which an adapter before it does too",
                        engine_adapter_borrow_title(item->adapter), name);
    }
    *place = tensor_saved;
    return ERR_OK;
}

static err fill_saved(engine_stack *stack, const engine_decoder *base)
{
    for (size_t i = 0; i < stack->item_count; i++) {
        for (size_t module = 0; module < stack->module_count; module++) {
            const engine_adapter_part *part = engine_adapter_borrow_part(stack->items[i].adapter, module);
            err e = save_one(base, &stack->items[i], module, part->weight, &stack->weights[module]);
            if (!e.code) e = save_one(base, &stack->items[i], module, part->bias, &stack->biases[module]);
            if (e.code) return e;
        }
    }
    return ERR_OK;
}

static err check_items(const engine_decoder *base, const engine_stack_item *items, size_t item_count)
{
    if (item_count > ENGINE_STACK_COUNT_MAX)
        return err_make(ERR_LIMIT, "a stack of %zu adapters; %d are the most", item_count,
                        ENGINE_STACK_COUNT_MAX);
    for (size_t i = 0; i < item_count; i++) {
        const char *title = engine_adapter_borrow_title(items[i].adapter);
        if (!isfinite(items[i].scale))
            return err_make(ERR_USAGE, "the scale of adapter %s is no finite number", title);
        if (engine_adapter_borrow_base(items[i].adapter) != base)
            return err_make(ERR_USAGE, "adapter %s was loaded for another model", title);
    }
    return ERR_OK;
}

err engine_stack_new(const engine_decoder *base, const engine_stack_item *items, size_t item_count,
                     engine_stack **out)
{
    err e = check_items(base, items, item_count);
    if (e.code) return e;
    engine_stack *stack = memory_alloc(sizeof *stack);
    stack->reference_count = 1;
    stack->item_count = item_count;
    stack->module_count = engine_module_count(engine_decoder_borrow_spec(base));
    stack->weights = memory_alloc(stack->module_count * sizeof(tensor *));
    stack->biases = memory_alloc(stack->module_count * sizeof(tensor *));
    stack->gains = memory_alloc((item_count * stack->module_count + 1) * sizeof(tensor *));
    for (size_t i = 0; i < item_count; i++)
        stack->items[i] = (engine_stack_item){engine_adapter_share(items[i].adapter), items[i].scale};
    e = fill_saved(stack, base);
    if (!e.code) e = fill_gains(stack, base);
    if (e.code)
        engine_stack_free(stack);
    else
        *out = stack;
    return e;
}

engine_stack *engine_stack_share(const engine_stack *stack)
{
    engine_stack *shared = (engine_stack *)(uintptr_t)stack; /* only the count changes */
    if (shared) atomic_fetch_add(&shared->reference_count, 1);
    return shared;
}

void engine_stack_free(engine_stack *stack)
{
    if (!stack || atomic_fetch_sub(&stack->reference_count, 1) > 1) return;
    for (size_t i = 0; i < stack->item_count * stack->module_count; i++) tensor_free(stack->gains[i]);
    for (size_t i = 0; i < stack->item_count; i++) engine_adapter_free(stack->items[i].adapter);
    free(stack->gains);
    free(stack->weights);
    free(stack->biases);
    free(stack);
}

/* -- looking -----------------------------------------------------------------------------------------------
 */

size_t engine_stack_count(const engine_stack *stack) { return stack ? stack->item_count : 0; }

engine_stack_item engine_stack_item_at(const engine_stack *stack, size_t i) { return stack->items[i]; }

bool engine_stack_equal(const engine_stack *a, const engine_stack *b)
{
    if (a == b) return true;
    if (engine_stack_count(a) != engine_stack_count(b)) return false;
    for (size_t i = 0; i < engine_stack_count(a); i++)
        if (a->items[i].adapter != b->items[i].adapter || a->items[i].scale != b->items[i].scale)
            return false;
    return true;
}

const tensor *engine_stack_borrow_gain(const engine_stack *stack, size_t item, size_t module)
{
    return stack->gains[item * stack->module_count + module];
}

const tensor *engine_stack_borrow_weight(const engine_stack *stack, size_t module)
{
    return stack ? stack->weights[module] : NULL;
}

const tensor *engine_stack_borrow_bias(const engine_stack *stack, size_t module)
{
    return stack ? stack->biases[module] : NULL;
}

bool engine_stack_item_acts(const engine_stack *stack, size_t item, size_t module)
{
    return engine_adapter_borrow_part(stack->items[item].adapter, module)->a != NULL;
}

bool engine_stack_acts(const engine_stack *stack, size_t module)
{
    for (size_t i = 0; i < engine_stack_count(stack); i++)
        if (engine_stack_item_acts(stack, i, module)) return true;
    return false;
}
