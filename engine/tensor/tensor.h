/* engine/tensor/tensor.h: the door to libtorch.
 *
 * `tensor` is a handle on an at::Tensor. Ops take a scope and handles and give a handle that the scope
 * owns. A NULL input gives NULL: the first failure is kept in the scope and reported once by
 * tensor_scope_close(), so a forward pass reads as straight lines. tensor_keep() moves a handle out of
 * its scope; who holds a kept tensor gives it back with tensor_free().
 *
 * libtorch is not linked: tensor_door_open() loads the module `hyprstream-tensor.so` that lies beside the
 * program (0.14 s), once per process, from any thread. Nothing else here may be called before it.
 * Threads: a scope belongs to the thread that made it; kept tensors are read-only shared values.
 * Devices are named as libtorch names them: "cpu", "cuda:0" (a ROCm build answers to cuda too). */
#ifndef ENGINE_TENSOR_TENSOR_H
#define ENGINE_TENSOR_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct tensor tensor;
typedef struct tensor_scope tensor_scope;

typedef enum tensor_type {
    TENSOR_F32, TENSOR_F16, TENSOR_BF16, TENSOR_F64, TENSOR_I64, TENSOR_I32, TENSOR_I8, TENSOR_U8, TENSOR_BOOL,
    TENSOR_TYPE_COUNT,
} tensor_type;

enum { TENSOR_RANK_MAX = 6 };

typedef struct tensor_device {
    bool cuda;
    int index; /* of the CUDA device */
} tensor_device;

#define TENSOR_CPU ((tensor_device){0})

/* -- the door ------------------------------------------------------------------------------------- */

/* Load the module. Errors: ERR_DEVICE with what was looked for and how to get it. Idempotent. */
err tensor_door_open(void);
bool tensor_door_is_open(void);
/* libtorch's version, "2.11.0"; where it was found. Borrowed, valid for the process. */
const char *tensor_library_version(void);
const char *tensor_library_path(void);
/* Threads of libtorch's CPU ops; 0 asks for one per core this process may use. A thread that has computed before
 * keeps its number unless it sets it itself, so set it on the thread that computes. */
void tensor_threads_set(int count);
int tensor_threads(void);
/* "cpu", "cuda:N" or "auto" (a usable GPU, else the CPU). ERR_DEVICE: named but absent or unusable, with the
 * reason in the driver's words; auto with a GPU that is present but unusable is an error too, never a silent CPU. */
err tensor_device_parse(const char *name, tensor_device *out);
typedef struct tensor_device_info {
    char name[128];                       /* as the driver says */
    uint64_t memory_bytes, memory_free_bytes;
} tensor_device_info;
int tensor_cuda_count(void);              /* 0 also when the CUDA half cannot be opened */
err tensor_device_describe(tensor_device device, tensor_device_info *out);

/* -- scopes --------------------------------------------------------------------------------------- */

tensor_scope *tensor_scope_new(bool grad);
bool tensor_scope_grad(const tensor_scope *scope);
/* Frees every temporary and the scope; gives the first failure of its ops, or none. NULL is fine. */
err tensor_scope_close(tensor_scope *scope);
bool tensor_scope_failed(const tensor_scope *scope);
/* Record a failure of the caller's own (kept if it is the first); gives NULL. */
tensor *tensor_fail(tensor_scope *scope, err why);
/* Free the temporaries made since the mark, in a long loop inside one scope. */
size_t tensor_scope_mark(const tensor_scope *scope);
void tensor_scope_release(tensor_scope *scope, size_t mark);
tensor *tensor_keep(tensor_scope *scope, tensor *t);   /* out of the scope: the caller's */
tensor *tensor_adopt(tensor_scope *scope, tensor *t);  /* into the scope: the scope's */
tensor *tensor_share(tensor_scope *scope, const tensor *t); /* one more handle on the same storage */
void tensor_free(tensor *t);

/* -- making ---------------------------------------------------------------------------------------- */

size_t tensor_type_bytes(tensor_type type);
const char *tensor_type_name(tensor_type type); /* "bf16" */
/* A CPU tensor over `data` (not copied). `release(owner)` is called when the last handle or view goes;
 * NULL: the memory outlives every handle. Unaligned data is copied. After a failure it has been called too. */
tensor *tensor_over(tensor_scope *scope, tensor_type type, const int64_t *shape, int rank, const void *data,
                    void (*release)(void *owner), void *owner);
tensor *tensor_empty(tensor_scope *scope, tensor_type type, tensor_device device, const int64_t *shape, int rank);
tensor *tensor_full(tensor_scope *scope, tensor_type type, tensor_device device, const int64_t *shape, int rank,
                    double value);
tensor *tensor_range(tensor_scope *scope, tensor_type type, tensor_device device, int64_t begin, int64_t end);
/* Copies of host arrays, rank 1. */
tensor *tensor_from_i32(tensor_scope *scope, tensor_device device, const int32_t *values, size_t count); /* as I64 */
tensor *tensor_from_f32(tensor_scope *scope, tensor_device device, const float *values, size_t count);

/* -- looking ---------------------------------------------------------------------------------------- */

int tensor_rank(const tensor *t);
int64_t tensor_size(const tensor *t, int dim);  /* negative dims count from the end */
int64_t tensor_count(const tensor *t);          /* elements */
size_t tensor_bytes(const tensor *t);
tensor_type tensor_type_of(const tensor *t);
tensor_device tensor_device_of(const tensor *t);
bool tensor_is_contiguous(const tensor *t);
const void *tensor_borrow_data(const tensor *t); /* CPU and contiguous, else NULL; valid as long as t */
void *tensor_borrow_data_mutable(tensor *t);
/* Copy out as f32, row-major, count elements = tensor_count(t). */
err tensor_read_f32(const tensor *t, float *out, size_t count);
err tensor_read_i64(const tensor *t, int64_t *out, size_t count);

/* -- moving and shaping ------------------------------------------------------------------------------ */

tensor *tensor_to(tensor_scope *s, const tensor *t, tensor_type type, tensor_device device); /* same handle's storage when nothing changes */
tensor *tensor_cast(tensor_scope *s, const tensor *t, tensor_type type);
tensor *tensor_contiguous(tensor_scope *s, const tensor *t);
tensor *tensor_clone(tensor_scope *s, const tensor *t);
tensor *tensor_detach(tensor_scope *s, const tensor *t);
tensor *tensor_reshape(tensor_scope *s, const tensor *t, const int64_t *shape, int rank); /* one size may be -1 */
#define TENSOR_RESHAPE(s, t, ...) \
    tensor_reshape((s), (t), (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
tensor *tensor_expand(tensor_scope *s, const tensor *t, const int64_t *shape, int rank);
tensor *tensor_transpose(tensor_scope *s, const tensor *t, int dim_a, int dim_b);
tensor *tensor_unsqueeze(tensor_scope *s, const tensor *t, int dim);
tensor *tensor_squeeze(tensor_scope *s, const tensor *t, int dim);
tensor *tensor_narrow(tensor_scope *s, const tensor *t, int dim, int64_t begin, int64_t count);
tensor *tensor_select(tensor_scope *s, const tensor *t, int dim, int64_t index);
tensor *tensor_index_select(tensor_scope *s, const tensor *t, int dim, const tensor *ids);
tensor *tensor_gather(tensor_scope *s, const tensor *t, int dim, const tensor *ids);
tensor *tensor_cat(tensor_scope *s, tensor *const *parts, size_t count, int dim);
tensor *tensor_repeat_interleave(tensor_scope *s, const tensor *t, int64_t times, int dim);
/* target[...] = source, in place (not under grad). Gives false after a failure kept in the scope. */
bool tensor_copy_into(tensor_scope *s, tensor *target, const tensor *source);

/* -- arithmetic (broadcast as libtorch does) ---------------------------------------------------------- */

tensor *tensor_add(tensor_scope *s, const tensor *a, const tensor *b);
tensor *tensor_sub(tensor_scope *s, const tensor *a, const tensor *b);
tensor *tensor_mul(tensor_scope *s, const tensor *a, const tensor *b);
tensor *tensor_div(tensor_scope *s, const tensor *a, const tensor *b);
tensor *tensor_scale(tensor_scope *s, const tensor *a, double factor);
tensor *tensor_shift(tensor_scope *s, const tensor *a, double addend);
tensor *tensor_power(tensor_scope *s, const tensor *a, double exponent);
tensor *tensor_neg(tensor_scope *s, const tensor *a);
tensor *tensor_exp(tensor_scope *s, const tensor *a);
tensor *tensor_log(tensor_scope *s, const tensor *a);
tensor *tensor_sin(tensor_scope *s, const tensor *a);
tensor *tensor_cos(tensor_scope *s, const tensor *a);
tensor *tensor_tanh(tensor_scope *s, const tensor *a);
tensor *tensor_sqrt(tensor_scope *s, const tensor *a);
tensor *tensor_rsqrt(tensor_scope *s, const tensor *a);
tensor *tensor_sigmoid(tensor_scope *s, const tensor *a);
tensor *tensor_silu(tensor_scope *s, const tensor *a);
tensor *tensor_relu(tensor_scope *s, const tensor *a);
tensor *tensor_gelu(tensor_scope *s, const tensor *a, bool tanh_form);
tensor *tensor_sum(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_mean(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_max(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_argmax(tensor_scope *s, const tensor *a, int dim);
tensor *tensor_norm(tensor_scope *s, const tensor *a, int dim, bool keep_dim); /* L2 */
tensor *tensor_logsumexp(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_softmax(tensor_scope *s, const tensor *a, int dim);             /* in f32, given back in a's type */
tensor *tensor_log_softmax(tensor_scope *s, const tensor *a, int dim);
tensor *tensor_masked_fill(tensor_scope *s, const tensor *a, const tensor *mask, double value);

/* -- products ------------------------------------------------------------------------------------------ */

tensor *tensor_matmul(tensor_scope *s, const tensor *a, const tensor *b);
/* x [..., in] · weightᵀ [in, out] + bias [out] or NULL. */
tensor *tensor_linear(tensor_scope *s, const tensor *x, const tensor *weight, const tensor *bias);
tensor *tensor_embedding(tensor_scope *s, const tensor *weight, const tensor *ids);
/* softmax(q·kᵀ·scale + mask)·v. q [batch, heads, rows, d], k and v [batch, kv_heads, keys, d]; heads a multiple of
 * kv_heads. mask NULL, or additive/boolean [.., rows, keys]; causal only without a mask and with rows == keys. */
tensor *tensor_attention(tensor_scope *s, const tensor *q, const tensor *k, const tensor *v, const tensor *mask,
                         bool causal, double scale);
/* RMSNorm over the last dim in f32; three orders of rounding (spec, "Numeric rules"):
 * TENSOR_NORM_LLAMA round(y)*w, TENSOR_NORM_F32_WEIGHT round(y*w), TENSOR_NORM_GEMMA round(y*(1+w)). */
typedef enum tensor_norm_kind { TENSOR_NORM_LLAMA, TENSOR_NORM_F32_WEIGHT, TENSOR_NORM_GEMMA } tensor_norm_kind;
tensor *tensor_rms_norm(tensor_scope *s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind);

/* -- autograd: in a scope made with grad ---------------------------------------------------------------- */

/* Make t (floating point, not computed from others) a leaf whose gradient is wanted. False: failed, kept in the scope. */
bool tensor_requires_grad(tensor_scope *s, tensor *t);
/* Add d loss / d leaf to the gradient of each leaf that `loss` (one element) was computed from; the graph is freed. */
bool tensor_backward(tensor_scope *s, const tensor *loss);
tensor *tensor_grad(tensor_scope *s, const tensor *t); /* a handle on the leaf's gradient; NULL (no failure): none yet */
void tensor_grad_clear(tensor *t);

/* -- threads -------------------------------------------------------------------------------------------- */

/* Run body(context, i) for each i < count on libtorch's CPU threads; returns when all are done. For our own C
 * kernels, so that two thread pools never fight over the cores. */
void tensor_parallel_for(size_t count, void (*body)(void *context, size_t index), void *context);

#endif
