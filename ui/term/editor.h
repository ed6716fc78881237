/* ui/term/editor.h: the input of several lines in which a message is written.
 *
 * Holds sanitised UTF-8 with newlines, a cursor that always stands between glyphs, what was cut last (Ctrl-K
 * and Ctrl-Y), undo, and a history of sent messages in which the draft is kept. Knows its width in cells,
 * because Up and Down move in what is seen. No curses. One thread. */
#ifndef UI_TERM_EDITOR_H
#define UI_TERM_EDITOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "ui/term/keys.h"

enum { UI_EDITOR_BYTES_MAX = 4 * 1024 * 1024, UI_EDITOR_UNDO_MAX = 200, UI_EDITOR_HISTORY_MAX = 500 };

typedef struct ui_editor ui_editor;

ui_editor *ui_editor_new(void);    /* empty; ui_editor_free() */
void ui_editor_free(ui_editor *e); /* NULL is fine */

bytes_view ui_editor_text(const ui_editor *e);          /* borrowed until the next change */
void ui_editor_set_text(ui_editor *e, bytes_view text); /* cursor at the end; can be undone */
void ui_editor_clear(ui_editor *e);                     /* also forgets undo */
bool ui_editor_is_empty(const ui_editor *e);            /* no text, not even a blank */
/* At the cursor; sanitised here. False: the text would be longer than
 * UI_EDITOR_BYTES_MAX, and nothing has changed. */
bool ui_editor_insert(ui_editor *e, bytes_view text);

/* A key or a paste. False: not one of the editor's (then look it up among the actions), or a paste that does
 * not fit (nothing changes). "Enter" is never the editor's; "Alt-Enter" inserts a newline; "Up" in the first
 * line seen brings back history, "Down" in the last goes forward; with no history that way they are not the
 * editor's. Left Right Up Down Home End Ctrl-A Ctrl-E Ctrl-B Ctrl-F      move Ctrl-Left Ctrl-Right Alt-b
 * Alt-f Alt-Left Alt-Right         by words Ctrl-Home Ctrl-End                                          to
 * the ends of the text Backspace Delete Ctrl-D Ctrl-W Alt-Backspace Alt-d          delete a glyph, a word
 *   Ctrl-K Ctrl-U Ctrl-Y                                        cut to an end of the line, bring back
 *   Ctrl-_ (also Ctrl-Z where it is free)  Alt-_                undo, redo
 * Ctrl-D in an empty text is not the editor's. */
bool ui_editor_key(ui_editor *e, const ui_key *key);

/* ---- history ---- */
void ui_editor_remember(ui_editor *e,
                        bytes_view sent); /* the newest; repeats of the last are not kept twice */
/* The text before this one; what was being written waits at the end. False: there is none. */
bool ui_editor_history_previous(ui_editor *e);
bool ui_editor_history_next(ui_editor *e); /* The text after this one. False: there is none. */

/* ---- what is seen ---- */
/* Width for wrapping, at least 2. The cursor may stand in the cell after the last, so give
 * one less than the room. */
void ui_editor_set_cells(ui_editor *e, int cells);
size_t ui_editor_row_count(const ui_editor *e);           /* at least 1 */
bytes_view ui_editor_row(const ui_editor *e, size_t row); /* borrowed; without its newline */
/* Row and cell within what was laid out last. */
void ui_editor_cursor(const ui_editor *e, size_t *row, int *column);

#endif
