#include "engine/adapter_look.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "engine/arch/modules.h"

/* -- sums ---------------------------------------------------------------------------------------------------
 */

static double number_of(tensor_scope *s, tensor *t)
{
    float value = NAN;
    tensor *flat = t ? TENSOR_RESHAPE(s, t, -1) : NULL;
    if (flat && tensor_read_f32(flat, &value, 1).code) value = NAN;
    return (double)value;
}

static double norm_of(tensor_scope *s, const tensor *t)
{
    tensor *flat = TENSOR_RESHAPE(s, tensor_cast(s, t, TENSOR_F32), -1);
    return number_of(s, tensor_norm(s, flat, 0, false));
}

/* Sum over all places of (B1 A1) * (B2 A2): of (B1ᵀ B2) * (A1 A2ᵀ), which are small. In f64: much cancels. */
static double dot_of(tensor_scope *s, const engine_adapter_part *x, const engine_adapter_part *y)
{
    tensor *bx = tensor_cast(s, x->b, TENSOR_F64), *by = tensor_cast(s, y->b, TENSOR_F64);
    tensor *ax = tensor_cast(s, x->a, TENSOR_F64), *ay = tensor_cast(s, y->a, TENSOR_F64);
    tensor *left = tensor_matmul(s, tensor_transpose(s, bx, 0, 1), by);
    tensor *right = tensor_matmul(s, ax, tensor_transpose(s, ay, 0, 1));
    tensor *both = TENSOR_RESHAPE(s, tensor_mul(s, left, right), -1);
    return number_of(s, tensor_sum(s, both, 0, false)) * x->scale * y->scale;
}

/* -- one module ---------------------------------------------------------------------------------------------
 */

/* Of the singular values of B A: those of R_B R_Aᵀ, with B = Q_B R_B and Aᵀ = Q_A R_A. */
static double effective_rank(tensor_scope *s, const engine_adapter_part *part)
{
    tensor *q = NULL, *r_b = NULL, *r_a = NULL, *u = NULL, *sigma = NULL, *vt = NULL;
    if (!tensor_qr(s, part->b, &q, &r_b) || !tensor_qr(s, tensor_transpose(s, part->a, 0, 1), &q, &r_a))
        return NAN;
    if (!tensor_svd(s, tensor_matmul(s, r_b, tensor_transpose(s, r_a, 0, 1)), &u, &sigma, &vt)) return NAN;
    size_t count = (size_t)tensor_count(sigma);
    float *values = memory_alloc((count + 1) * sizeof *values);
    double sum = 0, entropy = 0;
    if (tensor_read_f32(sigma, values, count).code) count = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i];
    for (size_t i = 0; i < count; i++) {
        double share = sum > 0 ? (double)values[i] / sum : 0;
        if (share > 0) entropy -= share * log(share);
    }
    free(values);
    return sum > 0 ? exp(entropy) : NAN;
}

/* The new weight less the old, where that is no plain B A. */
static tensor *delta_of(tensor_scope *s, const engine_stack *stack, const engine_adapter_part *part,
                        size_t module, const tensor *weight)
{
    tensor *old = tensor_cast(s, weight, TENSOR_F32);
    const tensor *gain = part->magnitude ? engine_stack_borrow_gain(stack, 0, module) : NULL;
    tensor *new = part->weight ? tensor_cast(s, part->weight, TENSOR_F32) : old;
    if (part->a && gain) {
        tensor *low = tensor_scale(s, tensor_matmul(s, part->b, part->a), part->scale);
        new = tensor_mul(s, tensor_unsqueeze(s, gain, 1), tensor_add(s, new, low));
    }
    return tensor_sub(s, new, old);
}

static void row_fill(tensor_scope *s, const engine_decoder *base, const engine_stack *stack,
                     const engine_adapter_part *part, size_t module, engine_adapter_row *row)
{
    const tensor *weight = engine_decoder_borrow_weight(base, module);
    *row = (engine_adapter_row){.module = module, .norm = 0, .effective = NAN, .relative = NAN};
    if (part->a) {
        row->rank = (size_t)tensor_size(part->a, 0);
        row->scale = part->scale;
        row->effective = effective_rank(s, part);
    }
    if (part->weight || part->magnitude)
        row->norm = norm_of(s, delta_of(s, stack, part, module, weight));
    else if (part->a)
        row->norm = sqrt(fmax(0, dot_of(s, part, part)));
    double whole = norm_of(s, weight);
    if (whole > 0) row->relative = row->norm / whole;
}

err engine_adapter_look(const engine_decoder *base, engine_adapter *adapter, engine_adapter_row **rows,
                        size_t *count)
{
    size_t module_count = engine_module_count(engine_decoder_borrow_spec(base)), found = 0;
    engine_stack *stack = NULL; /* it knows DoRA's gains */
    err e = engine_stack_new(base, &(engine_stack_item){adapter, 1}, 1, &stack);
    if (e.code) return e;
    engine_adapter_row *list = memory_alloc((module_count + 1) * sizeof *list);
    tensor_scope *s = tensor_scope_new(false);
    for (size_t m = 0; m < module_count; m++) {
        const engine_adapter_part *part = engine_adapter_borrow_part(adapter, m);
        if (!part->a && !part->weight) continue;
        size_t mark = tensor_scope_mark(s);
        row_fill(s, base, stack, part, m, &list[found++]);
        tensor_scope_release(s, mark);
    }
    e = tensor_scope_close(s);
    engine_stack_free(stack);
    if (e.code) {
        free(list);
        return e;
    }
    *rows = list;
    *count = found;
    return ERR_OK;
}

err engine_adapter_cosine(const engine_adapter *a, const engine_adapter *b, size_t module, double *cosine,
                          double *dot, double *square_a, double *square_b)
{
    const engine_adapter_part *x = engine_adapter_borrow_part(a, module),
                              *y = engine_adapter_borrow_part(b, module);
    tensor_scope *s = tensor_scope_new(false);
    bool plain_x = x->a && !x->magnitude, plain_y = y->a && !y->magnitude;
    double xx = plain_x ? dot_of(s, x, x) : 0, yy = plain_y ? dot_of(s, y, y) : 0;
    double xy = plain_x && plain_y ? dot_of(s, x, y) : 0;
    *cosine = xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
    if (dot) *dot = xy;
    if (square_a) *square_a = xx;
    if (square_b) *square_b = yy;
    return tensor_scope_close(s);
}
