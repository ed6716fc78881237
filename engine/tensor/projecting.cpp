// Linear layers with a frozen weight and a low-rank branch, several on one input (spec training.md,
// sections 1.1, 1.2).
#include "engine/tensor/training.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace
{

// One projection as its node needs it.
struct branch {
    door::frozen weight;
    at::Tensor bias, a, b; // detached; a and b undefined: no branch
    double scale;
    std::vector<uint64_t> keys; // dropout's mask is made again in the backward pass
    at::Tensor inner;           // scale · D(x) aᵀ, kept from the forward pass: it is narrow
};

struct projecting {
    std::vector<branch> branches;
    std::vector<size_t> begins; // rows of each sequence, for dropout
    double dropout;
    bool narrow; // the branch in x's type
};

at::Tensor detached(const tensor *t) { return t ? t->value.detach() : at::Tensor(); }

// x as the branch computes it, and what dropout leaves of it. `wide` is x in the branch's type.
at::Tensor dropped(const projecting &all, const branch &one, const at::Tensor &wide, at::Tensor *mask)
{
    if (all.dropout <= 0) return wide;
    *mask = door::dropout_mask(all.begins, one.keys, (size_t)wide.size(1), all.dropout)
                .to(wide.device(), wide.scalar_type());
    return wide.mul(*mask);
}

// What the product with the base reads: x itself, or x raised once for all where that would be done each time.
const at::Tensor &multiplied(const at::Tensor &x, const at::Tensor &wide)
{
    static const bool native = door::cpu_multiplies_bf16();
    return x.is_cuda() || native ? x : wide;
}

at::Tensor forward_one(const projecting &all, branch &one, const at::Tensor &x, const at::Tensor &wide)
{
    at::Tensor y = door::product_nt(multiplied(x, wide), one.weight), mask;
    if (one.bias.defined()) y.add_(one.bias);
    if (one.a.defined()) {
        at::ScalarType type = wide.scalar_type();
        one.inner = dropped(all, one, wide, &mask).mm(one.a.to(type).t()).mul_(one.scale);
        if (type == at::kFloat)
            y.addmm_(one.inner, one.b.t());
        else
            y.add_(one.inner.mm(one.b.to(type).t()));
    }
    return y.to(x.scalar_type());
}

struct branch_grads {
    at::Tensor a, b;
};

// dA and dB, and what reaches x through the branch, added to dx when that is wanted.
branch_grads backward_branch(const projecting &all, const branch &one, const at::Tensor &wide,
                             const at::Tensor &g, at::Tensor *dx)
{
    at::ScalarType type = wide.scalar_type();
    at::Tensor mask, kept = dropped(all, one, wide, &mask), down = one.a.to(type), up = one.b.to(type);
    at::Tensor of_inner = g.mm(up).mul_(one.scale);
    /* (innerᵀ g)ᵀ: gᵀ inner would pack the wide one of the two, at half the speed. */
    branch_grads out = {of_inner.t().mm(kept).to(at::kFloat), one.inner.t().mm(g).t().to(at::kFloat).contiguous()};
    if (!dx) return out;
    if (mask.defined())
        dx->add_(of_inner.mm(down).mul_(mask));
    else if (type == at::kFloat)
        dx->addmm_(of_inner, down);
    else
        dx->add_(of_inner.mm(down));
    return out;
}

std::vector<at::Tensor> backward_all(const projecting &all, const at::Tensor &x,
                                     const std::vector<at::Tensor> &grads, const door::written_node &node)
{
    at::ScalarType type = all.narrow ? x.scalar_type() : at::kFloat;
    at::Tensor wide = x.to(type), dx;
    bool wants_x = node.wants(0);
    std::vector<at::Tensor> out(1 + 2 * all.branches.size());
    for (size_t i = 0; i < all.branches.size(); i++) {
        if (!grads[i].defined()) continue;
        const branch &one = all.branches[i];
        at::Tensor g = grads[i].to(type);
        if (wants_x) door::product_nn_add(dx, multiplied(grads[i], g), one.weight);
        if (!one.a.defined()) continue;
        branch_grads of = backward_branch(all, one, wide, g, wants_x ? &dx : nullptr);
        out[1 + 2 * i] = of.a;
        out[2 + 2 * i] = of.b;
    }
    if (dx.defined()) out[0] = dx.to(x.scalar_type());
    return out;
}

projecting projecting_of(const tensor_projection *list, size_t count, const tensor_dropout *dropout,
                         bool narrow)
{
    projecting all;
    all.narrow = narrow;
    all.dropout = dropout ? dropout->p : 0;
    if (dropout) all.begins.assign(dropout->begins, dropout->begins + dropout->count + 1);
    for (size_t i = 0; i < count; i++) {
        const tensor_projection &one = list[i];
        branch b{door::frozen_of(one.weight, &one.packed),
                 detached(one.bias),
                 detached(one.a),
                 detached(one.b),
                 one.scale,
                 {}};
        if (dropout && one.keys) b.keys.assign(one.keys, one.keys + dropout->count);
        all.branches.push_back(std::move(b));
    }
    return all;
}

} // namespace

bool tensor_project(tensor_scope *s, const tensor *x, tensor_projection *list, size_t count,
                    const tensor_dropout *dropout, bool narrow)
{
    bool missing = !x;
    for (size_t i = 0; i < count; i++) missing = missing || (!list[i].weight && !list[i].packed.expand);
    if (missing) door::fail_missing(s, __func__);
    return door::attempt(s, __func__, s->grad, [&] {
        std::vector<at::Tensor> inputs = {x->value}, outputs;
        for (size_t i = 0; i < count; i++) {
            inputs.push_back(list[i].a ? list[i].a->value : at::Tensor());
            inputs.push_back(list[i].b ? list[i].b->value : at::Tensor());
        }
        bool recorded = door::recording(inputs);
        auto all = std::make_shared<projecting>(projecting_of(list, count, dropout, narrow));
        at::Tensor from = x->value.detach();
        {
            at::AutoDispatchBelowADInplaceOrView below;
            at::Tensor wide = from.to(narrow ? from.scalar_type() : at::kFloat);
            for (branch &one : all->branches) outputs.push_back(forward_one(*all, one, from, wide));
        }
        if (recorded)
            door::record(outputs, inputs,
                         [all, from](const std::vector<at::Tensor> &grads, const door::written_node &node) {
                             return backward_all(*all, from, grads, node);
                         });
        for (size_t i = 0; i < count; i++) list[i].y = door::put(s, outputs[i]);
    });
}

tensor *tensor_linear_wide(tensor_scope *s, const tensor *x, const tensor *weight,
                           const tensor_packed *packed)
{
    if (!weight && !packed) door::fail_missing(s, __func__);
    return door::run(s, __func__, {x}, [&]() -> at::Tensor {
        bool recorded = door::recording({x->value});
        door::frozen w = door::frozen_of(packed ? nullptr : weight, packed);
        std::vector<at::Tensor> outputs;
        {
            at::AutoDispatchBelowADInplaceOrView below;
            outputs.push_back(door::product_nt(x->value.detach(), w));
        }
        auto type = x->value.scalar_type();
        if (recorded)
            door::record(
                outputs, {x->value},
                [w, type](const std::vector<at::Tensor> &grads, const door::written_node &) {
                    at::Tensor dx;
                    door::product_nn_add(dx, grads[0], w);
                    return std::vector<at::Tensor>{dx.to(type)};
                });
        return outputs[0];
    });
}
