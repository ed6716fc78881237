// Moving, casting, viewing, picking.
#include "engine/tensor/module.h"

#include <ATen/ops/cat.h>

tensor *tensor_to(tensor_scope *s, const tensor *t, tensor_type type, tensor_device device)
{
    OP_RUN(s, (t), door::gpu_check(device), t->value.to(door::to_device(device), door::to_scalar(type)));
}

tensor *tensor_cast(tensor_scope *s, const tensor *t, tensor_type type)
{
    OP_RUN(s, (t), t->value.to(door::to_scalar(type)));
}

tensor *tensor_contiguous(tensor_scope *s, const tensor *t) { OP_RUN(s, (t), t->value.contiguous()); }

tensor *tensor_clone(tensor_scope *s, const tensor *t) { OP_RUN(s, (t), t->value.clone()); }

tensor *tensor_detach(tensor_scope *s, const tensor *t) { OP_RUN(s, (t), t->value.detach()); }

tensor *tensor_reshape(tensor_scope *s, const tensor *t, const int64_t *shape, int rank)
{
    OP_RUN(s, (t), t->value.reshape(door::to_sizes(shape, rank)));
}

tensor *tensor_expand(tensor_scope *s, const tensor *t, const int64_t *shape, int rank)
{
    OP_RUN(s, (t), t->value.expand(door::to_sizes(shape, rank)));
}

tensor *tensor_transpose(tensor_scope *s, const tensor *t, int dim_a, int dim_b)
{
    OP_RUN(s, (t), t->value.transpose(dim_a, dim_b));
}

tensor *tensor_unsqueeze(tensor_scope *s, const tensor *t, int dim) { OP_RUN(s, (t), t->value.unsqueeze(dim)); }

tensor *tensor_squeeze(tensor_scope *s, const tensor *t, int dim) { OP_RUN(s, (t), t->value.squeeze(dim)); }

tensor *tensor_narrow(tensor_scope *s, const tensor *t, int dim, int64_t begin, int64_t count)
{
    OP_RUN(s, (t), t->value.narrow(dim, begin, count));
}

tensor *tensor_select(tensor_scope *s, const tensor *t, int dim, int64_t index)
{
    OP_RUN(s, (t), t->value.select(dim, index));
}

tensor *tensor_index_select(tensor_scope *s, const tensor *t, int dim, const tensor *ids)
{
    OP_RUN(s, (t, ids), t->value.index_select(dim, ids->value));
}

tensor *tensor_gather(tensor_scope *s, const tensor *t, int dim, const tensor *ids)
{
    OP_RUN(s, (t, ids), t->value.gather(dim, ids->value));
}

tensor *tensor_cat(tensor_scope *s, tensor *const *parts, size_t count, int dim)
{
    for (size_t i = 0; i < count; i++) {
        if (!parts[i]) {
            door::fail_missing(s, __func__);
            return nullptr;
        }
    }
    return door::run(s, __func__, {}, [&]() -> at::Tensor {
        std::vector<at::Tensor> values;
        values.reserve(count);
        for (size_t i = 0; i < count; i++) values.push_back(parts[i]->value);
        return at::cat(values, dim);
    });
}

tensor *tensor_repeat_interleave(tensor_scope *s, const tensor *t, int64_t times, int dim)
{
    OP_RUN(s, (t), t->value.repeat_interleave(times, dim));
}

bool tensor_copy_into(tensor_scope *s, tensor *target, const tensor *source)
{
    if (s->first.code) return false;
    if (!target || !source) {
        door::fail_missing(s, __func__);
        return false;
    }
    try {
        door::mode plain(false);
        target->value.copy_(source->value);
        return true;
    } catch (...) {
        door::fail(s, door::caught(__func__));
        return false;
    }
}
