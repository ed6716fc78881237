/* repo/gc_internal.h: what is reachable, for the files of gc. */
#ifndef REPO_GC_INTERNAL_H
#define REPO_GC_INTERNAL_H

#include <git2.h>

#include "repo/handle_internal.h"

/* A set of keys of one size: object ids (20 bytes), SHA-256 (32 bytes). */
typedef struct key_set {
    unsigned char *keys;
    bool *used;
    size_t key_size, count, capacity;
} key_set;
bool key_set_add(key_set *set, const unsigned char *key); /* false: it was there */
bool key_set_has(const key_set *set, const unsigned char *key);
void key_set_free(key_set *set);

typedef struct gc_reach {
    repo_handle *r;
    git_revwalk *walk;
    key_set trees, blobs; /* that were looked at */
    key_set needed;       /* SHA-256 of large files */
    int64_t since;        /* reflog entries from here on count */
} gc_reach;

void gc_oid_bytes(const char *hex, unsigned char out[32]); /* 64 hex digits */
/* Everything that something needs, into needed. */
err gc_reach_all(gc_reach *reach);
void gc_reach_free(gc_reach *reach);

#endif
