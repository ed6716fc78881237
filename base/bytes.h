/* base/bytes.h: a growing buffer and a borrowed view.
 *
 * bytes owns its memory and always keeps one NUL past the end, so text built in it can be printed.
 * A zeroed bytes is empty and usable. bytes_view borrows: it says nothing about how long. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

typedef struct bytes {
    char *data;
    size_t size, capacity;
} bytes;

typedef struct bytes_view {
    const char *data;
    size_t size;
} bytes_view;

#define VIEW(literal) ((bytes_view){(literal), sizeof(literal) - 1})

bytes_view bytes_view_of(const char *text); /* up to the NUL; NULL gives an empty view */
bytes_view bytes_borrow(const bytes *b);    /* valid until the next change of b */
bool bytes_view_equal(bytes_view a, bytes_view b); /* same size, same bytes */
bool bytes_view_is(bytes_view a, const char *text); /* equal to the text up to its NUL */

void bytes_reserve(bytes *b, size_t more); /* room for `more` further bytes and the NUL */
void bytes_append(bytes *b, const void *data, size_t size); /* `data` may not lie in b */
void bytes_append_text(bytes *b, const char *text); /* up to its NUL */
void bytes_append_view(bytes *b, bytes_view view); /* as bytes_append */
void bytes_append_byte(bytes *b, char byte); /* one byte; the NUL behind the end stays */
void bytes_printf(bytes *b, const char *format, ...) PRINTF_LIKE(2, 3); /* as printf, appended */
/* What would lie beyond the end is not there to be removed. */
void bytes_remove(bytes *b, size_t begin, size_t size);
void bytes_clear(bytes *b); /* size 0, memory kept */
const char *bytes_text(const bytes *b); /* never NULL; valid until the next change */
char *bytes_take(bytes *b);             /* the NUL-terminated memory is the caller's: free() */
void bytes_free(bytes *b); /* empty again; a zeroed one is fine */

#endif
