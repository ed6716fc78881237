// The head's loss in chunks, dropout's masks, and two decompositions. None of it is recorded for autograd.
#include "engine/tensor/training.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/zeros.h>

#include "engine/derived_random.h"

namespace
{

// Rows whose logits exist at once: 2^26 elements of them, a power of two from 64 to 4096 (section 6).
int64_t rows_at_once(int64_t vocab)
{
    int64_t rows = 64;
    while (rows < 4096 && rows * 2 * vocab <= ((int64_t)1 << 26)) rows *= 2;
    return rows;
}

at::Tensor ids_tensor(const tensor_head &head, int64_t begin, int64_t count)
{
    at::Tensor ids = at::empty({count}, at::kLong);
    auto *out = ids.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < count; i++) out[i] = head.ids[begin + i];
    return ids.to(head.hidden->value.device());
}

at::Tensor factors_tensor(const tensor_head &head, int64_t begin, int64_t count)
{
    at::Tensor factors = at::empty({count, 1}, at::kFloat);
    auto *out = factors.mutable_data_ptr<float>();
    for (int64_t i = 0; i < count; i++) out[i] = (float)head.factors[begin + i];
    return factors.to(head.hidden->value.device());
}

template <typename T> void copy_out(const at::Tensor &t, at::ScalarType as, T *out)
{
    at::Tensor host = t.to(at::kCPU, as).contiguous();
    const auto *values = (const T *)host.const_data_ptr();
    std::copy(values, values + host.numel(), out);
}

// Losses and hits of the rows of z, which become d loss / d z when there are factors.
void head_rows(const tensor_head &head, int64_t begin, at::Tensor &z)
{
    int64_t vocab = z.size(1);
    float *all = z.mutable_data_ptr<float>();
    at::parallel_for(0, z.size(0), 1, [&](int64_t first, int64_t end) {
        for (int64_t r = first; r < end; r++) {
            float *row = all + r * vocab, most = door::row_most(row, vocab), chosen = row[head.ids[begin + r]];
            float total = most + (float)std::log(door::row_exp_sum(row, vocab, most));
            head.losses[begin + r] = total - chosen;
            head.hits[begin + r] = chosen >= most;
            if (!head.factors) continue;
            auto factor = (float)head.factors[begin + r];
            door::row_exp(row, vocab, 1, total, factor);
            row[head.ids[begin + r]] -= factor;
        }
    });
}

// The same by libtorch's ops: on a GPU, and with softcap.
void head_rows_composed(const tensor_head &head, int64_t begin, at::Tensor &z)
{
    at::Tensor bent;
    if (head.softcap > 0) {
        bent = z.div_(head.softcap).tanh_();
        z = bent.mul(head.softcap);
    }
    at::Tensor ids = ids_tensor(head, begin, z.size(0)).unsqueeze(1);
    at::Tensor total = z.logsumexp(1, true), chosen = z.gather(1, ids);
    copy_out(total.sub(chosen), at::kFloat, head.losses + begin);
    copy_out(chosen.ge(z.amax(1, true)), at::kBool, head.hits + begin);
    if (!head.factors) return;
    z.sub_(total).exp_();
    z.scatter_add_(1, ids, at::full_like(total, -1));
    z.mul_(factors_tensor(head, begin, z.size(0)));
    if (head.softcap > 0) z.mul_(bent.square_().neg_().add_(1));
}

// Rows [begin, begin + count): their losses and hits, and their part of the gradient.
void head_chunk(const tensor_head &head, int64_t begin, int64_t count, at::Tensor *gradient)
{
    const at::Tensor &weight = head.weight->value;
    at::Tensor rows = head.hidden->value.narrow(0, begin, count), z = door::product_nt(rows, weight);
    if (z.is_cpu() && head.softcap <= 0)
        head_rows(head, begin, z);
    else
        head_rows_composed(head, begin, z);
    if (!gradient) return;
    at::Tensor of_rows;
    door::product_nn_add(of_rows, z, weight);
    gradient->narrow(0, begin, count).copy_(of_rows);
    if (head.weight_gradient) head.weight_gradient->value.addmm_(z.t(), rows.to(at::kFloat));
}

} // namespace

bool tensor_head_loss(tensor_scope *s, const tensor_head *head, tensor **gradient)
{
    if (!head->hidden || !head->weight) door::fail_missing(s, __func__);
    return door::attempt(s, __func__, false, [&] {
        int64_t rows = head->hidden->value.size(0), most = rows_at_once(head->weight->value.size(0));
        at::Tensor all;
        if (head->factors) all = at::empty_like(head->hidden->value);
        for (int64_t begin = 0; begin < rows; begin += most)
            head_chunk(*head, begin, std::min(most, rows - begin), head->factors ? &all : nullptr);
        if (head->factors) *gradient = door::put(s, all);
    });
}

at::Tensor door::dropout_mask(const std::vector<size_t> &begins, const std::vector<uint64_t> &keys,
                              size_t columns, double p)
{
    at::Tensor mask = at::empty({(int64_t)begins.back(), (int64_t)columns}, at::kFloat);
    auto *out = mask.mutable_data_ptr<float>();
    float kept = (float)(1 / (1 - p));
    // p as a number of 64 bits: what is below it is dropped.
    auto limit = (uint64_t)(p * 18446744073709551616.0);
    for (size_t i = 0; i < keys.size(); i++) {
        size_t first = begins[i] * columns, size = (begins[i + 1] - begins[i]) * columns;
        at::parallel_for(0, (int64_t)size, 1 << 14, [&](int64_t begin, int64_t end) {
            for (int64_t e = begin; e < end; e++)
                out[first + (size_t)e] = derived_random(keys[i] + (uint64_t)e) < limit ? 0 : kept;
        });
    }
    return mask;
}

tensor *tensor_dropout_mask(tensor_scope *s, tensor_device device, const size_t *begins, const uint64_t *keys,
                            size_t count, size_t columns, double p)
{
    return door::run(s, __func__, {}, [&]() -> at::Tensor {
        door::gpu_check(device);
        std::vector<size_t> rows(begins, begins + count + 1);
        return door::dropout_mask(rows, std::vector<uint64_t>(keys, keys + count), columns, p)
            .to(door::to_device(device));
    });
}

bool tensor_svd(tensor_scope *s, const tensor *a, tensor **u, tensor **values, tensor **vt)
{
    if (!a) door::fail_missing(s, __func__);
    return door::attempt(s, __func__, false, [&] {
        auto [left, middle, right] = at::linalg_svd(a->value.to(at::kFloat), false);
        *u = door::put(s, left);
        *values = door::put(s, middle);
        *vt = door::put(s, right);
    });
}

bool tensor_qr(tensor_scope *s, const tensor *a, tensor **q, tensor **r)
{
    if (!a) door::fail_missing(s, __func__);
    return door::attempt(s, __func__, false, [&] {
        auto [left, right] = at::linalg_qr(a->value.to(at::kFloat));
        *q = door::put(s, left);
        *r = door::put(s, right);
    });
}
