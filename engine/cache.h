/* engine/cache.h: the keys and values of one sequence, grown in blocks.
 *
 * A block holds ENGINE_CACHE_BLOCK tokens of all layers, laid out [layer][k, v][kv head][token][head_size] in
 * one tensor. Blocks come from a pool with a limit in bytes and are counted: a fork shares the full blocks
 * and the last partial one, which is copied by whoever writes to it first. A write is in two parts: reserve
 * room, let each layer write its rows, then commit; what was not committed never happened. Windowed layers
 * keep all tokens. Threads: a pool and its caches belong to one thread. The pool must outlive its caches. */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/tensor/tensor.h"

enum { ENGINE_CACHE_BLOCK = 64 };

typedef struct engine_cache_pool engine_cache_pool;
typedef struct engine_cache engine_cache;

typedef struct engine_cache_shape {
    size_t layer_count, kv_head_count, head_size;
    tensor_type type;
    tensor_device device;
} engine_cache_shape;

/* bytes_max 0: no limit but the machine's. engine_decoder_cache_shape() gives the shape a decoder wants. */
err engine_cache_pool_new(const engine_cache_shape *shape, uint64_t bytes_max, engine_cache_pool **out);
void engine_cache_pool_free(engine_cache_pool *pool);            /* NULL is fine */
uint64_t engine_cache_pool_bytes(const engine_cache_pool *pool); /* of the blocks in use, shared ones once */
uint64_t engine_cache_pool_bytes_max(const engine_cache_pool *pool); /* as given; 0: no limit */
/* Of one block: ENGINE_CACHE_BLOCK tokens, keys and values of all layers. */
uint64_t engine_cache_pool_block_bytes(const engine_cache_pool *pool);

/* Empty; the pool must outlive it. engine_cache_free(). */
err engine_cache_new(engine_cache_pool *pool, engine_cache **out);
/* A second cache that starts with the first token_count tokens of this one; takes no memory until one of both
 * writes. ERR_USAGE: token_count above the cache's. */
err engine_cache_fork(const engine_cache *cache, size_t token_count, engine_cache **out);
/* Forget all tokens from token_count on; blocks that are not needed any more go back to the pool. */
err engine_cache_rewind(engine_cache *cache, size_t token_count);
void engine_cache_free(engine_cache *cache); /* NULL is fine */

size_t engine_cache_count(const engine_cache *cache);   /* tokens */
uint64_t engine_cache_bytes(const engine_cache *cache); /* of its blocks, shared ones included */
const engine_cache_shape *engine_cache_borrow_shape(const engine_cache *cache); /* the pool's */

/* -- the decoder's side -----------------------------------------------------------------------------------
 */

/* Room for row_count further tokens, the last shared block copied when it will be written to. ERR_LIMIT: the
 * pool is full (its limit is named); ERR_MEMORY. On failure the cache is as before. */
err engine_cache_reserve(engine_cache *cache, size_t row_count);
/* Write the keys and values [rows, kv_head_count, head_size] of the reserved rows of one layer, beginning at
 * token engine_cache_count(). Of the cache's type and device. False: failed, kept in the scope. */
bool engine_cache_write(engine_cache *cache, tensor_scope *s, size_t layer, const tensor *k, const tensor *v);
/* The reserved rows are now tokens of the sequence. */
void engine_cache_commit(engine_cache *cache, size_t row_count);
/* Keys and values of tokens [begin, end) of a layer, end at most count + reserved rows: a copy
 * [kv_head_count, end - begin, head_size] each. False: failed, kept in the scope. */
bool engine_cache_gather(const engine_cache *cache, tensor_scope *s, size_t layer, size_t begin, size_t end,
                         tensor **k, tensor **v);
/* The same in place, on the CPU: block i's keys (which = 0) or values (1) of a layer and head,
 * [ENGINE_CACHE_BLOCK, head_size]. Valid until the cache changes. NULL on a GPU. */
const void *engine_cache_borrow_block(const engine_cache *cache, size_t block, size_t layer, int which,
                                      size_t kv_head);

#endif
