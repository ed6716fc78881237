/* Whatever a model writes, finished or not, at whatever width: lines that fit, without
 * controls, no crash, no hang. */
#include <stdlib.h>

#include "base/utf8.h"
#include "ui/term/cells.h"
#include "ui/term/markdown.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_line(const ui_line *line, int cells)
{
    int used = 0;
    for (size_t i = 0; i < line->span_count; i++) {
        bytes_view text = line->spans[i].text;
        if (!utf8_is_valid(text)) abort();
        for (size_t at = 0; at < text.size; at++)
            if ((unsigned char)text.data[at] < 0x20 || text.data[at] == 0x7F) abort();
        used += ui_cells(text);
    }
    if (used != line->cells || (used > cells && cells >= 2)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    ui_markdown_options how = {.cells = 1 + data[0] / 2, .ascii = data[0] & 1, .base = UI_STYLE_TEXT};
    bytes_view text = {(const char *)data + 1, size - 1};
    arena a = {0};
    bytes code = {0};
    ui_lines lines = ui_markdown_lines(text, &how, &a);
    for (size_t i = 0; i < lines.count; i++) require_line(&lines.items[i], how.cells);
    lines = ui_plain_lines(text, &how, &a);
    for (size_t i = 0; i < lines.count; i++) require_line(&lines.items[i], how.cells);
    (void)ui_markdown_last_code(text, &code);
    bytes_free(&code);
    arena_free(&a);
    return 0;
}
