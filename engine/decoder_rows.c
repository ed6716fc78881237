/* engine/decoder_rows.c: what the layers need to know about the rows of a step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"
#include "engine/rope.h"

/* -- ranges ----------------------------------------------------------------------------------------- */

size_t engine_ranges_run(const engine_decoder *d, size_t module, const engine_ranges *ranges, size_t i,
                         engine_range_same *same)
{
    size_t end = i + 1;
    while (end < ranges->count && same(d, module, &ranges->list[i], &ranges->list[end])) end++;
    return end;
}

size_t engine_ranges_run_rows(const engine_ranges *ranges, size_t i, size_t end)
{
    const engine_row_range *last = &ranges->list[end - 1];
    return last->begin + last->count - ranges->list[i].begin;
}

tensor *engine_rows_copy(tensor_scope *s, tensor *x, size_t begin, size_t count)
{
    if (!x || (begin == 0 && count == (size_t)tensor_size(x, 0))) return x;
    return tensor_clone(s, tensor_narrow(s, x, 0, (int64_t)begin, (int64_t)count));
}

static size_t rows_wanted(const engine_segment *segment)
{
    return segment->want == ENGINE_LOGITS_ALL    ? segment->row_count
           : segment->want == ENGINE_LOGITS_LAST ? 1
                                                 : 0;
}

size_t engine_segments_wanted(const engine_segment *segments, size_t segment_count)
{
    size_t count = 0;
    for (size_t i = 0; i < segment_count; i++) count += rows_wanted(&segments[i]);
    return count;
}

static void fill_ranges(engine_rows *rows)
{
    size_t begin = 0, wanted = 0;
    for (size_t i = 0; i < rows->segment_count; i++) {
        const engine_segment *segment = &rows->segments[i];
        size_t end = begin + segment->row_count, count = rows_wanted(segment);
        rows->list[rows->all.count++] = (engine_row_range){begin, segment->row_count, segment->stack};
        if (count)
            rows->wanted_list[rows->wanted.count++] = (engine_row_range){wanted, count, segment->stack};
        for (size_t r = end - count; r < end; r++) rows->wanted_rows[wanted++] = (int32_t)r;
        begin = end;
    }
}

/* -- checks -------------------------------------------------------------------------------------------- */

static err check_segment(const engine_decoder *d, const engine_segment *segment, size_t i)
{
    if (segment->row_count == 0) return err_make(ERR_USAGE, "segment %zu has no rows", i);
    if (segment->cache && engine_cache_count(segment->cache) != segment->position)
        return err_make(ERR_USAGE, "segment %zu begins at token %zu, but its cache holds %zu", i,
                        segment->position, engine_cache_count(segment->cache));
    size_t context = d->spec->context_max;
    if (segment->row_count > context || segment->position > context - segment->row_count)
        return err_make(ERR_LIMIT, "%zu tokens after %zu are more than the model's context of %zu",
                        segment->row_count, segment->position, context);
    engine_cache_shape wanted = engine_decoder_cache_shape(d);
    const engine_cache_shape *shape = segment->cache ? engine_cache_borrow_shape(segment->cache) : &wanted;
    if (shape->layer_count != wanted.layer_count || shape->kv_head_count != wanted.kv_head_count ||
        shape->head_size != wanted.head_size || shape->type != wanted.type)
        return err_make(ERR_USAGE, "the cache of segment %zu was made for another model", i);
    return ERR_OK;
}

static err check_segments(const engine_decoder *d, const engine_segment *segments, size_t segment_count)
{
    if (segment_count == 0) return err_make(ERR_USAGE, "a step without rows");
    for (size_t i = 0; i < segment_count; i++) {
        err e = check_segment(d, &segments[i], i);
        if (e.code) return e;
        for (size_t j = 0; j < i; j++)
            if (segments[i].cache && segments[j].cache == segments[i].cache)
                return err_make(ERR_USAGE, "segments %zu and %zu have the same cache", j, i);
    }
    return ERR_OK;
}

/* -- rotation -------------------------------------------------------------------------------------------- */

static void round_table(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) values[i] = kernel_from_bf16(kernel_to_bf16(values[i]));
}

/* cos and sin of all rows for one way to rotate, rounded as the model does (spec models.md, section 4). */
static void fill_table(engine_rows *rows, size_t which)
{
    const engine_rope_spec *rope = &rows->d->spec->ropes[which];
    size_t half = rope->size / 2, count = rows->all.row_count * half, at = 0;
    rows->cos[which] = memory_alloc((count + 1) * sizeof(float));
    rows->sin[which] = memory_alloc((count + 1) * sizeof(float));
    float *inv = memory_alloc((half + 1) * sizeof *inv);
    for (size_t i = 0; i < rows->segment_count; i++) {
        const engine_segment *segment = &rows->segments[i];
        size_t end = segment->position + segment->row_count;
        engine_rope_frequencies(rope, MAX_OF(end, segment->length_planned), inv);
        engine_rope_table(rope, inv, segment->position, segment->row_count, rows->cos[which] + at,
                          rows->sin[which] + at);
        at += segment->row_count * half;
    }
    free(inv);
    if (rows->d->type == TENSOR_F32 || rows->d->spec->rope_in_f32) return;
    round_table(rows->cos[which], count);
    round_table(rows->sin[which], count);
}

static tensor *table_tensor(const engine_rows *rows, tensor_scope *s, size_t which, const float *values)
{
    const engine_decoder *d = rows->d;
    size_t half = d->spec->ropes[which].size / 2;
    tensor *t = tensor_from_f32(s, d->device, values, rows->all.row_count * half);
    if (!d->spec->rope_in_f32) t = tensor_cast(s, t, d->type);
    return TENSOR_RESHAPE(s, t, (int64_t)rows->all.row_count, 1, (int64_t)half);
}

/* -- masks ------------------------------------------------------------------------------------------------
 */

/* Rows position..end-1 against keys first_key..end-1; window 0: none. */
static tensor *mask_tensor(const engine_decoder *d, tensor_scope *s, const engine_segment *segment,
                           size_t first_key, size_t window)
{
    size_t end = segment->position + segment->row_count, key_count = end - first_key;
    const int64_t shape[] = {(int64_t)segment->row_count, (int64_t)key_count};
    tensor *mask = tensor_full(s, TENSOR_F32, TENSOR_CPU, shape, 2, -INFINITY);
    float *values = tensor_borrow_data_mutable(mask);
    if (!values) return NULL;
    for (size_t p = segment->position; p < end; p++, values += key_count) {
        size_t begin = first_key_of(segment, p - segment->position, window);
        for (size_t key = begin; key <= p; key++) values[key - first_key] = 0;
    }
    return tensor_to(s, mask, d->type, d->device);
}

static engine_mask mask_of(const engine_rows *rows, tensor_scope *s, const engine_segment *segment,
                           size_t window)
{
    engine_mask mask = {.first_key = first_key_of(segment, 0, window)};
    bool causal = mask.first_key == segment->position && (!window || segment->row_count <= window);
    if (segment->row_count == 1 || (causal && rows->d->spec->attention_softcap == 0)) return mask;
    mask.additive = mask_tensor(rows->d, s, segment, mask.first_key, window);
    return mask;
}

static void fill_masks(engine_rows *rows, tensor_scope *s)
{
    size_t window_count = rows->d->window_count;
    for (size_t i = 0; i < rows->segment_count; i++) {
        for (size_t w = 0; w < window_count; w++)
            rows->masks[i * window_count + w] = mask_of(rows, s, &rows->segments[i], rows->d->windows[w]);
    }
}

/* -- a step's rows ------------------------------------------------------------------------------------------
 */

static err reserve_caches(const engine_segment *segments, size_t segment_count)
{
    for (size_t i = 0; i < segment_count; i++) {
        if (!segments[i].cache) continue;
        err e = engine_cache_reserve(segments[i].cache, segments[i].row_count);
        if (!e.code) continue;
        while (i-- > 0)
            if (segments[i].cache) (void)engine_cache_rewind(segments[i].cache, segments[i].position);
        return e;
    }
    return ERR_OK;
}

err engine_rows_new(const engine_decoder *d, tensor_scope *s, const engine_segment *segments,
                    size_t segment_count, engine_rows **out)
{
    err e = check_segments(d, segments, segment_count);
    if (!e.code) e = reserve_caches(segments, segment_count);
    if (e.code) return e;
    engine_rows *rows = memory_alloc(sizeof *rows);
    rows->d = d;
    rows->segments = segments;
    rows->segment_count = segment_count;
    rows->list = memory_alloc(segment_count * sizeof *rows->list);
    rows->wanted_list = memory_alloc(segment_count * sizeof *rows->wanted_list);
    rows->masks = memory_alloc(segment_count * d->window_count * sizeof *rows->masks);
    rows->all.list = rows->list;
    rows->wanted.list = rows->wanted_list;
    rows->all.kernels = rows->wanted.kernels = !d->device.cuda && !tensor_scope_grad(s);
    for (size_t i = 0; i < segment_count; i++) rows->all.row_count += segments[i].row_count;
    rows->wanted.row_count = engine_segments_wanted(segments, segment_count);
    rows->wanted_rows = memory_alloc((rows->wanted.row_count + 1) * sizeof *rows->wanted_rows);
    fill_ranges(rows);
    for (size_t i = 0; i < d->spec->rope_count; i++) {
        fill_table(rows, i);
        if (rows->all.kernels) continue;
        rows->cos_tensor[i] = table_tensor(rows, s, i, rows->cos[i]);
        rows->sin_tensor[i] = table_tensor(rows, s, i, rows->sin[i]);
    }
    if (!rows->all.kernels) fill_masks(rows, s);
    *out = rows;
    return ERR_OK;
}

void engine_rows_free(engine_rows *rows)
{
    if (!rows) return;
    for (size_t i = 0; i < ENGINE_SPEC_ROPES_MAX; i++) {
        free(rows->cos[i]);
        free(rows->sin[i]);
    }
    free(rows->list);
    free(rows->wanted_list);
    free(rows->wanted_rows);
    free(rows->masks);
    free(rows);
}

void engine_rows_commit(const engine_rows *rows)
{
    for (size_t i = 0; i < rows->segment_count; i++)
        if (rows->segments[i].cache)
            engine_cache_commit(rows->segments[i].cache, rows->segments[i].row_count);
}
