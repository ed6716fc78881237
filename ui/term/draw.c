#define _GNU_SOURCE
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "ui/term/cells.h"
#include "ui/term/line.h"
#include "ui/term/sanitise.h"
#include "ui/term/screen_internal.h"

/* ---- rectangles ---- */

ui_rect ui_screen_rect(const ui_screen *s) { return (ui_rect){0, 0, s->rows, s->columns}; }

ui_rect ui_rect_inside(ui_rect r, int border)
{
    return (ui_rect){r.row + border, r.column + border, MAX_OF(r.rows - 2 * border, 0),
                     MAX_OF(r.columns - 2 * border, 0)};
}

ui_rect ui_rect_take_rows(ui_rect *r, int count)
{
    ui_rect part = *r;
    part.rows = MIN_OF(count < 0 ? -count : count, r->rows);
    r->rows -= part.rows;
    if (count < 0)
        part.row += r->rows;
    else
        r->row += part.rows;
    return part;
}

ui_rect ui_rect_take_columns(ui_rect *r, int count)
{
    ui_rect part = *r;
    part.columns = MIN_OF(count < 0 ? -count : count, r->columns);
    r->columns -= part.columns;
    if (count < 0)
        part.column += r->columns;
    else
        r->column += part.columns;
    return part;
}

/* ---- frames ---- */

void ui_frame_begin(ui_screen *s)
{
    erase();
    s->cursor_row = -1;
}

void ui_frame_redraw(ui_screen *s)
{
    (void)s;
    clearok(curscr, TRUE);
}

/* The marks of a synchronised update go around frames that send something; newscr knows after
 * wnoutrefresh. */
void ui_frame_end(ui_screen *s)
{
    static const char begin[] = "\x1b[?2026h", end[] = "\x1b[?2026l";
    bool is_shown = s->cursor_row >= 0;
    curs_set(is_shown);
    if (is_shown) move(s->cursor_row, s->cursor_column);
    wnoutrefresh(stdscr);
    bool is_changed = s->is_emulator && is_wintouched(newscr);
    ssize_t written = is_changed ? write(s->out, begin, sizeof begin - 1) : 0;
    doupdate();
    if (written > 0) written = write(s->out, end, sizeof end - 1);
    (void)written;
}

/* ---- cells ---- */

/* Room of r that is on the screen, in columns of r: [*first, *end). False: this row is not. */
static bool columns_seen(const ui_screen *s, ui_rect r, int row, int *first, int *end)
{
    if (row < 0 || row >= r.rows || r.row + row < 0 || r.row + row >= s->rows) return false;
    *first = MAX_OF(0, -r.column);
    *end = MIN_OF(r.columns, s->columns - r.column);
    return *first < *end;
}

/* What ncurses takes for another width than ours would shift the rest of its row: shown as unknown. */
static bool shown_as_wide(const ui_glyph *g, wchar_t *out)
{
    size_t count = 0;
    for (size_t i = 0; i < UI_GLYPH_CODES_MAX && g->shown[i]; i++) {
        wchar_t code = (wchar_t)g->shown[i];
        int cells = wcwidth(code);
        if (i == 0 && cells != g->cells) return false;
        if (i && cells != 0) continue;
        out[count++] = code;
    }
    out[count] = 0;
    return true;
}

static void put_wide(const ui_screen *s, int y, int x, ui_style style, const wchar_t *text)
{
    cchar_t cell;
    setcchar(&cell, text, s->looks[style].attributes, s->looks[style].pair, NULL);
    mvadd_wchnstr(y, x, &cell, 1);
}

static void put_code(const ui_screen *s, int y, int x, ui_style style, uint32_t code)
{
    const wchar_t text[2] = {(wchar_t)(s->ascii && code > 0x7E ? '?' : code), 0};
    put_wide(s, y, x, style, text);
}

/* A glyph that fits whole. Letters of a flag and blanks of a tab are several cells of one code each. */
static void put_glyph(const ui_screen *s, int y, int x, ui_style style, const ui_glyph *g)
{
    wchar_t text[UI_GLYPH_CODES_MAX + 1];
    bool is_spread = g->cells > 1 && g->shown[0] < 0x7F;
    if (!is_spread && !(s->ascii && g->shown[0] > 0x7E) && shown_as_wide(g, text)) {
        put_wide(s, y, x, style, text);
        return;
    }
    for (int i = 0; i < g->cells; i++) {
        uint32_t code = is_spread ? g->shown[i && g->shown[1] ? 1 : 0] : i ? ' ' : 0xFFFD;
        put_code(s, y, x + i, style, code);
    }
}

static void put_blanks(const ui_screen *s, int y, int x, int count, ui_style style)
{
    for (int i = 0; i < count; i++) put_code(s, y, x + i, style, ' ');
}

/* ---- text ---- */

int ui_draw_text(ui_screen *s, ui_rect r, int row, int column, ui_style style, bytes_view text)
{
    int first, end, used = 0; /* used: cells of the text, for its tabs */
    if (!columns_seen(s, r, row, &first, &end)) return MIN_OF(column + ui_cells(text), r.columns);
    for (size_t at = 0; at < text.size && column < end;) {
        ui_glyph g = ui_glyph_first((bytes_view){text.data + at, text.size - at}, used);
        if (text.data[at] == '\n') break;
        int from = MAX_OF(column, first), to = MIN_OF(column + g.cells, end);
        if (from == column && to == column + g.cells)
            put_glyph(s, r.row + row, r.column + column, style, &g);
        else if (from < to)
            put_blanks(s, r.row + row, r.column + from, to - from, style);
        column += g.cells, used += g.cells;
        at += g.size;
    }
    return MIN_OF(column, r.columns);
}

int ui_draw_words(ui_screen *s, ui_rect r, int row, int column, ui_style style, const char *text)
{
    return ui_draw_text(s, r, row, column, style, bytes_view_of(text));
}

int ui_draw_format(ui_screen *s, ui_rect r, int row, int column, ui_style style, const char *format, ...)
{
    char text[1024]; /* one row: what is longer is cut, as it would be at the edge */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ui_draw_words(s, r, row, column, style, text);
}

int ui_draw_styled(ui_screen *s, ui_rect r, int row, int column, const ui_line *line)
{
    for (size_t i = 0; i < line->span_count; i++)
        column = ui_draw_text(s, r, row, column, line->spans[i].style, line->spans[i].text);
    return column;
}

void ui_draw_row(ui_screen *s, ui_rect r, int row, ui_style style)
{
    int first, end;
    if (columns_seen(s, r, row, &first, &end))
        put_blanks(s, r.row + row, r.column + first, end - first, style);
}

void ui_draw_fill(ui_screen *s, ui_rect r, ui_style style)
{
    for (int row = 0; row < r.rows; row++) ui_draw_row(s, r, row, style);
}

/* ---- lines and figures ---- */

typedef enum piece {
    ACROSS,
    DOWN,
    TOP_LEFT,
    TOP_RIGHT,
    BOTTOM_LEFT,
    BOTTOM_RIGHT,
    FULL,
    TRACK,
    PIECE_COUNT
} piece;

static uint32_t piece_code(const ui_screen *s, piece which)
{
    static const uint32_t codes[PIECE_COUNT][2] = {
        [ACROSS] = {0x2500, '-'},    [DOWN] = {0x2502, '|'},        [TOP_LEFT] = {0x250C, '+'},
        [TOP_RIGHT] = {0x2510, '+'}, [BOTTOM_LEFT] = {0x2514, '+'}, [BOTTOM_RIGHT] = {0x2518, '+'},
        [FULL] = {0x2588, '#'},      [TRACK] = {0x2591, '.'},
    };
    return codes[which][s->ascii];
}

/* One cell of r, if it is seen. */
static void put_clipped(const ui_screen *s, ui_rect r, int row, int column, ui_style style, uint32_t code)
{
    int first, end;
    if (columns_seen(s, r, row, &first, &end) && column >= first && column < end)
        put_code(s, r.row + row, r.column + column, style, code);
}

void ui_draw_line_across(ui_screen *s, ui_rect r, int row, ui_style style)
{
    for (int column = 0; column < r.columns; column++)
        put_clipped(s, r, row, column, style, piece_code(s, ACROSS));
}

ui_rect ui_draw_box(ui_screen *s, ui_rect r, const char *title, bool focused)
{
    ui_style style = focused ? UI_STYLE_BORDER_FOCUSED : UI_STYLE_BORDER;
    if (r.rows < 2 || r.columns < 2) return ui_rect_inside(r, 1);
    int bottom = r.rows - 1, right = r.columns - 1;
    ui_draw_line_across(s, r, 0, style);
    ui_draw_line_across(s, r, bottom, style);
    for (int row = 1; row < bottom; row++) {
        put_clipped(s, r, row, 0, style, piece_code(s, DOWN));
        put_clipped(s, r, row, right, style, piece_code(s, DOWN));
    }
    put_clipped(s, r, 0, 0, style, piece_code(s, TOP_LEFT));
    put_clipped(s, r, 0, right, style, piece_code(s, TOP_RIGHT));
    put_clipped(s, r, bottom, 0, style, piece_code(s, BOTTOM_LEFT));
    put_clipped(s, r, bottom, right, style, piece_code(s, BOTTOM_RIGHT));

    int room = r.columns - 4;
    if (title && *title && room > 0) {
        CLEANUP(bytes_free) bytes safe = {0};
        CLEANUP(bytes_free) bytes fitted = {0};
        ui_sanitise_line(bytes_view_of(title), s->ascii, &safe);
        ui_cells_fit(bytes_borrow(&safe), MIN_OF(room, ui_cells(bytes_borrow(&safe))), s->ascii, &fitted);
        ui_rect edge = {r.row, r.column, 1, r.columns - 1};
        int column = ui_draw_words(s, edge, 0, 1, style, " ");
        column = ui_draw_text(s, edge, 0, column, focused ? UI_STYLE_BORDER_FOCUSED : UI_STYLE_TITLE,
                              bytes_borrow(&fitted));
        ui_draw_words(s, edge, 0, column, style, " ");
    }
    return ui_rect_inside(r, 1);
}

/* In eighths of a cell where there are such characters (U+258F is one eighth, U+2588 is eight). */
void ui_draw_gauge(ui_screen *s, ui_rect r, int row, int column, int columns, double part)
{
    if (!(part > 0)) part = 0; /* NaN too */
    if (part > 1) part = 1;
    int eighths = (int)floor(part * columns * 8 + 1e-9);
    for (int i = 0; i < columns; i++) {
        int here = MIN_OF(MAX_OF(eighths - i * 8, 0), 8);
        if (s->ascii && here < 8) here = 0;
        uint32_t code = here == 8  ? piece_code(s, FULL)
                        : here > 0 ? (uint32_t)(0x2590 - here)
                                   : piece_code(s, TRACK);
        put_clipped(s, r, row, column + i, here ? UI_STYLE_GAUGE : UI_STYLE_GAUGE_EMPTY, code);
    }
}

void ui_draw_scrollbar(ui_screen *s, ui_rect r, size_t first, size_t count)
{
    if (r.rows < 1 || count <= (size_t)r.rows) return;
    size_t rows = (size_t)r.rows, size = MAX_OF(rows * rows / count, (size_t)1), hidden = count - rows;
    size_t begin = (MIN_OF(first, hidden) * (rows - size) + hidden / 2) / hidden;
    for (size_t row = 0; row < rows; row++) {
        bool is_seen = row >= begin && row < begin + size;
        put_clipped(s, r, (int)row, r.columns - 1, is_seen ? UI_STYLE_BORDER_FOCUSED : UI_STYLE_BORDER,
                    piece_code(s, is_seen ? FULL : DOWN));
    }
}

void ui_draw_cursor(ui_screen *s, ui_rect r, int row, int column)
{
    int first, end;
    if (!columns_seen(s, r, row, &first, &end) || column < first) return;
    s->cursor_row = r.row + row;
    s->cursor_column = r.column + MIN_OF(column, end - 1);
}
