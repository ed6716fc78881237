// Norm, rotation and gate of a training pass on the CPU: computed in f32 whatever the type,
// rounded once, with a backward pass that keeps the inputs alone.
#include "engine/tensor/training.h"

#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

namespace
{

constexpr int64_t rows_each = 16; // of a thread's turn

// -- f32 rows of either type ------------------------------------------------------------------------------

// Row r of a contiguous [rows, size] tensor of f32 or bf16 as f32: where it lies, or in `room`.
const float *row_of(const at::Tensor &t, int64_t r, int64_t size, float *room)
{
    if (t.scalar_type() == at::kFloat) return t.const_data_ptr<float>() + r * size;
    door::row_raise(reinterpret_cast<const uint16_t *>(t.const_data_ptr()) + r * size, room, size);
    return room;
}

void row_put(at::Tensor &t, int64_t r, int64_t size, const float *row)
{
    if (t.scalar_type() == at::kFloat)
        memcpy(t.mutable_data_ptr<float>() + r * size, row, (size_t)size * sizeof(float));
    else
        door::row_round(row, reinterpret_cast<uint16_t *>(t.mutable_data_ptr()) + r * size, size);
}

// -- norm -------------------------------------------------------------------------------------------------

WIDE_LOOPS float scale_of(const float *__restrict x, int64_t size, float eps)
{
    float sums[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= size; i += 16)
        for (int64_t l = 0; l < 16; l++) sums[l] += x[i + l] * x[i + l];
    float sum = 0;
    for (; i < size; i++) sum += x[i] * x[i];
    for (int64_t l = 0; l < 16; l++) sum += sums[l];
    return 1.0f / std::sqrt(sum / (float)size + eps);
}

WIDE_LOOPS void norm_row(const float *__restrict x, const float *__restrict w, float *__restrict y,
                         int64_t size, float scale)
{
    for (int64_t i = 0; i < size; i++) y[i] = x[i] * scale * w[i];
}

WIDE_LOOPS void scaled_row(const float *__restrict x, float *__restrict y, int64_t size, float scale)
{
    for (int64_t i = 0; i < size; i++) y[i] = x[i] * scale;
}

// dx = scale (g w - x̂ mean(g w x̂)), x̂ = x scale.
WIDE_LOOPS void norm_back_row(const float *__restrict x, const float *__restrict w, const float *__restrict g,
                              float *__restrict dx, int64_t size, float scale)
{
    float sums[16] = {0};
    int64_t i = 0;
    for (; i + 16 <= size; i += 16)
        for (int64_t l = 0; l < 16; l++) sums[l] += g[i + l] * w[i + l] * x[i + l];
    float sum = 0;
    for (; i < size; i++) sum += g[i] * w[i] * x[i];
    for (int64_t l = 0; l < 16; l++) sum += sums[l];
    float pull = sum * scale * scale / (float)size;
    for (int64_t k = 0; k < size; k++) dx[k] = scale * (g[k] * w[k] - x[k] * pull);
}

struct norm {
    at::Tensor x, weight; // weight f32, with gemma's 1 in it
    int64_t size;
    float eps;
    bool rounds; // llama: x̂ is rounded before it meets the weight

    at::Tensor forward() const
    {
        at::Tensor y = at::empty_like(x);
        const float *w = weight.const_data_ptr<float>();
        at::parallel_for(0, x.numel() / size, rows_each, [&](int64_t begin, int64_t end) {
            std::vector<float> room(2 * (size_t)size);
            std::vector<uint16_t> narrow((size_t)size);
            for (int64_t r = begin; r < end; r++) {
                const float *row = row_of(x, r, size, room.data());
                float scale = scale_of(row, size, eps), *out = room.data() + size;
                if (rounds && x.scalar_type() == at::kBFloat16) {
                    scaled_row(row, out, size, scale);
                    door::row_round(out, narrow.data(), size);
                    door::row_raise(narrow.data(), room.data(), size);
                    norm_row(room.data(), w, out, size, 1);
                } else {
                    norm_row(row, w, out, size, scale);
                }
                row_put(y, r, size, out);
            }
        });
        return y;
    }

    at::Tensor backward(const at::Tensor &g) const
    {
        at::Tensor dx = at::empty_like(x);
        const float *w = weight.const_data_ptr<float>();
        at::parallel_for(0, x.numel() / size, rows_each, [&](int64_t begin, int64_t end) {
            std::vector<float> room(3 * (size_t)size);
            for (int64_t r = begin; r < end; r++) {
                const float *row = row_of(x, r, size, room.data()),
                            *of_y = row_of(g, r, size, room.data() + size);
                norm_back_row(row, w, of_y, room.data() + 2 * size, size, scale_of(row, size, eps));
                row_put(dx, r, size, room.data() + 2 * size);
            }
        });
        return dx;
    }
};

// -- rotation ---------------------------------------------------------------------------------------------

WIDE_LOOPS void rotate_head(const float *__restrict a, const float *__restrict b, const float *__restrict cos,
                            const float *__restrict sin, float *__restrict out_a, float *__restrict out_b,
                            int64_t half, float sign)
{
    for (int64_t i = 0; i < half; i++) {
        float s = sin[i] * sign;
        out_a[i] = a[i] * cos[i] - b[i] * s;
        out_b[i] = b[i] * cos[i] + a[i] * s;
    }
}

// x [rows, heads * size], tables f32 [rows, half]; the first 2 * half of each head are rotated.
at::Tensor rotated(const at::Tensor &x, const at::Tensor &cos, const at::Tensor &sin, int64_t size,
                   float sign)
{
    at::Tensor y = at::empty_like(x);
    int64_t width = x.size(1), half = cos.size(1);
    at::parallel_for(0, x.size(0), rows_each, [&](int64_t begin, int64_t end) {
        std::vector<float> room(2 * (size_t)width);
        for (int64_t r = begin; r < end; r++) {
            const float *row = row_of(x, r, width, room.data()), *c = cos.const_data_ptr<float>() + r * half;
            const float *n = sin.const_data_ptr<float>() + r * half;
            float *out = room.data() + width;
            for (int64_t at = 0; at < width; at += size) {
                rotate_head(row + at, row + at + half, c, n, out + at, out + at + half, half, sign);
                memcpy(out + at + 2 * half, row + at + 2 * half, (size_t)(size - 2 * half) * sizeof(float));
            }
            row_put(y, r, width, out);
        }
    });
    return y;
}

// -- gate -------------------------------------------------------------------------------------------------

at::Tensor activated(const at::Tensor &x, tensor_activation kind)
{
    switch (kind) {
    case TENSOR_SILU: return at::silu(x);
    case TENSOR_GELU: return at::gelu(x, "none");
    case TENSOR_GELU_TANH: return at::gelu(x, "tanh");
    case TENSOR_RELU: return x.relu();
    }
    TORCH_CHECK(false, "unknown activation ", (int)kind);
}

at::Tensor activated_back(const at::Tensor &g, const at::Tensor &x, tensor_activation kind)
{
    switch (kind) {
    case TENSOR_SILU: return at::silu_backward(g, x);
    case TENSOR_GELU: return at::gelu_backward(g, x, "none");
    case TENSOR_GELU_TANH: return at::gelu_backward(g, x, "tanh");
    case TENSOR_RELU: return at::threshold_backward(g, x, 0);
    }
    TORCH_CHECK(false, "unknown activation ", (int)kind);
}

} // namespace

tensor *tensor_train_norm(tensor_scope *s, const tensor *x, const tensor *weight, double eps,
                          tensor_norm_kind kind)
{
    return door::run(s, __func__, {x, weight}, [&]() -> at::Tensor {
        at::Tensor w = weight->value.detach().to(at::kFloat).contiguous();
        if (kind == TENSOR_NORM_GEMMA) w = w.add(1.0);
        auto n = std::make_shared<norm>(
            norm{x->value.detach().contiguous(), w, w.numel(), (float)eps, kind == TENSOR_NORM_LLAMA});
        return door::written(
            {x->value}, [&] { return n->forward(); },
            [n](const std::vector<at::Tensor> &grads, const door::written_node &) {
                return std::vector<at::Tensor>{n->backward(grads[0].contiguous())};
            });
    });
}

tensor *tensor_train_rotate(tensor_scope *s, const tensor *x, const tensor *cos, const tensor *sin,
                            size_t head_size)
{
    return door::run(s, __func__, {x, cos, sin}, [&]() -> at::Tensor {
        auto rows = x->value.size(0);
        at::Tensor c = cos->value.to(at::kFloat).reshape({rows, -1}),
                   n = sin->value.to(at::kFloat).reshape({rows, -1});
        auto size = (int64_t)head_size;
        return door::written(
            {x->value}, [&] { return rotated(x->value.detach().contiguous(), c, n, size, 1); },
            [c, n, size](const std::vector<at::Tensor> &grads, const door::written_node &) {
                return std::vector<at::Tensor>{rotated(grads[0].contiguous(), c, n, size, -1)};
            });
    });
}

tensor *tensor_train_gate(tensor_scope *s, const tensor *gate, const tensor *up, tensor_activation kind)
{
    return door::run(s, __func__, {gate, up}, [&]() -> at::Tensor {
        at::Tensor a = gate->value.detach(), b = up->value.detach();
        return door::written(
            {gate->value, up->value}, [&] { return activated(a, kind).mul_(b); },
            [a, b, kind](const std::vector<at::Tensor> &grads, const door::written_node &) {
                at::Tensor of_up = activated(a, kind).mul_(grads[0]);
                return std::vector<at::Tensor>{activated_back(grads[0].mul(b), a, kind), of_up};
            });
    });
}
