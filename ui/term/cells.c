#include "ui/term/cells.h"

#include <utf8proc.h>

#include "base/utf8.h"

enum { REPLACEMENT = 0xFFFD, REGIONAL_A = 0x1F1E6, REGIONAL_Z = 0x1F1FF, JOINER = 0x200D };

static bool is_ascii_text(bytes_view text, size_t at)
{
    return at < text.size && text.data[at] >= 0x20 && text.data[at] < 0x7F;
}

/* Size of the cluster at the start of a text that is not empty. A letter before another
 * letter needs no tables. */
static size_t cluster_size(bytes_view text)
{
    if (is_ascii_text(text, 0) && (text.size == 1 || (unsigned char)text.data[1] < 0x80)) return 1;
    uint32_t previous, code;
    size_t at = utf8_decode(text.data, text.size, &previous);
    if (!at) return 1;
    utf8proc_int32_t state = 0;
    while (at < text.size) {
        size_t size = utf8_decode(text.data + at, text.size - at, &code);
        if (!size) break;
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)previous, (utf8proc_int32_t)code, &state))
            break;
        previous = code;
        at += size;
    }
    return at;
}

static bool is_regional(uint32_t code) { return code >= REGIONAL_A && code <= REGIONAL_Z; }

static bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

/* What this Unicode version does not know yet, terminals disagree about. */
static bool is_unassigned(uint32_t code)
{
    return utf8proc_category((utf8proc_int32_t)code) == UTF8PROC_CATEGORY_CN;
}

static int code_cells(uint32_t code)
{
    int cells = utf8proc_charwidth((utf8proc_int32_t)code);
    return cells < 0 ? 0 : cells > 2 ? 2 : cells;
}

/* The part of a cluster that every terminal gives the same cells: its base, and the marks over and under it
 * up to the first character that takes cells of its own or changes the base's width. */
static void glyph_show(ui_glyph *g, bytes_view cluster)
{
    size_t count = 0;
    uint32_t code;
    for (size_t at = 0, size; at < cluster.size && count < UI_GLYPH_CODES_MAX; at += size) {
        size = utf8_decode(cluster.data + at, cluster.size - at, &code);
        if (!size || is_control(code) || is_unassigned(code)) {
            g->shown[0] = REPLACEMENT, g->cells = 1;
            return;
        }
        if (is_regional(code)) {
            g->shown[count++] = 'A' + (code - REGIONAL_A);
            g->cells++;
            continue;
        }
        int cells = code_cells(code);
        if (count && (cells || code == JOINER)) return;
        if (code >= 0xFE00 && code <= 0xFE0F) continue; /* variation selectors */
        if (!count) {
            if (!cells) g->shown[count++] = ' '; /* a mark without its letter */
            g->cells = cells ? cells : 1;
        }
        g->shown[count++] = code;
    }
    if (!count) g->shown[0] = ' ', g->cells = 1;
}

ui_glyph ui_glyph_first(bytes_view text, int column)
{
    ui_glyph g = {0};
    if (!text.size) return g;
    if (text.data[0] == '\n') return (ui_glyph){.size = 1, .shown = {' '}};
    if (text.data[0] == '\t') {
        int cells = UI_TAB_CELLS - (column > 0 ? column % UI_TAB_CELLS : 0);
        return (ui_glyph){.size = 1, .cells = cells, .shown = {' '}};
    }
    g.size = cluster_size(text);
    if (g.size == 1 && is_ascii_text(text, 0)) {
        g.cells = 1;
        g.shown[0] = (uint32_t)text.data[0];
    } else {
        glyph_show(&g, (bytes_view){text.data, g.size});
    }
    return g;
}

size_t ui_glyph_after(bytes_view text, size_t at)
{
    if (at >= text.size) return text.size;
    return at + cluster_size((bytes_view){text.data + at, text.size - at});
}

/* Clusters are only known from their beginning; a line's beginning is one, and so is a letter after a
 * letter. */
size_t ui_glyph_before(bytes_view text, size_t at)
{
    if (at > text.size) at = text.size;
    if (at == 0) return 0;
    size_t begin = at - 1;
    while (begin > 0 && !(is_ascii_text(text, begin) && is_ascii_text(text, begin - 1)) &&
           text.data[begin] != '\n')
        begin--;
    while (true) {
        size_t next = ui_glyph_after(text, begin);
        if (next >= at) return begin;
        begin = next;
    }
}

int ui_cells(bytes_view text)
{
    int cells = 0;
    for (size_t at = 0; at < text.size;) {
        ui_glyph g = ui_glyph_first((bytes_view){text.data + at, text.size - at}, cells);
        cells += g.cells;
        at += g.size;
    }
    return cells;
}

bytes_view ui_cells_cut(bytes_view text, int cells)
{
    size_t at = 0;
    int used = 0;
    while (at < text.size) {
        ui_glyph g = ui_glyph_first((bytes_view){text.data + at, text.size - at}, used);
        if (used + g.cells > cells) break;
        used += g.cells;
        at += g.size;
    }
    return (bytes_view){text.data, at};
}

void ui_cells_fit(bytes_view text, int cells, bool ascii, bytes *out)
{
    if (cells <= 0) return;
    bytes_view kept = ui_cells_cut(text, cells);
    bool is_cut = kept.size < text.size;
    const char *ellipsis = ascii ? "..." : "\xE2\x80\xA6";
    int ellipsis_cells = ascii ? MIN_OF(3, cells) : 1;
    if (is_cut) kept = ui_cells_cut(text, cells - ellipsis_cells);
    bytes_append_view(out, kept);
    int used = ui_cells(kept);
    if (is_cut) {
        bytes_append(out, ellipsis, ascii ? (size_t)ellipsis_cells : 3);
        used += ellipsis_cells;
    }
    for (; used < cells; used++) bytes_append_byte(out, ' ');
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static size_t skip_blanks(bytes_view text, size_t at)
{
    while (at < text.size && is_blank(text.data[at])) at++;
    return at;
}

/* Offset without the blanks that end text[begin..end). */
static size_t trim_end(bytes_view text, size_t begin, size_t end)
{
    while (end > begin && is_blank(text.data[end - 1])) end--;
    return end;
}

size_t ui_cells_wrap(bytes_view text, size_t at, int cells, bytes_view *line)
{
    size_t here = at, break_end = 0, break_next = 0; /* the last place where the line may be broken */
    int used = 0;
    while (here < text.size && text.data[here] != '\n') {
        ui_glyph g = ui_glyph_first((bytes_view){text.data + here, text.size - here}, used);
        bool blank = is_blank(text.data[here]);
        if (blank && here > at && !is_blank(text.data[here - 1])) {
            break_end = here;
            break_next = skip_blanks(text, here);
        }
        /* Between wide characters (Chinese, Japanese) a line may be broken anywhere. */
        if (!blank && g.cells == 2 && here > at && trim_end(text, at, here) == here)
            break_end = break_next = here;
        if (used + g.cells > cells) {
            if (!break_next) break_end = break_next = here > at ? here : here + g.size;
            *line = (bytes_view){text.data + at, break_end - at};
            /* Blanks that fill the line to its end swallow the newline after them. */
            if (break_next < text.size && text.data[break_next] == '\n' && break_end < break_next)
                break_next++;
            return break_next;
        }
        used += g.cells;
        here += g.size;
    }
    *line = (bytes_view){text.data + at, here - at};
    return here < text.size ? here + 1 : here;
}

size_t ui_cells_wrap_count(bytes_view text, int cells)
{
    size_t count = 0;
    bytes_view line;
    for (size_t at = 0; at < text.size; count++) at = ui_cells_wrap(text, at, cells, &line);
    return count;
}
