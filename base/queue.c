#include "base/queue.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

/* A ring under one lock; the event descriptor is readable exactly while the ring holds something. */
struct queue {
    pthread_mutex_t lock;
    void **items;
    size_t first, count, capacity, count_max;
    int fd;
};

err queue_new(size_t count_max, queue **out)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) return err_errno("make a queue");
    queue *q = memory_alloc(sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    q->count_max = count_max;
    q->fd = fd;
    *out = q;
    return ERR_OK;
}

void queue_free(queue *q, void (*drop)(void *item))
{
    if (!q) return;
    for (void *item; (item = queue_take(q));)
        if (drop) drop(item);
    close(q->fd);
    pthread_mutex_destroy(&q->lock);
    free(q->items);
    free(q);
}

static void grow(queue *q)
{
    size_t capacity = q->capacity ? 2 * q->capacity : 64;
    void **items = memory_resize_array(NULL, capacity, sizeof *items);

    for (size_t i = 0; i < q->count; i++) items[i] = q->items[(q->first + i) % q->capacity];
    free(q->items);
    q->items = items;
    q->first = 0;
    q->capacity = capacity;
}

/* Under the lock. The counter never exceeds 1, so neither call can block or fail. */
static void mark_filled(const queue *q)
{
    uint64_t one = 1;
    while (write(q->fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static void mark_empty(const queue *q)
{
    uint64_t count;
    while (read(q->fd, &count, sizeof count) < 0 && errno == EINTR) continue;
}

bool queue_push(queue *q, void *item)
{
    pthread_mutex_lock(&q->lock);
    bool fits = q->count < q->count_max;
    if (fits) {
        if (q->count == q->capacity) grow(q);
        q->items[(q->first + q->count++) % q->capacity] = item;
        if (q->count == 1) mark_filled(q);
    }
    pthread_mutex_unlock(&q->lock);
    return fits;
}

void *queue_take(queue *q)
{
    void *item = NULL;

    pthread_mutex_lock(&q->lock);
    if (q->count) {
        item = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        if (--q->count == 0) mark_empty(q);
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

void *queue_wait(queue *q, int timeout_ms)
{
    double end = timeout_ms < 0 ? 0 : clock_seconds() + timeout_ms / 1e3;

    for (;;) {
        void *item = queue_take(q);
        if (item) return item;
        int left_ms = timeout_ms < 0 ? -1 : (int)((end - clock_seconds()) * 1e3 + 0.999);
        if (timeout_ms >= 0 && left_ms <= 0) return NULL;
        struct pollfd one = {.fd = q->fd, .events = POLLIN};
        poll(&one, 1, left_ms); /* an interrupted wait looks again */
    }
}

int queue_fd(const queue *q) { return q->fd; }

size_t queue_count(const queue *q)
{
    /* Only the lock changes; the queue is const to its readers. */
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&q->lock;

    pthread_mutex_lock(lock);
    size_t count = q->count;
    pthread_mutex_unlock(lock);
    return count;
}
