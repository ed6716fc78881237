/* ui/cmd/show.h: text of a model or a file on a terminal: shown, never obeyed. */
#ifndef UI_CMD_SHOW_H
#define UI_CMD_SHOW_H

#include <stdio.h>

#include "base/bytes.h"

/* As it is when `out` is no terminal. On one, control characters but newline and tab are written in caret
 * notation
 * (^[), C1 controls and overrides of the writing direction as <U+202E>, broken UTF-8 as U+FFFD. */
void ui_show_text(FILE *out, bytes_view text);
/* What a terminal would be given, appended. */
void ui_show_append(bytes *out, bytes_view text);

#endif
