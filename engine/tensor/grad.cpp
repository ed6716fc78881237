// Autograd: leaves, backward, gradients.
#include "engine/tensor/module.h"

// Do it with autograd on; false and a failed scope when it throws.
template <typename Body> static bool attempt(tensor_scope *s, const char *what, const tensor *t, Body body)
{
    if (s->first.code) return false;
    if (!t) {
        door::fail_missing(s, what);
        return false;
    }
    try {
        door::mode as(true);
        body();
        return true;
    } catch (...) {
        door::fail(s, door::caught(what));
        return false;
    }
}

bool tensor_requires_grad(tensor_scope *s, tensor *t)
{
    return attempt(s, __func__, t, [&] {
        TORCH_CHECK(t->value.is_leaf(), "only a tensor that was not computed from others can be a leaf");
        t->value.requires_grad_(true);
    });
}

bool tensor_backward(tensor_scope *s, const tensor *loss)
{
    return attempt(s, __func__, loss, [&] { loss->value.backward(); });
}

tensor *tensor_grad(tensor_scope *s, const tensor *t)
{
    if (t && !t->value.grad().defined()) return nullptr;
    OP_RUN(s, (t), t->value.grad());
}

void tensor_grad_clear(tensor *t)
{
    if (t) t->value.mutable_grad().reset();
}
