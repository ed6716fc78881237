/* ui/term/screen.h: the terminal, taken and given back.
 *
 * Opened once for a process, it draws with ncurses into the alternate screen. Whatever happens (return from
 * main, exit, SIGTERM, SIGHUP, SIGINT from outside, a crash), the terminal is given back as it was: modes,
 * cursor, main screen, bracketed paste off. The mouse is left to the terminal, so that text can be selected
 * as always.
 *
 * Threads: the UI thread only. A frame is a function of the application's state: begin, draw into rectangles,
 * end. Only what differs from the last frame is sent, at once, between the marks of a synchronised update.
 * All drawing is clipped to its rectangle and to the screen; a wide character that would cross an edge is a
 * blank there. Texts must be sanitised ones. */
#ifndef UI_TERM_SCREEN_H
#define UI_TERM_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "ui/term/keys.h"
#include "ui/term/style.h"

typedef struct ui_screen ui_screen;

typedef struct ui_screen_options {
    const char *color; /* setting ui.color: "auto" (also NULL), "never", "8", "16", "256", "true" */
    bool ascii;        /* only ASCII, whatever the locale */
    const env *env;    /* TERM, NO_COLOR, COLORTERM, TMUX; NULL: the process's */
} ui_screen_options;

/* Take the terminal of standard input and output. ERR_UNSUPPORTED: not a terminal, or TERM is unknown. */
err ui_screen_open(const ui_screen_options *how, ui_screen **out);
/* Give it back. NULL is fine. */
void ui_screen_close(ui_screen *s);

/* ---- waiting and keys ---- */
/* Both for poll(POLLIN): what is typed, and signals (resize, continue). On either, call ui_screen_take_key
 * until it is false. */
int ui_screen_input_fd(const ui_screen *s);
int ui_screen_signal_fd(const ui_screen *s); /* readable after a change of size or a signal; borrowed */
/* Milliseconds that poll may wait before ui_screen_take_key must be called again; -1: as long as it likes. */
int ui_screen_wait_ms(const ui_screen *s);
/* Never blocks. After UI_KEY_RESIZE the new size is already in force. */
bool ui_screen_take_key(ui_screen *s, ui_key *out);

/* Hand the terminal back, stop the process (Ctrl-Z), take it again when the shell continues it. The next
 * frame is drawn whole. */
void ui_screen_suspend(ui_screen *s);
/* For a program that is started in between (an editor, git): give back, take again. */
void ui_screen_leave(ui_screen *s);
void ui_screen_enter(ui_screen *s); /* back from ui_screen_leave: all is drawn anew */

int ui_screen_rows(const ui_screen *s);      /* of the terminal, now */
int ui_screen_columns(const ui_screen *s);   /* of the terminal, now */
bool ui_screen_is_ascii(const ui_screen *s); /* lines and marks are drawn in ASCII */

/* Ask the terminal to place text on the clipboard (OSC 52). ERR_LIMIT: too long. The
 * terminal never answers. */
err ui_screen_copy(ui_screen *s, bytes_view text);
/* Title of the window; sanitised here. The one before comes back when the screen is closed. */
void ui_screen_set_title(ui_screen *s, const char *title);

/* ---- frames ---- */
typedef struct ui_rect {
    int row, column, rows, columns; /* on the screen; an empty one draws nothing */
} ui_rect;

ui_rect ui_screen_rect(const ui_screen *s);    /* all of it */
ui_rect ui_rect_inside(ui_rect r, int border); /* without so many cells at each side */
/* Cut off at the top or left (count > 0) or at the bottom or right (count < 0): returns that
 * part, *r keeps the rest. */
ui_rect ui_rect_take_rows(ui_rect *r, int count);
ui_rect ui_rect_take_columns(ui_rect *r, int count); /* off its left side; below 0: off its right */

void ui_frame_begin(ui_screen *s);  /* empty, no cursor */
void ui_frame_redraw(ui_screen *s); /* the frame that follows is sent whole (Ctrl-L) */
void ui_frame_end(ui_screen *s);    /* send it */

/* Row and column are counted inside r. Returns the column after the text (at most r.columns). One line:
 * drawing ends at a newline. column may be negative: what lies left of the rectangle is cut. */
int ui_draw_text(ui_screen *s, ui_rect r, int row, int column, ui_style style, bytes_view text);
/* As ui_draw_text, up to the NUL. */
int ui_draw_words(ui_screen *s, ui_rect r, int row, int column, ui_style style, const char *text);
/* As printf; cut at the rectangle's edge. */
int ui_draw_format(ui_screen *s, ui_rect r, int row, int column, ui_style style, const char *format, ...)
    PRINTF_LIKE(6, 7);
/* One row of the rectangle, all its cells in this style (a selected row: fill, then text in the same
 * style). */
void ui_draw_row(ui_screen *s, ui_rect r, int row, ui_style style);
void ui_draw_fill(ui_screen *s, ui_rect r, ui_style style); /* blanks */
/* A frame with a title in its upper edge (NULL: none); returns the room inside. */
ui_rect ui_draw_box(ui_screen *s, ui_rect r, const char *title, bool focused);
void ui_draw_line_across(ui_screen *s, ui_rect r, int row, ui_style style); /* from edge to edge of r */
/* part 0 to 1 of `columns` cells; NaN draws an empty one. */
void ui_draw_gauge(ui_screen *s, ui_rect r, int row, int column, int columns, double part);
/* In the right edge column of r: lines [first, first + r.rows) of `count` are seen. Nothing when all are. */
void ui_draw_scrollbar(ui_screen *s, ui_rect r, size_t first, size_t count);
/* Show the cursor there when the frame ends. */
void ui_draw_cursor(ui_screen *s, ui_rect r, int row, int column);

#endif
