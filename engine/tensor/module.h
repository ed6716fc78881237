// engine/tensor/module.h: what the .cpp files of the module share. No exception and no at::Tensor leaves them.
#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#define AT_PER_OPERATOR_HEADERS
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

extern "C" {
#include "engine/tensor/ops.h"
}

struct tensor {
    at::Tensor value;
    tensor_scope *scope; // that frees it; null: kept
    size_t slot;         // in the scope's list
};

struct tensor_scope {
    bool grad;
    err first; // first failure, or none
    std::vector<tensor *> owned; // null where one was kept or freed
};

namespace door {

err none();
err error(err_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The exception being handled as an err: libtorch's first line, without its C++ backtrace. `what`: the op.
err caught(const char *what);

tensor *put(tensor_scope *s, at::Tensor value);
tensor *fail(tensor_scope *s, err why);
void fail_missing(tensor_scope *s, const char *what); // an input was NULL and nothing has failed before

at::ScalarType to_scalar(tensor_type type);
at::Device to_device(tensor_device device);
tensor_type type_of(const at::Tensor &t); // TENSOR_TYPE_COUNT: one that tensor.h has no name for
inline at::IntArrayRef to_sizes(const int64_t *shape, int rank) { return at::IntArrayRef(shape, (size_t)rank); }

// Which GPU half this libtorch has and whether it can be opened: see devices.cpp.
err gpu_open();
void gpu_check(tensor_device device); // throws when the device is not there

// Autograd as the scope wants it. Without grad the autograd layers are not even walked through.
class mode {
public:
    explicit mode(bool grad) : grad_(grad) { if (!grad) below_.emplace(); }

private:
    c10::AutoGradMode grad_;
    std::optional<at::AutoDispatchBelowADInplaceOrView> below_;
};

// Body's tensor, owned by the scope; NULL when an input is NULL, the scope has failed, or body throws.
template <typename Body>
tensor *run(tensor_scope *s, const char *what, std::initializer_list<const tensor *> inputs, Body body)
{
    if (s->first.code) return nullptr;
    for (const tensor *input : inputs) {
        if (!input) {
            fail_missing(s, what);
            return nullptr;
        }
    }
    try {
        mode as(s->grad);
        return put(s, body());
    } catch (...) {
        return fail(s, caught(what));
    }
}

// Body for its effect, with autograd on or off; false and a failed scope when it throws.
template <typename Body> bool attempt(tensor_scope *s, const char *what, bool grad, Body body)
{
    if (s->first.code) return false;
    try {
        mode as(grad);
        body();
        return true;
    } catch (...) {
        fail(s, caught(what));
        return false;
    }
}

} // namespace door

// An op in one line: OP_RUN(s, (a, b), at::add(a->value, b->value))
#define OP_INPUTS(...) {__VA_ARGS__}
#define OP_RUN(s, inputs, ...) \
    return door::run((s), __func__, OP_INPUTS inputs, [&]() -> at::Tensor { return (__VA_ARGS__); })
