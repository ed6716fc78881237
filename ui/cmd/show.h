/* ui/cmd/show.h: text of a model or a file on a terminal: shown, never obeyed. */
#ifndef UI_CMD_SHOW_H
#define UI_CMD_SHOW_H

#include <stdio.h>

#include "base/bytes.h"

/* On a terminal made safe (ui/term/sanitise.h), else byte for byte. */
void ui_show_text(FILE *out, bytes_view text);

#endif
