#include "ui/term/flow.h"

#include <stdlib.h>
#include <string.h>

#include "ui/term/cells.h"

enum { TABLE_COLUMN_CELLS_MIN = 4, TABLE_GAP_CELLS = 3 };

/* ---- text ---- */

static void run_add(ui_flow_text *t, ui_style style)
{
    if (t->run_count && t->runs[t->run_count - 1].style == style) return;
    if (t->run_count == t->run_capacity) {
        t->run_capacity = t->run_capacity ? t->run_capacity * 2 : 8;
        t->runs = memory_resize_array(t->runs, t->run_capacity, sizeof *t->runs);
    }
    t->runs[t->run_count++] = (ui_flow_run){t->text.size, style};
}

static int column_now(const ui_flow_text *t)
{
    size_t begin = t->text.size;
    while (begin > 0 && t->text.data[begin - 1] != '\n') begin--;
    return ui_cells((bytes_view){bytes_text(&t->text) + begin, t->text.size - begin});
}

void ui_flow_text_add(ui_flow_text *t, bytes_view text, ui_style style)
{
    if (!text.size) return;
    run_add(t, style);
    for (size_t at = 0; at < text.size; at++) {
        const char *tab = memchr(text.data + at, '\t', text.size - at);
        size_t plain = tab ? (size_t)(tab - text.data) - at : text.size - at;
        bytes_append(&t->text, text.data + at, plain);
        at += plain;
        if (tab) bytes_append(&t->text, "    ", (size_t)(UI_TAB_CELLS - column_now(t) % UI_TAB_CELLS));
    }
}

void ui_flow_text_clear(ui_flow_text *t)
{
    bytes_clear(&t->text);
    t->run_count = 0;
}

void ui_flow_text_free(ui_flow_text *t)
{
    bytes_free(&t->text);
    free(t->runs);
    *t = (ui_flow_text){0};
}

/* ---- lines ---- */

static void span_add(ui_flow *f, bytes_view text, ui_style style)
{
    if (!text.size) return;
    if (f->span_count == f->span_capacity) {
        f->span_capacity = f->span_capacity ? f->span_capacity * 2 : 16;
        f->spans = memory_resize_array(f->spans, f->span_capacity, sizeof *f->spans);
    }
    f->spans[f->span_count++] = (ui_span){text, style};
}

static void line_end(ui_flow *f)
{
    if (f->line_count == f->line_capacity) {
        f->line_capacity = f->line_capacity ? f->line_capacity * 2 : 32;
        f->lines = memory_resize_array(f->lines, f->line_capacity, sizeof *f->lines);
    }
    ui_span *spans = arena_array(f->memory, ui_span, f->span_count);
    int cells = 0;
    for (size_t i = 0; i < f->span_count; i++) {
        spans[i] = f->spans[i];
        cells += ui_cells(spans[i].text);
    }
    f->lines[f->line_count++] = (ui_line){spans, f->span_count, cells};
    f->span_count = 0;
}

static size_t levels_used(const ui_flow *f) { return MIN_OF(f->depth, (size_t)UI_MARKDOWN_DEPTH_MAX); }

static int prefix_cells(const ui_flow *f)
{
    int cells = 0;
    for (size_t i = 0; i < levels_used(f); i++) cells += ui_cells(bytes_view_of(f->levels[i].rest));
    return cells;
}

static int cells_left(const ui_flow *f) { return MAX_OF(f->how.cells - prefix_cells(f), 1); }

static void line_begin(ui_flow *f)
{
    if (f->blank_due && f->line_count) {
        for (size_t i = 0; i < levels_used(f) && f->levels[i].first_done; i++)
            span_add(f, bytes_view_of(f->levels[i].rest), f->levels[i].style);
        line_end(f);
    }
    f->blank_due = false;
    for (size_t i = 0; i < levels_used(f); i++) {
        ui_flow_level *level = &f->levels[i];
        span_add(f, bytes_view_of(level->first_done ? level->rest : level->first), level->style);
        level->first_done = true;
    }
}

void ui_flow_push(ui_flow *f, const char *first, const char *rest, ui_style style)
{
    if (f->depth < UI_MARKDOWN_DEPTH_MAX) {
        bool fits = prefix_cells(f) + ui_cells(bytes_view_of(rest)) <= f->how.cells / 2;
        f->levels[f->depth] = (ui_flow_level){fits ? first : "", fits ? rest : "", style, false};
    }
    f->depth++;
}

void ui_flow_pop(ui_flow *f) { f->depth--; }

/* A mark in another style than its letter is drawn with the letter. */
static size_t glyph_end(bytes_view line, size_t at)
{
    if (at >= line.size || (unsigned char)line.data[at] < 0x80) return at;
    return ui_glyph_after(line, ui_glyph_before(line, at));
}

/* text->text[begin, begin + size) as spans; `copy` is that text in the arena. */
static void spans_of(ui_flow *f, const ui_flow_text *text, const char *copy, size_t begin, size_t size)
{
    size_t low = 0, high = text->run_count; /* the run that `begin` is in */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (text->runs[middle].begin <= begin)
            low = middle;
        else
            high = middle;
    }
    for (size_t at = begin, i = low; at < begin + size; i++) {
        size_t run_end = i + 1 < text->run_count ? text->runs[i + 1].begin : text->text.size;
        size_t end = begin + glyph_end((bytes_view){copy + begin, size}, MIN_OF(run_end - begin, size));
        if (end <= at) continue; /* a run of marks only, drawn with what they stand on */
        span_add(f, (bytes_view){copy + at, end - at}, text->runs[i].style);
        at = end;
    }
}

void ui_flow_paragraph(ui_flow *f, const ui_flow_text *text)
{
    bytes_view all = {arena_text_n(f->memory, bytes_text(&text->text), text->text.size), text->text.size},
               line;
    for (size_t at = 0; at < all.size;) {
        at = ui_cells_wrap(all, at, cells_left(f), &line);
        line_begin(f);
        spans_of(f, text, all.data, (size_t)(line.data - all.data), line.size);
        line_end(f);
    }
}

/* ---- rules and code ---- */

static bytes_view repeated(ui_flow *f, const char *unit, int count)
{
    bytes made = {0};
    for (int i = 0; i < count; i++) bytes_append_text(&made, unit);
    bytes_view kept = {arena_text_n(f->memory, bytes_text(&made), made.size), made.size};
    bytes_free(&made);
    return kept;
}

static const char *dash(const ui_flow *f) { return f->how.ascii ? "-" : "\xE2\x94\x80"; }

void ui_flow_rule(ui_flow *f)
{
    line_begin(f);
    span_add(f, repeated(f, dash(f), cells_left(f)), UI_STYLE_BORDER);
    line_end(f);
}

static void code_edge(ui_flow *f, bytes_view label)
{
    int room = cells_left(f);
    bytes_view cut = ui_cells_cut(label, MAX_OF(room - 5, 0));
    line_begin(f);
    if (cut.size) {
        bytes_view copy = {arena_printf(f->memory, " %.*s ", (int)cut.size, cut.data), cut.size + 2};
        span_add(f, repeated(f, dash(f), 2), UI_STYLE_CODE_LABEL);
        span_add(f, copy, UI_STYLE_CODE_LABEL);
        room -= 2 + ui_cells(copy);
    }
    span_add(f, repeated(f, dash(f), room), UI_STYLE_CODE_LABEL);
    line_end(f);
}

/* Between two edges and without a bar at the left, so that code can be selected with the mouse. Long lines
 * are broken at the edge: in code every blank counts. */
void ui_flow_code(ui_flow *f, bytes_view label, const ui_flow_text *code)
{
    size_t size = code->text.size;
    bytes_view all = {arena_text_n(f->memory, bytes_text(&code->text), size), size};
    code_edge(f, label);
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(all.data + at, '\n', size - at);
        size_t end = newline ? (size_t)(newline - all.data) : size;
        do {
            bytes_view rest = {all.data + at, end - at}, part = ui_cells_cut(rest, cells_left(f));
            if (!part.size && rest.size) part.size = ui_glyph_after(rest, 0);
            line_begin(f);
            spans_of(f, code, all.data, at, part.size);
            line_end(f);
            at += part.size;
        } while (at < end);
        at = end + 1;
    }
    code_edge(f, VIEW(""));
}

/* ---- tables ---- */

static int cell_width(const ui_flow_text *cell)
{
    int widest = 0;
    bytes_view all = bytes_borrow(&cell->text), line;
    for (size_t at = 0; at < all.size;) {
        at = ui_cells_wrap(all, at, 1 << 20, &line);
        widest = MAX_OF(widest, ui_cells(line));
    }
    return widest;
}

/* Natural widths, the widest ones lowered until all fit. False: they would become too narrow to read. */
static bool table_widths(const ui_flow *f, const ui_flow_text *cells, size_t rows, size_t columns,
                         int *widths)
{
    int room = cells_left(f) - TABLE_GAP_CELLS * (int)(columns - 1), total = 0;
    if (room < (int)columns) return false;
    for (size_t column = 0; column < columns; column++) {
        widths[column] = 1;
        for (size_t row = 0; row < rows; row++)
            widths[column] = MAX_OF(widths[column], cell_width(&cells[row * columns + column]));
        widths[column] = MIN_OF(widths[column], room);
        total += widths[column];
    }
    for (; total > room; total--) {
        size_t widest = 0;
        for (size_t column = 1; column < columns; column++)
            if (widths[column] > widths[widest]) widest = column;
        if (widths[widest] <= TABLE_COLUMN_CELLS_MIN) return false;
        widths[widest]--;
    }
    return true;
}

static void table_row(ui_flow *f, const ui_flow_text *cells, size_t columns, const int *widths)
{
    size_t at[UI_FLOW_COLUMNS_MAX] = {0};
    const char *copies[UI_FLOW_COLUMNS_MAX];
    for (size_t i = 0; i < columns; i++)
        copies[i] = arena_text_n(f->memory, bytes_text(&cells[i].text), cells[i].text.size);
    for (bool more = true; more;) {
        more = false;
        line_begin(f);
        for (size_t i = 0; i < columns; i++) {
            bytes_view all = {copies[i], cells[i].text.size}, line = {copies[i], 0};
            if (at[i] < all.size) at[i] = ui_cells_wrap(all, at[i], widths[i], &line);
            more |= at[i] < all.size;
            if (i) span_add(f, f->how.ascii ? VIEW(" | ") : VIEW(" \xE2\x94\x82 "), UI_STYLE_BORDER);
            spans_of(f, &cells[i], copies[i], (size_t)(line.data - copies[i]), line.size);
            if (i + 1 < columns) span_add(f, repeated(f, " ", widths[i] - ui_cells(line)), f->how.base);
        }
        line_end(f);
    }
}

static void table_rule(ui_flow *f, size_t columns, const int *widths)
{
    line_begin(f);
    for (size_t i = 0; i < columns; i++) {
        if (i)
            span_add(f, f->how.ascii ? VIEW("-+-") : VIEW("\xE2\x94\x80\xE2\x94\xBC\xE2\x94\x80"),
                     UI_STYLE_BORDER);
        span_add(f, repeated(f, dash(f), widths[i]), UI_STYLE_BORDER);
    }
    line_end(f);
}

/* Too many columns for the width: each row's cells one below the other. */
static void table_as_list(ui_flow *f, const ui_flow_text *cells, size_t rows, size_t columns)
{
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < columns; column++)
            ui_flow_paragraph(f, &cells[row * columns + column]);
        if (row + 1 < rows) ui_flow_rule(f);
    }
}

void ui_flow_table(ui_flow *f, const ui_flow_text *cells, size_t rows, size_t columns)
{
    int widths[UI_FLOW_COLUMNS_MAX];
    if (!columns || columns > UI_FLOW_COLUMNS_MAX) return;
    if (!table_widths(f, cells, rows, columns, widths)) {
        table_as_list(f, cells, rows, columns);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        table_row(f, cells + row * columns, columns, widths);
        if (row == 0) table_rule(f, columns, widths);
    }
}

ui_lines ui_flow_finish(ui_flow *f)
{
    ui_line *lines = arena_array(f->memory, ui_line, f->line_count);
    if (f->line_count) memcpy(lines, f->lines, f->line_count * sizeof *lines);
    ui_lines made = {lines, f->line_count};
    free(f->lines);
    free(f->spans);
    return made;
}
