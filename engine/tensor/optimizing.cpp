// Steps over leaves by their gradients. None of it is recorded for autograd.
#include "engine/tensor/module.h"

#include <cmath>

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>

namespace
{

// The leaves that have a gradient, with the state tensors that belong to them.
struct stepped {
    std::vector<at::Tensor> values, grads, m, v;

    stepped(tensor *const *leaves, tensor *const *m_all, tensor *const *v_all, size_t count)
    {
        for (size_t i = 0; i < count; i++) {
            TORCH_CHECK(leaves[i] != nullptr, "leaf ", i, " is missing");
            const at::Tensor &value = leaves[i]->value;
            if (!value.grad().defined()) continue;
            // Below autograd a leaf may be written to; its detached handle shares the storage.
            values.push_back(value.detach());
            grads.push_back(value.grad());
            if (m_all) m.push_back(m_all[i]->value);
            if (v_all) v.push_back(v_all[i]->value);
        }
    }
};

void adamw_plain(stepped &all, const tensor_adamw &how)
{
    double first = 1 - std::pow(how.beta1, (double)how.step),
           second = 1 - std::pow(how.beta2, (double)how.step);
    for (size_t i = 0; i < all.values.size(); i++) {
        const at::Tensor &g = all.grads[i];
        all.values[i].mul_(1 - how.rate * how.decay);
        all.m[i].mul_(how.beta1).add_(g, 1 - how.beta1);
        all.v[i].mul_(how.beta2).addcmul_(g, g, 1 - how.beta2);
        at::Tensor below = all.v[i].sqrt().div_(std::sqrt(second)).add_(how.eps);
        all.values[i].addcdiv_(all.m[i], below, -how.rate / first);
    }
}

void adamw_fused(stepped &all, const tensor_adamw &how)
{
    std::vector<at::Tensor> steps;
    for (const at::Tensor &value : all.values)
        steps.push_back(at::full({}, (double)how.step, value.options().dtype(at::kFloat)));
    at::_fused_adamw_(all.values, all.grads, all.m, all.v, {}, steps, how.rate, how.beta1, how.beta2,
                      how.decay, how.eps, false, false);
}

} // namespace

bool tensor_adamw_step(tensor_scope *s, tensor *const *leaves, tensor *const *m, tensor *const *v,
                       size_t count, const tensor_adamw *how)
{
    return door::attempt(s, __func__, false, [&] {
        stepped all(leaves, m, v, count);
        if (all.values.empty()) return;
        if (how->plain)
            adamw_plain(all, *how);
        else
            adamw_fused(all, *how);
    });
}

bool tensor_sgd_step(tensor_scope *s, tensor *const *leaves, size_t count, double rate, double decay)
{
    return door::attempt(s, __func__, false, [&] {
        stepped all(leaves, nullptr, nullptr, count);
        for (size_t i = 0; i < all.values.size(); i++) {
            at::Tensor step = decay != 0 ? all.grads[i].add(all.values[i], decay) : all.grads[i];
            all.values[i].add_(step, -rate);
        }
    });
}

bool tensor_lion_step(tensor_scope *s, tensor *const *leaves, tensor *const *m, size_t count,
                      const tensor_adamw *how)
{
    return door::attempt(s, __func__, false, [&] {
        stepped all(leaves, m, nullptr, count);
        for (size_t i = 0; i < all.values.size(); i++) {
            const at::Tensor &g = all.grads[i];
            at::Tensor direction = all.m[i].mul(how->beta1).add_(g, 1 - how->beta1).sign_();
            all.values[i].mul_(1 - how->rate * how->decay).add_(direction, -how->rate);
            all.m[i].mul_(how->beta2).add_(g, 1 - how->beta2);
        }
    });
}

bool tensor_grads_norm(tensor_scope *s, tensor *const *leaves, size_t count, double *norm)
{
    return door::attempt(s, __func__, false, [&] {
        stepped all(leaves, nullptr, nullptr, count);
        double sum = 0;
        for (const at::Tensor &g : all.grads) {
            double one = at::linalg_vector_norm(g).item<double>();
            sum += one * one;
        }
        *norm = std::sqrt(sum);
    });
}

bool tensor_grads_scale(tensor_scope *s, tensor *const *leaves, size_t count, double factor)
{
    return door::attempt(s, __func__, false, [&] {
        stepped all(leaves, nullptr, nullptr, count);
        for (at::Tensor &g : all.grads) g.mul_(factor);
    });
}
