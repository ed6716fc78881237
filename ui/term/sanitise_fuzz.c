/* Whatever comes in: the result is valid UTF-8 without controls, and is the same in parts as at once. */
#include <stdlib.h>

#include "base/utf8.h"
#include "ui/term/cells.h"
#include "ui/term/sanitise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_safe(bytes_view text, bool ascii)
{
    for (size_t at = 0, used; at < text.size; at += used) {
        uint32_t code;
        used = utf8_decode(text.data + at, text.size - at, &code);
        if (!used || (code < 0x20 && code != '\t' && code != '\n') ||
            (code >= 0x7F && (ascii || code < 0xA0)))
            abort();
    }
}

/* Wrapping loses nothing but blanks and newlines, never stands still, never exceeds the
 * width by more than a glyph. */
static void require_wrap(bytes_view text, int cells)
{
    for (size_t at = 0; at < text.size;) {
        bytes_view line;
        size_t next = ui_cells_wrap(text, at, cells, &line);
        if (next <= at || next > text.size || line.data < text.data + at) abort();
        if (ui_cells(line) > cells && ui_glyph_after(line, 0) != line.size) abort();
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    bool ascii = data[0] & 1;
    size_t step = 1 + data[0] / 16u;
    bytes_view text = {(const char *)data + 1, size - 1};
    bytes whole = {0}, parts = {0}, rest = {0};
    ui_sanitise(text, ascii, &whole);
    for (size_t at = 0; at < text.size; at += step) {
        bytes_append(&rest, text.data + at, MIN_OF(step, text.size - at));
        bytes_remove(&rest, 0, ui_sanitise_part(bytes_borrow(&rest), ascii, &parts));
        if (rest.size > 3) abort();
    }
    ui_sanitise(bytes_borrow(&rest), ascii, &parts);
    require_safe(bytes_borrow(&whole), ascii);
    if (!bytes_view_equal(bytes_borrow(&whole), bytes_borrow(&parts))) abort();
    require_wrap(bytes_borrow(&whole), (int)step);
    bytes_free(&whole), bytes_free(&parts), bytes_free(&rest);
    return 0;
}
