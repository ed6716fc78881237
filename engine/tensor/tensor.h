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
bool tensor_door_is_open(void); /* it was opened with success */
/* libtorch's version, "2.11.0"; where it was found. Borrowed, valid for the process. */
const char *tensor_library_version(void);
const char *tensor_library_path(void); /* of its shared library */
/* Threads of libtorch's CPU ops; 0 asks for one per core this process may use. A thread that has computed before
 * keeps its number unless it sets it itself, so set it on the thread that computes. */
void tensor_threads_set(int count);
int tensor_threads(void); /* as set, of this thread */
/* "cpu", "cuda:N" or "auto" (a usable GPU, else the CPU). ERR_DEVICE: named but absent or unusable, with the
 * reason in the driver's words; auto with a GPU that is present but unusable is an error too, never a silent CPU. */
err tensor_device_parse(const char *name, tensor_device *out);
typedef struct tensor_device_info {
    char name[128];                       /* as the driver says */
    uint64_t memory_bytes, memory_free_bytes;
} tensor_device_info;
int tensor_cuda_count(void);              /* 0 also when the CUDA half cannot be opened */
err tensor_device_describe(tensor_device device, tensor_device_info *out); /* ERR_DEVICE: it does not answer */

/* -- scopes --------------------------------------------------------------------------------------- */

/* grad: what is computed in it is recorded for autograd. tensor_scope_close() gives it back. */
tensor_scope *tensor_scope_new(bool grad);
bool tensor_scope_grad(const tensor_scope *scope); /* as it was made */
/* Frees every temporary and the scope; gives the first failure of its ops, or none. NULL is fine. */
err tensor_scope_close(tensor_scope *scope);
bool tensor_scope_failed(const tensor_scope *scope); /* a failure is kept */
/* Record a failure of the caller's own (kept if it is the first); gives NULL. */
tensor *tensor_fail(tensor_scope *scope, err why);
/* Free the temporaries made since the mark, in a long loop inside one scope. */
size_t tensor_scope_mark(const tensor_scope *scope);
/* What was made since `mark` and is the scope's; kept tensors stay. */
void tensor_scope_release(tensor_scope *scope, size_t mark);
tensor *tensor_keep(tensor_scope *scope, tensor *t);   /* out of the scope: the caller's */
tensor *tensor_adopt(tensor_scope *scope, tensor *t);  /* into the scope: the scope's */
tensor *tensor_share(tensor_scope *scope, const tensor *t); /* one more handle on the same storage */
void tensor_free(tensor *t); /* of a kept one; NULL is fine */

/* -- making ---------------------------------------------------------------------------------------- */

size_t tensor_type_bytes(tensor_type type); /* of one element */
const char *tensor_type_name(tensor_type type); /* "bf16" */
/* A CPU tensor over `data` (not copied). `release(owner)` is called when the last handle or view goes;
 * NULL: the memory outlives every handle. Unaligned data is copied. After a failure it has been called too. */
tensor *tensor_over(tensor_scope *scope, tensor_type type, const int64_t *shape, int rank, const void *data,
                    void (*release)(void *owner), void *owner);
/* Its values are not set. */
tensor *tensor_empty(tensor_scope *scope, tensor_type type, tensor_device device, const int64_t *shape, int rank);
/* Each element is `value`. */
tensor *tensor_full(tensor_scope *scope, tensor_type type, tensor_device device, const int64_t *shape, int rank,
                    double value);
/* [end - begin]: begin, begin + 1, ... */
tensor *tensor_range(tensor_scope *scope, tensor_type type, tensor_device device, int64_t begin, int64_t end);
/* Copies of host arrays, rank 1. */
tensor *tensor_from_i32(tensor_scope *scope, tensor_device device, const int32_t *values, size_t count); /* as I64 */
tensor *tensor_from_f32(tensor_scope *scope, tensor_device device, const float *values, size_t count); /* as F32 */

/* -- looking ---------------------------------------------------------------------------------------- */

int tensor_rank(const tensor *t); /* how many dims */
int64_t tensor_size(const tensor *t, int dim);  /* negative dims count from the end */
int64_t tensor_count(const tensor *t);          /* elements */
size_t tensor_bytes(const tensor *t); /* count * bytes of its type */
tensor_type tensor_type_of(const tensor *t); /* of its elements */
tensor_device tensor_device_of(const tensor *t); /* where its storage is */
bool tensor_is_contiguous(const tensor *t); /* row-major, without gaps */
const void *tensor_borrow_data(const tensor *t); /* CPU and contiguous, else NULL; valid as long as t */
void *tensor_borrow_data_mutable(tensor *t); /* likewise; other handles on the same storage see the change */
/* In the memory of its GPU: CUDA and contiguous, else NULL. What is done with it belongs on the default stream. */
void *tensor_borrow_device_data(tensor *t);
/* Copy out as f32, row-major, count elements = tensor_count(t). */
err tensor_read_f32(const tensor *t, float *out, size_t count);
err tensor_read_i64(const tensor *t, int64_t *out, size_t count); /* the same as int64, of an integer tensor */

/* -- moving and shaping ------------------------------------------------------------------------------ */

tensor *tensor_to(tensor_scope *s, const tensor *t, tensor_type type, tensor_device device); /* same handle's storage when nothing changes */
/* In another type, on its device; same storage when nothing changes. */
tensor *tensor_cast(tensor_scope *s, const tensor *t, tensor_type type);
tensor *tensor_contiguous(tensor_scope *s, const tensor *t); /* a copy unless it is so already */
tensor *tensor_clone(tensor_scope *s, const tensor *t); /* a copy with storage of its own */
tensor *tensor_detach(tensor_scope *s, const tensor *t); /* same storage, outside of autograd */
tensor *tensor_reshape(tensor_scope *s, const tensor *t, const int64_t *shape, int rank); /* one size may be -1 */
#define TENSOR_RESHAPE(s, t, ...) \
    tensor_reshape((s), (t), (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
/* A view: dims of size 1 repeated to `shape`. */
tensor *tensor_expand(tensor_scope *s, const tensor *t, const int64_t *shape, int rank);
/* A view with the two dims exchanged. */
tensor *tensor_transpose(tensor_scope *s, const tensor *t, int dim_a, int dim_b);
tensor *tensor_unsqueeze(tensor_scope *s, const tensor *t, int dim); /* a view with a new dim of size 1 at `dim` */
tensor *tensor_squeeze(tensor_scope *s, const tensor *t, int dim); /* a view without `dim`, which has size 1 */
/* A view of [begin, begin + count) of `dim`. */
tensor *tensor_narrow(tensor_scope *s, const tensor *t, int dim, int64_t begin, int64_t count);
tensor *tensor_select(tensor_scope *s, const tensor *t, int dim, int64_t index); /* a view without `dim`, at `index` */
/* Copies of the slices `ids` [n] (I64) of `dim`. */
tensor *tensor_index_select(tensor_scope *s, const tensor *t, int dim, const tensor *ids);
/* out[i][j] = t[i][ids[i][j]] along `dim`; ids I64, of t's rank. */
tensor *tensor_gather(tensor_scope *s, const tensor *t, int dim, const tensor *ids);
tensor *tensor_cat(tensor_scope *s, tensor *const *parts, size_t count, int dim); /* one behind the other along `dim` */
/* Each slice of `dim` `times` times in a row. */
tensor *tensor_repeat_interleave(tensor_scope *s, const tensor *t, int64_t times, int dim);
/* target[...] = source, in place (not under grad). Gives false after a failure kept in the scope. */
bool tensor_copy_into(tensor_scope *s, tensor *target, const tensor *source);

/* -- arithmetic (broadcast as libtorch does) ---------------------------------------------------------- */

tensor *tensor_add(tensor_scope *s, const tensor *a, const tensor *b); /* a + b */
tensor *tensor_sub(tensor_scope *s, const tensor *a, const tensor *b); /* a - b */
tensor *tensor_mul(tensor_scope *s, const tensor *a, const tensor *b); /* a * b, element by element */
tensor *tensor_div(tensor_scope *s, const tensor *a, const tensor *b); /* a / b, element by element */
tensor *tensor_scale(tensor_scope *s, const tensor *a, double factor); /* a * factor */
tensor *tensor_shift(tensor_scope *s, const tensor *a, double addend); /* a + addend */
tensor *tensor_power(tensor_scope *s, const tensor *a, double exponent); /* a to the exponent, element by element */
tensor *tensor_neg(tensor_scope *s, const tensor *a); /* -a */
tensor *tensor_exp(tensor_scope *s, const tensor *a); /* e to the a */
tensor *tensor_log(tensor_scope *s, const tensor *a); /* natural */
tensor *tensor_sin(tensor_scope *s, const tensor *a); /* of radians */
tensor *tensor_cos(tensor_scope *s, const tensor *a); /* of radians */
tensor *tensor_tanh(tensor_scope *s, const tensor *a); /* hyperbolic tangent */
tensor *tensor_sqrt(tensor_scope *s, const tensor *a); /* NaN below 0 */
tensor *tensor_rsqrt(tensor_scope *s, const tensor *a); /* 1 / sqrt(a) */
tensor *tensor_sigmoid(tensor_scope *s, const tensor *a); /* 1 / (1 + exp(-a)) */
tensor *tensor_silu(tensor_scope *s, const tensor *a); /* a * sigmoid(a) */
tensor *tensor_relu(tensor_scope *s, const tensor *a); /* max(a, 0) */
tensor *tensor_gelu(tensor_scope *s, const tensor *a, bool tanh_form); /* by erf, or its approximation by tanh */
/* Over `dim`, which goes, or stays with size 1. */
tensor *tensor_sum(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_mean(tensor_scope *s, const tensor *a, int dim, bool keep_dim); /* over `dim`, as tensor_sum */
tensor *tensor_max(tensor_scope *s, const tensor *a, int dim, bool keep_dim); /* the values over `dim`, as tensor_sum */
/* I64: where along `dim` the largest is; `dim` goes. */
tensor *tensor_argmax(tensor_scope *s, const tensor *a, int dim);
tensor *tensor_norm(tensor_scope *s, const tensor *a, int dim, bool keep_dim); /* L2 */
/* log of the sum of exp(a) over `dim` */
tensor *tensor_logsumexp(tensor_scope *s, const tensor *a, int dim, bool keep_dim);
tensor *tensor_softmax(tensor_scope *s, const tensor *a, int dim);             /* in f32, given back in a's type */
tensor *tensor_log_softmax(tensor_scope *s, const tensor *a, int dim); /* in f32, given back in a's type */
/* `value` where mask (bool) is true, else a. */
tensor *tensor_masked_fill(tensor_scope *s, const tensor *a, const tensor *mask, double value);

/* -- products ------------------------------------------------------------------------------------------ */

tensor *tensor_matmul(tensor_scope *s, const tensor *a, const tensor *b); /* [.., n, k] · [.., k, m] = [.., n, m] */
/* x [..., in] · weightᵀ [in, out] + bias [out] or NULL. */
tensor *tensor_linear(tensor_scope *s, const tensor *x, const tensor *weight, const tensor *bias);
/* Rows `ids` (I64, any shape) of weight [vocab, n]: [.., n]. */
tensor *tensor_embedding(tensor_scope *s, const tensor *weight, const tensor *ids);
/* softmax(q·kᵀ·scale + mask)·v. q [batch, heads, rows, d], k and v [batch, kv_heads, keys, d]; heads a multiple of
 * kv_heads. mask NULL, or additive/boolean [.., rows, keys]; causal only without a mask and with rows == keys. */
tensor *tensor_attention(tensor_scope *s, const tensor *q, const tensor *k, const tensor *v, const tensor *mask,
                         bool causal, double scale);
/* RMSNorm over the last dim in f32; three orders of rounding (spec, "Numeric rules"):
 * TENSOR_NORM_LLAMA round(y)*w, TENSOR_NORM_F32_WEIGHT round(y*w), TENSOR_NORM_GEMMA round(y*(1+w)). */
typedef enum tensor_norm_kind { TENSOR_NORM_LLAMA, TENSOR_NORM_F32_WEIGHT, TENSOR_NORM_GEMMA } tensor_norm_kind;
/* x [.., n], weight [n]; the result has x's type. */
tensor *tensor_rms_norm(tensor_scope *s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind);

/* -- autograd: in a scope made with grad ---------------------------------------------------------------- */

/* Make t (floating point, not computed from others) a leaf whose gradient is wanted. False: failed, kept in the scope. */
bool tensor_requires_grad(tensor_scope *s, tensor *t);
/* Add d loss / d leaf to the gradient of each leaf that `loss` (one element) was computed from; the graph is freed. */
bool tensor_backward(tensor_scope *s, const tensor *loss);
tensor *tensor_grad(tensor_scope *s, const tensor *t); /* a handle on the leaf's gradient; NULL (no failure): none yet */
void tensor_grad_clear(tensor *t); /* it has none afterwards */
/* The same from any y with the gradient g of y's shape and type: adds g · dy/d leaf to the leaves. */
bool tensor_backward_from(tensor_scope *s, const tensor *y, const tensor *g);

/* -- training: nothing here is recorded for autograd ------------------------------------------------------ */

/* Cross-entropy of hidden · weightᵀ against ids, without ever making all logits (spec training.md, section 6). */
typedef struct tensor_head {
    const tensor *hidden, *weight; /* [n, h], [vocab, h] of one type */
    const int32_t *ids;            /* [n], each below vocab */
    const double *factors;         /* [n]: what each row's loss counts in the gradient; NULL: no gradient */
    double softcap;                /* 0: none */
    tensor *weight_gradient;       /* f32 [vocab, h], added to; NULL: the weight is frozen */
    float *losses;                 /* out, [n] */
    bool *hits;                    /* out, [n]: the id was the likeliest one */
} tensor_head;
/* *gradient [n, h] of hidden's type, the scope's, when there are factors. False: failed, kept in the scope. */
bool tensor_head_loss(tensor_scope *s, const tensor_head *head, tensor **gradient);

/* f32 [rows, columns], 1 / (1 - p) where kept and 0 where dropped. Rows begins[i] .. begins[i + 1] belong to
 * sequence i; element e of its rows, laid one after another, is kept when the number that follows from
 * keys[i] + e is at least p (engine/derived_random.h), so the mask is a function of its place. begins [count + 1]. */
tensor *tensor_dropout_mask(tensor_scope *s, tensor_device device, const size_t *begins, const uint64_t *keys,
                            size_t count, size_t columns, double p);

/* A frozen weight [out, in] on the CPU that is no tensor: expand() writes its rows [begin, begin + count) in `type`, f32
 * or bf16. Products expand a piece of at most 16 MiB at a time (32 rows where that is more), forward and again backward,
 * so that no expanded weight is kept for the backward pass. `context` must live as long as that. */
typedef struct tensor_packed {
    void (*expand)(const void *context, size_t begin, size_t count, tensor_type type, void *to);
    const void *context;
    tensor_type type;      /* that products are computed in; f32 in place of bf16 where the processor has no such products */
    size_t begin, out, in; /* outputs are rows begin .. begin + out of what expand() knows */
} tensor_packed;
/* x Wᵀ + bias in x's type, without grad. bias NULL: none. */
tensor *tensor_linear_packed(tensor_scope *s, const tensor *x, const tensor_packed *packed, const tensor *bias);

/* Linear layers on one input x [n, in]: y = x Wᵀ + bias + scale (D(x) Aᵀ) Bᵀ, rounded once to x's type. Differentiable
 * in x, A and B; W and bias are frozen. What is kept for the backward pass is x alone. */
typedef struct tensor_projection {
    const tensor *weight, *bias; /* [out, in], [out] or NULL */
    tensor_packed packed;        /* in place of weight, which is NULL then; .expand NULL: there is none */
    const tensor *a, *b;         /* f32 [rank, in], [out, rank]; both NULL: no branch */
    double scale;
    const uint64_t *keys; /* of dropout, one a sequence */
    tensor *y;            /* out, the scope's: [n, out] */
} tensor_projection;
typedef struct tensor_dropout {
    double p;
    const size_t *begins; /* [count + 1]: rows of each sequence */
    size_t count;
} tensor_dropout;
/* dropout NULL: none. narrow: the branch is computed in x's type, else in f32. False: failed, kept in the scope. */
bool tensor_project(tensor_scope *s, const tensor *x, tensor_projection *list, size_t count,
                    const tensor_dropout *dropout, bool narrow);
/* x · weightᵀ in f32, whatever they are; differentiable in x. packed, not NULL: in place of weight. */
tensor *tensor_linear_wide(tensor_scope *s, const tensor *x, const tensor *weight, const tensor_packed *packed);

/* Parts of a layer on the CPU, in f32 or bf16: computed in f32, rounded once, differentiable in x, gate, up, q, k, v. */
tensor *tensor_train_norm(tensor_scope *s, const tensor *x, const tensor *weight, double eps, tensor_norm_kind kind);
/* x [n, heads * head_size]; cos and sin [n, 1, half]: the first 2 * half of each head are rotated, the rest stays. */
tensor *tensor_train_rotate(tensor_scope *s, const tensor *x, const tensor *cos, const tensor *sin, size_t head_size);
typedef enum tensor_activation { TENSOR_SILU, TENSOR_GELU, TENSOR_GELU_TANH, TENSOR_RELU } tensor_activation;
tensor *tensor_train_gate(tensor_scope *s, const tensor *gate, const tensor *up, tensor_activation kind); /* act(gate) * up */
/* Causal attention within each segment: rows begins[i] .. begins[i + 1]. q [n, heads * d], k and v [n, kv_heads * d]. */
typedef struct tensor_attending {
    size_t heads, kv_heads, window; /* window 0: all before */
    double scale, softcap;          /* softcap 0: none */
    const size_t *begins;           /* [count + 1] */
    size_t count;
} tensor_attending;
/* [n, heads * d], the rows as those of q; with a gradient where the scope wants one. */
tensor *tensor_train_attention(tensor_scope *s, const tensor *q, const tensor *k, const tensor *v,
                               const tensor_attending *how);

/* Thin decompositions in f32. Singular vectors U [out, k], singular values S [k], Vᵀ [k, in], k = min(out, in). */
bool tensor_svd(tensor_scope *s, const tensor *a, tensor **u, tensor **values, tensor **vt);
/* a [out, in] = Q [out, k] · R [k, in] in f32, k = min(out, in). False: failed, kept in the scope. */
bool tensor_qr(tensor_scope *s, const tensor *a, tensor **q, tensor **r);

/* Steps over `count` f32 leaves, each by its own gradient (a leaf without one is left alone), in place.
 * Sources of the formulas: spec training.md, section 3. */
typedef struct tensor_adamw {
    double rate, beta1, beta2, eps, decay;
    uint64_t step; /* from 1 */
    bool plain;    /* the formula as it is written, in place of libtorch's fused one: reference and fallback */
} tensor_adamw;
/* m, v: running means of the gradient and its square, of the leaves' shapes, changed in place. */
bool tensor_adamw_step(tensor_scope *s, tensor *const *leaves, tensor *const *m, tensor *const *v, size_t count,
                       const tensor_adamw *how);
/* leaf -= rate * (gradient + decay * leaf) */
bool tensor_sgd_step(tensor_scope *s, tensor *const *leaves, size_t count, double rate, double decay);
/* m as for AdamW; eps, step and plain of `how` are not read. */
bool tensor_lion_step(tensor_scope *s, tensor *const *leaves, tensor *const *m, size_t count,
                      const tensor_adamw *how);
/* *norm: the L2 norm of all their gradients together. Then times `factor`, in place. */
bool tensor_grads_norm(tensor_scope *s, tensor *const *leaves, size_t count, double *norm);
/* Each gradient times `factor`, in place. */
bool tensor_grads_scale(tensor_scope *s, tensor *const *leaves, size_t count, double factor);

/* -- threads -------------------------------------------------------------------------------------------- */

/* Run body(context, i) for each i < count on libtorch's CPU threads; returns when all are done. For our own C
 * kernels, so that two thread pools never fight over the cores. */
void tensor_parallel_for(size_t count, void (*body)(void *context, size_t index), void *context);

#endif
