#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

bytes_view bytes_view_of(const char *text)
{
    return (bytes_view){text ? text : "", text ? strlen(text) : 0};
}

bytes_view bytes_borrow(const bytes *b) { return (bytes_view){bytes_text(b), b->size}; }

bool bytes_view_equal(bytes_view a, bytes_view b)
{
    return a.size == b.size && (!a.size || memcmp(a.data, b.data, a.size) == 0);
}

bool bytes_view_is(bytes_view a, const char *text) { return bytes_view_equal(a, bytes_view_of(text)); }

void bytes_reserve(bytes *b, size_t more)
{
    if (more >= SIZE_MAX - b->size) memory_exhausted(more);
    size_t needed = b->size + more + 1;
    if (needed <= b->capacity) return;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < needed) capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    b->data = memory_resize(b->data, capacity);
    b->capacity = capacity;
    b->data[b->size] = 0;
}

void bytes_append(bytes *b, const void *data, size_t size)
{
    bytes_reserve(b, size);
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = 0;
}

void bytes_append_text(bytes *b, const char *text) { bytes_append(b, text, strlen(text)); }

void bytes_append_view(bytes *b, bytes_view view) { bytes_append(b, view.data, view.size); }

void bytes_append_byte(bytes *b, char byte) { bytes_append(b, &byte, 1); }

void bytes_printf(bytes *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size > 0) {
        bytes_reserve(b, (size_t)size);
        vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
        b->size += (size_t)size;
    }
    va_end(again);
}

void bytes_remove(bytes *b, size_t begin, size_t size)
{
    if (begin >= b->size) return;
    size = MIN_OF(size, b->size - begin);
    memmove(b->data + begin, b->data + begin + size, b->size - begin - size + 1);
    b->size -= size;
}

void bytes_clear(bytes *b)
{
    b->size = 0;
    if (b->data) b->data[0] = 0;
}

const char *bytes_text(const bytes *b) { return b->data ? b->data : ""; }

char *bytes_take(bytes *b)
{
    bytes_reserve(b, 0);
    char *data = b->data;
    *b = (bytes){0};
    return data;
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}
