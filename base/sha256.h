/* base/sha256.h: SHA-256 of bytes and of files, by OpenSSL. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { SHA256_HEX_SIZE = 65 }; /* with the NUL */

typedef struct sha256 sha256;
sha256 *sha256_new(void);                                    /* sha256_end() or sha256_free() gives it back */
void sha256_add(sha256 *s, const void *data, size_t size);   /* more of the text */
void sha256_end(sha256 *s_taken, char hex[SHA256_HEX_SIZE]); /* lower case; frees s */
void sha256_free(sha256 *s);                                 /* NULL is fine */

bool sha256_is_hex(const char *text); /* 64 digits, lower case: the only form a file is ever named by */
void sha256_of(bytes_view data, char hex[SHA256_HEX_SIZE]); /* all of it at once, as 64 hex digits and NUL */
/* The rest of an open file, in blocks; *size (may be NULL) is how much that was. `go_on` (may be NULL) is
 * asked between blocks of 1 MiB; false is ERR_CANCELLED. */
err sha256_of_file(int fd, char hex[SHA256_HEX_SIZE], uint64_t *size,
                   bool (*go_on)(void *context, uint64_t done), void *context);

#endif
