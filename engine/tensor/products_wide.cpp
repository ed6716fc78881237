// Products with a frozen weight, f32 results.
//
// A bf16 product of libtorch on a CPU that has no such instructions runs at a fifth of an f32 one (2 cores
// with AVX-512: 16 GFLOP/s against 85). Raising a piece of the weight costs about one part in twenty of the
// product it is for, and no second copy of the weight ever exists.
#include "engine/tensor/training.h"

#include <atomic>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

namespace
{

// Of a raised weight. Each piece packs all of x anew, so small ones cost: in 1 MiB that was 15 % of a step,
// and what a core's own cache saved was less.
constexpr int64_t piece_bytes = 4 << 20;

bool is_raised(const at::Tensor &w)
{
    static const bool native = door::cpu_multiplies_bf16();
    return w.is_cpu() && w.scalar_type() == at::kBFloat16 && !native;
}

// Rows x columns of w from (row, column) on, as f32 in `room`.
at::Tensor raised(const at::Tensor &w, int64_t row, int64_t rows, int64_t column, int64_t columns,
                  at::Tensor &room)
{
    at::Tensor piece = room.narrow(0, 0, rows * columns).view({rows, columns});
    auto *to = piece.mutable_data_ptr<float>();
    const auto *from = reinterpret_cast<const uint16_t *>(w.const_data_ptr()) + row * w.stride(0) + column;
    for (int64_t r = 0; r < rows; r++) door::row_raise(from + r * w.stride(0), to + r * columns, columns);
    return piece;
}

// body(begin, count, room) for pieces of `total`, each by one thread, whichever is free.
template <typename Body> void each_piece(int64_t total, int64_t piece, int64_t room_count, Body body)
{
    std::atomic<int64_t> next{0};
    int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
    at::parallel_for(0, threads, 1, [&](int64_t, int64_t) {
        at::AutoDispatchBelowADInplaceOrView below;
        at::Tensor room = at::empty({room_count}, at::kFloat);
        for (int64_t begin; (begin = next.fetch_add(piece)) < total;)
            body(begin, std::min(piece, total - begin), room);
    });
}

// As few pieces of at most piece_bytes as give each thread as many as the others; each a multiple of 32.
int64_t piece_of(int64_t total, int64_t other)
{
    int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
    int64_t turns =
        (total * other * (int64_t)sizeof(float) + threads * piece_bytes - 1) / (threads * piece_bytes);
    int64_t piece = (total + turns * threads - 1) / (turns * threads);
    return (piece + 31) / 32 * 32;
}

at::Tensor contiguous_rows(const at::Tensor &w) { return w.stride(1) == 1 ? w : w.contiguous(); }

// y += g · w by columns of w: each piece is whole, but packs all of g.
void add_by_columns(at::Tensor &y, const at::Tensor &g, const at::Tensor &w)
{
    int64_t out = w.size(0), in = w.size(1), piece = piece_of(in, out);
    each_piece(in, piece, piece * out, [&](int64_t begin, int64_t count, at::Tensor &room) {
        at::Tensor part = y.narrow(1, begin, count);
        part.addmm_(g, raised(w, 0, out, begin, count, room));
    });
}

// The same by rows of w, each thread its share of them in order, the shares added in order: for a w of many
// rows, as a head is, whose columns would be too thin. What it gives depends on the number of threads, in its
// last bits.
void add_by_rows(at::Tensor &y, const at::Tensor &g, const at::Tensor &w)
{
    int64_t out = w.size(0), in = w.size(1), threads = at::in_parallel_region() ? 1 : at::get_num_threads();
    int64_t share = (out + threads - 1) / threads, piece = std::min(piece_of(out, in), share);
    std::vector<at::Tensor> sums((size_t)threads);
    at::parallel_for(0, threads, 1, [&](int64_t first, int64_t last) {
        at::AutoDispatchBelowADInplaceOrView below;
        at::Tensor room = at::empty({piece * in}, at::kFloat);
        for (int64_t t = first; t < last; t++) {
            at::Tensor sum = at::zeros(y.sizes(), y.options());
            for (int64_t row = t * share; row < std::min(out, (t + 1) * share); row += piece) {
                int64_t count = std::min(piece, std::min(out, (t + 1) * share) - row);
                sum.addmm_(g.narrow(1, row, count), raised(w, row, count, 0, in, room));
            }
            sums[(size_t)t] = sum;
        }
    });
    for (const at::Tensor &sum : sums) y.add_(sum);
}

} // namespace

namespace door
{

bool cpu_multiplies_bf16()
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16");
#else
    return true;
#endif
}

void product_nt_into(at::Tensor &y, const at::Tensor &x, const at::Tensor &weight)
{
    if (!is_raised(weight)) {
        if (weight.scalar_type() == at::kFloat)
            at::mm_out(y, x.to(at::kFloat), weight.t());
        else
            y.copy_(x.to(weight.scalar_type()).mm(weight.t()));
        return;
    }
    at::Tensor w = contiguous_rows(weight), wide = x.to(at::kFloat).contiguous();
    int64_t out = w.size(0), in = w.size(1), piece = piece_of(out, in);
    each_piece(out, piece, piece * in, [&](int64_t begin, int64_t count, at::Tensor &room) {
        at::Tensor part = y.narrow(1, begin, count);
        at::mm_out(part, wide, raised(w, begin, count, 0, in, room).t());
    });
}

at::Tensor product_nt(const at::Tensor &x, const at::Tensor &w)
{
    if (!is_raised(w)) return x.to(w.scalar_type()).mm(w.t()).to(at::kFloat);
    at::Tensor y = at::empty({x.size(0), w.size(0)}, x.options().dtype(at::kFloat));
    product_nt_into(y, x, w);
    return y;
}

void product_nn_add(at::Tensor &y, const at::Tensor &g, const at::Tensor &weight)
{
    if (!is_raised(weight)) {
        at::Tensor from = g.to(weight.scalar_type());
        if (!y.defined())
            y = from.mm(weight).to(at::kFloat);
        else if (weight.scalar_type() == at::kFloat)
            y.addmm_(from, weight);
        else
            y.add_(from.mm(weight));
        return;
    }
    if (!y.defined()) y = at::zeros({g.size(0), weight.size(1)}, g.options().dtype(at::kFloat));
    at::Tensor w = contiguous_rows(weight), wide = g.to(at::kFloat).contiguous();
    if (w.size(0) > w.size(1))
        add_by_rows(y, wide, w);
    else
        add_by_columns(y, wide, w);
}

} // namespace door
