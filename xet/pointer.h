/* xet/pointer.h: the text that stands in git for a large file.
 *
 * Version 1 of the Git LFS pointer: three lines, under 1024 bytes. Reading accepts what git-lfs accepts
 * (surrounding white space, CRLF, the two historic versions) and says whether the text is the one canonical
 * form; writing makes only that. Unknown keys, other orders, other hashes: no pointer, ordinary content.
 * An empty file has no pointer. */
#ifndef XET_POINTER_H
#define XET_POINTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/sha256.h"

enum { XET_POINTER_BYTES_MAX = 1023, XET_POINTER_EXTENSIONS_MAX = 10 };

typedef struct xet_pointer {
    char oid[SHA256_HEX_SIZE]; /* of the content */
    uint64_t size;             /* of the content; at most 2^63 - 1 */
    bool canonical;
    bool has_extensions; /* cannot be turned into content without the extension's program */
} xet_pointer;

/* False: `text` is content, not a pointer. */
bool xet_pointer_parse(bytes_view text, xet_pointer *out);
void xet_pointer_write(const xet_pointer *pointer, bytes *out); /* appends the canonical text */

#endif
