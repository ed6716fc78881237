/* engine/worker_idle.c: finished sessions that the next request may continue. */
#include <stdlib.h>

#include "base/arena.h"
#include "engine/worker_internal.h"

static void idle_remove(worker_idle **link)
{
    worker_idle *gone = *link;

    *link = gone->next;
    engine_session_free(gone->session);
    free(gone);
}

/* The link of the session that shares most with the prompt, or NULL. */
static worker_idle **idle_best(engine_worker *w, const worker_model *of, const engine_stack *stack,
                               const int32_t *ids, size_t count, size_t *shared)
{
    worker_idle **best = NULL;

    *shared = 0;
    for (worker_idle **link = &w->idle; *link; link = &(*link)->next) {
        if ((*link)->of != of || !engine_stack_equal(engine_session_borrow_stack((*link)->session), stack))
            continue;
        size_t here = engine_session_shared_prefix((*link)->session, ids, count);
        if (here > *shared) {
            *shared = here;
            best = link;
        }
    }
    return best;
}

err worker_idle_take(engine_worker *w, worker_model *of, const engine_stack *stack, const int32_t *ids,
                     size_t count, engine_session **out, size_t *cached)
{
    size_t shared = 0;
    worker_idle **best =
        idle_best(w, of, stack, ids, count - 1, &shared); /* the last token gives the logits */
    engine_session *session = NULL;
    err e;

    if (best &&
        shared == engine_session_computed((*best)->session)) { /* grows on from its end: no one else's past */
        worker_idle *taken = *best;
        *best = taken->next;
        session = taken->session;
        free(taken);
        e = engine_session_rewind(session, shared);
        if (e.code) engine_session_free(session);
    } else if (best) {
        e = engine_session_fork((*best)->session, shared, &session);
    } else {
        e = engine_session_new(of->pool, stack, &session);
    }
    if (e.code) return e;
    engine_session_append(session, ids + shared, count - shared);
    *out = session;
    *cached = shared;
    return ERR_OK;
}

void worker_idle_keep(engine_worker *w, worker_model *of, engine_session *session_given)
{
    size_t count = 0;

    if (engine_session_computed(session_given) == 0) {
        engine_session_free(session_given);
        return;
    }
    worker_idle *idle = memory_alloc(sizeof *idle);
    *idle = (worker_idle){of, session_given, w->idle};
    w->idle = idle;
    for (worker_idle **link = &w->idle; *link;) {
        if (++count > WORKER_IDLE_MAX)
            idle_remove(link);
        else
            link = &(*link)->next;
    }
}

bool worker_idle_drop_oldest(engine_worker *w, const worker_model *of)
{
    worker_idle **oldest = NULL;

    for (worker_idle **link = &w->idle; *link; link = &(*link)->next)
        if ((*link)->of == of) oldest = link;
    if (!oldest) return false;
    idle_remove(oldest);
    return true;
}

void worker_idle_forget(engine_worker *w, const engine_model *model)
{
    for (worker_idle **link = &w->idle; *link;) {
        if (!model || (*link)->of->model == model)
            idle_remove(link);
        else
            link = &(*link)->next;
    }
}
