// Tensors from shapes and host memory.
#include "engine/tensor/module.h"

#include <cstring>
#include <memory>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

namespace door {

// In the order of tensor_type.
static const at::ScalarType scalar_types[TENSOR_TYPE_COUNT] = {
    at::kFloat, at::kHalf, at::kBFloat16, at::kDouble, at::kLong, at::kInt, at::kChar, at::kByte, at::kBool,
};

at::ScalarType to_scalar(tensor_type type)
{
    TORCH_CHECK((unsigned)type < TENSOR_TYPE_COUNT, "unknown tensor type ", (int)type);
    return scalar_types[type];
}

tensor_type type_of(const at::Tensor &t)
{
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++)
        if (scalar_types[i] == t.scalar_type()) return (tensor_type)i;
    return TENSOR_TYPE_COUNT;
}

at::Device to_device(tensor_device device)
{
    return device.cuda ? at::Device(at::kCUDA, (c10::DeviceIndex)device.index) : at::Device(at::kCPU);
}

static at::TensorOptions options(tensor_type type, tensor_device device)
{
    gpu_check(device);
    return at::TensorOptions().dtype(to_scalar(type)).device(to_device(device));
}

static void rank_check(int rank)
{
    TORCH_CHECK(rank >= 0 && rank <= TENSOR_RANK_MAX, "a tensor of rank ", rank, ", but ", (int)TENSOR_RANK_MAX,
                " is the most here");
}

// Calls release(owner) once, whatever happens on the way.
struct owned_memory {
    void (*release)(void *owner);
    void *owner;
    ~owned_memory() { if (release) release(owner); }
};

} // namespace door

tensor *tensor_over(tensor_scope *s, tensor_type type, const int64_t *shape, int rank, const void *data,
                    void (*release)(void *owner), void *owner)
{
    auto memory = std::make_shared<door::owned_memory>(door::owned_memory{nullptr, owner});
    memory->release = release;
    return door::run(s, __func__, {}, [&]() -> at::Tensor {
        door::rank_check(rank);
        auto as = door::options(type, TENSOR_CPU);
        auto sizes = door::to_sizes(shape, rank);
        auto *bytes = const_cast<void *>(data);
        size_t unit = c10::elementSize(door::to_scalar(type));
        if ((uintptr_t)data % unit != 0) {
            at::Tensor copy = at::empty(sizes, as);
            if (copy.nbytes() > 0) memcpy(copy.mutable_data_ptr(), data, copy.nbytes());
            return copy;
        }
        return at::from_blob(bytes, sizes, [memory](void *) {}, as);
    });
}

tensor *tensor_empty(tensor_scope *s, tensor_type type, tensor_device device, const int64_t *shape, int rank)
{
    OP_RUN(s, (), door::rank_check(rank), at::empty(door::to_sizes(shape, rank), door::options(type, device)));
}

tensor *tensor_full(tensor_scope *s, tensor_type type, tensor_device device, const int64_t *shape, int rank,
                    double value)
{
    OP_RUN(s, (), door::rank_check(rank),
           at::full(door::to_sizes(shape, rank), value, door::options(type, device)));
}

tensor *tensor_range(tensor_scope *s, tensor_type type, tensor_device device, int64_t begin, int64_t end)
{
    OP_RUN(s, (), at::arange(begin, end, door::options(type, device)));
}

tensor *tensor_from_i32(tensor_scope *s, tensor_device device, const int32_t *values, size_t count)
{
    return door::run(s, __func__, {}, [&]() -> at::Tensor {
        at::Tensor t = at::empty({(int64_t)count}, door::options(TENSOR_I64, TENSOR_CPU));
        auto *out = (int64_t *)t.mutable_data_ptr();
        for (size_t i = 0; i < count; i++) out[i] = values[i];
        door::gpu_check(device);
        return t.to(door::to_device(device));
    });
}

tensor *tensor_from_f32(tensor_scope *s, tensor_device device, const float *values, size_t count)
{
    return door::run(s, __func__, {}, [&]() -> at::Tensor {
        at::Tensor t = at::empty({(int64_t)count}, door::options(TENSOR_F32, TENSOR_CPU));
        if (count > 0) memcpy(t.mutable_data_ptr(), values, count * sizeof *values);
        door::gpu_check(device);
        return t.to(door::to_device(device));
    });
}
