#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/queue.h"
#include "tests/support/check.h"

enum { EACH = 20000, PUSHERS = 3 };

static bool readable(const queue *q)
{
    struct pollfd one = {.fd = queue_fd(q), .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

TEST(items_come_out_in_order_and_the_descriptor_tells)
{
    queue *q = NULL;
    int items[200];
    check_ok(queue_new(200, &q));
    check_true(!readable(q));
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 150; i++) check_true(queue_push(q, &items[i]));
        check_true(readable(q));
        check_int(queue_count(q), 150);
        for (int i = 0; i < 150; i++) assert_ptr_equal(queue_take(q), &items[i]);
        assert_null(queue_take(q));
        check_true(!readable(q));
    }
    queue_free(q, NULL);
}

TEST(a_full_queue_refuses)
{
    queue *q = NULL;
    int item;
    check_ok(queue_new(2, &q));
    check_true(queue_push(q, &item) && queue_push(q, &item));
    check_true(!queue_push(q, &item));
    queue_take(q);
    check_true(queue_push(q, &item));
    queue_free(q, NULL);
}

TEST(waiting_ends_with_the_time)
{
    queue *q = NULL;
    check_ok(queue_new(2, &q));
    double begin = clock_seconds();
    assert_null(queue_wait(q, 30));
    check_true(clock_seconds() - begin >= 0.029);
    queue_free(q, NULL);
}

static void *push_many(void *context)
{
    for (int i = 0; i < EACH; i++) {
        int *item = malloc(sizeof *item);
        *item = i;
        while (!queue_push(context, item)) continue;
    }
    return NULL;
}

TEST(nothing_is_lost_between_threads)
{
    queue *q = NULL;
    pthread_t threads[PUSHERS];
    long sum = 0;
    check_ok(queue_new(1000, &q));
    for (int i = 0; i < PUSHERS; i++) pthread_create(&threads[i], NULL, push_many, q);
    for (int i = 0; i < PUSHERS * EACH; i++) {
        int *item = queue_wait(q, -1);
        sum += *item;
        free(item);
    }
    for (int i = 0; i < PUSHERS; i++) pthread_join(threads[i], NULL);
    check_int(sum, PUSHERS * (long)EACH * (EACH - 1) / 2);
    check_int(queue_count(q), 0);
    queue_free(q, free);
}

TEST(what_is_left_is_dropped)
{
    queue *q = NULL;
    check_ok(queue_new(10, &q));
    queue_push(q, malloc(8));
    queue_push(q, malloc(8));
    queue_free(q, free); /* the leak checker watches */
}

TESTS(RUN(items_come_out_in_order_and_the_descriptor_tells), RUN(a_full_queue_refuses),
      RUN(waiting_ends_with_the_time), RUN(nothing_is_lost_between_threads), RUN(what_is_left_is_dropped))
