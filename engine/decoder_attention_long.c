/* engine/decoder_attention_long.c: attention of many rows, by matrix products.
 *
 * On the CPU without grad a few rows at a time against the keys they see: two products of libtorch with our
 * softmax between them. libtorch's fused attention takes several times as long there (bf16, 512 rows on 1024
 * keys: 94 ms against 15). Elsewhere that fused one, under a mask; with softcap, which it has not, in parts.
 */
#include <stdlib.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/decoder_internal.h"

enum {
    CHUNK_ROWS = 128,
    CHUNK_SCORES_MAX = 1 << 25, /* elements, when keys are many */
};

static const engine_mask *mask_for(const engine_rows *rows, size_t segment, size_t layer)
{
    const engine_decoder *d = rows->d;
    size_t w = 0;
    while (d->windows[w] != d->spec->layers[layer].window) w++;
    return &rows->masks[segment * d->window_count + w];
}

/* softmax(cap · tanh(q kᵀ / cap) + mask) v, for which no fused op exists. q [heads, rows, d], k and v
 * [kv heads, keys, d]; the heads of a group lie one after another as rows of its kv head. */
static tensor *attend_softcapped(const engine_decoder *d, tensor_scope *s, tensor *q, tensor *k, tensor *v,
                                 tensor *mask)
{
    const engine_spec *spec = d->spec;
    int64_t rows = q ? tensor_size(q, 1) : 0, keys = k ? tensor_size(k, 1) : 0;
    int64_t heads = (int64_t)spec->head_count, kv_heads = (int64_t)spec->kv_head_count;
    int64_t size = (int64_t)spec->head_size, group = heads / kv_heads;
    tensor *grouped = TENSOR_RESHAPE(s, q, kv_heads, group * rows, size);
    tensor *scores = tensor_matmul(s, grouped, tensor_transpose(s, k, 1, 2));
    double cap = spec->attention_softcap;
    scores = tensor_scale(s, tensor_tanh(s, tensor_scale(s, scores, spec->attention_scale / cap)), cap);
    scores = TENSOR_RESHAPE(s, scores, kv_heads, group, rows, keys);
    if (mask) scores = tensor_add(s, scores, mask);
    tensor *weights = tensor_softmax(s, scores, -1);
    tensor *y = tensor_matmul(s, TENSOR_RESHAPE(s, weights, kv_heads, group * rows, keys), v);
    return TENSOR_RESHAPE(s, y, heads, rows, size);
}

/* Rows [begin, begin + count) of x [rows, heads * d] as [heads, count, d]. */
static tensor *as_heads(tensor_scope *s, tensor *x, size_t begin, size_t count, size_t heads, size_t size)
{
    tensor *part = tensor_narrow(s, x, 0, (int64_t)begin, (int64_t)count);
    return tensor_transpose(s, TENSOR_RESHAPE(s, part, (int64_t)count, (int64_t)heads, (int64_t)size), 0, 1);
}

/* k and v, of the rows of a segment, become all keys and values from `first_key` to its end: [kv heads, keys,
 * d]. False: failed, kept in the scope. */
static bool keys_of(const engine_rows *rows, tensor_scope *s, size_t i, size_t layer, size_t first_key,
                    tensor **k, tensor **v)
{
    const engine_spec *spec = rows->d->spec;
    const engine_segment *segment = &rows->segments[i];
    size_t count = segment->row_count;
    if (segment->cache && first_key < segment->position)
        return engine_cache_gather(segment->cache, s, layer, first_key, segment->position + count, k, v);
    size_t skipped = first_key - MIN_OF(first_key, segment->position);
    *k = as_heads(s, *k, skipped, count - skipped, spec->kv_head_count, spec->head_size);
    *v = as_heads(s, *v, skipped, count - skipped, spec->kv_head_count, spec->head_size);
    return *k && *v;
}

/* -- by libtorch's fused attention ---------------------------------------------------------------------- */

static tensor *attend_fused(const engine_rows *rows, tensor_scope *s, size_t i, size_t layer, tensor *q,
                            tensor *k, tensor *v)
{
    const engine_spec *spec = rows->d->spec;
    const engine_mask *mask = mask_for(rows, i, layer);
    size_t count = rows->segments[i].row_count;
    if (!keys_of(rows, s, i, layer, mask->first_key, &k, &v)) return NULL;
    q = as_heads(s, q, 0, count, spec->head_count, spec->head_size);
    tensor *y;
    if (spec->attention_softcap > 0) {
        y = attend_softcapped(rows->d, s, q, k, v, mask->additive);
    } else {
        y = tensor_attention(s, tensor_unsqueeze(s, q, 0), tensor_unsqueeze(s, k, 0),
                             tensor_unsqueeze(s, v, 0), mask->additive, !mask->additive && count > 1,
                             spec->attention_scale);
        y = tensor_squeeze(s, y, 0);
    }
    return TENSOR_RESHAPE(s, tensor_transpose(s, y, 0, 1), (int64_t)count,
                          (int64_t)(spec->head_count * spec->head_size));
}

/* -- in chunks of rows, on the CPU ---------------------------------------------------------------------- */

/* Rows [row, row + count) of a segment. `first_key`: of k and v. */
typedef struct row_chunk {
    const engine_segment *segment;
    size_t row, count, window, first_key;
} row_chunk;

/* Scores [kv heads, group * rows, keys] to weights, in place. */
static bool weigh(const engine_decoder *d, const row_chunk *chunk, size_t begin_key, tensor *scores)
{
    void *x = tensor_borrow_data_mutable(scores);
    if (!x) return false;
    size_t *begin = memory_alloc(2 * chunk->count * sizeof *begin), *end = begin + chunk->count;
    for (size_t r = 0; r < chunk->count; r++) {
        begin[r] = first_key_of(chunk->segment, chunk->row + r, chunk->window) - begin_key;
        end[r] = chunk->segment->position + chunk->row + r + 1 - begin_key;
    }
    kernel_softmax_run(&(kernel_softmax){
        .type = kernel_type_of(d->type),
        .x = x,
        .row_count = d->spec->head_count * chunk->count,
        .key_count = (size_t)tensor_size(scores, -1),
        .token_count = chunk->count,
        .begin = begin,
        .end = end,
        .scale = (float)d->spec->attention_scale,
        .softcap = (float)d->spec->attention_softcap,
    });
    free(begin);
    return true;
}

/* q [heads, rows, d] of the chunk: what they attend to, [rows, heads, d]. */
static tensor *attend_chunk(const engine_decoder *d, tensor_scope *s, const row_chunk *chunk, tensor *q,
                            tensor *k, tensor *v)
{
    int64_t heads = (int64_t)d->spec->head_count, kv_heads = (int64_t)d->spec->kv_head_count;
    int64_t size = (int64_t)d->spec->head_size, rows = (int64_t)chunk->count;
    int64_t grouped = heads / kv_heads * rows;
    size_t begin = first_key_of(chunk->segment, chunk->row, chunk->window);
    int64_t skip = (int64_t)(begin - chunk->first_key);
    int64_t keys = (int64_t)(chunk->segment->position + chunk->row + chunk->count - begin);
    tensor *k_seen = tensor_narrow(s, k, 1, skip, keys), *v_seen = tensor_narrow(s, v, 1, skip, keys);
    tensor *scores =
        tensor_matmul(s, TENSOR_RESHAPE(s, q, kv_heads, grouped, size), tensor_transpose(s, k_seen, 1, 2));
    if (!weigh(d, chunk, begin, scores)) return NULL;
    tensor *y = tensor_matmul(s, scores, v_seen);
    return tensor_transpose(s, TENSOR_RESHAPE(s, y, heads, rows, size), 0, 1);
}

static tensor *attend_chunks(const engine_rows *rows, tensor_scope *s, size_t i, size_t layer, tensor *q,
                             tensor *k, tensor *v)
{
    const engine_spec *spec = rows->d->spec;
    const engine_segment *segment = &rows->segments[i];
    row_chunk chunk = {.segment = segment, .window = spec->layers[layer].window};
    chunk.first_key = first_key_of(segment, 0, chunk.window);
    if (!keys_of(rows, s, i, layer, chunk.first_key, &k, &v)) return NULL;
    k = tensor_contiguous(s, k), v = tensor_contiguous(s, v);
    const int64_t shape[] = {(int64_t)segment->row_count, (int64_t)spec->head_count,
                             (int64_t)spec->head_size};
    tensor *out = tensor_empty(s, rows->d->type, rows->d->device, shape, COUNT_OF(shape));
    size_t scores_each = spec->head_count * (segment->position + segment->row_count - chunk.first_key);
    size_t chunk_rows = MAX_OF(MIN_OF(CHUNK_SCORES_MAX / scores_each, (size_t)CHUNK_ROWS), (size_t)1);
    for (; chunk.row < segment->row_count; chunk.row += chunk.count) {
        size_t mark = tensor_scope_mark(s);
        chunk.count = MIN_OF(chunk_rows, segment->row_count - chunk.row);
        tensor *part = as_heads(s, q, chunk.row, chunk.count, spec->head_count, spec->head_size);
        tensor *target = tensor_narrow(s, out, 0, (int64_t)chunk.row, (int64_t)chunk.count);
        if (!tensor_copy_into(s, target, attend_chunk(rows->d, s, &chunk, part, k, v))) return NULL;
        tensor_scope_release(s, mark);
    }
    return TENSOR_RESHAPE(s, out, shape[0], shape[1] * shape[2]);
}

tensor *engine_attend_long(const engine_rows *rows, tensor_scope *s, size_t segment, size_t layer, tensor *q,
                           tensor *k, tensor *v)
{
    const engine_row_range *range = &rows->list[segment];
    q = engine_rows_copy(s, q, range->begin, range->count);
    k = engine_rows_copy(s, k, range->begin, range->count);
    v = engine_rows_copy(s, v, range->begin, range->count);
    return rows->all.kernels ? attend_chunks(rows, s, segment, layer, q, k, v)
                             : attend_fused(rows, s, segment, layer, q, k, v);
}
