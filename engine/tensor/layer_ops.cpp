// Norm, rotation, gate and attention of a training pass on the CPU: computed in f32 whatever the type,
// rounded once, with a backward pass that keeps the inputs alone.
#include "engine/tensor/training.h"

#include <atomic>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/threshold_backward.h>
#include <ATen/ops/zeros.h>

namespace
{

constexpr int64_t rows_each = 16; // of a thread's turn

// -- f32 rows of either type ------------------------------------------------------------------------------

WIDE_LOOPS void raise(const uint16_t *__restrict from, float *__restrict to, int64_t count)
{
    auto *bits = reinterpret_cast<uint32_t *>(to);
    for (int64_t i = 0; i < count; i++) bits[i] = (uint32_t)from[i] << 16;
}

// To the nearest, ties to even; not a number stays one.
WIDE_LOOPS void round_row(const float *__restrict from, uint16_t *__restrict to, int64_t count)
{
    const auto *bits = reinterpret_cast<const uint32_t *>(from);
    for (int64_t i = 0; i < count; i++) {
        uint32_t rounded = (bits[i] + 0x7fffu + (bits[i] >> 16 & 1u)) >> 16;
        to[i] = (uint16_t)((bits[i] & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u : rounded);
    }
}

// Row r of a contiguous [rows, size] tensor of f32 or bf16 as f32: where it lies, or in `room`.
const float *row_of(const at::Tensor &t, int64_t r, int64_t size, float *room)
{
    if (t.scalar_type() == at::kFloat) return t.const_data_ptr<float>() + r * size;
    raise(reinterpret_cast<const uint16_t *>(t.const_data_ptr()) + r * size, room, size);
    return room;
}

void row_put(at::Tensor &t, int64_t r, int64_t size, const float *row)
{
    if (t.scalar_type() == at::kFloat)
        memcpy(t.mutable_data_ptr<float>() + r * size, row, (size_t)size * sizeof(float));
    else
        round_row(row, reinterpret_cast<uint16_t *>(t.mutable_data_ptr()) + r * size, size);
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
                    round_row(out, narrow.data(), size);
                    raise(narrow.data(), room.data(), size);
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

// -- attention --------------------------------------------------------------------------------------------

// One block of queries: rows [row, row + count) of segment rows [begin, end), against keys [first, row +
// count).
struct block {
    int64_t begin, row, count, first;
};

struct attention {
    at::Tensor q, k, v; // [rows, heads * size], [rows, kv_heads * size]
    int64_t heads, kv_heads, size, window;
    double scale, softcap;
    std::vector<block> blocks;

    static constexpr int64_t block_rows = 128;

    void cut(const size_t *begins, size_t count)
    {
        for (size_t i = 0; i < count; i++) {
            auto begin = (int64_t)begins[i], end = (int64_t)begins[i + 1];
            for (int64_t row = begin; row < end; row += block_rows) {
                int64_t first = window && row + 1 - window > begin ? row + 1 - window : begin;
                blocks.push_back({begin, row, std::min(block_rows, end - row), first});
            }
        }
    }

    // Columns of one head, or of the heads of a group: [count, size] f32.
    static at::Tensor wide(const at::Tensor &t, int64_t row, int64_t count, int64_t column, int64_t columns)
    {
        return t.narrow(0, row, count).narrow(1, column, columns).to(at::kFloat);
    }

    // softmax weights [group * count, keys] of a block and the tanh that softcap took.
    at::Tensor weigh(const block &b, const at::Tensor &queries, const at::Tensor &keys,
                     at::Tensor *bent) const
    {
        at::Tensor scores = queries.mm(keys.t());
        int64_t key_count = keys.size(0), total = scores.size(0);
        if (softcap > 0) {
            *bent = scores.mul_(scale / softcap).tanh_();
            scores = bent->mul(softcap);
        } else {
            scores.mul_(scale);
        }
        auto *at = scores.mutable_data_ptr<float>();
        for (int64_t i = 0; i < total; i++) {
            int64_t row = b.row + i % b.count,
                    first = window && row + 1 - window > b.begin ? row + 1 - window : b.begin;
            for (int64_t key = 0; key < first - b.first; key++) at[i * key_count + key] = -INFINITY;
            for (int64_t key = row + 1 - b.first; key < key_count; key++) at[i * key_count + key] = -INFINITY;
        }
        return at::softmax(scores, -1);
    }

    // The queries of a group, head after head: [group * count, size].
    at::Tensor stack(const at::Tensor &t, const block &b, int64_t kv) const
    {
        int64_t group = heads / kv_heads;
        return wide(t, b.row, b.count, kv * group * size, group * size)
            .view({b.count, group, size})
            .transpose(0, 1)
            .reshape({group * b.count, size});
    }

    void unstack(at::Tensor &t, const block &b, int64_t kv, const at::Tensor &from) const
    {
        int64_t group = heads / kv_heads;
        t.narrow(0, b.row, b.count)
            .narrow(1, kv * group * size, group * size)
            .view({b.count, group, size})
            .copy_(from.view({group, b.count, size}).transpose(0, 1));
    }

    template <typename Body> void each(int64_t count, Body body) const
    {
        std::atomic<int64_t> next{0};
        int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
        at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
            at::AutoDispatchBelowADInplaceOrView below;
            for (int64_t i; (i = next.fetch_add(1)) < count;) body(i);
        });
    }

    at::Tensor forward() const
    {
        at::Tensor y = at::empty(q.sizes(), q.options());
        int64_t count = (int64_t)blocks.size();
        each(count * kv_heads, [&](int64_t i) {
            const block &b = blocks[(size_t)(i % count)];
            int64_t kv = i / count, keys = b.row + b.count - b.first;
            at::Tensor bent, of = weigh(b, stack(q, b, kv), wide(k, b.first, keys, kv * size, size), &bent);
            unstack(y, b, kv, of.mm(wide(v, b.first, keys, kv * size, size)));
        });
        return y;
    }

    // By heads of k and v, so that their gradients are summed in one order.
    void backward(const at::Tensor &g, at::Tensor &dq, at::Tensor &dk, at::Tensor &dv) const
    {
        each(kv_heads, [&](int64_t kv) {
            at::Tensor all_k = wide(k, 0, k.size(0), kv * size, size),
                       all_v = wide(v, 0, v.size(0), kv * size, size);
            at::Tensor of_k = at::zeros(all_k.sizes(), all_k.options()),
                       of_v = at::zeros(all_k.sizes(), all_k.options());
            for (const block &b : blocks) {
                int64_t count = b.row + b.count - b.first;
                at::Tensor keys = all_k.narrow(0, b.first, count), values = all_v.narrow(0, b.first, count);
                at::Tensor queries = stack(q, b, kv), of_y = stack(g, b, kv), bent;
                at::Tensor weights = weigh(b, queries, keys, &bent);
                of_v.narrow(0, b.first, count).addmm_(weights.t(), of_y);
                at::Tensor of_scores = of_y.mm(values.t()).mul_(weights);
                of_scores.addcmul_(weights, of_scores.sum(-1, true), -1);
                if (softcap > 0) of_scores.mul_(bent.square_().neg_().add_(1));
                of_scores.mul_(scale);
                unstack(dq, b, kv, of_scores.mm(keys));
                of_k.narrow(0, b.first, count).addmm_(of_scores.t(), queries);
            }
            dk.narrow(1, kv * size, size).copy_(of_k);
            dv.narrow(1, kv * size, size).copy_(of_v);
        });
    }
};

// Compute below autograd, then record when asked: one output.
template <typename Forward>
at::Tensor written(const std::vector<at::Tensor> &inputs, Forward forward, door::written_node::body back)
{
    bool recorded = door::recording(inputs);
    std::vector<at::Tensor> outputs;
    {
        at::AutoDispatchBelowADInplaceOrView below;
        outputs.push_back(forward());
    }
    if (recorded) door::record(outputs, inputs, std::move(back));
    return outputs[0];
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
        return written(
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
        return written(
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
        return written(
            {gate->value, up->value}, [&] { return activated(a, kind).mul_(b); },
            [a, b, kind](const std::vector<at::Tensor> &grads, const door::written_node &) {
                at::Tensor of_up = activated(a, kind).mul_(grads[0]);
                return std::vector<at::Tensor>{activated_back(grads[0].mul(b), a, kind), of_up};
            });
    });
}

tensor *tensor_train_attention(tensor_scope *s, const tensor *q, const tensor *k, const tensor *v,
                               const tensor_attending *how)
{
    return door::run(s, __func__, {q, k, v}, [&]() -> at::Tensor {
        auto a = std::make_shared<attention>();
        a->q = q->value.detach(), a->k = k->value.detach(), a->v = v->value.detach();
        a->heads = (int64_t)how->heads, a->kv_heads = (int64_t)how->kv_heads,
        a->size = q->value.size(1) / a->heads;
        a->window = (int64_t)how->window, a->scale = how->scale, a->softcap = how->softcap;
        a->cut(how->begins, how->count);
        return written(
            {q->value, k->value, v->value}, [&] { return a->forward(); },
            [a](const std::vector<at::Tensor> &grads, const door::written_node &) {
                at::Tensor dq = at::empty(a->q.sizes(), a->q.options());
                at::Tensor dk = at::empty(a->k.sizes(), a->k.options()),
                           dv = at::empty(a->v.sizes(), a->v.options());
                a->backward(grads[0].contiguous(), dq, dk, dv);
                return std::vector<at::Tensor>{dq, dk, dv};
            });
    });
}
