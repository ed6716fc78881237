/* ui/term/cells.h: how much room text takes on a screen.
 *
 * A glyph is what a person sees as one character (a grapheme cluster of Unicode, by utf8proc) and takes 0, 1
 * or 2 cells; it is never split. Terminals disagree about the width of joined pictures, so a glyph is shown
 * in the form all agree on: a joined sequence by its first picture, a flag by its two letters, no variation
 * selectors. Cells are counted for that form; what is cut, edited and copied stays the whole glyph.
 *
 * Texts are sanitised ones (ui/term/sanitise.h): a stray control or broken byte counts as one cell and is
 * shown as U+FFFD. A tab reaches to the next multiple of UI_TAB_CELLS. Pure: any thread. */
#ifndef UI_TERM_CELLS_H
#define UI_TERM_CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { UI_TAB_CELLS = 4, UI_GLYPH_CODES_MAX = 4 };

typedef struct ui_glyph {
    size_t size;                        /* bytes of the text; 0: the text is at its end */
    int cells;                          /* 0 to 2; a tab: 1 to UI_TAB_CELLS */
    uint32_t shown[UI_GLYPH_CODES_MAX]; /* code points to draw, ended by 0 or by the array's end */
} ui_glyph;

/* The first glyph of the text when it stands in this column (only a tab cares). A newline is a glyph of
 * 0 cells. */
ui_glyph ui_glyph_first(bytes_view text, int column);
/* Offsets of the neighbouring glyph boundaries: > at (or text.size), < at (or 0). */
size_t ui_glyph_after(bytes_view text, size_t at);
/* Where the glyph begins that ends at `at`, or holds it; 0 at the beginning. */
size_t ui_glyph_before(bytes_view text, size_t at);

/* Cells of one line of text that begins in column 0. */
int ui_cells(bytes_view text);
/* The longest beginning of at most `cells` cells, whole glyphs only. A view into text. */
bytes_view ui_cells_cut(bytes_view text, int cells);
/* Appended so that exactly `cells` cells are taken: cut with an ellipsis ("..." or
 * U+2026), or padded with blanks. */
void ui_cells_fit(bytes_view text, int cells, bool ascii, bytes *out);

/* Word wrap: the line of at most `cells` (>= 1) cells that begins at offset `at`, in *line (a view into text,
 * without the blanks or the newline it was broken at). A word longer than a line is broken between glyphs; a
 * glyph wider than the line stands alone. Returns the offset where the next line begins; text.size: this was
 * the last, unless the text ends with a newline and the editor's empty last line is wanted. */
size_t ui_cells_wrap(bytes_view text, size_t at, int cells, bytes_view *line);
/* Lines that ui_cells_wrap makes of the whole text; 0 for an empty one. */
size_t ui_cells_wrap_count(bytes_view text, int cells);

#endif
