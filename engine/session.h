/* engine/session.h: one timeline of one model: its tokens and their keys and values.
 *
 * The tokens may run ahead of the cache: the last ones are known but not computed yet. Threads: belongs to
 * the worker's thread. */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/cache.h"
#include "engine/stack.h"
#include "engine/text/ids.h"

typedef struct engine_session engine_session;

/* `stack` is shared; the pool must outlive the session. */
err engine_session_new(engine_cache_pool *pool, const engine_stack *stack, engine_session **out);
/* A second timeline that begins with the first token_count computed tokens of this one. */
err engine_session_fork(const engine_session *s, size_t token_count, engine_session **out);
/* Forget all tokens from token_count on. */
err engine_session_rewind(engine_session *s, size_t token_count);
void engine_session_free(engine_session *s); /* NULL is fine */

/* Tokens that are still to be computed; copied. */
void engine_session_append(engine_session *s, const int32_t *ids, size_t count);
/* All of them, computed or not; valid until the next change. */
const engine_ids *engine_session_borrow_tokens(const engine_session *s);
engine_cache *engine_session_borrow_cache(engine_session *s); /* for a decoder's step; valid as long as s */
size_t engine_session_computed(const engine_session *s);      /* tokens whose keys and values are there */
const engine_stack *engine_session_borrow_stack(const engine_session *s); /* NULL: none; valid as long as s */
/* How many computed tokens of the session begin this prompt. */
size_t engine_session_shared_prefix(const engine_session *s, const int32_t *ids, size_t count);

#endif
