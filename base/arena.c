#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

enum { ARENA_BLOCK_BYTES = 64 * 1024, ARENA_BLOCK_BYTES_MAX = 4 * 1024 * 1024 };

struct arena_block {
    arena_block *older;
    size_t used, capacity;
    alignas(max_align_t) unsigned char data[];
};

void memory_exhausted(size_t size)
{
    fprintf(stderr, "hyprstream: out of memory (%zu bytes asked for)\n", size);
    abort();
}

void memory_keep_freed(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

void memory_return_freed(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
    malloc_trim(0);
#endif
}

void *memory_alloc(size_t size)
{
    void *block = calloc(1, size ? size : 1);
    if (!block) memory_exhausted(size);
    return block;
}

void *memory_resize(void *block, size_t size)
{
    void *moved = realloc(block, size ? size : 1);
    if (!moved) memory_exhausted(size);
    return moved;
}

void *memory_resize_array(void *block, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) memory_exhausted(SIZE_MAX);
    return memory_resize(block, count * size);
}

char *memory_text(const char *text) { return memory_text_n(text, strlen(text)); }

char *memory_text_n(const char *text, size_t size)
{
    char *copy = memory_alloc(size + 1);
    if (size) memcpy(copy, text, size);
    return copy;
}

/* Blocks double up to a limit, so a 30 MB parse makes few of them and a small one wastes little. */
static arena_block *arena_grow(arena *a, size_t size)
{
    size_t capacity = a->last ? MIN_OF(a->last->capacity * 2, (size_t)ARENA_BLOCK_BYTES_MAX)
                              : (size_t)ARENA_BLOCK_BYTES;
    if (capacity < size) capacity = size;
    if (capacity > SIZE_MAX - sizeof(arena_block)) memory_exhausted(size);
    arena_block *block = calloc(1, sizeof *block + capacity);
    if (!block) memory_exhausted(size);
    block->capacity = capacity;
    block->older = a->last;
    a->last = block;
    return block;
}

void *arena_alloc(arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - align) memory_exhausted(size);
    size = (size + align - 1) / align * align;
    arena_block *block = a->last;
    if (!block || block->capacity - block->used < size) block = arena_grow(a, size);
    void *given = block->data + block->used;
    block->used += size;
    a->bytes += size;
    return given;
}

void *arena_alloc_array(arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) memory_exhausted(SIZE_MAX);
    return arena_alloc(a, count * size);
}

char *arena_text(arena *a, const char *text) { return arena_text_n(a, text, strlen(text)); }

char *arena_text_n(arena *a, const char *text, size_t size)
{
    char *copy = arena_alloc(a, size + 1);
    if (size) memcpy(copy, text, size);
    return copy;
}

char *arena_printf(arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(a, (size_t)(size < 0 ? 0 : size) + 1);
    if (size > 0) vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void arena_free(arena *a)
{
    for (arena_block *block = a->last; block;) {
        arena_block *older = block->older;
        free(block);
        block = older;
    }
    *a = (arena){0};
}
