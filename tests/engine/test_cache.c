/* The cache of keys and values: growing, sharing, going back. */
#include "engine/cache.h"

#include <string.h>

#include "base/macros.h"
#include "tests/support/check.h"

enum { LAYERS = 2, HEADS = 2, SIZE = 3, WIDTH = HEADS * SIZE };

static const engine_cache_shape shape = {LAYERS, HEADS, SIZE, TENSOR_F32, {0}};

static engine_cache_pool *given_pool(uint64_t bytes_max)
{
    engine_cache_pool *pool = NULL;
    check_ok(tensor_door_open());
    check_ok(engine_cache_pool_new(&shape, bytes_max, &pool));
    return pool;
}

static engine_cache *given_cache(engine_cache_pool *pool)
{
    engine_cache *cache = NULL;
    check_ok(engine_cache_new(pool, &cache));
    return cache;
}

/* What the tests write as the key of a token; its value is the negative. */
static float key_of(float mark, size_t token, size_t layer, size_t element)
{
    return mark + (float)(token * 100 + layer * 10 + element);
}

static void write_layer(engine_cache *cache, size_t layer, size_t count, float mark)
{
    tensor_scope *s = tensor_scope_new(false);
    const int64_t sizes[] = {(int64_t)count, HEADS, SIZE};
    tensor *k = tensor_empty(s, TENSOR_F32, TENSOR_CPU, sizes, 3),
           *v = tensor_empty(s, TENSOR_F32, TENSOR_CPU, sizes, 3);
    float *keys = tensor_borrow_data_mutable(k), *values = tensor_borrow_data_mutable(v);
    for (size_t i = 0; i < count * WIDTH; i++) {
        keys[i] = key_of(mark, engine_cache_count(cache) + i / WIDTH, layer, i % WIDTH);
        values[i] = -keys[i];
    }
    check_true(engine_cache_write(cache, s, layer, k, v));
    check_ok(tensor_scope_close(s));
}

static void append(engine_cache *cache, size_t count, float mark)
{
    check_ok(engine_cache_reserve(cache, count));
    for (size_t layer = 0; layer < LAYERS; layer++) write_layer(cache, layer, count, mark);
    engine_cache_commit(cache, count);
}

/* Tokens [begin, end) are as written with this mark: gathered, and in place. */
static void check_tokens(const engine_cache *cache, size_t begin, size_t end, float mark)
{
    for (size_t layer = 0; layer < LAYERS; layer++) {
        tensor_scope *s = tensor_scope_new(false);
        tensor *k = NULL, *v = NULL;
        check_true(engine_cache_gather(cache, s, layer, begin, end, &k, &v));
        check_int(tensor_size(k, 1), end - begin);
        const float *keys = tensor_borrow_data(k), *values = tensor_borrow_data(v);
        for (size_t token = begin; token < end; token++) {
            for (size_t e = 0; e < WIDTH; e++) {
                size_t head = e / SIZE, at = (head * (end - begin) + token - begin) * SIZE + e % SIZE;
                float wanted = key_of(mark, token, layer, e);
                const float *block =
                    engine_cache_borrow_block(cache, token / ENGINE_CACHE_BLOCK, layer, 0, head);
                check_true(keys[at] == wanted && values[at] == -wanted);
                check_true(block[token % ENGINE_CACHE_BLOCK * SIZE + e % SIZE] == wanted);
            }
        }
        check_ok(tensor_scope_close(s));
    }
}

TEST(tokens_are_read_as_they_were_written_over_many_blocks)
{
    engine_cache_pool *pool = given_pool(0);
    engine_cache *cache = given_cache(pool);
    append(cache, 1, 0);
    append(cache, 150, 0);
    append(cache, 41, 0);
    append(cache, 5, 0);
    check_int(engine_cache_count(cache), 197);
    check_tokens(cache, 0, 197, 0);
    check_tokens(cache, 60, 70, 0);
    check_int(engine_cache_pool_block_bytes(pool), LAYERS * 2 * WIDTH * ENGINE_CACHE_BLOCK * 4);
    check_int(engine_cache_bytes(cache), 4 * engine_cache_pool_block_bytes(pool));
    engine_cache_free(cache);
    check_int(engine_cache_pool_bytes(pool), 0);
    engine_cache_pool_free(pool);
}

TEST(rows_that_do_not_lie_together_are_written_too)
{
    enum { ROWS = 70 };
    engine_cache_pool *pool = given_pool(0);
    engine_cache *cache = given_cache(pool);
    append(cache, 50, 0);
    check_ok(engine_cache_reserve(cache, ROWS));
    for (size_t layer = 0; layer < LAYERS; layer++) {
        tensor_scope *s = tensor_scope_new(false);
        const int64_t sizes[] = {HEADS, ROWS, SIZE};
        tensor *k = tensor_empty(s, TENSOR_F32, TENSOR_CPU, sizes, 3);
        float *keys = tensor_borrow_data_mutable(k);
        for (size_t i = 0; i < ROWS * WIDTH; i++) {
            size_t head = i / (ROWS * SIZE), token = i / SIZE % ROWS;
            keys[i] = key_of(0, 50 + token, layer, head * SIZE + i % SIZE);
        }
        tensor *rows = tensor_transpose(s, k, 0, 1);
        check_true(engine_cache_write(cache, s, layer, rows, tensor_neg(s, rows)));
        check_ok(tensor_scope_close(s));
    }
    engine_cache_commit(cache, ROWS);
    check_tokens(cache, 0, 50 + ROWS, 0);
    engine_cache_free(cache);
    engine_cache_pool_free(pool);
}

TEST(a_fork_shares_blocks_until_one_of_both_writes)
{
    engine_cache_pool *pool = given_pool(0);
    engine_cache *cache = given_cache(pool), *fork = NULL;
    uint64_t block = engine_cache_pool_block_bytes(pool);
    append(cache, 100, 0);
    check_ok(engine_cache_fork(cache, 80, &fork));
    check_int(engine_cache_pool_bytes(pool), 2 * block);
    append(fork, 10, 5000);
    check_int(engine_cache_pool_bytes(pool), 3 * block);
    append(cache, 10, 0);
    check_int(engine_cache_pool_bytes(pool), 3 * block);
    check_tokens(cache, 0, 110, 0);
    check_tokens(fork, 0, 80, 0);
    check_tokens(fork, 80, 90, 5000);
    engine_cache_free(cache);
    check_tokens(fork, 0, 80, 0);
    engine_cache_free(fork);
    check_int(engine_cache_pool_bytes(pool), 0);
    engine_cache_pool_free(pool);
}

TEST(what_was_not_committed_never_happened)
{
    engine_cache_pool *pool = given_pool(0);
    engine_cache *cache = given_cache(pool);
    append(cache, 10, 0);
    check_ok(engine_cache_reserve(cache, 200));
    write_layer(cache, 0, 200, 7000);
    check_int(engine_cache_count(cache), 10);
    check_ok(engine_cache_rewind(cache, 10));
    check_int(engine_cache_pool_bytes(pool), engine_cache_pool_block_bytes(pool));
    append(cache, 3, 0);
    check_tokens(cache, 0, 13, 0);
    engine_cache_free(cache);
    engine_cache_pool_free(pool);
}

TEST(a_rewound_cache_gives_blocks_back_and_goes_on)
{
    engine_cache_pool *pool = given_pool(0);
    engine_cache *cache = given_cache(pool);
    append(cache, 200, 0);
    check_ok(engine_cache_rewind(cache, 65));
    check_int(engine_cache_bytes(cache), 2 * engine_cache_pool_block_bytes(pool));
    append(cache, 20, 9000);
    check_tokens(cache, 0, 65, 0);
    check_tokens(cache, 65, 85, 9000);
    check_fails(engine_cache_rewind(cache, 86), ERR_USAGE, "86");
    engine_cache *fork = NULL;
    check_fails(engine_cache_fork(cache, 86, &fork), ERR_USAGE, "86");
    engine_cache_free(cache);
    engine_cache_pool_free(pool);
}

TEST(a_full_pool_refuses_and_changes_nothing)
{
    engine_cache_pool *pool = given_pool(3 * sizeof(float) * LAYERS * 2 * WIDTH * ENGINE_CACHE_BLOCK);
    engine_cache *cache = given_cache(pool), *fork = NULL;
    append(cache, 100, 0);
    check_fails(engine_cache_reserve(cache, 93), ERR_LIMIT, "full");
    check_int(engine_cache_count(cache), 100);
    check_int(engine_cache_bytes(cache), 2 * engine_cache_pool_block_bytes(pool));
    append(cache, 92, 0);
    check_tokens(cache, 0, 192, 0);
    check_ok(engine_cache_fork(cache, 190, &fork));
    check_fails(engine_cache_reserve(fork, 1), ERR_LIMIT, "full");
    check_tokens(fork, 0, 190, 0);
    check_int(engine_cache_pool_bytes_max(pool), 3 * engine_cache_pool_block_bytes(pool));
    engine_cache_free(fork);
    engine_cache_free(cache);
    engine_cache_pool_free(pool);
}

TEST(a_pool_of_nothing_is_refused)
{
    engine_cache_pool *pool = NULL;
    check_fails(engine_cache_pool_new(&(engine_cache_shape){0, 1, 1, TENSOR_F32, {0}}, 0, &pool), ERR_USAGE,
                "layers");
}

TESTS(RUN(tokens_are_read_as_they_were_written_over_many_blocks),
      RUN(rows_that_do_not_lie_together_are_written_too), RUN(a_fork_shares_blocks_until_one_of_both_writes),
      RUN(what_was_not_committed_never_happened), RUN(a_rewound_cache_gives_blocks_back_and_goes_on),
      RUN(a_full_pool_refuses_and_changes_nothing), RUN(a_pool_of_nothing_is_refused))
