/* ui/cmd/input.h: TEXT as every command reads it: the word itself, standard input when it is absent or "-",
 * a file as "@FILE". */
#ifndef UI_CMD_INPUT_H
#define UI_CMD_INPUT_H

#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"

enum { UI_INPUT_BYTES_MAX = 64 << 20 };

/* Appends to *out, which is the caller's. Errors: ERR_IO, ERR_LIMIT past UI_INPUT_BYTES_MAX. */
err ui_input_read(const char *word, FILE *standard_input, bytes *out);
/* A whole file. */
err ui_input_read_file(const char *path, bytes *out);

#endif
