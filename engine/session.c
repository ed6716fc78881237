#include "engine/session.h"

#include <stdlib.h>

#include "base/arena.h"

struct engine_session {
    engine_ids tokens;
    engine_cache *cache;
    engine_stack *stack;
};

static engine_session *session_of(engine_cache *cache_taken, const engine_stack *stack)
{
    engine_session *s = memory_alloc(sizeof *s);

    s->cache = cache_taken;
    s->stack = engine_stack_share(stack);
    return s;
}

err engine_session_new(engine_cache_pool *pool, const engine_stack *stack, engine_session **out)
{
    engine_cache *cache = NULL;

    err e = engine_cache_new(pool, &cache);
    if (!e.code) *out = session_of(cache, stack);
    return e;
}

err engine_session_fork(const engine_session *s, size_t token_count, engine_session **out)
{
    engine_cache *cache = NULL;

    err e = engine_cache_fork(s->cache, token_count, &cache);
    if (e.code) return e;
    *out = session_of(cache, s->stack);
    engine_session_append(*out, s->tokens.data, token_count);
    return ERR_OK;
}

err engine_session_rewind(engine_session *s, size_t token_count)
{
    err e = ERR_OK;

    if (token_count < engine_cache_count(s->cache)) e = engine_cache_rewind(s->cache, token_count);
    if (!e.code && token_count < s->tokens.count) s->tokens.count = token_count;
    return e;
}

void engine_session_free(engine_session *s)
{
    if (!s) return;
    engine_cache_free(s->cache);
    engine_stack_free(s->stack);
    engine_ids_free(&s->tokens);
    free(s);
}

void engine_session_append(engine_session *s, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) engine_ids_push(&s->tokens, ids[i]);
}

const engine_ids *engine_session_borrow_tokens(const engine_session *s) { return &s->tokens; }

engine_cache *engine_session_borrow_cache(engine_session *s) { return s->cache; }

size_t engine_session_computed(const engine_session *s) { return engine_cache_count(s->cache); }

const engine_stack *engine_session_borrow_stack(const engine_session *s) { return s->stack; }

size_t engine_session_shared_prefix(const engine_session *s, const int32_t *ids, size_t count)
{
    size_t shared = 0, most = MIN_OF(count, engine_session_computed(s));

    while (shared < most && s->tokens.data[shared] == ids[shared]) shared++;
    return shared;
}
