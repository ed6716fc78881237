/* engine/combine.c: module by module; the factors by plain loops, singular values by libtorch. */
#include "engine/combine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/arch/modules.h"
#include "engine/combine_ops.h"
#include "engine/derived_random.h"
#include "engine/dtype_values.h"

enum { ITEMS_MAX = 64 };

typedef enum combine_prune { PRUNE_NONE, PRUNE_MAGNITUDE, PRUNE_RANDOM } combine_prune;

static const struct {
    const char *name;
    combine_prune prune;
    bool disjoint, svd;
} kinds[ENGINE_COMBINE_COUNT] = {
    [ENGINE_COMBINE_LINEAR] = {"linear", PRUNE_NONE, false, false},
    [ENGINE_COMBINE_CAT] = {"cat", PRUNE_NONE, false, false},
    [ENGINE_COMBINE_SVD] = {"svd", PRUNE_NONE, false, true},
    [ENGINE_COMBINE_TIES] = {"ties", PRUNE_MAGNITUDE, true, false},
    [ENGINE_COMBINE_DARE_LINEAR] = {"dare_linear", PRUNE_RANDOM, false, false},
    [ENGINE_COMBINE_DARE_TIES] = {"dare_ties", PRUNE_RANDOM, true, false},
    [ENGINE_COMBINE_MAGNITUDE_PRUNE] = {"magnitude_prune", PRUNE_MAGNITUDE, false, false},
    [ENGINE_COMBINE_TIES_SVD] = {"ties_svd", PRUNE_MAGNITUDE, true, true},
    [ENGINE_COMBINE_DARE_LINEAR_SVD] = {"dare_linear_svd", PRUNE_RANDOM, false, true},
    [ENGINE_COMBINE_DARE_TIES_SVD] = {"dare_ties_svd", PRUNE_RANDOM, true, true},
    [ENGINE_COMBINE_MAGNITUDE_PRUNE_SVD] = {"magnitude_prune_svd", PRUNE_MAGNITUDE, false, true},
};

const char *engine_combine_name(engine_combine_kind kind) { return kinds[kind].name; }
bool engine_combine_prunes(engine_combine_kind kind) { return kinds[kind].prune != PRUNE_NONE; }
bool engine_combine_is_svd(engine_combine_kind kind) { return kinds[kind].svd; }

err engine_combine_parse(const char *name, engine_combine_kind *out)
{
    CLEANUP(bytes_free) bytes names = {0};
    for (int i = 0; i < ENGINE_COMBINE_COUNT; i++) {
        bytes_printf(&names, "%s%s", i ? ", " : "", kinds[i].name);
        if (strcmp(kinds[i].name, name) != 0) continue;
        *out = (engine_combine_kind)i;
        return ERR_OK;
    }
    return err_make(ERR_USAGE, "there is no way '%s' to combine adapters: %s", name, bytes_text(&names));
}

/* -- one module ---------------------------------------------------------------------------------------------
 */

/* What one adapter has there. */
typedef struct factors {
    float *a, *b; /* [rank, in], [out, rank] */
    size_t rank, item;
    double scale, weight;
} factors;

typedef struct module_work {
    const engine_combine_options *options;
    engine_adapter_out *out;
    size_t module, in, outs, rank; /* rank: of the result */
    engine_adapter_slot slot_a, slot_b;
    factors list[ITEMS_MAX];
    size_t count;
} module_work;

static float *values_of(const engine_weight *w)
{
    float *values = memory_alloc((size_t)(w->count + 1) * sizeof *values);
    double *read = memory_alloc((size_t)(w->count + 1) * sizeof *read);
    engine_dtype_values(w->type, w->data, 0, (size_t)w->count, read);
    for (size_t i = 0; i < w->count; i++) values[i] = (float)read[i];
    free(read);
    return values;
}

static void factors_add(module_work *w, const engine_combine_item *item, size_t index)
{
    bool embed = engine_adapter_file_borrow(item->file, w->module, ENGINE_ADAPTER_EMBED_A) != NULL;
    engine_adapter_slot slot_a = embed ? ENGINE_ADAPTER_EMBED_A : ENGINE_ADAPTER_A;
    engine_adapter_slot slot_b = embed ? ENGINE_ADAPTER_EMBED_B : ENGINE_ADAPTER_B;
    const engine_weight *a = engine_adapter_file_borrow(item->file, w->module, slot_a);
    const engine_weight *b = engine_adapter_file_borrow(item->file, w->module, slot_b);
    if (!a) return;
    factors *f = &w->list[w->count++];
    *f = (factors){.a = values_of(a), .b = values_of(b), .item = index, .weight = item->weight};
    engine_adapter_file_scale(item->file, w->module, &f->rank, &f->scale);
    w->in = (size_t)a->shape[1];
    w->outs = (size_t)b->shape[0];
    w->slot_a = slot_a;
    w->slot_b = slot_b;
}

static void work_free(module_work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->list[i].a);
        free(w->list[i].b);
    }
}

static void result_add(const module_work *w, const float *a, const float *b, size_t rank)
{
    engine_adapter_out_add_f32(w->out, w->module, w->slot_a, rank, w->in, a);
    engine_adapter_out_add_f32(w->out, w->module, w->slot_b, w->outs, rank, b);
    engine_adapter_out_scale(w->out, w->module, rank, (double)rank);
}

/* Ranks one after another; a module that some adapters lack is filled up with zeros. */
static err combine_cat(module_work *w)
{
    float *a = memory_alloc((w->rank * w->in + 1) * sizeof *a);
    float *b = memory_alloc((w->outs * w->rank + 1) * sizeof *b);
    size_t at = 0;
    for (size_t j = 0; j < w->count; j++) {
        const factors *f = &w->list[j];
        float factor = (float)f->weight, scale = (float)f->scale;
        for (size_t i = 0; i < f->rank * w->in; i++) a[at * w->in + i] = f->a[i] * factor * scale;
        for (size_t o = 0; o < w->outs; o++)
            memcpy(b + o * w->rank + at, f->b + o * f->rank, f->rank * sizeof *b);
        at += f->rank;
    }
    result_add(w, a, b, w->rank);
    free(a);
    free(b);
    return ERR_OK;
}

/* Prune, then add; tensors[j] are changed. `side` keeps the random choices of A, B and delta apart. */
static void mix(const module_work *w, float **tensors, const float *weights, size_t count, unsigned side,
                float *out)
{
    const engine_combine_options *o = w->options;
    for (size_t j = 0; j < w->count; j++) {
        uint64_t key = derived_random(derived_random(derived_random(o->seed) ^ w->module) ^
                                      (w->list[j].item << 2 | side));
        if (kinds[o->kind].prune == PRUNE_MAGNITUDE) combine_prune_magnitude(tensors[j], count, o->density);
        if (kinds[o->kind].prune == PRUNE_RANDOM) combine_prune_random(tensors[j], count, o->density, key);
    }
    if (kinds[o->kind].disjoint)
        combine_disjoint(tensors, weights, w->count, count, o->by_frequency, out);
    else
        combine_sum(tensors, weights, w->count, count, out);
}

/* The A among themselves and the B among themselves, each with the root of the weight, its sign on A. */
static err combine_factors(module_work *w)
{
    float *tensors_a[ITEMS_MAX], *tensors_b[ITEMS_MAX], weights_a[ITEMS_MAX], weights_b[ITEMS_MAX];
    size_t rank = w->list[0].rank;
    for (size_t j = 0; j < w->count; j++) {
        const factors *f = &w->list[j];
        double c = f->weight * f->scale;
        if (f->rank != rank) {
            char name[ENGINE_MODULE_NAME_MAX];
            engine_module_name(engine_adapter_out_borrow_spec(w->out), w->module, name, sizeof name);
            return err_make(
                ERR_USAGE,
                "the adapters have ranks %zu and %zu on %s: %s needs equal ones (cat and svd do not)", rank,
                f->rank, name, kinds[w->options->kind].name);
        }
        tensors_a[j] = f->a;
        tensors_b[j] = f->b;
        weights_a[j] = (float)(sqrt(fabs(c)) * (c >= 0 ? 1 : -1));
        weights_b[j] = (float)sqrt(fabs(c));
    }
    float *a = memory_alloc((rank * w->in + 1) * sizeof *a),
          *b = memory_alloc((w->outs * rank + 1) * sizeof *b);
    mix(w, tensors_a, weights_a, rank * w->in, 0, a);
    mix(w, tensors_b, weights_b, w->outs * rank, 1, b);
    result_add(w, a, b, rank);
    free(a);
    free(b);
    return ERR_OK;
}

/* -- by singular values -------------------------------------------------------------------------------------
 */

static tensor *matrix(tensor_scope *s, const float *values, size_t rows, size_t columns)
{
    return tensor_over(s, TENSOR_F32, (const int64_t[]){(int64_t)rows, (int64_t)columns}, 2, values, NULL,
                       NULL);
}

static tensor *columns_scaled(tensor_scope *s, tensor *t, tensor *sigma) { return tensor_mul(s, t, sigma); }

/* Sum of weight * scale * B A as U diag(sigma) Vt, without making it: of the factors' own SVDs and of what
 * lies between. */
static bool svd_of_factors(const module_work *w, tensor_scope *s, tensor *usv[3])
{
    tensor *as[ITEMS_MAX], *bs[ITEMS_MAX], *a[3], *b[3], *core[3];
    for (size_t j = 0; j < w->count; j++) {
        const factors *f = &w->list[j];
        as[j] = tensor_scale(s, matrix(s, f->a, f->rank, w->in), f->weight * f->scale);
        bs[j] = matrix(s, f->b, w->outs, f->rank);
    }
    if (!tensor_svd(s, tensor_cat(s, as, w->count, 0), &a[0], &a[1], &a[2])) return false;
    if (!tensor_svd(s, tensor_cat(s, bs, w->count, 1), &b[0], &b[1], &b[2])) return false;
    tensor *left = tensor_mul(s, tensor_unsqueeze(s, b[1], 1), b[2]);
    tensor *between = tensor_matmul(s, left, columns_scaled(s, a[0], a[1]));
    if (!tensor_svd(s, between, &core[0], &core[1], &core[2])) return false;
    usv[0] = tensor_matmul(s, b[0], core[0]);
    usv[1] = core[1];
    usv[2] = tensor_matmul(s, core[2], a[2]);
    return true;
}

/* The deltas themselves, pruned and added, then their SVD. */
static bool svd_of_deltas(const module_work *w, tensor_scope *s, tensor *usv[3])
{
    size_t count = w->outs * w->in;
    float *deltas[ITEMS_MAX], weights[ITEMS_MAX], *sum = memory_alloc((count + 1) * sizeof *sum);
    bool ok = true;
    for (size_t j = 0; j < w->count; j++) {
        const factors *f = &w->list[j];
        tensor *delta = tensor_matmul(s, matrix(s, f->b, w->outs, f->rank), matrix(s, f->a, f->rank, w->in));
        delta = tensor_scale(s, delta, f->scale);
        deltas[j] = memory_alloc((count + 1) * sizeof **deltas);
        weights[j] = (float)f->weight;
        ok = ok && delta && !tensor_read_f32(delta, deltas[j], count).code;
    }
    if (ok) mix(w, deltas, weights, count, 2, sum);
    if (ok) ok = tensor_svd(s, matrix(s, sum, w->outs, w->in), &usv[0], &usv[1], &usv[2]);
    for (size_t j = 0; j < w->count; j++) free(deltas[j]);
    free(sum);
    return ok;
}

static int float_compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* As torch.quantile over the entries of both: between two neighbours, in a straight line. */
static float quantile_of(const float *a, size_t a_count, const float *b, size_t b_count, double q)
{
    size_t count = a_count + b_count;
    float *all = memory_alloc((count + 1) * sizeof *all);
    memcpy(all, a, a_count * sizeof *all);
    memcpy(all + a_count, b, b_count * sizeof *all);
    qsort(all, count, sizeof *all, float_compare);
    double place = q * (double)(count - 1);
    size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
    double value = (double)all[below] + (place - (double)below) * ((double)all[above] - (double)all[below]);
    free(all);
    return (float)value;
}

static void clamp_to(float *values, size_t count, float most)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] > most) values[i] = most;
        if (values[i] < -most) values[i] = -most;
    }
}

/* The first `rank` of the SVD: B = U diag(sigma), A = Vt; beyond what there is, zeros. */
static err svd_cut(const module_work *w, tensor_scope *s, tensor *const usv[3])
{
    size_t have = (size_t)tensor_size(usv[1], 0), rank = w->rank, take = have < rank ? have : rank;
    tensor *b_cut = tensor_narrow(s, columns_scaled(s, usv[0], usv[1]), 1, 0, (int64_t)take);
    tensor *a_cut = tensor_narrow(s, usv[2], 0, 0, (int64_t)take);
    float *a = memory_alloc((rank * w->in + 1) * sizeof *a),
          *b = memory_alloc((w->outs * rank + 1) * sizeof *b);
    float *narrow = memory_alloc((w->outs * take + 1) * sizeof *narrow);
    err e = a_cut && b_cut ? tensor_read_f32(a_cut, a, take * w->in) : ERR_OK;
    if (!e.code && b_cut) e = tensor_read_f32(b_cut, narrow, w->outs * take);
    for (size_t o = 0; o < w->outs; o++) memcpy(b + o * rank, narrow + o * take, take * sizeof *b);
    if (!e.code && w->options->clamp > 0) {
        float most = quantile_of(narrow, w->outs * take, a, take * w->in, w->options->clamp);
        clamp_to(a, take * w->in, most);
        clamp_to(b, w->outs * rank, most);
    }
    if (!e.code) result_add(w, a, b, rank);
    free(narrow);
    free(a);
    free(b);
    return e;
}

static err combine_svd(module_work *w)
{
    tensor_scope *s = tensor_scope_new(false);
    tensor *usv[3] = {NULL, NULL, NULL};
    bool ok = w->options->kind == ENGINE_COMBINE_SVD ? svd_of_factors(w, s, usv) : svd_of_deltas(w, s, usv);
    err e = ok ? svd_cut(w, s, usv) : ERR_OK;
    err failed = tensor_scope_close(s);
    return e.code ? e : failed;
}

/* -- all ----------------------------------------------------------------------------------------------------
 */

static err check_item(const engine_combine_item *item)
{
    static const struct {
        engine_adapter_slot slot;
        const char *what;
    } refused[] = {{ENGINE_ADAPTER_MAGNITUDE, "DoRA's magnitudes"},
                   {ENGINE_ADAPTER_B_BIAS, "a bias on B"},
                   {ENGINE_ADAPTER_WEIGHT, "modules that it saves whole"},
                   {ENGINE_ADAPTER_BIAS, "biases of its own"}};
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        if (engine_adapter_file_has(item->file, refused[i].slot))
            return err_make(ERR_UNSUPPORTED,
                            "adapter %s has %s, which do not add up: merge it into the weights instead",
                            item->title, refused[i].what);
    if (!isfinite(item->weight))
        return err_make(ERR_USAGE, "the weight of adapter %s is no finite number", item->title);
    return ERR_OK;
}

/* What PEFT's result has: the sum, the largest, or what all have. */
static err rank_choose(const engine_combine_item *items, size_t count, const engine_combine_options *options,
                       size_t *out)
{
    size_t sum = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t rank = engine_adapter_file_rank(items[i].file);
        sum += rank;
        most = MAX_OF(most, rank);
    }
    bool svd = engine_combine_is_svd(options->kind);
    *out = options->kind == ENGINE_COMBINE_CAT ? sum : svd && options->rank ? options->rank : most;
    if (*out > ENGINE_ADAPTER_RANK_MAX)
        return err_make(ERR_LIMIT, "the result would have rank %zu, the limit is %d", *out,
                        ENGINE_ADAPTER_RANK_MAX);
    return ERR_OK;
}

static err combine_module(module_work *w)
{
    if (w->options->kind == ENGINE_COMBINE_CAT) return combine_cat(w);
    return engine_combine_is_svd(w->options->kind) ? combine_svd(w) : combine_factors(w);
}

err engine_combine(const engine_combine_item *items, size_t count, const engine_combine_options *options,
                   engine_adapter_out *out)
{
    size_t rank = 0;
    if (count == 0 || count > ITEMS_MAX)
        return err_make(ERR_USAGE, "%zu adapters to combine: expected 1 to %d", count, ITEMS_MAX);
    err e = ERR_OK;
    for (size_t i = 0; i < count && !e.code; i++) e = check_item(&items[i]);
    if (!e.code) e = rank_choose(items, count, options, &rank);
    if (e.code) return e;
    engine_adapter_out_name_as(out, items[0].file);
    size_t module_count = engine_module_count(engine_adapter_file_borrow_spec(items[0].file));
    for (size_t m = 0; m < module_count && !e.code; m++) {
        module_work w = {.options = options, .out = out, .module = m, .rank = rank};
        for (size_t i = 0; i < count; i++) factors_add(&w, &items[i], i);
        if (w.count) e = combine_module(&w);
        work_free(&w);
    }
    return e;
}
