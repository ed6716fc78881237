/* ui/view/paint.h: what every pane draws with.
 *
 * A pane is one row of the table in ui/view/panes.h: a function that draws the state into a rectangle. It
 * changes nothing but what only drawing can know (how far a text can be scrolled). Words that come from
 * outside (names, titles, errors) go through ui_paint_words, which makes them safe; a model's answer goes
 * through ui/term/markdown.h, which does too. Threads: the UI thread. */
#ifndef UI_VIEW_PAINT_H
#define UI_VIEW_PAINT_H

#include "ui/app/app.h"
#include "ui/term/screen.h"

typedef struct ui_chat_layout ui_chat_layout;

typedef struct ui_paint {
    ui_screen *screen;
    ui_app *app;
    ui_chat_layout *chat; /* kept lines of the conversation */
    bool ascii;
} ui_paint;

/* One line, made safe; returns the column after it. */
int ui_paint_words(ui_paint *p, ui_rect r, int row, int column, ui_style style, const char *text);
/* Cut at the edge; gives the column behind it. */
int ui_paint_view(ui_paint *p, ui_rect r, int row, int column, ui_style style, bytes_view text);
/* As printf; gives the column behind it. */
int ui_paint_format(ui_paint *p, ui_rect r, int row, int column, ui_style style, const char *format, ...)
    PRINTF_LIKE(6, 7);
/* So that it ends at `end` (a column of r); nothing when there is no room. */
void ui_paint_right(ui_paint *p, ui_rect r, int row, int end, ui_style style, const char *text);
/* Words broken into lines, from `row` on; returns the row after the last. */
int ui_paint_wrapped(ui_paint *p, ui_rect r, int row, ui_style style, const char *text);
/* The editor's rows and, when focused, its cursor. */
void ui_paint_editor(ui_paint *p, ui_rect r, ui_editor *editor, bool focused);
/* First row to show so that `chosen` is seen among `rows`. */
size_t ui_first_row(size_t chosen, size_t count, int rows);
/* A row of a list: its ground, and the style for the words on it. */
ui_style ui_paint_choice(ui_paint *p, ui_rect r, int row, bool chosen, bool focused);
/* A box in the middle of r that is as large as asked, or as r; cleared. Returns the room inside. */
ui_rect ui_paint_dialog(ui_paint *p, ui_rect r, int rows, int columns, const char *title);

/* Signs in Unicode or ASCII. */
const char *ui_sign(const ui_paint *p, const char *unicode, const char *ascii);

#endif
