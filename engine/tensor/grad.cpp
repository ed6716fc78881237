// Autograd: leaves, backward, gradients.
#include "engine/tensor/module.h"

// Do it with autograd on, to a tensor that must be there.
template <typename Body> static bool attempt(tensor_scope *s, const char *what, const tensor *t, Body body)
{
    if (!t && !s->first.code) door::fail_missing(s, what);
    return door::attempt(s, what, true, body);
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

bool tensor_backward_from(tensor_scope *s, const tensor *y, const tensor *g)
{
    return attempt(s, __func__, y, [&] {
        TORCH_CHECK(g != nullptr, "there is no gradient to begin with");
        y->value.backward(g->value);
    });
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
