/* ui/app/runs/session_base.c: what of the base is to blame when numbers are not finite. */
#include "engine/dtype_values.h"
#include "engine/weights.h"
#include "ui/app/runs/session_internal.h"

static bool may_be_checked(engine_dtype type)
{
    return type == ENGINE_DTYPE_F32 || type == ENGINE_DTYPE_F16 || type == ENGINE_DTYPE_BF16;
}

err run_check_base(run_session *s)
{
    const engine_weights *weights = engine_model_borrow_weights(s->model);
    if (s->base_checked) return ERR_OK;
    s->base_checked = true;
    for (size_t i = 0; i < engine_weights_count(weights); i++) {
        const engine_weight *w = engine_weights_borrow(weights, i);
        if (may_be_checked(w->type) && !engine_dtype_all_finite(w->type, w->data))
            return err_make(ERR_FORMAT,
                            "the loss is not finite, for the base holds a value that is none: %s, tensor %.200s",
                            w->file, w->name);
    }
    return ERR_OK;
}
