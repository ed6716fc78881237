/* ui/term/line.h: lines of text in several styles, ready to draw. */
#ifndef UI_TERM_LINE_H
#define UI_TERM_LINE_H

#include <stddef.h>

#include "base/bytes.h"
#include "ui/term/screen.h"
#include "ui/term/style.h"

typedef struct ui_span {
    bytes_view text; /* sanitised, no newline, no tab */
    ui_style style;
} ui_span;

typedef struct ui_line {
    const ui_span *spans;
    size_t span_count;
    int cells;
} ui_line;

typedef struct ui_lines {
    const ui_line *items;
    size_t count;
} ui_lines;

/* Draws from this column on; returns the column after it. */
int ui_draw_styled(ui_screen *s, ui_rect r, int row, int column, const ui_line *line);

#endif
