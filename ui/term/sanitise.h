/* ui/term/sanitise.h: text from outside becomes text that is safe on a screen.
 *
 * A model's answer, a file, a path may hold anything: escape sequences that retitle the terminal, overrides
 * that turn words around, broken UTF-8. All of it becomes visible instead of acting:
 *
 *     control bytes but tab and newline   U+241B and its neighbours (a picture of the control), "^[" in ASCII
 *     CR LF, U+2028, U+2029               newline
 *     C1 controls, bidi controls, tags,
 *     byte order marks, other invisibles  "<U+202E>"
 *     broken UTF-8, noncharacters         U+FFFD, "?" in ASCII
 *
 * With `ascii`, everything else beyond ASCII becomes its plain letters where it has some ("e" for e with an
 * accent) and "?" where not. No curses here. Pure: any thread. */
#ifndef UI_TERM_SANITISE_H
#define UI_TERM_SANITISE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* The whole of a text, appended to *out. The result is valid UTF-8 without controls but '\t' and '\n'. */
void ui_sanitise(bytes_view text, bool ascii, bytes *out);

/* The same for text that comes in parts: what the part ends in the middle of (a character of UTF-8, a CR) is
 * left. Returns how many bytes were used, at least text.size - 3; begin the next part with the rest. */
size_t ui_sanitise_part(bytes_view text, bool ascii, bytes *out);

/* The same, but on one line: a tab becomes a blank and a newline a blank. For titles, names, messages. */
void ui_sanitise_line(bytes_view text, bool ascii, bytes *out);

#endif
