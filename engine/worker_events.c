/* engine/worker_events.c: news from the worker's thread to the one that takes, and cancels the other way. */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "engine/worker_internal.h"

engine_event *worker_event(engine_event_kind kind, engine_job_id job)
{
    engine_event *event = memory_alloc(sizeof *event);

    event->kind = kind;
    event->job = job;
    return event;
}

/* A taker that has fallen a million events behind slows the worker down rather than losing text. */
void worker_send(engine_worker *w, engine_event *event_given)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (!queue_push(w->outbox, event_given)) nanosleep(&pause, NULL);
}

void worker_fail(engine_worker *w, engine_job_id job, err why)
{
    engine_event *event = worker_event(ENGINE_EVENT_FAILED, job);

    event->last = true;
    event->error = why;
    worker_cancel_forget(w, job);
    worker_send(w, event);
}

void worker_progress(engine_worker *w, engine_job_id job, uint64_t done, uint64_t total)
{
    engine_event *event = worker_event(ENGINE_EVENT_PROGRESS, job);

    event->done = done;
    event->total = total;
    worker_send(w, event);
}

const char *engine_finish_name(engine_finish f)
{
    static const char *const names[] = {"stop", "stop", "length", "cancelled"};
    return names[f];
}

/* -- cancels
 * ---------------------------------------------------------------------------------------------------- */

void engine_worker_cancel(engine_worker *w, engine_job_id id)
{
    pthread_mutex_lock(&w->lock);
    if (w->cancelled_count == w->cancelled_capacity) {
        w->cancelled_capacity = 2 * w->cancelled_capacity + 16;
        w->cancelled = memory_resize_array(w->cancelled, w->cancelled_capacity, sizeof *w->cancelled);
    }
    w->cancelled[w->cancelled_count++] = id;
    pthread_mutex_unlock(&w->lock);
}

bool worker_is_cancelled(engine_worker *w, engine_job_id job)
{
    bool found = atomic_load(&w->quit);

    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->cancelled_count && !found; i++) found = w->cancelled[i] == job;
    pthread_mutex_unlock(&w->lock);
    return found;
}

void worker_cancel_forget(engine_worker *w, engine_job_id job)
{
    pthread_mutex_lock(&w->lock);
    size_t kept = 0;
    for (size_t i = 0; i < w->cancelled_count; i++)
        if (w->cancelled[i] != job) w->cancelled[kept++] = w->cancelled[i];
    w->cancelled_count = kept;
    pthread_mutex_unlock(&w->lock);
}

/* Whoever cancels has posted before: with an empty inbox under the lock, no job of these ids is alive. */
void worker_cancels_prune(engine_worker *w)
{
    pthread_mutex_lock(&w->lock);
    if (!w->running && !w->waiting && !queue_count(w->inbox)) w->cancelled_count = 0;
    pthread_mutex_unlock(&w->lock);
}

/* -- the taker's side
 * --------------------------------------------------------------------------------------------- */

int engine_worker_fd(const engine_worker *w) { return queue_fd(w->outbox); }

bool engine_worker_wait(engine_worker *w, int timeout_ms, engine_event *out)
{
    engine_event *event = timeout_ms ? queue_wait(w->outbox, timeout_ms) : queue_take(w->outbox);

    if (!event) return false;
    *out = *event;
    free(event);
    return true;
}

bool engine_worker_take(engine_worker *w, engine_event *out) { return engine_worker_wait(w, 0, out); }

void engine_event_free(engine_worker *w, engine_event *event)
{
    engine_worker_free_model(w, event->model);
    engine_worker_free_stack(w, event->stack);
    bytes_free(&event->text);
    engine_ids_free(&event->ids);
    free(event->picks);
    *event = (engine_event){0};
}
