/* engine/decoder_attention.c: rotation, and attention of the rows of each segment: few over the blocks
 * of the cache in place, many by products (decoder_attention_long.c). */
#include <stdlib.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"

/* -- rotation ------------------------------------------------------------------------------------------ */

static tensor *rotate_torch(const engine_decoder *d, tensor_scope *s, tensor *x, size_t head_count, int which,
                            const engine_rows *rows)
{
    int64_t size = (int64_t)d->spec->head_size, rotated = (int64_t)d->spec->ropes[which].size;
    const tensor *cos = rows->cos_tensor[which], *sin = rows->sin_tensor[which];
    tensor *heads = TENSOR_RESHAPE(s, x, -1, (int64_t)head_count, size);
    tensor *a = tensor_narrow(s, heads, 2, 0, rotated / 2),
           *b = tensor_narrow(s, heads, 2, rotated / 2, rotated / 2);
    tensor *parts[] = {
        tensor_cast(s, tensor_sub(s, tensor_mul(s, a, cos), tensor_mul(s, b, sin)), d->type),
        tensor_cast(s, tensor_add(s, tensor_mul(s, b, cos), tensor_mul(s, a, sin)), d->type),
        rotated < size ? tensor_narrow(s, heads, 2, rotated, size - rotated) : NULL,
    };
    tensor *y = tensor_cat(s, parts, rotated < size ? 3 : 2, 2);
    return TENSOR_RESHAPE(s, y, -1, (int64_t)head_count * size);
}

tensor *engine_rotate(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *x, size_t head_count,
                      const engine_rows *rows)
{
    int which = d->spec->layers[layer].rope;
    if (which < 0 || !x) return x;
    if (rows->all.training && rows->all.training->written)
        return tensor_train_rotate(s, x, rows->cos_tensor[which], rows->sin_tensor[which],
                                   d->spec->head_size);
    if (!rows->all.kernels) return rotate_torch(d, s, x, head_count, which, rows);
    void *data = tensor_borrow_data_mutable(x);
    if (!data) return NULL;
    kernel_rope_run(&(kernel_rope){
        .type = kernel_type_of(d->type),
        .x = data,
        .cos = rows->cos[which],
        .sin = rows->sin[which],
        .row_count = rows->all.row_count,
        .head_count = head_count,
        .head_size = d->spec->head_size,
        .half = d->spec->ropes[which].size / 2,
    });
    return x;
}

/* -- by our kernel ----------------------------------------------------------------------------------------
 */

/* Where the keys and values of a segment lie: [kv head][block][2]. The caller's: free(). */
static const void **block_pointers(const engine_segment *segment, size_t layer, size_t kv_heads,
                                   size_t blocks)
{
    const void **pointers = memory_alloc(kv_heads * blocks * 2 * sizeof *pointers);
    for (size_t h = 0; h < kv_heads; h++) {
        for (size_t b = 0; b < blocks; b++) {
            pointers[(h * blocks + b) * 2] = engine_cache_borrow_block(segment->cache, b, layer, 0, h);
            pointers[(h * blocks + b) * 2 + 1] = engine_cache_borrow_block(segment->cache, b, layer, 1, h);
        }
    }
    return pointers;
}

static size_t add_queries(const engine_rows *rows, size_t i, size_t layer, const void *q, void *out,
                          const void *const *blocks, size_t block_count, kernel_query *queries)
{
    const engine_spec *spec = rows->d->spec;
    size_t width = spec->head_count * spec->head_size * tensor_type_bytes(rows->d->type);
    size_t window = spec->layers[layer].window;
    for (size_t r = 0; r < rows->segments[i].row_count; r++) {
        size_t end = rows->segments[i].position + r + 1, at = (rows->list[i].begin + r) * width;
        queries[r] = (kernel_query){
            .q = (const char *)q + at,
            .out = (char *)out + at,
            .blocks = blocks,
            .block_count = block_count,
            .begin = first_key_of(&rows->segments[i], r, window),
            .end = end,
        };
    }
    return rows->segments[i].row_count;
}

/* All short segments at once. */
static void attend_short(const engine_rows *rows, size_t layer, const void *q, void *out)
{
    const engine_spec *spec = rows->d->spec;
    kernel_query *queries = memory_alloc((rows->all.row_count + 1) * sizeof *queries);
    const void ***blocks = memory_alloc(rows->segment_count * sizeof *blocks);
    size_t query_count = 0;
    for (size_t i = 0; i < rows->segment_count; i++) {
        const engine_segment *segment = &rows->segments[i];
        if (!segment_is_short(rows, segment)) continue;
        size_t end = segment->position + segment->row_count;
        size_t block_count = (end + ENGINE_CACHE_BLOCK - 1) / ENGINE_CACHE_BLOCK;
        blocks[i] = block_pointers(segment, layer, spec->kv_head_count, block_count);
        query_count += add_queries(rows, i, layer, q, out, blocks[i], block_count, queries + query_count);
    }
    if (query_count)
        kernel_attention_run(&(kernel_attention){
            .type = kernel_type_of(rows->d->type),
            .head_count = spec->head_count,
            .kv_head_count = spec->kv_head_count,
            .head_size = spec->head_size,
            .scale = (float)spec->attention_scale,
            .softcap = (float)spec->attention_softcap,
            .queries = queries,
            .query_count = query_count,
        });
    for (size_t i = 0; i < rows->segment_count; i++) free(blocks[i]);
    free(blocks);
    free(queries);
}

/* -- a layer's attention ------------------------------------------------------------------------------------
 */

static bool write_caches(const engine_rows *rows, tensor_scope *s, size_t layer, tensor *k, tensor *v)
{
    const engine_spec *spec = rows->d->spec;
    for (size_t i = 0; i < rows->segment_count; i++) {
        const engine_segment *segment = &rows->segments[i];
        if (!segment->cache) continue;
        int64_t begin = (int64_t)rows->list[i].begin, count = (int64_t)segment->row_count;
        int64_t heads = (int64_t)spec->kv_head_count, size = (int64_t)spec->head_size;
        tensor *k_rows = TENSOR_RESHAPE(s, tensor_narrow(s, k, 0, begin, count), count, heads, size);
        tensor *v_rows = TENSOR_RESHAPE(s, tensor_narrow(s, v, 0, begin, count), count, heads, size);
        if (!engine_cache_write(segment->cache, s, layer, k_rows, v_rows)) return false;
    }
    return true;
}

static tensor *attend_written(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *q, tensor *k,
                              tensor *v, const engine_training *how)
{
    const engine_spec *spec = d->spec;
    const tensor_attending attending = {
        .heads = spec->head_count,
        .kv_heads = spec->kv_head_count,
        .window = spec->layers[layer].window,
        .scale = spec->attention_scale,
        .softcap = spec->attention_softcap,
        .begins = how->segment_begins,
        .count = how->segment_count,
    };
    return tensor_train_attention(s, q, k, v, &attending);
}

tensor *engine_attention_run(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *q, tensor *k,
                             tensor *v, const engine_rows *rows)
{
    const engine_training *training = rows->all.training;
    if (training && training->written) return attend_written(d, s, layer, q, k, v, training);
    if (!q || !k || !v || !write_caches(rows, s, layer, k, v)) return NULL;
    const engine_spec *spec = d->spec;
    if (rows->segment_count == 1 && !segment_is_short(rows, &rows->segments[0]))
        return engine_attend_long(rows, s, 0, layer, q, k, v);
    const int64_t shape[] = {(int64_t)rows->all.row_count, (int64_t)(spec->head_count * spec->head_size)};
    tensor *out = NULL, **parts = memory_alloc(rows->segment_count * sizeof *parts);
    if (rows->all.kernels) {
        out = tensor_empty(s, d->type, d->device, shape, 2);
        if (out) attend_short(rows, layer, tensor_borrow_data(q), tensor_borrow_data_mutable(out));
    }
    for (size_t i = 0; i < rows->segment_count && !tensor_scope_failed(s); i++) {
        if (segment_is_short(rows, &rows->segments[i])) continue;
        parts[i] = engine_attend_long(rows, s, i, layer, q, k, v);
        if (!out) continue;
        const engine_row_range *range = &rows->list[i];
        tensor_copy_into(s, tensor_narrow(s, out, 0, (int64_t)range->begin, (int64_t)range->count), parts[i]);
    }
    if (!rows->all.kernels) out = tensor_cat(s, parts, rows->segment_count, 0);
    free(parts);
    return out;
}
