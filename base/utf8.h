/* base/utf8.h: one character of UTF-8 at a time, strictly.
 *
 * Strict as in Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { UTF8_BYTES_MAX = 4 };

/* Bytes of the character at the start of data[0..size), 1 to 4, its code point in *code. 0 when there is no
 * valid character there (*code untouched). */
size_t utf8_decode(const char *data, size_t size, uint32_t *code);

/* True when data[0..size) is the beginning of a valid character that more bytes could complete. */
bool utf8_is_partial(const char *data, size_t size);

/* Writes 1 to 4 bytes; 0 for a surrogate or a value above U+10FFFF. No NUL is added. */
size_t utf8_encode(uint32_t code, char out[UTF8_BYTES_MAX]);

/* Offset of the first invalid byte, or text.size when all of it is valid. */
size_t utf8_valid_prefix(bytes_view text);
bool utf8_is_valid(bytes_view text); /* no overlong form, no surrogate, nothing above U+10FFFF */

#endif
