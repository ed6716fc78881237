/* xet/lfs.h: the Git LFS batch API with basic transfer, over http(s); and the same for a folder.
 *
 * Knows bytes, stores and servers, not git: addresses and logins come from the caller. 100 objects a request,
 * several transfers at once, resumed by range, each object verified before it is in the store. Retries what a
 * server calls temporary (429 with Retry-After, 5xx), never with the same refused login.
 * Threads: a call owns what it uses until it returns; callbacks come on the calling thread. */
#ifndef XET_LFS_H
#define XET_LFS_H

#include "base/http.h"
#include "xet/store.h"

enum { XET_LFS_BATCH_MAX = 100, XET_LFS_ANSWER_BYTES_MAX = 4 << 20, XET_LFS_TRANSFERS_AT_ONCE = 4 };

typedef struct xet_lfs_object {
    char oid[SHA256_HEX_SIZE];
    uint64_t size;
    bool done;
    err problem; /* of this object: ERR_NOT_FOUND (404, 410), ERR_FORMAT (other bytes came), ... */
} xet_lfs_object;

typedef struct xet_lfs_server {
    /* "https://host/x.git/info/lfs", perhaps with a login, which only the callback below sees; a folder's
     * path or file:// : another store's folder */
    const char *url;
    const char *ref;            /* "refs/heads/main"; NULL */
    const char *const *headers; /* further ones, e.g. of git-lfs-authenticate; NULL */
    /* Login for this url, asked after a 401 (attempt counts from 0); ERR_DENIED ends it. The texts are the
     * callee's until the next call. NULL: nobody to ask. */
    err (*login)(void *context, const char *url, unsigned attempt, const char **user, const char **password);
    void (*login_told)(void *context, bool worked);
    bool login_first; /* this server is known to want one */
    /* Bytes of all objects of this call that are done; false: cancel. */
    bool (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total, const char *oid);
    void *context;
    http_options http;
} xet_lfs_server;

/* Each object's `done` or `problem` is set. An err is about the whole call: no answer, refused login, cancel,
 * a full disk. */
err xet_lfs_download(const xet_lfs_server *server, xet_store *store, xet_lfs_object *objects, size_t count);
/* An object that is not in the store is asked for too: done when the server has it, else ERR_NOT_FOUND. */
err xet_lfs_upload(const xet_lfs_server *server, xet_store *store, xet_lfs_object *objects, size_t count);

/* "https://host/x" -> "https://host/x.git/info/lfs", "git@host:x" -> "https://host/x.git/info/lfs", a path or
 * file:// -> that repository's lfs folder. The caller frees. ERR_USAGE: no such thing can be derived. */
err xet_lfs_url_of_remote(const char *remote_url, char **out);

#endif
