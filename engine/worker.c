#include "engine/worker.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "engine/worker_internal.h"

/* -- jobs
 * ------------------------------------------------------------------------------------------------------ */

worker_job *worker_job_new(worker_job_kind kind)
{
    worker_job *job = memory_alloc(sizeof *job);

    job->kind = kind;
    job->posted_at = clock_seconds();
    return job;
}

static void texts_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) free(texts[i]);
    free(texts);
}

static char **texts_copy(const char *const *texts, size_t count)
{
    char **copies = memory_resize_array(NULL, count + 1, sizeof *copies);

    for (size_t i = 0; i < count; i++) copies[i] = memory_text(texts[i]);
    return copies;
}

void worker_job_free(worker_job *job)
{
    engine_files_free(job->files);
    free(job->device);
    free(job->dtype);
    texts_free(job->paths, job->path_count);
    free(job->scales);
    engine_stack_free(job->stack);
    engine_ids_free(&job->ids);
    free(job->bias);
    texts_free(job->stops, job->request.stop_count);
    free(job);
}

/* The job is the worker's; a full inbox answers at once. What is given back may not be lost: no limit. */
static engine_job_id post(engine_worker *w, worker_job *job_given)
{
    engine_job_id id = job_given->id = atomic_fetch_add(&w->last_id, 1) + 1;
    bool full = job_given->kind <= WORKER_SCORE && queue_count(w->inbox) >= WORKER_INBOX_MAX;

    if (full || !queue_push(w->inbox, job_given)) {
        worker_fail(w, id, err_make(ERR_LIMIT, "more than %d jobs wait for the model", WORKER_INBOX_MAX));
        worker_job_free(job_given);
    }
    return id;
}

engine_job_id engine_worker_load(engine_worker *w, engine_files *files_taken,
                                 const engine_model_options *options)
{
    worker_job *job = worker_job_new(WORKER_LOAD);

    job->files = files_taken;
    job->device = memory_text(options->device ? options->device : "auto");
    job->dtype = memory_text(options->dtype ? options->dtype : "auto");
    job->threads = options->threads;
    job->weights = options->weights;
    return post(w, job);
}

engine_job_id engine_worker_stack(engine_worker *w, engine_model *model, engine_files *files_taken,
                                  const char *const *names, const double *scales, size_t count)
{
    worker_job *job = worker_job_new(WORKER_STACK);

    job->model = model;
    job->files = files_taken;
    job->paths = texts_copy(names, count);
    job->scales = memory_resize_array(NULL, count + 1, sizeof *job->scales);
    for (size_t i = 0; i < count; i++) job->scales[i] = scales[i];
    job->path_count = count;
    return post(w, job);
}

engine_job_id engine_worker_generate(engine_worker *w, const engine_request *request)
{
    worker_job *job = worker_job_new(WORKER_GENERATE);
    size_t bias_count = request->sampling.bias_count;

    job->model = request->model;
    job->stack = engine_stack_share(request->stack);
    for (size_t i = 0; i < request->id_count; i++) engine_ids_push(&job->ids, request->ids[i]);
    job->request = *request;
    job->bias = memory_resize_array(NULL, bias_count + 1, sizeof *job->bias);
    for (size_t i = 0; i < bias_count; i++) job->bias[i] = request->sampling.bias[i];
    job->request.sampling.bias = job->bias;
    job->stops = texts_copy(request->stops, request->stop_count);
    job->request.stops = NULL;
    job->request.ids = NULL;
    return post(w, job);
}

engine_job_id engine_worker_score(engine_worker *w, engine_model *model, engine_stack *stack,
                                  const int32_t *ids, size_t id_count, size_t top_count, bool next)
{
    worker_job *job = worker_job_new(WORKER_SCORE);

    job->model = model;
    job->stack = engine_stack_share(stack);
    for (size_t i = 0; i < id_count; i++) engine_ids_push(&job->ids, ids[i]);
    job->top_count = top_count;
    job->next = next;
    return post(w, job);
}

void engine_worker_forget(engine_worker *w, const engine_model *model)
{
    worker_job *job = worker_job_new(WORKER_FORGET);

    job->model = (engine_model *)(uintptr_t)model; /* only compared */
    post(w, job);
}

void engine_worker_free_model(engine_worker *w, engine_model *model_taken)
{
    if (!model_taken) return;
    worker_job *job = worker_job_new(WORKER_FREE_MODEL);

    job->model = model_taken;
    post(w, job);
}

void engine_worker_free_stack(engine_worker *w, engine_stack *stack_taken)
{
    if (!stack_taken) return;
    worker_job *job = worker_job_new(WORKER_FREE_STACK);

    job->stack = stack_taken;
    post(w, job);
}

/* -- the thread
 * ------------------------------------------------------------------------------------------------ */

/* Jobs that a stream keeps are given on; the others end here. */
static void job_do(engine_worker *w, worker_job *job)
{
    switch (job->kind) {
    case WORKER_LOAD: worker_load(w, job); break;
    case WORKER_STACK: worker_stack_make(w, job); break;
    case WORKER_GENERATE:
    case WORKER_SCORE: worker_stream_post(w, job); return;
    case WORKER_FORGET: worker_idle_forget(w, job->model); break;
    case WORKER_FREE_MODEL: worker_model_give_back(w, job->model); break;
    case WORKER_FREE_STACK:
    case WORKER_WAKE: break;
    }
    worker_job_free(job);
}

static void status_publish(engine_worker *w)
{
    engine_worker_status now = {0};

    for (const worker_stream *s = w->running; s; s = s->next) {
        now.running += !s->paused;
        now.waiting += s->paused;
    }
    for (const worker_stream *s = w->waiting; s; s = s->next) now.waiting++;
    for (const worker_idle *i = w->idle; i; i = i->next) now.idle_sessions++;
    for (const worker_model *m = w->models; m; m = m->next) {
        if (!m->pool) continue;
        now.cache_bytes += engine_cache_pool_bytes(m->pool);
        now.cache_bytes_max += engine_cache_pool_bytes_max(m->pool);
    }
    pthread_mutex_lock(&w->lock);
    w->status = now;
    pthread_mutex_unlock(&w->lock);
}

static void streams_drop(engine_worker *w, worker_stream **list)
{
    for (worker_stream *s = *list; s; s = s->next)
        worker_stream_fail(w, s, err_make(ERR_CANCELLED, "the worker ends"));
}

/* A job that the end of the worker came before: what it gives back is given back all the same. */
static void job_drop(engine_worker *w, worker_job *job)
{
    if (job->kind == WORKER_FREE_MODEL) worker_model_give_back(w, job->model);
    worker_job_free(job);
}

static void *worker_main(void *context)
{
    engine_worker *w = context;

    while (!atomic_load(&w->quit)) {
        bool busy = w->running || w->waiting;
        worker_job *job = busy ? queue_take(w->inbox) : queue_wait(w->inbox, -1);
        for (; job && !atomic_load(&w->quit); job = queue_take(w->inbox)) job_do(w, job);
        if (job) job_drop(w, job);
        worker_streams_cancel(w);
        worker_streams_admit(w);
        worker_step(w);
        worker_streams_sweep(w);
        status_publish(w);
        worker_cancels_prune(w);
    }
    streams_drop(w, &w->waiting);
    streams_drop(w, &w->running);
    worker_streams_sweep(w);
    for (worker_job *job; (job = queue_take(w->inbox));) job_drop(w, job);
    return NULL;
}

/* What still lies in the outbox holds shares that only the worker's thread may free; it has ended, so this
 * may. */
static void event_drop(void *item)
{
    engine_event *event = item;

    engine_model_free(event->model);
    engine_stack_free(event->stack);
    bytes_free(&event->text);
    engine_ids_free(&event->ids);
    free(event->picks);
    free(event);
}

err engine_worker_new(const engine_worker_options *options, engine_worker **out)
{
    engine_worker *w = memory_alloc(sizeof *w);

    w->options = *options;
    pthread_mutex_init(&w->lock, NULL);
    w->shared = engine_models_new();
    err e = queue_new(SIZE_MAX, &w->inbox);
    if (!e.code) e = queue_new(WORKER_OUTBOX_MAX, &w->outbox);
    int status = e.code ? 0 : pthread_create(&w->thread, NULL, worker_main, w);
    if (status) e = err_make(ERR_IO, "the worker's thread could not be started: %s", strerror(status));
    if (!e.code) {
        *out = w;
        return ERR_OK;
    }
    queue_free(w->inbox, NULL);
    queue_free(w->outbox, NULL);
    engine_models_free(w->shared);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return e;
}

void engine_worker_free(engine_worker *w)
{
    if (!w) return;
    atomic_store(&w->quit, true);
    queue_push(w->inbox, worker_job_new(WORKER_WAKE));
    pthread_join(w->thread, NULL);
    queue_free(w->outbox, event_drop);
    for (worker_job *job; (job = queue_take(w->inbox));) worker_job_free(job);
    queue_free(w->inbox, NULL);
    worker_models_free(w);
    engine_models_free(w->shared);
    free(w->logits);
    free(w->cancelled);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

engine_worker_status engine_worker_look(const engine_worker *w)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&w->lock;

    pthread_mutex_lock(lock);
    engine_worker_status status = w->status;
    pthread_mutex_unlock(lock);
    return status;
}
