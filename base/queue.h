/* base/queue.h: pointers from many threads to one, with a file descriptor to poll.
 *
 * Bounded: a push past the maximum fails. The descriptor is readable while items wait. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

typedef struct queue queue;

/* At most count_max items; queue_free(). ERR_IO: no descriptor is left. */
err queue_new(size_t count_max, queue **out);
/* Items that are left are given to drop (may be NULL). */
void queue_free(queue *q, void (*drop)(void *item));
bool queue_push(queue *q, void *item);      /* any thread; false: full */
void *queue_take(queue *q);                 /* the taking thread; NULL: empty */
void *queue_wait(queue *q, int timeout_ms); /* -1: without end; NULL: time is over */
int queue_fd(const queue *q);               /* readable while items wait; borrowed */
size_t queue_count(const queue *q);         /* of this moment; others may put and take meanwhile */

#endif
