/* repo/index_restat.c: fresh stat data in the index file, and nothing else in it.
 *
 * libgit2 writes an index as it read it, however old that is by then; what another git staged meanwhile would
 * be lost. Here the file is read under its lock and only the stat fields of entries that are still the same
 * are changed in it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* OpenSSL has a type of the name of one of our codes. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE

#include "base/bytes.h"
#include "base/file.h"
#include "repo/gate.h"
#include "repo/status_internal.h"

enum {
    INDEX_BYTES_MAX = 64 << 20,
    HEADER_BYTES = 12,
    SHA1_BYTES = 20,
    STAT_BYTES = 40,
    FLAGS_AT = STAT_BYTES + SHA1_BYTES,
    EXTENDED = 0x4000, /* of the flags: two bytes more */
};

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* ---- one entry ---- */

static bool is_same(const uint8_t *p, const repo_restat *row)
{
    return get32(p) == (uint32_t)row->old_ctime.seconds && get32(p + 4) == row->old_ctime.nanoseconds &&
           get32(p + 8) == (uint32_t)row->old_mtime.seconds && get32(p + 12) == row->old_mtime.nanoseconds &&
           memcmp(p + STAT_BYTES, row->id.id, SHA1_BYTES) == 0;
}

static void entry_write(uint8_t *p, const repo_restat *row)
{
    const struct stat *info = &row->info;
    if (row->smudge) {
        put32(p + 36, 0);
        return;
    }
    put32(p, (uint32_t)info->st_ctim.tv_sec);
    put32(p + 4, (uint32_t)info->st_ctim.tv_nsec);
    put32(p + 8, (uint32_t)info->st_mtim.tv_sec);
    put32(p + 12, (uint32_t)info->st_mtim.tv_nsec);
    put32(p + 16, (uint32_t)info->st_dev);
    put32(p + 20, (uint32_t)info->st_ino);
    put32(p + 28, info->st_uid);
    put32(p + 32, info->st_gid);
    put32(p + 36, (uint32_t)info->st_size);
}

/* ---- the walk ---- */

typedef struct walk {
    uint8_t *data;
    size_t size, at;
    unsigned version;
    bytes path; /* of the entry at hand: version 4 names the rest of the one before */
} walk;

/* Version 4: how many bytes of the last path go, then the new end. */
static bool path_next(walk *w, size_t at)
{
    if (w->version == 4) {
        size_t strip = 0;
        uint8_t byte;
        do {
            if (at >= w->size) return false;
            byte = w->data[at++];
            strip = (strip << 7) + (byte & 0x7f) + (byte & 0x80 ? 1 : 0);
        } while (byte & 0x80 && strip <= w->path.size);
        if (strip > w->path.size) return false;
        bytes_remove(&w->path, w->path.size - strip, strip);
    } else {
        bytes_clear(&w->path);
    }
    const uint8_t *end = memchr(w->data + at, 0, w->size - at);
    if (!end) return false;
    bytes_append(&w->path, w->data + at, (size_t)(end - (w->data + at)));
    size_t next = (size_t)(end - w->data);
    /* Before version 4 an entry is filled with 1 to 8 NULs to a multiple of 8. */
    w->at = w->version == 4 ? next + 1 : w->at + ((next - w->at + 8) & ~(size_t)7);
    return w->at <= w->size;
}

/* The entry at w->at, whose bytes are *entry; w->at and w->path become the next one's and its own. */
static bool entry_next(walk *w, uint8_t **entry)
{
    if (w->size - w->at < FLAGS_AT + 2) return false;
    *entry = w->data + w->at;
    unsigned flags = (unsigned)(*entry)[FLAGS_AT] << 8 | (*entry)[FLAGS_AT + 1];
    return path_next(w, w->at + FLAGS_AT + (flags & EXTENDED && w->version >= 3 ? 4 : 2));
}

static bool entries_change(walk *w, const repo_restats *restats)
{
    uint32_t count = get32(w->data + 8);
    size_t row = 0;
    bool changed = false;

    w->version = get32(w->data + 4);
    w->at = HEADER_BYTES;
    if (memcmp(w->data, "DIRC", 4) != 0 || w->version < 2 || w->version > 4) return false;
    for (uint32_t i = 0; i < count && row < restats->count; i++) {
        uint8_t *entry;
        if (!entry_next(w, &entry)) return false;
        while (row < restats->count && strcmp(restats->rows[row].path, bytes_text(&w->path)) < 0) row++;
        if (row == restats->count || strcmp(restats->rows[row].path, bytes_text(&w->path)) != 0) continue;
        if (!is_same(entry, &restats->rows[row])) return false; /* another git was here: leave it all */
        entry_write(entry, &restats->rows[row]);
        changed = true;
    }
    return changed;
}

/* ---- the file ---- */

static bool sum_check_or_write(uint8_t *data, size_t size, bool write)
{
    uint8_t sum[EVP_MAX_MD_SIZE];
    if (EVP_Digest(data, size, sum, NULL, EVP_sha1(), NULL) != 1) return false;
    if (write) memcpy(data + size, sum, SHA1_BYTES);
    return write || memcmp(data + size, sum, SHA1_BYTES) == 0;
}

static bool index_change(const char *path, const repo_restats *restats, bytes *text)
{
    if (file_read(path, INDEX_BYTES_MAX, text).code || text->size < HEADER_BYTES + SHA1_BYTES) return false;
    walk w = {.data = (uint8_t *)text->data, .size = text->size - SHA1_BYTES};
    bool changed = sum_check_or_write(w.data, w.size, false) && entries_change(&w, restats) &&
                   sum_check_or_write(w.data, w.size, true);
    bytes_free(&w.path);
    return changed;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t put = write(fd, data, size);
        if (put <= 0) return false;
        data += put;
        size -= (size_t)put;
    }
    return true;
}

void repo_index_restat(repo_handle *r, const repo_restats *restats)
{
    CLEANUP(bytes_free) bytes text = {0};
    repo_gate *gate = NULL;
    struct stat old;

    /* Nobody misses it; and a kill in the middle is one inside the gate, whose locks are taken away. */
    if (!repo_gate_try(r, "status", &gate)) return;
    char *path = file_join(r->git_dir, "index"), *lock = file_join(r->git_dir, "index.lock");

    int fd = open(lock, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd >= 0) {
        bool done = stat(path, &old) == 0 && index_change(path, restats, &text) &&
                    fchmod(fd, old.st_mode & 07777) == 0 && write_all(fd, text.data, text.size);
        done = close(fd) == 0 && done;
        if (!done || rename(lock, path) != 0) unlink(lock);
    }
    repo_gate_leave(gate);
    free(path);
    free(lock);
}
