// Products with a frozen weight that is expanded a piece at a time, each piece by all threads, into one room.
#include "engine/tensor/training.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

namespace
{

// Of an expanded piece. Small ones pack x anew too often; this holds any weight of a small model whole.
constexpr int64_t piece_bytes = 16 << 20, rows_min = 32;

// The type that products are computed in.
at::ScalarType type_of(const tensor_packed &w)
{
    static const bool native = door::cpu_multiplies_bf16();
    return w.type == TENSOR_BF16 && native ? at::kBFloat16 : at::kFloat;
}

int64_t piece_of(const tensor_packed &w)
{
    int64_t row_bytes = (int64_t)w.in * (int64_t)c10::elementSize(type_of(w));
    return std::min((int64_t)w.out, std::max(rows_min, piece_bytes / row_bytes / rows_min * rows_min));
}

// body(begin, rows) for all pieces, one after another: rows [count, in], good until body returns.
template <typename Body> void each_piece(const tensor_packed &w, Body body)
{
    int64_t out = (int64_t)w.out, in = (int64_t)w.in, piece = piece_of(w);
    at::ScalarType type = type_of(w);
    at::Tensor room = at::empty({piece, in}, type);
    for (int64_t begin = 0; begin < out; begin += piece) {
        int64_t count = std::min(piece, out - begin);
        w.expand(w.context, w.begin + (size_t)begin, (size_t)count,
                 type == at::kFloat ? TENSOR_F32 : TENSOR_BF16, room.mutable_data_ptr());
        body(begin, room.narrow(0, 0, count));
    }
}

at::Tensor packed_nt(const at::Tensor &x, const tensor_packed &w)
{
    at::Tensor y = at::empty({x.size(0), (int64_t)w.out}, x.options().dtype(at::kFloat)),
               from = x.to(type_of(w));
    each_piece(w, [&](int64_t begin, const at::Tensor &rows) {
        at::Tensor part = y.narrow(1, begin, rows.size(0));
        if (from.scalar_type() == at::kFloat)
            at::mm_out(part, from, rows.t());
        else
            part.copy_(from.mm(rows.t()));
    });
    return y;
}

void packed_nn_add(at::Tensor &y, const at::Tensor &g, const tensor_packed &w)
{
    at::Tensor from = g.to(type_of(w));
    if (!y.defined()) y = at::zeros({g.size(0), (int64_t)w.in}, g.options().dtype(at::kFloat));
    each_piece(w, [&](int64_t begin, const at::Tensor &rows) {
        at::Tensor part = from.narrow(1, begin, rows.size(0));
        if (from.scalar_type() == at::kFloat)
            y.addmm_(part, rows);
        else
            y.add_(part.mm(rows));
    });
}

} // namespace

namespace door
{

frozen frozen_of(const tensor *weight, const tensor_packed *packed)
{
    return {weight ? weight->value.detach() : at::Tensor(), packed ? *packed : tensor_packed{}};
}

at::Tensor product_nt(const at::Tensor &x, const frozen &w)
{
    return w.whole.defined() ? product_nt(x, w.whole) : packed_nt(x, w.packed);
}

void product_nn_add(at::Tensor &y, const at::Tensor &g, const frozen &w)
{
    if (w.whole.defined())
        product_nn_add(y, g, w.whole);
    else
        packed_nn_add(y, g, w.packed);
}

} // namespace door

tensor *tensor_linear_packed(tensor_scope *s, const tensor *x, const tensor_packed *packed,
                             const tensor *bias)
{
    return door::run(s, __func__, {x}, [&]() -> at::Tensor {
        at::AutoDispatchBelowADInplaceOrView below;
        const at::Tensor &from = x->value;
        if (from.scalar_type() != type_of(*packed)) {
            at::Tensor y = packed_nt(from, *packed);
            return (bias ? y.add_(bias->value) : y).to(from.scalar_type());
        }
        at::Tensor y;
        int64_t out = (int64_t)packed->out;
        each_piece(*packed, [&](int64_t begin, const at::Tensor &rows) {
            std::optional<at::Tensor> own;
            if (bias) own = bias->value.narrow(0, begin, rows.size(0));
            at::Tensor part = at::linear(from, rows, own);
            if (rows.size(0) == out) {
                y = part;
                return;
            }
            if (!y.defined()) y = at::empty({from.size(0), out}, from.options());
            y.narrow(1, begin, rows.size(0)).copy_(part);
        });
        return y;
    });
}
