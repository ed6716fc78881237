/* engine/files.c: a folder listed once, read by name.
 *
 * A name is looked up in the list, so no name can lead out of the folder. Sub-folders that begin with a dot
 * (.git, .cache) hold nothing of a model and are left out. */
#define _GNU_SOURCE
#include "engine/files.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"

#define POINTER_BEGIN "version https://git-lfs.github.com/spec/"

typedef struct files_item {
    char *name;
    uint64_t size;
} files_item;

struct engine_files {
    char *place, *title;
    files_item *items; /* sorted by name */
    size_t count, capacity;
};

struct engine_mapping {
    atomic_size_t holders;
    file_mapping file; /* zeroed: the bytes are `memory` */
    void *memory;
    size_t memory_size;
    char *place;
};

/* ---- the list ---- */

static err item_add(engine_files *f, const char *name, uint64_t size)
{
    if (f->count == ENGINE_FILES_COUNT_MAX)
        return err_make(ERR_LIMIT, "%s holds more than %d files", f->place, ENGINE_FILES_COUNT_MAX);
    if (f->count == f->capacity) {
        f->capacity = f->capacity ? 2 * f->capacity : 32;
        f->items = memory_resize_array(f->items, f->capacity, sizeof *f->items);
    }
    f->items[f->count++] = (files_item){memory_text(name), size};
    return ERR_OK;
}

/* The files of `folder`, each named with `prefix` before it ("" or "sub"). A name that cannot be looked at (a
 * dangling link) is left out, as are sockets and the like. */
static err folder_add(engine_files *f, const char *folder, const char *prefix, unsigned depth)
{
    CLEANUP(file_list_free) file_list list = {0};
    err e = file_list_folder(folder, &list);
    for (size_t i = 0; !e.code && i < list.count; i++) {
        char *path = file_join(folder, list.names[i]);
        char *name = *prefix ? file_join(prefix, list.names[i]) : memory_text(list.names[i]);
        struct stat info;
        if (stat(path, &info) != 0) info.st_mode = 0;
        if (S_ISREG(info.st_mode))
            e = item_add(f, name, (uint64_t)info.st_size);
        else if (S_ISDIR(info.st_mode) && depth < ENGINE_FILES_DEPTH_MAX && list.names[i][0] != '.')
            e = folder_add(f, path, name, depth + 1);
        free(path);
        free(name);
    }
    return e;
}

static int item_compare(const void *a, const void *b)
{
    return strcmp(((const files_item *)a)->name, ((const files_item *)b)->name);
}

err engine_files_open_folder(const char *path, engine_files **out)
{
    if (!file_exists(path)) return err_make(ERR_NOT_FOUND, "%s does not exist", path);
    if (!file_is_folder(path)) return err_make(ERR_FORMAT, "%s is a file, expected a folder", path);
    char *real = realpath(path, NULL);
    if (!real) return err_errno("look at %s", path);
    engine_files *f = memory_alloc(sizeof *f);
    f->place = memory_text(path);
    f->title = memory_text(file_name(real));
    free(real);
    err e = folder_add(f, path, "", 1);
    if (e.code) {
        engine_files_free(f);
        return e;
    }
    if (f->count) qsort(f->items, f->count, sizeof *f->items, item_compare);
    *out = f;
    return ERR_OK;
}

void engine_files_free(engine_files *f)
{
    if (!f) return;
    for (size_t i = 0; i < f->count; i++) free(f->items[i].name);
    free(f->items);
    free(f->place);
    free(f->title);
    free(f);
}

const char *engine_files_borrow_title(const engine_files *f) { return f->title; }

const char *engine_files_borrow_place(const engine_files *f) { return f->place; }

size_t engine_files_count(const engine_files *f) { return f->count; }

const char *engine_files_borrow_name(const engine_files *f, size_t i) { return f->items[i].name; }

uint64_t engine_files_size(const engine_files *f, size_t i) { return f->items[i].size; }

bool engine_files_has(const engine_files *f, const char *name)
{
    files_item wanted = {(char *)(uintptr_t)name, 0};
    return f->count && bsearch(&wanted, f->items, f->count, sizeof *f->items, item_compare);
}

/* ---- reading ---- */

/* The path of a listed file; the caller frees it. */
static err path_find(const engine_files *f, const char *name, char **path)
{
    if (!engine_files_has(f, name)) return err_make(ERR_NOT_FOUND, "%s holds no %s", f->place, name);
    *path = file_join(f->place, name);
    return ERR_OK;
}

err engine_files_read(engine_files *f, const char *name, size_t bytes_max, bytes *out)
{
    char *path = NULL;
    err e = path_find(f, name, &path);
    if (!e.code) e = file_read(path, bytes_max, out);
    free(path);
    return e;
}

err engine_files_read_optional(engine_files *f, const char *name, size_t bytes_max, bytes *out)
{
    return engine_files_has(f, name) ? engine_files_read(f, name, bytes_max, out) : ERR_OK;
}

err engine_files_content_id(engine_files *f, const char *name, bytes *out)
{
    char *path = NULL;
    err e = path_find(f, name, &path);
    if (e.code) return e;
    struct stat info;
    if (stat(path, &info) != 0)
        e = err_errno("look at %s", path);
    else
        bytes_printf(out, "file:%llx:%llx:%llu:%lld.%09ld", (unsigned long long)info.st_dev,
                     (unsigned long long)info.st_ino, (unsigned long long)info.st_size,
                     (long long)info.st_ctim.tv_sec, (long)info.st_ctim.tv_nsec);
    free(path);
    return e;
}

bool engine_files_is_pointer(bytes_view content)
{
    size_t begin = sizeof POINTER_BEGIN - 1;
    return content.size >= begin && memcmp(content.data, POINTER_BEGIN, begin) == 0;
}

/* ---- mappings ---- */

static engine_mapping *mapping_new(const char *place)
{
    engine_mapping *m = memory_alloc(sizeof *m);
    atomic_init(&m->holders, 1);
    m->place = memory_text(place);
    return m;
}

err engine_files_map(engine_files *f, const char *name, engine_mapping **out)
{
    char *path = NULL;
    file_mapping file = {0};
    err e = path_find(f, name, &path);
    if (!e.code) e = file_map(path, &file);
    if (!e.code) {
        *out = mapping_new(path);
        (*out)->file = file;
    }
    free(path);
    return e;
}

engine_mapping *engine_mapping_of_memory(void *data_taken, size_t size, const char *place)
{
    engine_mapping *m = mapping_new(place);
    m->memory = data_taken;
    m->memory_size = size;
    return m;
}

bytes_view engine_mapping_view(const engine_mapping *m)
{
    if (m->memory) return (bytes_view){m->memory, m->memory_size};
    return (bytes_view){m->file.data ? m->file.data : "", m->file.size};
}

const char *engine_mapping_borrow_place(const engine_mapping *m) { return m->place; }

/* The count of holders is the one thing of a mapping that changes. */
engine_mapping *engine_mapping_share(const engine_mapping *m)
{
    engine_mapping *shared = (engine_mapping *)(uintptr_t)m;
    atomic_fetch_add_explicit(&shared->holders, 1, memory_order_relaxed);
    return shared;
}

void engine_mapping_free(engine_mapping *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->holders, 1, memory_order_acq_rel) != 1) return;
    file_unmap(&m->file);
    free(m->memory);
    free(m->place);
    free(m);
}
