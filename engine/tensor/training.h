// engine/tensor/training.h: what the ops of a training pass share: nodes of the autograd graph that are
// written by hand, and products with a frozen weight.
#pragma once

#include "engine/tensor/module.h"

#include <functional>

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

// Loops that the compiler turns into vectors, for whichever vectors the processor has.
#define WIDE_LOOPS __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))

namespace door {

// A node whose backward is a function of the outputs' gradients (undefined where nothing came back). It gives
// one gradient per input, undefined where none is wanted. What it captures is let go as soon as it has run.
class written_node : public torch::autograd::Node
{
  public:
    using body =
        std::function<std::vector<at::Tensor>(const std::vector<at::Tensor> &, const written_node &)>;
    explicit written_node(body back) : back_(std::move(back)) {}
    torch::autograd::variable_list apply(torch::autograd::variable_list &&grads) override
    {
        at::AutoDispatchBelowADInplaceOrView below;
        return back_(grads, *this);
    }
    void release_variables() override { back_ = nullptr; }
    bool wants(size_t input) const { return task_should_compute_output(input); }

  private:
    body back_;
};

// Must be asked outside of any guard: is this to be recorded?
inline bool recording(const std::vector<at::Tensor> &inputs)
{
    if (!c10::GradMode::is_enabled()) return false;
    for (const at::Tensor &input : inputs)
        if (input.defined() && input.requires_grad()) return true;
    return false;
}

// Outputs, computed below autograd, become those of a node over the inputs.
inline void record(std::vector<at::Tensor> &outputs, const std::vector<at::Tensor> &inputs,
                   written_node::body back)
{
    std::shared_ptr<torch::autograd::Node> node(new written_node(std::move(back)),
                                                torch::autograd::deleteNode);
    torch::autograd::edge_list edges;
    for (const at::Tensor &input : inputs)
        edges.push_back(input.defined() ? torch::autograd::impl::gradient_edge(input)
                                        : torch::autograd::Edge());
    node->set_next_edges(std::move(edges));
    for (at::Tensor &output : outputs) torch::autograd::set_history(output, node);
}

// Compute below autograd, then record when asked: one output.
template <typename Forward>
at::Tensor written(const std::vector<at::Tensor> &inputs, Forward forward, written_node::body back)
{
    bool recorded = recording(inputs);
    std::vector<at::Tensor> outputs;
    {
        at::AutoDispatchBelowADInplaceOrView below;
        outputs.push_back(forward());
    }
    if (recorded) record(outputs, inputs, std::move(back));
    return outputs[0];
}

// Rows on the CPU (rows.cpp): bf16 to f32 and back (to the nearest, ties to even; not a number stays one); the largest; the sum of
// e^(z - from); z := factor e^(scale (z - from)), for scale (z - from) <= 0.
void row_raise(const uint16_t *from, float *to, int64_t count);
void row_round(const float *from, uint16_t *to, int64_t count);
float row_most(const float *z, int64_t count);
double row_exp_sum(const float *z, int64_t count, float from);
void row_exp(float *z, int64_t count, float scale, float from, float factor);

// y = x · wᵀ, and y += g · w (an undefined y is made): x [n, in], g [n, out], w [out, in], y f32. A bf16 weight
// on a CPU without bf16 products is raised to f32 a piece at a time.
at::Tensor product_nt(const at::Tensor &x, const at::Tensor &w);
void product_nn_add(at::Tensor &y, const at::Tensor &g, const at::Tensor &w);
// Into a given y, for pieces of a larger one.
void product_nt_into(at::Tensor &y, const at::Tensor &x, const at::Tensor &w);

bool cpu_multiplies_bf16();

// A frozen weight as a node of the graph keeps it: a tensor, or what it is expanded from.
struct frozen {
    at::Tensor whole;     // undefined: packed
    tensor_packed packed; // by value: what it points to is the decoder's
};
frozen frozen_of(const tensor *weight, const tensor_packed *packed);
at::Tensor product_nt(const at::Tensor &x, const frozen &w);
void product_nn_add(at::Tensor &y, const at::Tensor &g, const frozen &w);

// See tensor_dropout_mask; on the CPU.
at::Tensor dropout_mask(const std::vector<size_t> &begins, const std::vector<uint64_t> &keys, size_t columns,
                        double p);

} // namespace door
