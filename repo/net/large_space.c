/* repo/net/large_space.c: is there room for the large files that are to be fetched?
 *
 * Asked before the first byte, for the store and for the working copy: a disk that fills up half-way helps
 * nobody. Where the file system shares blocks (reflink) the working copy takes none. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "repo/compare_internal.h"
#include "repo/net/network_internal.h"
#include "repo/worktree/worktree_internal.h"

static uint64_t sum(uint64_t a, uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

static int by_oid(const void *a, const void *b)
{
    return strcmp((*(const repo_missing *const *)a)->pointer.oid,
                  (*(const repo_missing *const *)b)->pointer.oid);
}

/* Of a download that goes on where it stopped. */
static uint64_t arrived(const xet_store *store, const xet_pointer *pointer)
{
    char *path = xet_store_part_path(store, pointer->oid);
    struct stat info;
    uint64_t size = stat(path, &info) == 0 && info.st_size > 0 ? (uint64_t)info.st_size : 0;
    free(path);
    return MIN_OF(size, pointer->size);
}

/* An object is stored once, however many files have it. */
static uint64_t for_store(const repo_handle *r, const repo_missing_list *missing)
{
    const repo_missing **rows = memory_resize_array(NULL, missing->count, sizeof *rows);
    uint64_t total = 0;

    for (size_t i = 0; i < missing->count; i++) rows[i] = &missing->rows[i];
    qsort(rows, missing->count, sizeof *rows, by_oid);
    for (size_t i = 0; i < missing->count; i++)
        if (!i || by_oid(&rows[i - 1], &rows[i]) != 0)
            total = sum(total, rows[i]->pointer.size - arrived(r->store, &rows[i]->pointer));
    free(rows);
    return total;
}

/* Of the files whose pointers stand there. */
static uint64_t for_worktree(const repo_handle *r, const repo_missing_list *missing)
{
    repo_beneath below = {.root = -1, .parent = -1};
    CLEANUP(bytes_free) bytes text = {0};
    uint64_t total = 0;
    xet_pointer stands;

    if (!*r->path || repo_beneath_open(r->path, &below).code) return 0;
    for (size_t i = 0; i < missing->count; i++)
        if (repo_worktree_pointer(&below, missing->rows[i].path, &text, &stands) &&
            strcmp(stands.oid, missing->rows[i].pointer.oid) == 0)
            total = sum(total, stands.size);
    repo_beneath_close(&below);
    return total;
}

/* The folder, or what will hold it. */
static char *existing(const char *folder)
{
    char *path = memory_text(folder);
    while (!file_is_folder(path) && strchr(path + 1, '/')) {
        char *above = file_parent(path);
        free(path);
        path = above;
    }
    return path;
}

static bool shares_blocks(const repo_handle *r, const char *store)
{
    const worktree_site site = {.c = r->context, .store = store, .path = r->path};
    return !worktree_reflink_probe(&site, NULL).code;
}

static err room(const char *folder, uint64_t needed, const char *what)
{
    char wanted[32], available[32];
    struct statvfs info;

    if (!needed || statvfs(folder, &info) != 0) return ERR_OK;
    uint64_t free_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    if (needed <= free_bytes) return ERR_OK;
    text_human_size(needed, wanted, sizeof wanted);
    text_human_size(free_bytes, available, sizeof available);
    return err_make(ERR_LIMIT, "the large files need %s%s, %s free in %.100s", wanted, what, available,
                    folder);
}

static bool one_disk(const char *a, const char *b)
{
    struct stat one, other;
    return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev;
}

err repo_large_files_room(const repo_handle *r, const repo_missing_list *missing)
{
    char *store = existing(xet_store_borrow_folder(r->store));
    uint64_t stored = for_store(r, missing), written = for_worktree(r, missing);
    err e;

    if (written && shares_blocks(r, store)) written = 0;
    if (written && one_disk(store, r->path)) {
        e = room(store, sum(stored, written), " (in the store and in the working copy)");
    } else {
        e = room(store, stored, " (in the store)");
        if (!e.code) e = room(r->path, written, " (in the working copy)");
    }
    free(store);
    return e;
}
