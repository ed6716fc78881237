#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

err err_make(err_code code, const char *format, ...)
{
    err e = {.code = code};
    va_list args;
    va_start(args, format);
    vsnprintf(e.text, sizeof e.text, format, args);
    va_end(args);
    return e;
}

/* Appends ": words", cut at the end of the sentence's room. */
static void text_join(err *e, size_t used, const char *words)
{
    const char *const parts[] = {": ", words};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t size = MIN_OF(strlen(parts[i]), sizeof e->text - 1 - used);
        memcpy(e->text + used, parts[i], size);
        used += size;
    }
    e->text[used] = 0;
}

err err_note(err inner, const char *format, ...)
{
    if (!inner.code) return inner;
    err e = {.code = inner.code};
    va_list args;
    va_start(args, format);
    int written = vsnprintf(e.text, sizeof e.text, format, args);
    va_end(args);
    size_t used = written < 0 ? 0 : MIN_OF((size_t)written, sizeof e.text - 1);
    text_join(&e, used, inner.text);
    return e;
}

err err_errno(const char *format, ...)
{
    int reason = errno;
    err e = {.code = reason == ENOENT ? ERR_NOT_FOUND : ERR_IO};
    va_list args;
    va_start(args, format);
    int written = vsnprintf(e.text, sizeof e.text, format, args);
    va_end(args);
    size_t used = written < 0 ? 0 : MIN_OF((size_t)written, sizeof e.text - 1);
    text_join(&e, used, strerror(reason));
    return e;
}

int err_exit_status(err e)
{
    switch (e.code) {
    case ERR_NONE: return 0;
    case ERR_USAGE: return 2;
    case ERR_CANCELLED: return 130;
    default: return 1;
    }
}
