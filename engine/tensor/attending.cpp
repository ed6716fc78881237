// Causal attention of a training pass on the CPU: computed in f32 whatever the type, rounded once, with a
// backward pass that keeps the inputs alone (the weights are made again, a block at a time).
#include "engine/tensor/training.h"

#include <atomic>
#include <cmath>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

namespace
{

// -- rows of scores ---------------------------------------------------------------------------------------

constexpr int64_t lanes = 16; // sums in an order of our own, which the compiler may turn into vectors

WIDE_LOOPS float sum_of(const float *__restrict x, int64_t count)
{
    float sums[lanes] = {0}, all = 0;
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
        for (int64_t l = 0; l < lanes; l++) sums[l] += x[i + l];
    for (; i < count; i++) all += x[i];
    for (int64_t l = 0; l < lanes; l++) all += sums[l];
    return all;
}

WIDE_LOOPS float product_of(const float *__restrict x, const float *__restrict y, int64_t count)
{
    float sums[lanes] = {0}, all = 0;
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
        for (int64_t l = 0; l < lanes; l++) sums[l] += x[i + l] * y[i + l];
    for (; i < count; i++) all += x[i] * y[i];
    for (int64_t l = 0; l < lanes; l++) all += sums[l];
    return all;
}

WIDE_LOOPS void multiply(float *__restrict x, int64_t count, float by)
{
    for (int64_t i = 0; i < count; i++) x[i] *= by;
}

// of_scores := scale w (of_scores - pull).
WIDE_LOOPS void softmax_back_row(const float *__restrict w, float *__restrict of_scores, int64_t count,
                                 float pull, float scale)
{
    for (int64_t i = 0; i < count; i++) of_scores[i] = scale * w[i] * (of_scores[i] - pull);
}

// -- blocks -----------------------------------------------------------------------------------------------

// Queries of rows [row, row + count) of the segment that begins at `begin`, against keys [first, row + count).
struct block {
    int64_t begin, row, count, first;
    int64_t keys() const { return row + count - first; }
};

// All of one thread's products of a block.
struct weighed {
    at::Tensor weights; // [count * group, keys], softmax; the order of rows is that of q: row, then head
    at::Tensor bent;    // the tanh that softcap took; undefined without
};

struct attention {
    at::Tensor q, k, v; // [rows, heads * size], [rows, kv_heads * size]
    int64_t heads, kv_heads, size, window;
    double scale, softcap;
    std::vector<block> blocks;

    // More rows waste more on keys that lie ahead, fewer cost more calls.
    static constexpr int64_t block_rows = 64;

    int64_t group() const { return heads / kv_heads; }
    int64_t first_key(const block &b, int64_t row) const
    {
        return window && row + 1 - window > b.begin ? row + 1 - window : b.begin;
    }

    void cut(const size_t *begins, size_t count)
    {
        for (size_t i = 0; i < count; i++) {
            auto begin = (int64_t)begins[i], end = (int64_t)begins[i + 1];
            for (int64_t row = begin; row < end; row += block_rows) {
                block b{begin, row, std::min(block_rows, end - row), begin};
                b.first = first_key(b, row);
                blocks.push_back(b);
            }
        }
    }

    // Rows of the heads that share keys, or of their keys or values: [count, columns] f32, contiguous.
    static at::Tensor wide(const at::Tensor &t, int64_t row, int64_t count, int64_t column, int64_t columns)
    {
        return t.narrow(0, row, count).narrow(1, column, columns).to(at::kFloat).contiguous();
    }

    weighed weigh(const block &b, const at::Tensor &queries, const at::Tensor &keys) const
    {
        weighed out;
        out.weights = queries.mm(keys.t());
        float factor = (float)scale;
        if (softcap > 0) {
            out.bent = out.weights.mul_(scale / softcap).tanh_();
            out.weights = out.bent.clone();
            factor = (float)softcap;
        }
        float *at = out.weights.mutable_data_ptr<float>();
        int64_t count = b.keys(), each = group();
        for (int64_t i = 0; i < b.count * each; i++, at += count) {
            int64_t row = b.row + i / each, begin = first_key(b, row) - b.first, end = row + 1 - b.first;
            memset(at, 0, (size_t)begin * sizeof *at);
            memset(at + end, 0, (size_t)(count - end) * sizeof *at);
            door::row_exp(at + begin, end - begin, factor, door::row_most(at + begin, end - begin), 1);
            multiply(at + begin, end - begin, 1 / sum_of(at + begin, end - begin));
        }
        return out;
    }

    // The gradient of the weights becomes that of the scores q·k.
    void weigh_back(const weighed &w, at::Tensor &of_weights) const
    {
        int64_t rows = w.weights.size(0), count = w.weights.size(1);
        const float *weights = w.weights.const_data_ptr<float>();
        float *of = of_weights.mutable_data_ptr<float>();
        for (int64_t i = 0; i < rows; i++, weights += count, of += count)
            softmax_back_row(weights, of, count, product_of(weights, of, count), (float)scale);
        if (softcap > 0) of_weights.addcmul_(of_weights, w.bent.square(), -1);
    }

    template <typename Body> static void each(int64_t count, Body body)
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
        int64_t count = (int64_t)blocks.size(), width = group() * size;
        each(count * kv_heads, [&](int64_t i) {
            const block &b = blocks[(size_t)(i % count)];
            int64_t kv = i / count;
            at::Tensor queries = wide(q, b.row, b.count, kv * width, width).view({-1, size});
            at::Tensor weights = weigh(b, queries, wide(k, b.first, b.keys(), kv * size, size)).weights;
            at::Tensor out = weights.mm(wide(v, b.first, b.keys(), kv * size, size));
            y.narrow(0, b.row, b.count).narrow(1, kv * width, width).copy_(out.view({b.count, width}));
        });
        return y;
    }

    // By heads of k and v, so that their gradients are summed in one order.
    void backward(const at::Tensor &g, at::Tensor &dq, at::Tensor &dk, at::Tensor &dv) const
    {
        int64_t rows = q.size(0), width = group() * size;
        each(kv_heads, [&](int64_t kv) {
            at::Tensor all_q = wide(q, 0, rows, kv * width, width), all_g = wide(g, 0, rows, kv * width, width),
                       all_k = wide(k, 0, rows, kv * size, size), all_v = wide(v, 0, rows, kv * size, size);
            at::Tensor of_q = at::empty_like(all_q), of_k = at::zeros_like(all_k), of_v = at::zeros_like(all_v);
            for (const block &b : blocks) {
                at::Tensor keys = all_k.narrow(0, b.first, b.keys()),
                           values = all_v.narrow(0, b.first, b.keys()),
                           queries = all_q.narrow(0, b.row, b.count).view({-1, size}),
                           of_y = all_g.narrow(0, b.row, b.count).view({-1, size}),
                           to_q = of_q.narrow(0, b.row, b.count).view({-1, size});
                weighed w = weigh(b, queries, keys);
                of_v.narrow(0, b.first, b.keys()).addmm_(w.weights.t(), of_y);
                at::Tensor of_scores = of_y.mm(values.t());
                weigh_back(w, of_scores);
                at::mm_out(to_q, of_scores, keys);
                of_k.narrow(0, b.first, b.keys()).addmm_(of_scores.t(), queries);
            }
            dq.narrow(1, kv * width, width).copy_(of_q);
            dk.narrow(1, kv * size, size).copy_(of_k);
            dv.narrow(1, kv * size, size).copy_(of_v);
        });
    }
};

} // namespace

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
        return door::written(
            {q->value, k->value, v->value}, [&] { return a->forward(); },
            [a](const std::vector<at::Tensor> &grads, const door::written_node &) {
                at::Tensor dq = at::empty_like(a->q), dk = at::empty_like(a->k), dv = at::empty_like(a->v);
                a->backward(grads[0], dq, dk, dv);
                return std::vector<at::Tensor>{dq, dk, dv};
            });
    });
}
