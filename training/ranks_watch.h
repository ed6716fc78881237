/* training/ranks_watch.h: who of the ranks has died, known at once.
 *
 * MPI does not say which rank is gone: who waits for it waits. So each rank holds a TCP connection to rank 0,
 * over which nothing goes but short notes; the system closes it when the process dies, however it dies. Rank
 * 0 then tells the others the number. A thread of its own looks at the connections; when the rank's own
 * thread has not ended soon after (it computes, or waits in a library), that thread ends the process. Where a
 * rank cannot connect, the timeouts of the calls remain. Only the ranks' MPI job knows the port's key.
 * Threads: any.
 */
#ifndef TRAINING_RANKS_WATCH_H
#define TRAINING_RANKS_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

typedef struct ranks_watch ranks_watch;

/* Where rank 0 listens; plain bytes, sent to all by MPI. port 0: it could not. */
typedef struct ranks_watch_place {
    char host[256];
    int32_t port, pid;
    uint64_t key;
} ranks_watch_place;

typedef struct ranks_watch_who {
    int number, count;
    bool one_host; /* all ranks run on this one: nobody else need reach the port */
    const char *host;
    atomic_int *lost; /* becomes 1, once, when a rank is gone; outlives the watch */
} ranks_watch_who;

/* Rank 0: listens and fills `place`. Never fails: a place with port 0 says that nobody can be watched. */
ranks_watch *ranks_watch_listen(const ranks_watch_who *who, ranks_watch_place *place);
/* The others, with rank 0's place. NULL: it cannot be reached. */
ranks_watch *ranks_watch_connect(const ranks_watch_who *who, const ranks_watch_place *place);
/* Says farewell, or why this rank fails (NULL: all is well), and ends the thread. NULL is fine. */
void ranks_watch_free(ranks_watch *w, const char *why);

/* Who is gone: "rank 1 on HOST (process 4711) has died". False: nobody. From now on the caller ends the
 * process. */
bool ranks_watch_seen(ranks_watch *w, char text[480]);
/* Called on the watch's thread before it ends the process, when nobody has _seen it. */
void ranks_watch_on_loss(ranks_watch *w, void (*lost)(void *context, const char *text), void *context);
/* This rank has begun another call of all. */
void ranks_watch_count_call(ranks_watch *w);
/* Rank 0: those that have not come to the last call: "rank 2 on HOST", appended with ", "; "" when it knows
 * none. */
void ranks_watch_missing(ranks_watch *w, char text[480]);
/* A rank was told to stop (SIGTERM): rank 0 hears of it. */
void ranks_watch_ask_stop(ranks_watch *w);
bool ranks_watch_stop_asked(ranks_watch *w); /* rank 0: one did */

#endif
