/* xet/lfs_session.h: one call of the LFS client: lfs.c asks batches, lfs_transfers.c carries out their plans.
 */
#ifndef XET_LFS_SESSION_H
#define XET_LFS_SESSION_H

#include "xet/lfs_internal.h"

enum { XET_LFS_TICK_MS = 50 };

/* What is remembered of an object from one batch to the next. */
typedef struct xet_track {
    bool settled;
    unsigned attempts, new_actions;
    uint64_t furthest; /* bytes of the best attempt */
    double not_before;
} xet_track;

typedef struct xet_session {
    const xet_lfs_server *server;
    xet_store *store;
    xet_operation operation;
    xet_lfs_object *objects;
    xet_track *tracks;
    size_t count, batch_max;
    char *url, *batch_url; /* without a login */
    http *h;
    xet_logins logins;
    xet_workers *workers;
    atomic_bool cancelled;
    uint64_t bytes_total, bytes_settled;
    unsigned batch_attempts;
    double batch_not_before, told_at;
} xet_session;

/* One batch and its transfers. */
typedef struct xet_batch {
    xet_session *s;
    size_t indexes[XET_LFS_BATCH_MAX];
    xet_lfs_object *asked[XET_LFS_BATCH_MAX];
    xet_plan plans[XET_LFS_BATCH_MAX];
    xet_transfer transfers[XET_LFS_BATCH_MAX];
    bool waiting[XET_LFS_BATCH_MAX], running[XET_LFS_BATCH_MAX];
    size_t count, running_count;
    arena memory; /* of the plans */
    err fatal;
} xet_batch;

/* Tells the watcher, at most every tick; ERR_CANCELLED when it has had enough. b: what is under way; NULL. */
err xet_session_tell(xet_session *s, const xet_batch *b, const char *oid);
/* How long to wait before this attempt: as the server asks (-1: it does not), else doubling. */
double xet_session_wait(unsigned attempt, double asked_seconds);
void xet_session_settle(xet_session *s, size_t i, err problem); /* object i has an end */

/* The plan of object k of the batch: settled at once, or a transfer that waits. */
void xet_batch_plan(xet_batch *b, size_t k);
/* All transfers that wait, to their end. What needs a new action is left unsettled. */
err xet_batch_transfer(xet_batch *b);

#endif
