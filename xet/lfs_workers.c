/* A few threads, each with a connection of its own, that try transfers. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "xet/lfs_internal.h"

typedef struct finished {
    xet_transfer *transfer;
    xet_outcome outcome;
} finished;

struct xet_workers {
    pthread_mutex_t lock;
    pthread_cond_t given, done;
    xet_transfer *waiting[XET_LFS_BATCH_MAX];
    finished ended[XET_LFS_BATCH_MAX];
    size_t waiting_count, ended_count;
    bool closing;
    pthread_t threads[XET_LFS_TRANSFERS_AT_ONCE];
    http *connections[XET_LFS_TRANSFERS_AT_ONCE];
    size_t thread_count, connection_count, connections_taken;
};

static xet_transfer *wait_for_one(xet_workers *w)
{
    xet_transfer *t = NULL;

    pthread_mutex_lock(&w->lock);
    while (!w->waiting_count && !w->closing) pthread_cond_wait(&w->given, &w->lock);
    if (!w->closing) {
        t = w->waiting[0];
        for (size_t i = 1; i < w->waiting_count; i++) w->waiting[i - 1] = w->waiting[i];
        w->waiting_count--;
    }
    pthread_mutex_unlock(&w->lock);
    return t;
}

static void *work(void *context)
{
    xet_workers *w = context;

    pthread_mutex_lock(&w->lock);
    http *h = w->connections[w->connections_taken++];
    pthread_mutex_unlock(&w->lock);
    for (xet_transfer *t; (t = wait_for_one(w));) {
        xet_outcome out =
            t->operation == XET_UPLOAD ? xet_lfs_upload_once(h, t) : xet_lfs_download_once(h, t);
        pthread_mutex_lock(&w->lock);
        w->ended[w->ended_count++] = (finished){t, out};
        pthread_cond_signal(&w->done);
        pthread_mutex_unlock(&w->lock);
    }
    return NULL;
}

static err start(xet_workers *w, const http_options *options, size_t count)
{
    for (; w->connection_count < count; w->connection_count++) {
        err e = http_new(options, &w->connections[w->connection_count]);
        if (e.code) return e;
    }
    for (; w->thread_count < count; w->thread_count++)
        if (pthread_create(&w->threads[w->thread_count], NULL, work, w) != 0)
            return w->thread_count ? ERR_OK : err_make(ERR_IO, "cannot start a thread");
    return ERR_OK;
}

err xet_workers_new(const http_options *options, size_t count, xet_workers **out)
{
    pthread_condattr_t attributes;
    xet_workers *w = memory_alloc(sizeof *w);

    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->given, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->done, &attributes);
    pthread_condattr_destroy(&attributes);
    err e = start(w, options, MIN_OF(count, COUNT_OF(w->threads)));
    if (e.code)
        xet_workers_free(w);
    else
        *out = w;
    return e;
}

void xet_workers_free(xet_workers *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_broadcast(&w->given);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->thread_count; i++) pthread_join(w->threads[i], NULL);
    for (size_t i = 0; i < w->connection_count; i++) http_free(w->connections[i]);
    pthread_cond_destroy(&w->given);
    pthread_cond_destroy(&w->done);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void xet_workers_give(xet_workers *w, xet_transfer *t)
{
    pthread_mutex_lock(&w->lock);
    w->waiting[w->waiting_count++] = t;
    pthread_cond_signal(&w->given);
    pthread_mutex_unlock(&w->lock);
}

xet_transfer *xet_workers_take(xet_workers *w, int timeout_ms, xet_outcome *outcome)
{
    struct timespec until;
    xet_transfer *t = NULL;
    int over = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    while (!w->ended_count && !over) over = pthread_cond_timedwait(&w->done, &w->lock, &until);
    if (w->ended_count) {
        finished last = w->ended[--w->ended_count];
        t = last.transfer;
        *outcome = last.outcome;
    }
    pthread_mutex_unlock(&w->lock);
    return t;
}
