// Matrix products and the two fused steps of a decoder layer.
#include "engine/tensor/module.h"

#include <ATen/ops/embedding.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>

tensor *tensor_matmul(tensor_scope *s, const tensor *a, const tensor *b)
{
    OP_RUN(s, (a, b), a->value.matmul(b->value));
}

tensor *tensor_linear(tensor_scope *s, const tensor *x, const tensor *weight, const tensor *bias)
{
    OP_RUN(s, (x, weight),
           at::linear(x->value, weight->value, bias ? std::optional<at::Tensor>(bias->value) : std::nullopt));
}

tensor *tensor_embedding(tensor_scope *s, const tensor *weight, const tensor *ids)
{
    OP_RUN(s, (weight, ids), at::embedding(weight->value, ids->value));
}

tensor *tensor_attention(tensor_scope *s, const tensor *q, const tensor *k, const tensor *v, const tensor *mask,
                         bool causal, double scale)
{
    return door::run(s, __func__, {q, k, v}, [&]() -> at::Tensor {
        std::optional<at::Tensor> masked;
        if (mask) masked = mask->value;
        bool grouped = q->value.size(1) != k->value.size(1);
        return at::scaled_dot_product_attention(q->value, k->value, v->value, masked, 0.0, causal, scale, grouped);
    });
}

tensor *tensor_rms_norm(tensor_scope *s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind)
{
    return door::run(s, __func__, {x, weight}, [&]() -> at::Tensor {
        at::ScalarType type = x->value.scalar_type();
        at::Tensor wide = x->value.to(at::kFloat);
        at::Tensor y = wide.mul(wide.square().mean(-1, true).add(eps).rsqrt());
        const at::Tensor &w = weight->value;
        switch (kind) {
        case TENSOR_NORM_LLAMA: return y.to(type).mul(w);
        case TENSOR_NORM_F32_WEIGHT: return y.mul(w.to(at::kFloat)).to(type);
        case TENSOR_NORM_GEMMA: return y.mul(w.to(at::kFloat).add(1.0)).to(type);
        }
        TORCH_CHECK(false, "unknown kind of norm ", (int)kind);
    });
}
