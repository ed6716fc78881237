/* repo/net/lfs.c: the objects of pointers, from a remote's server into the store. */
#include "repo/net/lfs.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "repo/checkout_internal.h"
#include "repo/net/lfs_internal.h"

/* ---- one row an object ---- */

static int by_object(const void *a, const void *b)
{
    const repo_missing *left = *(const repo_missing *const *)a, *right = *(const repo_missing *const *)b;
    int order = strcmp(left->pointer.oid, right->pointer.oid);

    if (order) return order;
    return (left->pointer.size > right->pointer.size) - (left->pointer.size < right->pointer.size);
}

typedef struct wanted_set {
    const repo_missing **rows; /* sorted, each object once */
    xet_lfs_object *objects;
    size_t count;
} wanted_set;

static void wanted_free(wanted_set *w)
{
    free(w->rows);
    free(w->objects);
}

static void wanted_collect(const repo_handle *r, const repo_missing_list *list, wanted_set *w)
{
    size_t count = 0;

    w->rows = memory_resize_array(NULL, list->count + 1, sizeof *w->rows);
    w->objects = memory_alloc((list->count + 1) * sizeof *w->objects);
    for (size_t i = 0; i < list->count; i++) {
        const repo_missing *row = &list->rows[i];
        if (!row->pointer.has_extensions && !xet_store_has(r->store, row->pointer.oid, row->pointer.size))
            w->rows[count++] = row;
    }
    qsort(w->rows, count, sizeof *w->rows, by_object);
    for (size_t i = 0; i < count; i++) {
        if (w->count && by_object(&w->rows[i], &w->rows[w->count - 1]) == 0) continue;
        xet_lfs_object *object = &w->objects[w->count];
        memcpy(object->oid, w->rows[i]->pointer.oid, sizeof object->oid);
        object->size = w->rows[i]->pointer.size;
        w->rows[w->count++] = w->rows[i];
    }
}

static const char *name_of(const repo_lfs_call *call, const char *oid)
{
    const wanted_set *w = call->context;

    for (size_t low = 0, high = w->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(oid, w->rows[middle]->pointer.oid);
        if (order == 0) return w->rows[middle]->path;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* ---- what came of it ---- */

/* What the server has not is an answer; anything else that went wrong is told, with its file. */
static err outcome(const wanted_set *w, uint64_t *moved)
{
    err first = ERR_OK;

    for (size_t i = 0; i < w->count; i++) {
        const xet_lfs_object *object = &w->objects[i];
        if (object->done) *moved += object->size;
        if (object->problem.code && object->problem.code != ERR_NOT_FOUND && !first.code)
            first = err_note(object->problem, "%s", w->rows[i]->path);
    }
    return first;
}

static void left_collect(const repo_handle *r, const repo_missing_list *wanted, repo_missing_list *left)
{
    for (size_t i = 0; i < wanted->count; i++) {
        const repo_missing *row = &wanted->rows[i];
        if (!xet_store_has(r->store, row->pointer.oid, row->pointer.size))
            repo_missing_add(left, row->path, &row->pointer);
    }
}

err repo_lfs_fetch(repo_handle *r, repo_credentials *who, const char *remote, const repo_missing_list *wanted,
                   repo_missing_list *left, uint64_t *bytes_moved)
{
    CLEANUP(wanted_free) wanted_set w = {0};
    CLEANUP(repo_lfs_call_free) repo_lfs_call call = {.r = r, .who = who, .name = name_of, .context = &w};
    uint64_t moved = 0;

    wanted_collect(r, wanted, &w);
    err e = w.count ? repo_lfs_place_find(r, remote, false, &call.place) : ERR_OK;
    if (!e.code) e = repo_lfs_call_run(&call, false, w.objects, w.count);
    err told = outcome(&w, &moved);
    if (!e.code) e = told;
    left_collect(r, wanted, left);
    if (bytes_moved) *bytes_moved += moved;
    return e;
}
