/* tests/support/lfs_server.h: tests/support/lfs_service.py as a child: started, given faults, asked, stopped.
 */
#ifndef TESTS_SUPPORT_LFS_SERVER_H
#define TESTS_SUPPORT_LFS_SERVER_H

#include "base/arena.h"
#include "base/json.h"
#include "base/process.h"

typedef struct lfs_server {
    process *child;
    int port;
    char folder[256]; /* of its objects */
    char url[64];     /* "http://127.0.0.1:1234" */
} lfs_server;

/* Further arguments end with NULL. False: no python3 here, the test skips. */
bool lfs_server_start(lfs_server *s, const char *name, const char *const *arguments);
void lfs_server_stop(lfs_server *s);
void lfs_server_faults(const lfs_server *s, const char *json); /* replaces what was on */
/* What was asked since the last lfs_server_forget: an array of {where, method, path, headers, body}. */
const json_node *lfs_server_seen(const lfs_server *s, arena *a);
size_t lfs_server_count(const lfs_server *s, const char *where);
void lfs_server_forget(const lfs_server *s);
/* An object lies in the server's folder. */
void lfs_server_put(const lfs_server *s, const char *oid, const void *data, size_t size);

#endif
