/* engine/cache.c: counted blocks, and the copy before a write to a shared one. */
#include "engine/cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"

typedef struct cache_block {
    size_t reference_count;
    tensor *values; /* [layer, 2, kv head, ENGINE_CACHE_BLOCK, head_size] */
} cache_block;

struct engine_cache_pool {
    engine_cache_shape shape;
    uint64_t bytes_max, block_bytes, block_count;
    size_t cache_count;
};

struct engine_cache {
    engine_cache_pool *pool;
    cache_block **blocks;
    size_t block_count, block_capacity;
    size_t count, reserved; /* tokens */
};

/* -- the pool -------------------------------------------------------------------------------------- */

err engine_cache_pool_new(const engine_cache_shape *shape, uint64_t bytes_max, engine_cache_pool **out)
{
    if (!shape->layer_count || !shape->kv_head_count || !shape->head_size)
        return err_make(ERR_USAGE, "a cache of %zu layers, %zu heads of size %zu holds nothing",
                        shape->layer_count, shape->kv_head_count, shape->head_size);
    engine_cache_pool *pool = memory_alloc(sizeof *pool);
    pool->shape = *shape;
    pool->bytes_max = bytes_max;
    pool->block_bytes = (uint64_t)shape->layer_count * 2 * shape->kv_head_count * ENGINE_CACHE_BLOCK *
                        shape->head_size * tensor_type_bytes(shape->type);
    *out = pool;
    return ERR_OK;
}

void engine_cache_pool_free(engine_cache_pool *pool)
{
    if (pool) assert(pool->cache_count == 0);
    free(pool);
}

uint64_t engine_cache_pool_bytes(const engine_cache_pool *pool)
{
    return pool->block_count * pool->block_bytes;
}
uint64_t engine_cache_pool_bytes_max(const engine_cache_pool *pool) { return pool->bytes_max; }
uint64_t engine_cache_pool_block_bytes(const engine_cache_pool *pool) { return pool->block_bytes; }

/* -- blocks ------------------------------------------------------------------------------------------ */

/* `like` NULL: a fresh block, its content undefined; else a copy of that one. */
static err block_new(engine_cache_pool *pool, const cache_block *like, cache_block **out)
{
    if (pool->bytes_max && (pool->block_count + 1) * pool->block_bytes > pool->bytes_max)
        return err_make(ERR_LIMIT, "the cache of keys and values is full: %llu of %llu bytes are in use",
                        (unsigned long long)engine_cache_pool_bytes(pool),
                        (unsigned long long)pool->bytes_max);
    const engine_cache_shape *shape = &pool->shape;
    const int64_t sizes[] = {(int64_t)shape->layer_count, 2, (int64_t)shape->kv_head_count,
                             ENGINE_CACHE_BLOCK, (int64_t)shape->head_size};
    tensor_scope *s = tensor_scope_new(false);
    tensor *values = like ? tensor_clone(s, like->values)
                          : tensor_empty(s, shape->type, shape->device, sizes, COUNT_OF(sizes));
    tensor_keep(s, values);
    err e = tensor_scope_close(s);
    if (e.code) return err_note(e, "a block of the cache");
    cache_block *block = memory_alloc(sizeof *block);
    *block = (cache_block){.reference_count = 1, .values = values};
    pool->block_count++;
    *out = block;
    return ERR_OK;
}

static void block_release(engine_cache_pool *pool, cache_block *block)
{
    if (--block->reference_count > 0) return;
    tensor_free(block->values);
    free(block);
    pool->block_count--;
}

static size_t blocks_for(size_t token_count)
{
    return (token_count + ENGINE_CACHE_BLOCK - 1) / ENGINE_CACHE_BLOCK;
}

static void blocks_drop(engine_cache *cache, size_t keep_count)
{
    while (cache->block_count > keep_count) block_release(cache->pool, cache->blocks[--cache->block_count]);
}

static void blocks_add(engine_cache *cache, cache_block *block)
{
    if (cache->block_count == cache->block_capacity) {
        cache->block_capacity = cache->block_capacity * 2 + 8;
        cache->blocks = memory_resize_array(cache->blocks, cache->block_capacity, sizeof(cache_block *));
    }
    cache->blocks[cache->block_count++] = block;
}

/* -- caches ------------------------------------------------------------------------------------------- */

err engine_cache_new(engine_cache_pool *pool, engine_cache **out)
{
    engine_cache *cache = memory_alloc(sizeof *cache);
    cache->pool = pool;
    pool->cache_count++;
    *out = cache;
    return ERR_OK;
}

err engine_cache_fork(const engine_cache *cache, size_t token_count, engine_cache **out)
{
    if (token_count > cache->count)
        return err_make(ERR_USAGE, "a fork at token %zu of a cache that has %zu", token_count, cache->count);
    engine_cache *fork = NULL;
    err e = engine_cache_new(cache->pool, &fork);
    if (e.code) return e;
    fork->count = token_count;
    for (size_t i = 0; i < blocks_for(token_count); i++) {
        cache->blocks[i]->reference_count++;
        blocks_add(fork, cache->blocks[i]);
    }
    *out = fork;
    return ERR_OK;
}

err engine_cache_rewind(engine_cache *cache, size_t token_count)
{
    if (token_count > cache->count)
        return err_make(ERR_USAGE, "a rewind to token %zu of a cache that has %zu", token_count,
                        cache->count);
    cache->count = token_count;
    cache->reserved = 0;
    blocks_drop(cache, blocks_for(token_count));
    return ERR_OK;
}

void engine_cache_free(engine_cache *cache)
{
    if (!cache) return;
    blocks_drop(cache, 0);
    cache->pool->cache_count--;
    free(cache->blocks);
    free(cache);
}

size_t engine_cache_count(const engine_cache *cache) { return cache->count; }
uint64_t engine_cache_bytes(const engine_cache *cache)
{
    return cache->block_count * cache->pool->block_bytes;
}
const engine_cache_shape *engine_cache_borrow_shape(const engine_cache *cache) { return &cache->pool->shape; }

/* -- writing -------------------------------------------------------------------------------------------- */

/* The block that the next token goes into, made this cache's own when others share it. */
static err own_last_block(engine_cache *cache)
{
    if (cache->count % ENGINE_CACHE_BLOCK == 0) return ERR_OK;
    cache_block **last = &cache->blocks[cache->count / ENGINE_CACHE_BLOCK], *copy = NULL;
    if ((*last)->reference_count == 1) return ERR_OK;
    err e = block_new(cache->pool, *last, &copy);
    if (e.code) return e;
    block_release(cache->pool, *last);
    *last = copy;
    return ERR_OK;
}

err engine_cache_reserve(engine_cache *cache, size_t row_count)
{
    size_t had = cache->block_count;
    err e = row_count ? own_last_block(cache) : ERR_OK;
    while (!e.code && cache->block_count < blocks_for(cache->count + row_count)) {
        cache_block *block = NULL;
        e = block_new(cache->pool, NULL, &block);
        if (!e.code) blocks_add(cache, block);
    }
    if (e.code)
        blocks_drop(cache, had);
    else
        cache->reserved = row_count;
    return e;
}

void engine_cache_commit(engine_cache *cache, size_t row_count)
{
    assert(row_count <= cache->reserved);
    cache->count += row_count;
    cache->reserved -= row_count;
}

/* Bytes from the start of a block to the first token of a head. */
static size_t offset_of(const engine_cache_shape *shape, size_t layer, int which, size_t kv_head)
{
    size_t heads = (layer * 2 + (size_t)which) * shape->kv_head_count + kv_head;
    return heads * ENGINE_CACHE_BLOCK * shape->head_size * tensor_type_bytes(shape->type);
}

const void *engine_cache_borrow_block(const engine_cache *cache, size_t block, size_t layer, int which,
                                      size_t kv_head)
{
    const char *data = tensor_borrow_data(cache->blocks[block]->values);
    return data ? data + offset_of(&cache->pool->shape, layer, which, kv_head) : NULL;
}

/* [kv head, ENGINE_CACHE_BLOCK, head_size] of one block, a view. */
static tensor *view_of(const cache_block *block, tensor_scope *s, size_t layer, int which)
{
    return tensor_select(s, tensor_select(s, block->values, 0, (int64_t)layer), 0, which);
}

/* A run of tokens that lies in one block: `count` tokens from `at` on. */
typedef struct block_run {
    size_t block, at, count;
} block_run;

static block_run run_at(size_t token, size_t end)
{
    size_t at = token % ENGINE_CACHE_BLOCK;
    return (block_run){token / ENGINE_CACHE_BLOCK, at, MIN_OF(end - token, ENGINE_CACHE_BLOCK - at)};
}

static void write_rows(engine_cache *cache, size_t layer, int which, const char *rows)
{
    const engine_cache_shape *shape = &cache->pool->shape;
    size_t bytes = shape->head_size * tensor_type_bytes(shape->type);
    for (size_t r = 0; r < cache->reserved; r++) {
        size_t token = cache->count + r, at = token % ENGINE_CACHE_BLOCK;
        char *data = tensor_borrow_data_mutable(cache->blocks[token / ENGINE_CACHE_BLOCK]->values);
        for (size_t h = 0; h < shape->kv_head_count; h++)
            memcpy(data + offset_of(shape, layer, which, h) + at * bytes,
                   rows + (r * shape->kv_head_count + h) * bytes, bytes);
    }
}

static bool write_tensor(engine_cache *cache, tensor_scope *s, size_t layer, int which, const tensor *rows)
{
    size_t end = cache->count + cache->reserved;
    for (size_t token = cache->count; token < end;) {
        block_run run = run_at(token, end);
        tensor *target = tensor_narrow(s, view_of(cache->blocks[run.block], s, layer, which), 1,
                                       (int64_t)run.at, (int64_t)run.count);
        tensor *part = tensor_narrow(s, rows, 0, (int64_t)(token - cache->count), (int64_t)run.count);
        if (!tensor_copy_into(s, target, tensor_transpose(s, part, 0, 1))) return false;
        token += run.count;
    }
    return true;
}

bool engine_cache_write(engine_cache *cache, tensor_scope *s, size_t layer, const tensor *k, const tensor *v)
{
    if (!k || !v || tensor_scope_failed(s)) return false;
    const char *k_rows = tensor_borrow_data(k), *v_rows = tensor_borrow_data(v);
    if (!k_rows || !v_rows) return write_tensor(cache, s, layer, 0, k) && write_tensor(cache, s, layer, 1, v);
    assert(tensor_bytes(k) == cache->reserved * cache->pool->shape.kv_head_count *
                                  cache->pool->shape.head_size * tensor_type_bytes(cache->pool->shape.type));
    write_rows(cache, layer, 0, k_rows);
    write_rows(cache, layer, 1, v_rows);
    return true;
}

/* -- reading ----------------------------------------------------------------------------------------------
 */

static tensor *gather_host(const engine_cache *cache, tensor_scope *s, size_t layer, int which, size_t begin,
                           size_t end)
{
    const engine_cache_shape *shape = &cache->pool->shape;
    const int64_t sizes[] = {(int64_t)shape->kv_head_count, (int64_t)(end - begin),
                             (int64_t)shape->head_size};
    tensor *all = tensor_empty(s, shape->type, shape->device, sizes, COUNT_OF(sizes));
    char *target = tensor_borrow_data_mutable(all);
    if (!target) return NULL;
    size_t bytes = shape->head_size * tensor_type_bytes(shape->type);
    for (size_t token = begin; token < end;) {
        block_run run = run_at(token, end);
        for (size_t h = 0; h < shape->kv_head_count; h++) {
            const char *source = engine_cache_borrow_block(cache, run.block, layer, which, h);
            memcpy(target + (h * (end - begin) + token - begin) * bytes, source + run.at * bytes,
                   run.count * bytes);
        }
        token += run.count;
    }
    return all;
}

static tensor *gather_device(const engine_cache *cache, tensor_scope *s, size_t layer, int which,
                             size_t begin, size_t end)
{
    tensor **parts = memory_alloc((blocks_for(end) + 1) * sizeof(tensor *));
    size_t part_count = 0;
    for (size_t token = begin; token < end;) {
        block_run run = run_at(token, end);
        parts[part_count++] = tensor_narrow(s, view_of(cache->blocks[run.block], s, layer, which), 1,
                                            (int64_t)run.at, (int64_t)run.count);
        token += run.count;
    }
    tensor *all = tensor_cat(s, parts, part_count, 1);
    free(parts);
    return all;
}

bool engine_cache_gather(const engine_cache *cache, tensor_scope *s, size_t layer, size_t begin, size_t end,
                         tensor **k, tensor **v)
{
    assert(begin < end && end <= cache->count + cache->reserved);
    bool host = !cache->pool->shape.device.cuda;
    *k = host ? gather_host(cache, s, layer, 0, begin, end) : gather_device(cache, s, layer, 0, begin, end);
    *v = host ? gather_host(cache, s, layer, 1, begin, end) : gather_device(cache, s, layer, 1, begin, end);
    return *k && *v;
}
