#include "ui/view/paint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ui/term/cells.h"
#include "ui/term/sanitise.h"

enum { FORMAT_BYTES_MAX = 1024 };

int ui_paint_view(ui_paint *p, ui_rect r, int row, int column, ui_style style, bytes_view text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise_line(text, p->ascii, &safe);
    return ui_draw_text(p->screen, r, row, column, style, bytes_borrow(&safe));
}

int ui_paint_words(ui_paint *p, ui_rect r, int row, int column, ui_style style, const char *text)
{
    return ui_paint_view(p, r, row, column, style, bytes_view_of(text));
}

int ui_paint_format(ui_paint *p, ui_rect r, int row, int column, ui_style style, const char *format, ...)
{
    char text[FORMAT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ui_paint_words(p, r, row, column, style, text);
}

void ui_paint_right(ui_paint *p, ui_rect r, int row, int end, ui_style style, const char *text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise_line(bytes_view_of(text), p->ascii, &safe);
    int begin = end - ui_cells(bytes_borrow(&safe));
    if (begin >= 0) ui_draw_text(p->screen, r, row, begin, style, bytes_borrow(&safe));
}

int ui_paint_wrapped(ui_paint *p, ui_rect r, int row, ui_style style, const char *text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise(bytes_view_of(text), p->ascii, &safe);
    bytes_view all = bytes_borrow(&safe), line;
    if (r.columns < 1) return row;
    for (size_t at = 0; at < all.size; row++) {
        at = ui_cells_wrap(all, at, r.columns, &line);
        ui_draw_text(p->screen, r, row, 0, style, line);
    }
    return row;
}

size_t ui_first_row(size_t chosen, size_t count, int rows)
{
    size_t room = rows > 0 ? (size_t)rows : 1;
    if (count <= room || chosen < room / 2) return 0;
    return MIN_OF(chosen - room / 2, count - room);
}

void ui_paint_editor(ui_paint *p, ui_rect r, ui_editor *editor, bool focused)
{
    size_t at = 0;
    int column = 0;
    if (r.columns < 3 || r.rows < 1) return;
    ui_editor_set_cells(editor, r.columns - 1);
    ui_editor_cursor(editor, &at, &column);
    size_t count = ui_editor_row_count(editor), first = ui_first_row(at, count, r.rows);
    for (int row = 0; row < r.rows && first + (size_t)row < count; row++) {
        CLEANUP(bytes_free) bytes safe = {0};
        bytes_view text = ui_editor_row(editor, first + (size_t)row);
        if (!p->ascii) { /* the editor holds safe text */
            ui_draw_text(p->screen, r, row, 0, UI_STYLE_TEXT, text);
            continue;
        }
        ui_sanitise(text, true, &safe);
        ui_draw_text(p->screen, r, row, 0, UI_STYLE_TEXT, bytes_borrow(&safe));
    }
    if (focused) ui_draw_cursor(p->screen, r, (int)(at - first), column);
}

ui_style ui_paint_choice(ui_paint *p, ui_rect r, int row, bool chosen, bool focused)
{
    if (!chosen) return UI_STYLE_TEXT;
    ui_style style = focused ? UI_STYLE_SELECTED : UI_STYLE_SELECTED_DIM;
    ui_draw_row(p->screen, r, row, style);
    return style;
}

ui_rect ui_paint_dialog(ui_paint *p, ui_rect r, int rows, int columns, const char *title)
{
    rows = MIN_OF(rows + 2, r.rows);
    columns = MIN_OF(columns + 4, r.columns);
    ui_rect box = {r.row + (r.rows - rows) / 2, r.column + (r.columns - columns) / 2, rows, columns};
    ui_draw_fill(p->screen, box, UI_STYLE_TEXT);
    ui_rect inside = ui_draw_box(p->screen, box, title, true);
    inside.column++;
    inside.columns -= 2;
    return inside;
}

const char *ui_sign(const ui_paint *p, const char *unicode, const char *ascii)
{
    return p->ascii ? ascii : unicode;
}
