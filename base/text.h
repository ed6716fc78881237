/* base/text.h: small work on text that every face needs. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* "1.2 GB", "640 kB", "12 B": powers of 1000, at most three digits. */
void text_human_size(uint64_t bytes_count, char *out, size_t out_size);
/* "260 k", "1.7 M", "8.0 B": likewise, of things that are counted. */
void text_human_count(uint64_t count, char *out, size_t out_size);
/* "0.8 s", "12 s", "3 min 05 s". */
void text_human_seconds(double seconds, char *out, size_t out_size);
/* Appended with every broken byte as U+FFFD and NUL as U+FFFD: what JSON or a screen may be given. */
void text_append_valid_utf8(bytes *out, bytes_view text);
/* Nearest of the names (edit distance at most 2) for "did you mean"; NULL: none. */
const char *text_nearest(const char *word, const char *const *names, size_t count);
bool text_starts_with(const char *text, const char *start); /* byte for byte; every text starts with "" */

#endif
