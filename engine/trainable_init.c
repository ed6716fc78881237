/* engine/trainable_init.c: what A and B begin as (spec training.md, section 1.3), and DoRA's m (1.5). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/derived_random.h"
#include "engine/trainable_internal.h"

enum { PURPOSE_INIT = 1 }; /* of spec training.md, section 11 */

/* The purpose's key for the tensor of this name, so that adding a target changes no other tensor. The name's
 * hash is FNV-1a of 64 bits. */
static uint64_t key_of(uint64_t seed, const char *name)
{
    uint64_t hash = 0xCBF29CE484222325u;
    for (const char *c = name; *c; c++) hash = (hash ^ (unsigned char)*c) * 0x100000001B3u;
    return derived_random_key(seed, (const uint64_t[]){PURPOSE_INIT, hash}, 2);
}

/* In [0, 1), 24 bits: as many as a float holds. */
static float uniform(uint64_t *state) { return (float)(derived_random_next(state) >> 40) * 0x1p-24f; }

/* By Box and Muller, one of the pair. */
static float normal(uint64_t *state)
{
    double a = 1 - (double)(derived_random_next(state) >> 11) * 0x1p-53,
           b = (double)(derived_random_next(state) >> 11) * 0x1p-53;
    return (float)(sqrt(-2 * log(a)) * cos(2 * M_PI * b));
}

static tensor *on_device(tensor_scope *s, const engine_decoder *base, const float *values, size_t rows,
                         size_t columns)
{
    tensor *t = tensor_from_f32(s, engine_decoder_device(base), values, rows * columns);
    return TENSOR_RESHAPE(s, t, (int64_t)rows, (int64_t)columns);
}

/* A drawn, B zero. */
static void init_drawn(tensor_scope *s, const engine_decoder *base, bool gaussian, uint64_t key, size_t out,
                       size_t in, trainable_part *part)
{
    float *values = memory_alloc(part->rank * in * sizeof *values);
    float bound = (float)(1 / sqrt((double)in)), spread = (float)(1 / (double)part->rank);
    for (size_t i = 0; i < part->rank * in; i++)
        values[i] = gaussian ? normal(&key) * spread : (2 * uniform(&key) - 1) * bound;
    part->a = tensor_keep(s, on_device(s, base, values, part->rank, in));
    free(values);
    const int64_t shape[] = {(int64_t)out, (int64_t)part->rank};
    part->b = tensor_keep(s, tensor_full(s, TENSOR_F32, engine_decoder_device(base), shape, 2, 0));
}

/* The first `count` columns, or rows, as memory of their own. */
static tensor *first_of(tensor_scope *s, const tensor *t, int dim, size_t count)
{
    return tensor_clone(s, tensor_contiguous(s, tensor_narrow(s, t, dim, 0, (int64_t)count)));
}

/* SVD of W: A = diag(√S') Vᵀ, B = U diag(√S'), S' = S / s. */
static void take_pissa(tensor_scope *s, const tensor *weight, trainable_part *part)
{
    tensor *u = NULL, *values = NULL, *vt = NULL;
    if (!tensor_svd(s, weight, &u, &values, &vt)) return;
    int64_t rank = (int64_t)part->rank;
    tensor *root = tensor_sqrt(s, tensor_scale(s, first_of(s, values, 0, part->rank), 1 / part->scale));
    part->a = tensor_keep(s, tensor_mul(s, first_of(s, vt, 0, part->rank), TENSOR_RESHAPE(s, root, rank, 1)));
    part->b = tensor_keep(s, tensor_mul(s, first_of(s, u, 1, part->rank), TENSOR_RESHAPE(s, root, 1, rank)));
}

/* QR of W: B = Q[:, :r], A = R[:r]. */
static void take_olora(tensor_scope *s, const tensor *weight, trainable_part *part)
{
    tensor *q = NULL, *r = NULL;
    if (!tensor_qr(s, weight, &q, &r)) return;
    part->b = tensor_keep(s, first_of(s, q, 1, part->rank));
    part->a = tensor_keep(s, first_of(s, r, 0, part->rank));
}

/* W := W - s B A, kept here; the start of A and B is kept too, to be written as a difference. */
static void init_taken(tensor_scope *s, const engine_decoder *base, size_t module, bool pissa,
                       trainable_part *part)
{
    const tensor *weight = engine_decoder_weight(base, s, module);
    tensor *wide = tensor_cast(s, weight, TENSOR_F32);
    if (pissa)
        take_pissa(s, wide, part);
    else
        take_olora(s, wide, part);
    tensor *taken = tensor_scale(s, tensor_matmul(s, part->b, part->a), part->scale);
    part->base = tensor_keep(s, tensor_cast(s, tensor_sub(s, wide, taken), engine_decoder_type(base)));
    part->a_start = tensor_keep(s, tensor_clone(s, part->a));
    part->b_start = tensor_keep(s, tensor_clone(s, part->b));
}

err trainable_init_part(const engine_trainable_options *options, const engine_decoder *base, size_t module,
                        const char *name, trainable_part *part)
{
    int64_t shape[2];
    unsigned rank = 0;
    bool bias = false;
    engine_module_shape(engine_decoder_borrow_spec(base), module, shape, &rank, &bias);
    const char *init = options->init ? options->init : "default";
    bool pissa = strcmp(init, "pissa") == 0, taken = pissa || strcmp(init, "olora") == 0;
    if (taken && part->rank > (size_t)MIN_OF(shape[0], shape[1]))
        return err_make(ERR_USAGE, "%s: a rank of %zu is more than %s can take from a weight of [%lld, %lld]",
                        name, part->rank, init, (long long)shape[0], (long long)shape[1]);
    tensor_scope *s = tensor_scope_new(false);
    if (taken)
        init_taken(s, base, module, pissa, part);
    else
        init_drawn(s, base, strcmp(init, "gaussian") == 0, key_of(options->seed, name), (size_t)shape[0],
                   (size_t)shape[1], part);
    return err_note(tensor_scope_close(s), "%s", name);
}

err trainable_init_dora(const engine_decoder *base, size_t module, trainable_part *part)
{
    tensor_scope *s = tensor_scope_new(false);
    const tensor *weight = part->base ? part->base : engine_decoder_weight(base, s, module);
    tensor *wide = tensor_cast(s, weight, TENSOR_F32);
    if (!part->magnitude) {
        tensor *delta = tensor_scale(s, tensor_matmul(s, part->b, part->a), part->scale);
        part->magnitude = tensor_keep(s, tensor_norm(s, tensor_add(s, wide, delta), 1, false));
    }
    tensor *norms = tensor_norm(s, wide, 1, false);
    part->squares = tensor_keep(s, tensor_mul(s, norms, norms));
    part->norms = tensor_keep(s, tensor_clone(s, norms));
    return tensor_scope_close(s);
}
