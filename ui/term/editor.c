#include "ui/term/editor.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/term/cells.h"
#include "ui/term/sanitise.h"

/* text[begin, begin + removed.size) became inserted. */
typedef struct edit {
    size_t begin;
    bytes removed, inserted;
    size_t cursor_before;
} edit;

typedef struct row_bounds {
    size_t begin, end; /* without the blanks or the newline after it */
} row_bounds;

struct ui_editor {
    bytes text, cut;
    size_t cursor;
    int cells, goal; /* goal: the column that Up and Down keep; -1: where the cursor is */

    edit edits[UI_EDITOR_UNDO_MAX];
    size_t edit_count, edit_done; /* done ones can be undone, those after them redone */
    bool may_extend;              /* the next typed letter belongs to the last edit */

    char *history[UI_EDITOR_HISTORY_MAX];
    size_t history_count, history_at; /* at == count: the draft */
    bytes draft;

    row_bounds *rows;
    size_t row_count, row_capacity;
};

/* ---- rows ---- */

static void row_add(ui_editor *e, size_t begin, size_t end)
{
    if (e->row_count == e->row_capacity) {
        e->row_capacity = e->row_capacity ? e->row_capacity * 2 : 16;
        e->rows = memory_resize_array(e->rows, e->row_capacity, sizeof *e->rows);
    }
    e->rows[e->row_count++] = (row_bounds){begin, end};
}

static void rows_make(ui_editor *e)
{
    bytes_view text = bytes_borrow(&e->text), line;
    e->row_count = 0;
    for (size_t at = 0, next; at < text.size; at = next) {
        next = ui_cells_wrap(text, at, e->cells, &line);
        row_add(e, at, at + line.size);
    }
    if (!text.size || text.data[text.size - 1] == '\n') row_add(e, text.size, text.size);
}

static size_t row_of(const ui_editor *e, size_t at)
{
    size_t low = 0, high = e->row_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (e->rows[middle].begin <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Cells left of `at`. Blanks that the wrap dropped at a row's end all stand behind its last cell. */
static int column_of(const ui_editor *e, size_t row, size_t at)
{
    size_t begin = e->rows[row].begin;
    return MIN_OF(ui_cells((bytes_view){bytes_text(&e->text) + begin, at - begin}), e->cells);
}

size_t ui_editor_row_count(const ui_editor *e) { return e->row_count; }

bytes_view ui_editor_row(const ui_editor *e, size_t row)
{
    if (row >= e->row_count) return VIEW("");
    return (bytes_view){bytes_text(&e->text) + e->rows[row].begin, e->rows[row].end - e->rows[row].begin};
}

void ui_editor_cursor(const ui_editor *e, size_t *row, int *column)
{
    *row = row_of(e, e->cursor);
    *column = column_of(e, *row, e->cursor);
}

void ui_editor_set_cells(ui_editor *e, int cells)
{
    cells = MAX_OF(cells, 2);
    if (cells == e->cells) return;
    e->cells = cells;
    e->goal = -1;
    rows_make(e);
}

/* ---- changes ---- */

static void edit_free(edit *one)
{
    bytes_free(&one->removed);
    bytes_free(&one->inserted);
}

static void edits_forget_from(ui_editor *e, size_t first)
{
    for (size_t i = first; i < e->edit_count; i++) edit_free(&e->edits[i]);
    e->edit_count = first;
    e->edit_done = MIN_OF(e->edit_done, first);
}

static edit *edit_new(ui_editor *e)
{
    edits_forget_from(e, e->edit_done);
    if (e->edit_count == UI_EDITOR_UNDO_MAX) {
        edit_free(&e->edits[0]);
        memmove(e->edits, e->edits + 1, (UI_EDITOR_UNDO_MAX - 1) * sizeof *e->edits);
        e->edit_count--;
    }
    edit *made = &e->edits[e->edit_count++];
    *made = (edit){0};
    e->edit_done = e->edit_count;
    return made;
}

static void splice(ui_editor *e, size_t begin, size_t removed, bytes_view inserted)
{
    bytes tail = {0};
    bytes_append(&tail, bytes_text(&e->text) + begin + removed, e->text.size - begin - removed);
    bytes_remove(&e->text, begin, e->text.size - begin);
    bytes_append_view(&e->text, inserted);
    bytes_append(&e->text, bytes_text(&tail), tail.size);
    bytes_free(&tail);
    e->goal = -1;
    rows_make(e);
}

/* A combining mark may join the glyph before it, or what follows may join what was inserted. */
static size_t glyph_boundary(const ui_editor *e, size_t at)
{
    bytes_view text = bytes_borrow(&e->text);
    if (at == 0 || at >= text.size) return MIN_OF(at, text.size);
    size_t before = ui_glyph_before(text, at);
    return ui_glyph_after(text, before);
}

static bool extends_last(const ui_editor *e, size_t begin, size_t removed, bytes_view inserted)
{
    if (!e->may_extend || removed || !e->edit_done || e->edit_done != e->edit_count) return false;
    const edit *last = &e->edits[e->edit_done - 1];
    return begin == last->begin + last->inserted.size && inserted.size <= 8 && inserted.data[0] != '\n' &&
           inserted.data[0] != ' ';
}

/* Every change goes through here. False: the text would become too long. */
static bool replace(ui_editor *e, size_t begin, size_t end, bytes_view inserted)
{
    if (begin == end && !inserted.size) return true;
    if (e->text.size - (end - begin) + inserted.size > UI_EDITOR_BYTES_MAX) return false;
    if (extends_last(e, begin, end - begin, inserted)) {
        bytes_append_view(&e->edits[e->edit_done - 1].inserted, inserted);
    } else {
        edit *made = edit_new(e);
        made->begin = begin;
        made->cursor_before = e->cursor;
        bytes_append(&made->removed, bytes_text(&e->text) + begin, end - begin);
        bytes_append_view(&made->inserted, inserted);
    }
    splice(e, begin, end - begin, inserted);
    e->cursor = glyph_boundary(e, begin + inserted.size);
    e->may_extend = begin == end && inserted.size <= 8;
    return true;
}

static bool undo(ui_editor *e)
{
    if (!e->edit_done) return true;
    const edit *last = &e->edits[--e->edit_done];
    splice(e, last->begin, last->inserted.size, bytes_borrow(&last->removed));
    e->cursor = glyph_boundary(e, last->cursor_before);
    e->may_extend = false;
    return true;
}

static bool redo(ui_editor *e)
{
    if (e->edit_done == e->edit_count) return true;
    const edit *next = &e->edits[e->edit_done++];
    splice(e, next->begin, next->removed.size, bytes_borrow(&next->inserted));
    e->cursor = glyph_boundary(e, next->begin + next->inserted.size);
    e->may_extend = false;
    return true;
}

bool ui_editor_insert(ui_editor *e, bytes_view text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise(text, false, &safe);
    return replace(e, e->cursor, e->cursor, bytes_borrow(&safe));
}

void ui_editor_set_text(ui_editor *e, bytes_view text)
{
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise(text, false, &safe);
    bytes_view kept = bytes_borrow(&safe);
    if (kept.size > UI_EDITOR_BYTES_MAX) kept.size = ui_glyph_before(kept, UI_EDITOR_BYTES_MAX);
    (void)replace(e, 0, e->text.size, kept);
    e->may_extend = false;
}

void ui_editor_clear(ui_editor *e)
{
    edits_forget_from(e, 0);
    bytes_clear(&e->text);
    bytes_clear(&e->draft);
    e->cursor = 0, e->goal = -1, e->may_extend = false;
    e->history_at = e->history_count;
    rows_make(e);
}

bytes_view ui_editor_text(const ui_editor *e) { return bytes_borrow(&e->text); }

bool ui_editor_is_empty(const ui_editor *e) { return e->text.size == 0; }

/* ---- places in the text ---- */

static size_t line_begin(const ui_editor *e, size_t at)
{
    while (at > 0 && e->text.data[at - 1] != '\n') at--;
    return at;
}

static size_t line_end(const ui_editor *e, size_t at)
{
    while (at < e->text.size && e->text.data[at] != '\n') at++;
    return at;
}

static bool is_word_byte(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

static bool is_blank_byte(char c) { return c == ' ' || c == '\t' || c == '\n'; }

static size_t word_before(const ui_editor *e, size_t at)
{
    while (at > 0 && !is_word_byte(e->text.data[at - 1])) at--;
    while (at > 0 && is_word_byte(e->text.data[at - 1])) at--;
    return at;
}

static size_t word_after(const ui_editor *e, size_t at)
{
    while (at < e->text.size && !is_word_byte(e->text.data[at])) at++;
    while (at < e->text.size && is_word_byte(e->text.data[at])) at++;
    return at;
}

static size_t blanks_before(const ui_editor *e, size_t at)
{
    while (at > 0 && is_blank_byte(e->text.data[at - 1])) at--;
    while (at > 0 && !is_blank_byte(e->text.data[at - 1])) at--;
    return at;
}

/* ---- what keys do ---- */

static bool go(ui_editor *e, size_t at)
{
    e->cursor = at == e->text.size ? at : glyph_boundary(e, at);
    e->goal = -1;
    e->may_extend = false;
    return true;
}

static bool go_row(ui_editor *e, size_t row)
{
    int goal = e->goal >= 0 ? e->goal : column_of(e, row_of(e, e->cursor), e->cursor);
    size_t at = e->rows[row].begin + ui_cells_cut(ui_editor_row(e, row), goal).size;
    /* The end of a row that goes on without a blank is the beginning of the next one: stay on this one. */
    if (row_of(e, at) != row) at = ui_glyph_before(bytes_borrow(&e->text), at);
    (void)go(e, at);
    e->goal = goal;
    return true;
}

static bool cut_range(ui_editor *e, size_t begin, size_t end)
{
    if (begin == end) return true;
    bytes_clear(&e->cut);
    bytes_append(&e->cut, bytes_text(&e->text) + begin, end - begin);
    return replace(e, begin, end, VIEW(""));
}

static bool left(ui_editor *e) { return go(e, ui_glyph_before(bytes_borrow(&e->text), e->cursor)); }
static bool right(ui_editor *e) { return go(e, ui_glyph_after(bytes_borrow(&e->text), e->cursor)); }
static bool home(ui_editor *e) { return go(e, line_begin(e, e->cursor)); }
static bool end(ui_editor *e) { return go(e, line_end(e, e->cursor)); }
static bool word_left(ui_editor *e) { return go(e, word_before(e, e->cursor)); }
static bool word_right(ui_editor *e) { return go(e, word_after(e, e->cursor)); }
static bool text_begin(ui_editor *e) { return go(e, 0); }
static bool text_end(ui_editor *e) { return go(e, e->text.size); }
static bool newline(ui_editor *e) { return replace(e, e->cursor, e->cursor, VIEW("\n")), true; }

static bool up(ui_editor *e)
{
    size_t row = row_of(e, e->cursor);
    return row ? go_row(e, row - 1) : ui_editor_history_previous(e);
}

static bool down(ui_editor *e)
{
    size_t row = row_of(e, e->cursor);
    return row + 1 < e->row_count ? go_row(e, row + 1) : ui_editor_history_next(e);
}

static bool backspace(ui_editor *e)
{
    return replace(e, ui_glyph_before(bytes_borrow(&e->text), e->cursor), e->cursor, VIEW(""));
}

static bool delete_glyph(ui_editor *e)
{
    return replace(e, e->cursor, ui_glyph_after(bytes_borrow(&e->text), e->cursor), VIEW(""));
}

static bool delete_unless_empty(ui_editor *e) { return e->text.size && delete_glyph(e); }
static bool cut_blanks_before(ui_editor *e) { return cut_range(e, blanks_before(e, e->cursor), e->cursor); }
static bool cut_word_before(ui_editor *e) { return cut_range(e, word_before(e, e->cursor), e->cursor); }
static bool cut_word_after(ui_editor *e) { return cut_range(e, e->cursor, word_after(e, e->cursor)); }
static bool cut_to_begin(ui_editor *e) { return cut_range(e, line_begin(e, e->cursor), e->cursor); }

static bool cut_to_end(ui_editor *e)
{
    size_t at = line_end(e, e->cursor);
    return cut_range(e, e->cursor, at == e->cursor && at < e->text.size ? at + 1 : at);
}

static bool bring_back(ui_editor *e) { return replace(e, e->cursor, e->cursor, bytes_borrow(&e->cut)), true; }

static const struct {
    const char *name;
    bool (*act)(ui_editor *e);
} key_acts[] = {
    {"Left", left},
    {"Ctrl-B", left},
    {"Right", right},
    {"Ctrl-F", right},
    {"Up", up},
    {"Down", down},
    {"Home", home},
    {"Ctrl-A", home},
    {"End", end},
    {"Ctrl-E", end},
    {"Ctrl-Left", word_left},
    {"Alt-Left", word_left},
    {"Alt-b", word_left},
    {"Ctrl-Right", word_right},
    {"Alt-Right", word_right},
    {"Alt-f", word_right},
    {"Ctrl-Home", text_begin},
    {"Ctrl-End", text_end},
    {"Alt-Enter", newline},
    {"Backspace", backspace},
    {"Delete", delete_glyph},
    {"Ctrl-D", delete_unless_empty},
    {"Ctrl-W", cut_blanks_before},
    {"Alt-Backspace", cut_word_before},
    {"Alt-d", cut_word_after},
    {"Ctrl-K", cut_to_end},
    {"Ctrl-U", cut_to_begin},
    {"Ctrl-Y", bring_back},
    {"Ctrl-_", undo},
    {"Alt-_", redo},
};

bool ui_editor_key(ui_editor *e, const ui_key *key)
{
    if (key->kind == UI_KEY_PASTE) {
        bool fits = replace(e, e->cursor, e->cursor, key->text);
        e->may_extend = false;
        return fits;
    }
    if (key->kind != UI_KEY_TYPED) return false;
    if (key->is_text) return ui_editor_insert(e, bytes_view_of(key->name)), true;
    for (size_t i = 0; i < COUNT_OF(key_acts); i++)
        if (strcmp(key->name, key_acts[i].name) == 0) return key_acts[i].act(e);
    return false;
}

/* ---- history ---- */

void ui_editor_remember(ui_editor *e, bytes_view sent)
{
    bool is_repeat = e->history_count && bytes_view_is(sent, e->history[e->history_count - 1]);
    if (sent.size && !is_repeat) {
        if (e->history_count == UI_EDITOR_HISTORY_MAX) {
            free(e->history[0]);
            memmove(e->history, e->history + 1, (UI_EDITOR_HISTORY_MAX - 1) * sizeof *e->history);
            e->history_count--;
        }
        e->history[e->history_count++] = memory_text_n(sent.data, sent.size);
    }
    e->history_at = e->history_count;
}

bool ui_editor_history_previous(ui_editor *e)
{
    if (!e->history_at) return false;
    if (e->history_at == e->history_count) {
        bytes_clear(&e->draft);
        bytes_append(&e->draft, bytes_text(&e->text), e->text.size);
    }
    ui_editor_set_text(e, bytes_view_of(e->history[--e->history_at]));
    return true;
}

bool ui_editor_history_next(ui_editor *e)
{
    if (e->history_at == e->history_count) return false;
    e->history_at++;
    bool is_draft = e->history_at == e->history_count;
    ui_editor_set_text(e, is_draft ? bytes_borrow(&e->draft) : bytes_view_of(e->history[e->history_at]));
    return true;
}

ui_editor *ui_editor_new(void)
{
    ui_editor *e = memory_alloc(sizeof *e);
    e->cells = 78, e->goal = -1;
    rows_make(e);
    return e;
}

void ui_editor_free(ui_editor *e)
{
    if (!e) return;
    edits_forget_from(e, 0);
    for (size_t i = 0; i < e->history_count; i++) free(e->history[i]);
    bytes_free(&e->text), bytes_free(&e->cut), bytes_free(&e->draft);
    free(e->rows);
    free(e);
}
