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
    size_t index; /* as its kind counts */
} files_item;

struct engine_files {
    const engine_files_kind *kind; /* NULL: a folder */
    void *context;
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
    f->items[f->count++] = (files_item){memory_text(name), size, 0};
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

/* "..", an absolute name, an empty part: nothing of ours is called so. */
static bool name_leads_away(const char *name)
{
    if (!*name || *name == '/') return true;
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        size_t size = strcspn(at, "/");
        if (size == 0 || (size == 1 && at[0] == '.') || (size == 2 && at[0] == '.' && at[1] == '.'))
            return true;
    }
    return false;
}

err engine_files_open_kind(const engine_files_kind *kind, void *context_taken, const char *title,
                           const char *place, const char *const *names, const uint64_t *sizes, size_t count,
                           engine_files **out)
{
    engine_files *f = memory_alloc(sizeof *f);
    err e = ERR_OK;

    *f = (engine_files){.kind = kind, .context = context_taken};
    f->place = memory_text(place);
    f->title = memory_text(title);
    for (size_t i = 0; !e.code && i < count; i++) {
        if (name_leads_away(names[i])) continue;
        e = item_add(f, names[i], sizes[i]);
        if (!e.code) f->items[f->count - 1].index = i;
    }
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
    if (f->kind) f->kind->free(f->context);
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

static const files_item *item_find(const engine_files *f, const char *name)
{
    files_item wanted = {.name = (char *)(uintptr_t)name};
    return f->count ? bsearch(&wanted, f->items, f->count, sizeof *f->items, item_compare) : NULL;
}

bool engine_files_has(const engine_files *f, const char *name) { return item_find(f, name) != NULL; }

/* ---- reading ---- */

static err item_need(const engine_files *f, const char *name, const files_item **item)
{
    *item = item_find(f, name);
    return *item ? ERR_OK : err_make(ERR_NOT_FOUND, "%s holds no %s", f->place, name);
}

err engine_files_read(engine_files *f, const char *name, size_t bytes_max, bytes *out)
{
    const files_item *item = NULL;
    err e = item_need(f, name, &item);
    if (e.code) return e;
    if (f->kind) return f->kind->read(f->context, item->index, bytes_max, out);
    char *path = file_join(f->place, name);
    e = file_read(path, bytes_max, out);
    free(path);
    return e;
}

err engine_files_read_optional(engine_files *f, const char *name, size_t bytes_max, bytes *out)
{
    return engine_files_has(f, name) ? engine_files_read(f, name, bytes_max, out) : ERR_OK;
}

static err folder_content_id(const char *path, bytes *out)
{
    struct stat info;
    if (stat(path, &info) != 0) return err_errno("look at %s", path);
    bytes_printf(out, "file:%llx:%llx:%llu:%lld.%09ld", (unsigned long long)info.st_dev,
                 (unsigned long long)info.st_ino, (unsigned long long)info.st_size,
                 (long long)info.st_ctim.tv_sec, (long)info.st_ctim.tv_nsec);
    return ERR_OK;
}

err engine_files_content_id(engine_files *f, const char *name, bytes *out)
{
    const files_item *item = NULL;
    err e = item_need(f, name, &item);
    if (e.code) return e;
    if (f->kind) return f->kind->content_id(f->context, item->index, out);
    char *path = file_join(f->place, name);
    e = folder_content_id(path, out);
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

err engine_mapping_of_file(const char *path, const char *place, engine_mapping **out)
{
    file_mapping file = {0};
    err e = file_map(path, &file);
    if (e.code) return e;
    *out = mapping_new(place);
    (*out)->file = file;
    return ERR_OK;
}

err engine_files_map(engine_files *f, const char *name, engine_mapping **out)
{
    const files_item *item = NULL;
    err e = item_need(f, name, &item);
    if (e.code) return e;
    if (f->kind) return f->kind->map(f->context, item->index, out);
    char *path = file_join(f->place, name);
    e = engine_mapping_of_file(path, path, out);
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

void engine_mapping_let_go(const engine_mapping *m, bytes_view part)
{
    if (!m->memory) file_mapping_let_go(&m->file, part.data, part.size);
}

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
