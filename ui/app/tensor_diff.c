#include "ui/app/tensor_diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "engine/dtype_values.h"

enum { BLOCK_ELEMENTS = 4096 };

static bool is_alike(const engine_safetensor *a, const engine_safetensor *b)
{
    return a->type == b->type && a->rank == b->rank &&
           (a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0);
}

typedef struct sums {
    double before, change, largest;
} sums;

static void block_add(const engine_safetensor *before, const engine_safetensor *after, uint64_t begin,
                      size_t count, sums *sum)
{
    double old[BLOCK_ELEMENTS], new[BLOCK_ELEMENTS];

    engine_dtype_values(before->type, before->data, begin, count, old);
    engine_dtype_values(after->type, after->data, begin, count, new);
    for (size_t i = 0; i < count; i++) {
        double change = new[i] - old[i];
        sum->before += old[i] * old[i];
        sum->change += change * change;
        if (!(fabs(change) <= sum->largest)) sum->largest = fabs(change);
    }
}

/* Sums of squares, and the largest change. */
static err tensor_sum(const engine_safetensor *before, const engine_safetensor *after,
                      const volatile sig_atomic_t *cancelled, sums *out)
{
    *out = (sums){0};
    if (!engine_dtype_has_values(before->type)) *out = (sums){NAN, NAN, NAN};
    for (uint64_t at = 0; at < before->count && !isnan(out->change); at += BLOCK_ELEMENTS) {
        if (cancelled && *cancelled) return err_make(ERR_CANCELLED, "cancelled");
        uint64_t left = before->count - at;
        block_add(before, after, at, left < BLOCK_ELEMENTS ? (size_t)left : BLOCK_ELEMENTS, out);
    }
    if (!isfinite(out->change)) *out = (sums){NAN, NAN, NAN};
    return ERR_OK;
}

static tensor_diff_row *row_add(tensor_diff *diff, tensor_change change, const engine_safetensor *before,
                                const engine_safetensor *after)
{
    size_t count = diff->count;
    if ((count & (count - 1)) == 0)
        diff->rows = memory_resize_array(diff->rows, count ? count * 2 : 1, sizeof *diff->rows);
    diff->rows[diff->count++] = (tensor_diff_row){
        .name = after ? after->name : before->name,
        .change = change,
        .before = before,
        .after = after,
        .norm_before = NAN,
        .norm_change = NAN,
        .largest = NAN,
    };
    return &diff->rows[diff->count - 1];
}

static err pair_add(tensor_diff *diff, const engine_safetensor *before, const engine_safetensor *after,
                    const volatile sig_atomic_t *cancelled, sums *total)
{
    sums sum;

    if (!is_alike(before, after)) {
        row_add(diff, TENSOR_REMADE, before, after);
        return ERR_OK;
    }
    if (memcmp(before->data.data, after->data.data, before->data.size) == 0) {
        diff->same++;
        return ERR_OK;
    }
    err e = tensor_sum(before, after, cancelled, &sum);
    if (e.code) return e;
    total->before += sum.before;
    total->change += sum.change;
    tensor_diff_row *row = row_add(diff, TENSOR_CHANGED, before, after);
    row->norm_before = sqrt(sum.before);
    row->norm_change = sqrt(sum.change);
    row->largest = sum.largest;
    return ERR_OK;
}

static err compare(tensor_diff *diff, const volatile sig_atomic_t *cancelled)
{
    sums total = {0};
    err e = ERR_OK;
    size_t count = diff->after ? engine_safetensors_count(diff->after) : 0;

    for (size_t i = 0; i < count && !e.code; i++) {
        const engine_safetensor *after = engine_safetensors_borrow(diff->after, i);
        const engine_safetensor *before =
            diff->before ? engine_safetensors_find(diff->before, after->name) : NULL;
        if (before)
            e = pair_add(diff, before, after, cancelled, &total);
        else
            row_add(diff, TENSOR_ADDED, NULL, after);
    }
    count = diff->before ? engine_safetensors_count(diff->before) : 0;
    for (size_t i = 0; i < count && !e.code; i++) {
        const engine_safetensor *before = engine_safetensors_borrow(diff->before, i);
        if (diff->after && engine_safetensors_find(diff->after, before->name)) continue;
        row_add(diff, TENSOR_REMOVED, before, NULL);
    }
    diff->norm_before = sqrt(total.before);
    diff->norm_change = sqrt(total.change);
    return e;
}

err tensor_diff_read(bytes_view before, bytes_view after, const volatile sig_atomic_t *cancelled,
                     tensor_diff *out)
{
    err e = before.size ? engine_safetensors_parse(before, &out->before) : ERR_OK;
    if (!e.code && after.size) e = engine_safetensors_parse(after, &out->after);
    if (!e.code) e = compare(out, cancelled);
    if (e.code) tensor_diff_free(out);
    return e;
}

void tensor_diff_free(tensor_diff *diff)
{
    engine_safetensors_free(diff->before);
    engine_safetensors_free(diff->after);
    free(diff->rows);
    *diff = (tensor_diff){0};
}
