// Element by element, and sums over a dimension.
#include "engine/tensor/module.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>

tensor *tensor_add(tensor_scope *s, const tensor *a, const tensor *b) { OP_RUN(s, (a, b), a->value.add(b->value)); }
tensor *tensor_sub(tensor_scope *s, const tensor *a, const tensor *b) { OP_RUN(s, (a, b), a->value.sub(b->value)); }
tensor *tensor_mul(tensor_scope *s, const tensor *a, const tensor *b) { OP_RUN(s, (a, b), a->value.mul(b->value)); }
tensor *tensor_div(tensor_scope *s, const tensor *a, const tensor *b) { OP_RUN(s, (a, b), a->value.div(b->value)); }

tensor *tensor_scale(tensor_scope *s, const tensor *a, double factor) { OP_RUN(s, (a), a->value.mul(factor)); }
tensor *tensor_shift(tensor_scope *s, const tensor *a, double addend) { OP_RUN(s, (a), a->value.add(addend)); }
tensor *tensor_power(tensor_scope *s, const tensor *a, double exponent) { OP_RUN(s, (a), a->value.pow(exponent)); }

tensor *tensor_neg(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.neg()); }
tensor *tensor_exp(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.exp()); }
tensor *tensor_log(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.log()); }
tensor *tensor_sin(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.sin()); }
tensor *tensor_cos(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.cos()); }
tensor *tensor_tanh(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.tanh()); }
tensor *tensor_sqrt(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.sqrt()); }
tensor *tensor_rsqrt(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.rsqrt()); }
tensor *tensor_sigmoid(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.sigmoid()); }
tensor *tensor_silu(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), at::silu(a->value)); }
tensor *tensor_relu(tensor_scope *s, const tensor *a) { OP_RUN(s, (a), a->value.relu()); }

tensor *tensor_gelu(tensor_scope *s, const tensor *a, bool tanh_form)
{
    OP_RUN(s, (a), at::gelu(a->value, tanh_form ? "tanh" : "none"));
}

tensor *tensor_sum(tensor_scope *s, const tensor *a, int dim, bool keep_dim)
{
    OP_RUN(s, (a), a->value.sum(dim, keep_dim));
}

tensor *tensor_mean(tensor_scope *s, const tensor *a, int dim, bool keep_dim)
{
    OP_RUN(s, (a), a->value.mean(dim, keep_dim));
}

tensor *tensor_max(tensor_scope *s, const tensor *a, int dim, bool keep_dim)
{
    OP_RUN(s, (a), a->value.amax(dim, keep_dim));
}

tensor *tensor_argmax(tensor_scope *s, const tensor *a, int dim) { OP_RUN(s, (a), a->value.argmax(dim)); }

tensor *tensor_norm(tensor_scope *s, const tensor *a, int dim, bool keep_dim)
{
    OP_RUN(s, (a), at::linalg_vector_norm(a->value, 2, dim, keep_dim));
}

tensor *tensor_logsumexp(tensor_scope *s, const tensor *a, int dim, bool keep_dim)
{
    OP_RUN(s, (a), a->value.logsumexp(dim, keep_dim));
}

tensor *tensor_softmax(tensor_scope *s, const tensor *a, int dim)
{
    OP_RUN(s, (a), at::softmax(a->value, dim, at::kFloat).to(a->value.scalar_type()));
}

tensor *tensor_log_softmax(tensor_scope *s, const tensor *a, int dim)
{
    OP_RUN(s, (a), at::log_softmax(a->value, dim, at::kFloat).to(a->value.scalar_type()));
}

tensor *tensor_masked_fill(tensor_scope *s, const tensor *a, const tensor *mask, double value)
{
    OP_RUN(s, (a, mask), a->value.masked_fill(mask->value, value));
}
