/* engine/stop_strings.h: strings that end an answer, found in text that streams.
 *
 * What could still become a stop string is held back; the string itself and what follows it never come out.
 * The earliest match ends the answer; of several that begin there, any. */
#ifndef ENGINE_STOP_STRINGS_H
#define ENGINE_STOP_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

typedef struct engine_stop_strings engine_stop_strings;

/* Copied; empty strings are ignored. Not NULL. */
engine_stop_strings *engine_stop_strings_new(const char *const *stops, size_t count);
void engine_stop_strings_free(engine_stop_strings *s); /* NULL is fine */

/* Append what is certain to `out`. True: a stop string was met, all text is out. */
bool engine_stop_strings_push(engine_stop_strings *s, bytes_view piece, bytes *out);
void engine_stop_strings_finish(engine_stop_strings *s, bytes *out); /* what was held back */

#endif
