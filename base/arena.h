/* base/arena.h: memory for things that die together.
 *
 * Allocate freely, free once. A zeroed arena is ready to use. Small allocations never fail: out of
 * memory ends the program with one sentence (memory_exhausted). Not thread safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/macros.h"

typedef struct arena_block arena_block;
typedef struct arena {
    arena_block *last; /* newest block; older ones hang off it */
    size_t bytes;      /* handed out so far */
} arena;

/* `size` zeroed bytes, aligned for any type. Valid until arena_free. */
void *arena_alloc(arena *a, size_t size);
#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_alloc_array((a), (count), sizeof(type)))
/* As arena_alloc; a product that overflows ends the program. */
void *arena_alloc_array(arena *a, size_t count, size_t size);

/* Copies, NUL-terminated. */
char *arena_text(arena *a, const char *text);
/* A copy of `size` bytes with a NUL behind them. */
char *arena_text_n(arena *a, const char *text, size_t size);
char *arena_printf(arena *a, const char *format, ...) PRINTF_LIKE(2, 3); /* as printf, into the arena */

void arena_free(arena *a); /* the arena is empty and usable again */

/* malloc family that ends the program instead of returning NULL. For small, ordinary objects. */
void *memory_alloc(size_t size); /* zeroed */
void *memory_resize(void *block, size_t size); /* as realloc, but never NULL (size 0: one byte) */
/* To count * size bytes; a product that overflows ends the program. */
void *memory_resize_array(void *block, size_t count, size_t size);
char *memory_text(const char *text); /* a copy; free() */
/* A copy of `size` bytes with a NUL behind them; free(). */
char *memory_text_n(const char *text, size_t size);
/* Says how much was wanted and ends the program. */
void memory_exhausted(size_t size) __attribute__((noreturn));
/* From now on the process keeps up to 1 GiB of what it frees for its next large blocks. For work that takes and frees the
 * same ones again and again: clearing fresh pages was a tenth of a training step. Nothing where the C library is not glibc. */
void memory_keep_freed(void);
/* From now on the process gives back what it frees, and what it keeps by now. For work on large blocks that is done once:
 * what stays of it would lie between them and keep their room from the next. Nothing where the C library is not glibc. */
void memory_return_freed(void);

#endif
