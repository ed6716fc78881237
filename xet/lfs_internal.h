/* xet/lfs_internal.h: what the files of the LFS client share.
 *
 * lfs.c asks batches and decides on the caller's thread what happens next; workers (lfs_workers.c) only try
 * one transfer at a time and say how it ended (lfs_download.c, lfs_upload.c). */
#ifndef XET_LFS_INTERNAL_H
#define XET_LFS_INTERNAL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "xet/lfs.h"

enum {
    XET_LFS_ATTEMPTS_MAX = 8, /* without a new byte */
    XET_LFS_VERIFY_ATTEMPTS_MAX = 3,
    XET_LFS_LOGINS_MAX = 32,
    XET_LFS_ACTION_HEADERS_MAX = 64,
    XET_LFS_REDIRECTS_MAX = 5,
    XET_LFS_ERROR_BYTES_MAX = 64 << 10,
    XET_LFS_RETRY_AFTER_SECONDS_MAX = 600,
};

#define XET_LFS_MEDIA "application/vnd.git-lfs+json"

typedef enum xet_operation { XET_DOWNLOAD, XET_UPLOAD } xet_operation;

/* ---- lfs_batch.c: the JSON of the batch API ---- */

typedef struct xet_action {
    const char *href;           /* NULL: there is none */
    const char *const *headers; /* "Name: value", ended by NULL */
    double expires_at;          /* on clock_seconds(); 0: never */
    bool has_authorization, chunked;
    bool in_parts; /* the hub's own way for very large files */
} xet_action;

typedef struct xet_plan {
    bool answered, authenticated;
    xet_action transfer, verify;
    int error_code; /* 0: none */
    const char *message;
} xet_plan;

void xet_lfs_batch_write(xet_operation operation, const char *ref, xet_lfs_object *const *objects,
                         size_t count, bytes *out);
/* plans[i] answers asked[i]; texts live in a. now: clock_seconds(); unix_now: for dates. Errors: ERR_FORMAT,
 * ERR_UNSUPPORTED (another transfer or hash). */
err xet_lfs_batch_read(bytes_view answer, xet_operation operation, xet_lfs_object *const *asked, size_t count,
                       double now, int64_t unix_now, arena *a, xet_plan *plans);
/* The "message" of a server's error, one clean line of at most 200 bytes; "" when there is none. */
void xet_lfs_message_of(bytes_view body, bytes *out);

/* ---- lfs_login.c: what we log in with, per origin ---- */

typedef struct xet_login {
    char *url, *user, *password;
    unsigned attempt;
    bool refused, told;
} xet_login;

/* Refused ones are kept until the end, since a worker may still be reading them. */
typedef struct xet_logins {
    xet_login rows[XET_LFS_LOGINS_MAX];
    size_t count;
} xet_logins;

const xet_login *xet_logins_find(const xet_logins *l, const char *url); /* NULL: none, or refused */
/* A request to `url` was refused although it was sent with `used` (NULL: without): find the next. ERR_DENIED:
 * there is none. */
err xet_logins_next(xet_logins *l, const xet_lfs_server *server, const char *url, const xet_login *used);
void xet_logins_worked(xet_logins *l, const xet_lfs_server *server, const xet_login *used); /* NULL is fine */
void xet_logins_free(xet_logins *l);                                                        /* wipes */

/* ---- one transfer ---- */

typedef enum xet_outcome_kind {
    XET_DONE,
    XET_AGAIN,      /* the same once more, after a while */
    XET_NEW_ACTION, /* the action is past its time: a new batch */
    XET_WANTS_LOGIN,
    XET_FAILED, /* this object */
    XET_FATAL,  /* the whole call: a full disk, a cancel */
} xet_outcome_kind;

typedef struct xet_outcome {
    xet_outcome_kind kind;
    err problem;
    double wait_seconds; /* that the server asked for; -1: none */
} xet_outcome;

typedef struct xet_transfer {
    xet_lfs_object *object;
    const xet_plan *plan;
    const xet_login *login; /* NULL: none */
    xet_operation operation;
    xet_store *store;
    const atomic_bool *cancelled;
    _Atomic uint64_t bytes; /* so far */
    bool uploaded;          /* only verify is left */
} xet_transfer;

/* One attempt, on a worker. */
xet_outcome xet_lfs_download_once(http *h, xet_transfer *t);
xet_outcome xet_lfs_upload_once(http *h, xet_transfer *t);
bool xet_lfs_transfer_goes_on(void *transfer, uint64_t sent, uint64_t received); /* for http's progress */
xet_outcome xet_lfs_outcome_of_status(const http_answer *answer, const char *url, xet_operation operation);
xet_outcome xet_lfs_outcome_of_err(err e);

/* A sentence for a status that is no success, with the code a caller branches on. */
err xet_lfs_status_problem(const http_answer *answer, const char *url);
bool xet_lfs_status_is_temporary(int status);

/* ---- lfs_workers.c ---- */

typedef struct xet_workers xet_workers;

err xet_workers_new(const http_options *options, size_t count, xet_workers **out);
void xet_workers_free(xet_workers *w); /* waits for what runs; NULL is fine */
/* t stays the caller's, untouched until it comes back. */
void xet_workers_give(xet_workers *w, xet_transfer *t);
/* A finished one; NULL: none within timeout_ms. */
xet_transfer *xet_workers_take(xet_workers *w, int timeout_ms, xet_outcome *outcome);

/* ---- lfs_folder.c ---- */

bool xet_lfs_is_folder(const char *url, char **folder); /* the caller frees *folder */
err xet_lfs_folder_run(const xet_lfs_server *server, const char *folder, xet_store *store,
                       xet_lfs_object *objects, size_t count, xet_operation operation);

#endif
