// What a tensor is, and its numbers.
#include "engine/tensor/module.h"

#include <cstring>

int tensor_rank(const tensor *t) { return (int)t->value.dim(); }

int64_t tensor_size(const tensor *t, int dim)
{
    int rank = (int)t->value.dim();
    if (dim < 0) dim += rank;
    return dim >= 0 && dim < rank ? t->value.sizes()[(size_t)dim] : 0;
}

int64_t tensor_count(const tensor *t) { return t->value.numel(); }

size_t tensor_bytes(const tensor *t) { return t->value.nbytes(); }

tensor_type tensor_type_of(const tensor *t) { return door::type_of(t->value); }

tensor_device tensor_device_of(const tensor *t)
{
    at::Device device = t->value.device();
    return tensor_device{device.is_cuda(), device.is_cuda() ? device.index() : 0};
}

bool tensor_is_contiguous(const tensor *t) { return t->value.is_contiguous(); }

const void *tensor_borrow_data(const tensor *t)
{
    return t && t->value.is_cpu() && t->value.is_contiguous() ? t->value.const_data_ptr() : nullptr;
}

void *tensor_borrow_data_mutable(tensor *t)
{
    return t && t->value.is_cpu() && t->value.is_contiguous() ? t->value.mutable_data_ptr() : nullptr;
}

void *tensor_borrow_device_data(tensor *t)
{
    return t && t->value.is_cuda() && t->value.is_contiguous() ? t->value.mutable_data_ptr() : nullptr;
}

// Copy the elements out as `type`, row-major.
static err read_as(const char *what, const tensor *t, at::ScalarType type, void *out, size_t count)
{
    if (!t) return door::error(ERR_STATE, "%s: it was given no tensor", what);
    if ((size_t)t->value.numel() != count)
        return door::error(ERR_STATE, "%s: the tensor has %lld elements, but %zu were asked for", what,
                           (long long)t->value.numel(), count);
    try {
        door::mode plain(false);
        at::Tensor host = t->value.detach().to(at::kCPU, type).contiguous();
        if (count > 0) memcpy(out, host.const_data_ptr(), host.nbytes());
        return door::none();
    } catch (...) {
        return door::caught(what);
    }
}

err tensor_read_f32(const tensor *t, float *out, size_t count)
{
    return read_as("read_f32", t, at::kFloat, out, count);
}

err tensor_read_i64(const tensor *t, int64_t *out, size_t count)
{
    return read_as("read_i64", t, at::kLong, out, count);
}
