/* engine/tensor/ops.h: every function of tensor.h that the module answers, written once.
 *
 * From this list come the table that the module hands out, the forwarders of door.c and the check that both
 * were made from the same list. To add an op: declare it in tensor.h, add its row here, define it in one of
 * the .cpp files. OP(result, name without "tensor_", parameters, arguments). */
#ifndef ENGINE_TENSOR_OPS_H
#define ENGINE_TENSOR_OPS_H

#include "engine/tensor/tensor.h"

#define UNARY_OPS(OP)                                                                                        \
    OP(tensor *, neg, (tensor_scope * s, const tensor *a), (s, a))                                           \
    OP(tensor *, exp, (tensor_scope * s, const tensor *a), (s, a))                                           \
    OP(tensor *, log, (tensor_scope * s, const tensor *a), (s, a))                                           \
    OP(tensor *, sin, (tensor_scope * s, const tensor *a), (s, a))                                           \
    OP(tensor *, cos, (tensor_scope * s, const tensor *a), (s, a))                                           \
    OP(tensor *, tanh, (tensor_scope * s, const tensor *a), (s, a))                                          \
    OP(tensor *, sqrt, (tensor_scope * s, const tensor *a), (s, a))                                          \
    OP(tensor *, rsqrt, (tensor_scope * s, const tensor *a), (s, a))                                         \
    OP(tensor *, sigmoid, (tensor_scope * s, const tensor *a), (s, a))                                       \
    OP(tensor *, silu, (tensor_scope * s, const tensor *a), (s, a))                                          \
    OP(tensor *, relu, (tensor_scope * s, const tensor *a), (s, a))                                          \
    OP(tensor *, contiguous, (tensor_scope * s, const tensor *a), (s, a))                                    \
    OP(tensor *, clone, (tensor_scope * s, const tensor *a), (s, a))                                         \
    OP(tensor *, detach, (tensor_scope * s, const tensor *a), (s, a))

#define BINARY_OPS(OP)                                                                                       \
    OP(tensor *, add, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))                       \
    OP(tensor *, sub, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))                       \
    OP(tensor *, mul, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))                       \
    OP(tensor *, div, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))                       \
    OP(tensor *, matmul, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))                    \
    OP(tensor *, embedding, (tensor_scope * s, const tensor *a, const tensor *b), (s, a, b))

#define REDUCING_OPS(OP)                                                                                     \
    OP(tensor *, sum, (tensor_scope * s, const tensor *a, int dim, bool keep), (s, a, dim, keep))            \
    OP(tensor *, mean, (tensor_scope * s, const tensor *a, int dim, bool keep), (s, a, dim, keep))           \
    OP(tensor *, max, (tensor_scope * s, const tensor *a, int dim, bool keep), (s, a, dim, keep))            \
    OP(tensor *, norm, (tensor_scope * s, const tensor *a, int dim, bool keep), (s, a, dim, keep))           \
    OP(tensor *, logsumexp, (tensor_scope * s, const tensor *a, int dim, bool keep), (s, a, dim, keep))      \
    OP(tensor *, argmax, (tensor_scope * s, const tensor *a, int dim), (s, a, dim))                          \
    OP(tensor *, softmax, (tensor_scope * s, const tensor *a, int dim), (s, a, dim))                         \
    OP(tensor *, log_softmax, (tensor_scope * s, const tensor *a, int dim), (s, a, dim))                     \
    OP(tensor *, unsqueeze, (tensor_scope * s, const tensor *a, int dim), (s, a, dim))                       \
    OP(tensor *, squeeze, (tensor_scope * s, const tensor *a, int dim), (s, a, dim))

#define SCALAR_OPS(OP)                                                                                       \
    OP(tensor *, scale, (tensor_scope * s, const tensor *a, double value), (s, a, value))                    \
    OP(tensor *, shift, (tensor_scope * s, const tensor *a, double value), (s, a, value))                    \
    OP(tensor *, power, (tensor_scope * s, const tensor *a, double value), (s, a, value))                    \
    OP(tensor *, gelu, (tensor_scope * s, const tensor *a, bool tanh_form), (s, a, tanh_form))               \
    OP(tensor *, masked_fill, (tensor_scope * s, const tensor *a, const tensor *mask, double value),         \
       (s, a, mask, value))

#define SHAPING_OPS(OP)                                                                                      \
    OP(tensor *, to, (tensor_scope * s, const tensor *a, tensor_type type, tensor_device device),            \
       (s, a, type, device))                                                                                 \
    OP(tensor *, cast, (tensor_scope * s, const tensor *a, tensor_type type), (s, a, type))                  \
    OP(tensor *, reshape, (tensor_scope * s, const tensor *a, const int64_t *shape, int rank),               \
       (s, a, shape, rank))                                                                                  \
    OP(tensor *, expand, (tensor_scope * s, const tensor *a, const int64_t *shape, int rank),                \
       (s, a, shape, rank))                                                                                  \
    OP(tensor *, transpose, (tensor_scope * s, const tensor *a, int dim_a, int dim_b), (s, a, dim_a, dim_b)) \
    OP(tensor *, narrow, (tensor_scope * s, const tensor *a, int dim, int64_t begin, int64_t count),         \
       (s, a, dim, begin, count))                                                                            \
    OP(tensor *, select, (tensor_scope * s, const tensor *a, int dim, int64_t index), (s, a, dim, index))    \
    OP(tensor *, index_select, (tensor_scope * s, const tensor *a, int dim, const tensor *ids),              \
       (s, a, dim, ids))                                                                                     \
    OP(tensor *, gather, (tensor_scope * s, const tensor *a, int dim, const tensor *ids), (s, a, dim, ids))  \
    OP(tensor *, cat, (tensor_scope * s, tensor *const *parts, size_t count, int dim),                       \
       (s, parts, count, dim))                                                                               \
    OP(tensor *, repeat_interleave, (tensor_scope * s, const tensor *a, int64_t times, int dim),             \
       (s, a, times, dim))                                                                                   \
    OP(bool, copy_into, (tensor_scope * s, tensor * target, const tensor *source), (s, target, source))

#define PRODUCT_OPS(OP)                                                                                      \
    OP(tensor *, linear, (tensor_scope * s, const tensor *x, const tensor *weight, const tensor *bias),      \
       (s, x, weight, bias))                                                                                 \
    OP(tensor *, attention,                                                                                  \
       (tensor_scope * s, const tensor *q, const tensor *k, const tensor *v, const tensor *mask,             \
        bool causal, double factor),                                                                         \
       (s, q, k, v, mask, causal, factor))                                                                   \
    OP(tensor *, rms_norm,                                                                                   \
       (tensor_scope * s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind),         \
       (s, x, weight, eps, kind))

#define MAKING_OPS(OP)                                                                                       \
    OP(tensor *, over,                                                                                       \
       (tensor_scope * s, tensor_type type, const int64_t *shape, int rank, const void *data,                \
        void (*release)(void *owner), void *owner),                                                          \
       (s, type, shape, rank, data, release, owner))                                                         \
    OP(tensor *, empty,                                                                                      \
       (tensor_scope * s, tensor_type type, tensor_device device, const int64_t *shape, int rank),           \
       (s, type, device, shape, rank))                                                                       \
    OP(tensor *, full,                                                                                       \
       (tensor_scope * s, tensor_type type, tensor_device device, const int64_t *shape, int rank,            \
        double value),                                                                                       \
       (s, type, device, shape, rank, value))                                                                \
    OP(tensor *, range,                                                                                      \
       (tensor_scope * s, tensor_type type, tensor_device device, int64_t begin, int64_t end),               \
       (s, type, device, begin, end))                                                                        \
    OP(tensor *, from_i32,                                                                                   \
       (tensor_scope * s, tensor_device device, const int32_t *values, size_t count),                        \
       (s, device, values, count))                                                                           \
    OP(tensor *, from_f32, (tensor_scope * s, tensor_device device, const float *values, size_t count),      \
       (s, device, values, count))

#define LOOKING_OPS(OP)                                                                                      \
    OP(int, rank, (const tensor *t), (t))                                                                    \
    OP(int64_t, size, (const tensor *t, int dim), (t, dim))                                                  \
    OP(int64_t, count, (const tensor *t), (t))                                                               \
    OP(size_t, bytes, (const tensor *t), (t))                                                                \
    OP(tensor_type, type_of, (const tensor *t), (t))                                                         \
    OP(tensor_device, device_of, (const tensor *t), (t))                                                     \
    OP(bool, is_contiguous, (const tensor *t), (t))                                                          \
    OP(const void *, borrow_data, (const tensor *t), (t))                                                    \
    OP(void *, borrow_data_mutable, (tensor * t), (t))                                                       \
    OP(void *, borrow_device_data, (tensor * t), (t))                                                        \
    OP(err, read_f32, (const tensor *t, float *out, size_t count), (t, out, count))                          \
    OP(err, read_i64, (const tensor *t, int64_t *out, size_t count), (t, out, count))

#define SCOPE_OPS(OP)                                                                                        \
    OP(tensor_scope *, scope_new, (bool grad), (grad))                                                       \
    OP(bool, scope_grad, (const tensor_scope *s), (s))                                                       \
    OP(bool, scope_failed, (const tensor_scope *s), (s))                                                     \
    OP(tensor *, fail, (tensor_scope * s, err why), (s, why))                                                \
    OP(size_t, scope_mark, (const tensor_scope *s), (s))                                                     \
    OP(void, scope_release, (tensor_scope * s, size_t mark), (s, mark))                                      \
    OP(tensor *, keep, (tensor_scope * s, tensor * t), (s, t))                                               \
    OP(tensor *, adopt, (tensor_scope * s, tensor * t), (s, t))                                              \
    OP(tensor *, share, (tensor_scope * s, const tensor *t), (s, t))

#define GRAD_OPS(OP)                                                                                         \
    OP(bool, requires_grad, (tensor_scope * s, tensor * t), (s, t))                                          \
    OP(bool, backward, (tensor_scope * s, const tensor *loss), (s, loss))                                    \
    OP(tensor *, grad, (tensor_scope * s, const tensor *t), (s, t))                                          \
    OP(void, grad_clear, (tensor * t), (t))                                                                  \
    OP(bool, backward_from, (tensor_scope * s, const tensor *y, const tensor *g), (s, y, g))

#define TRAINING_OPS(OP)                                                                                     \
    OP(bool, head_loss, (tensor_scope * s, const tensor_head *head, tensor **gradient), (s, head, gradient)) \
    OP(tensor *, dropout_mask,                                                                               \
       (tensor_scope * s, tensor_device device, const size_t *begins, const uint64_t *keys, size_t count,    \
        size_t columns, double p),                                                                           \
       (s, device, begins, keys, count, columns, p))                                                         \
    OP(bool, project,                                                                                        \
       (tensor_scope * s, const tensor *x, tensor_projection *list, size_t count,                            \
        const tensor_dropout *dropout, bool narrow),                                                         \
       (s, x, list, count, dropout, narrow))                                                                 \
    OP(tensor *, linear_wide,                                                                                \
       (tensor_scope * s, const tensor *x, const tensor *weight, const tensor_packed *packed),               \
       (s, x, weight, packed))                                                                               \
    OP(tensor *, linear_packed,                                                                              \
       (tensor_scope * s, const tensor *x, const tensor_packed *packed, const tensor *bias),                 \
       (s, x, packed, bias))                                                                                 \
    OP(tensor *, train_norm,                                                                                 \
       (tensor_scope * s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind),         \
       (s, x, weight, eps, kind))                                                                            \
    OP(tensor *, train_rotate,                                                                               \
       (tensor_scope * s, const tensor *x, const tensor *cos, const tensor *sin, size_t head_size),          \
       (s, x, cos, sin, head_size))                                                                          \
    OP(tensor *, train_gate,                                                                                 \
       (tensor_scope * s, const tensor *gate, const tensor *up, tensor_activation kind),                     \
       (s, gate, up, kind))                                                                                  \
    OP(tensor *, train_attention,                                                                            \
       (tensor_scope * s, const tensor *q, const tensor *k, const tensor *v, const tensor_attending *how),   \
       (s, q, k, v, how))                                                                                    \
    OP(bool, svd, (tensor_scope * s, const tensor *a, tensor **u, tensor **values, tensor **vt),             \
       (s, a, u, values, vt))                                                                                \
    OP(bool, qr, (tensor_scope * s, const tensor *a, tensor **q, tensor **r), (s, a, q, r))                  \
    OP(bool, adamw_step,                                                                                     \
       (tensor_scope * s, tensor *const *leaves, tensor *const *m, tensor *const *v, size_t count,           \
        const tensor_adamw *how),                                                                            \
       (s, leaves, m, v, count, how))                                                                        \
    OP(bool, sgd_step, (tensor_scope * s, tensor *const *leaves, size_t count, double rate, double decay),   \
       (s, leaves, count, rate, decay))                                                                      \
    OP(bool, lion_step,                                                                                      \
       (tensor_scope * s, tensor *const *leaves, tensor *const *m, size_t count, const tensor_adamw *how),   \
       (s, leaves, m, count, how))                                                                           \
    OP(bool, grads_norm, (tensor_scope * s, tensor *const *leaves, size_t count, double *norm),              \
       (s, leaves, count, norm))                                                                             \
    OP(bool, grads_scale, (tensor_scope * s, tensor *const *leaves, size_t count, double factor),            \
       (s, leaves, count, factor))

#define DEVICE_OPS(OP)                                                                                       \
    OP(const char *, library_version, (void), ())                                                            \
    OP(const char *, library_path, (void), ())                                                               \
    OP(void, threads_set, (int count), (count))                                                              \
    OP(int, threads, (void), ())                                                                             \
    OP(err, device_parse, (const char *name, tensor_device *out), (name, out))                               \
    OP(int, cuda_count, (void), ())                                                                          \
    OP(err, device_describe, (tensor_device device, tensor_device_info *out), (device, out))                 \
    OP(void, parallel_for, (size_t count, void (*body)(void *context, size_t index), void *context),         \
       (count, body, context))

#define TENSOR_OPS(OP)                                                                                       \
    SCOPE_OPS(OP)                                                                                            \
    MAKING_OPS(OP)                                                                                           \
    LOOKING_OPS(OP)                                                                                          \
    SHAPING_OPS(OP)                                                                                          \
    UNARY_OPS(OP)                                                                                            \
    BINARY_OPS(OP)                                                                                           \
    REDUCING_OPS(OP)                                                                                         \
    SCALAR_OPS(OP)                                                                                           \
    PRODUCT_OPS(OP)                                                                                          \
    GRAD_OPS(OP)                                                                                             \
    TRAINING_OPS(OP)                                                                                         \
    DEVICE_OPS(OP)

/* Ops of which NULL may be given before the door is open: door.c forwards these by hand. */
#define TENSOR_ENDING_OPS(OP)                                                                                \
    OP(err, scope_close, (tensor_scope * s), (s))                                                            \
    OP(void, free, (tensor * t), (t))

#define TENSOR_MODULE_FIELD(result, name, parameters, arguments) result(*name) parameters;
typedef struct tensor_module {
    TENSOR_OPS(TENSOR_MODULE_FIELD)
    TENSOR_ENDING_OPS(TENSOR_MODULE_FIELD)
} tensor_module;

/* The one symbol of the module. NULL when the caller's list is another one than the module's. */
#define TENSOR_MODULE_SYMBOL "hyprstream_tensor_module"
typedef const tensor_module *tensor_module_open_function(const char *signature);

/* Changes with every change of the list: its own text. */
#define TENSOR_MODULE_WORDS(result, name, parameters, arguments) #result " " #name #parameters ";"
#define TENSOR_MODULE_SIGNATURE TENSOR_OPS(TENSOR_MODULE_WORDS) TENSOR_ENDING_OPS(TENSOR_MODULE_WORDS)

#endif
