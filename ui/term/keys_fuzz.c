/* Whatever a terminal sends, in any cut: every byte is used once it has waited, names are short and valid. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "ui/term/editor.h"
#include "ui/term/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_all(ui_keys *k, ui_editor *e, bool waited)
{
    ui_key key;
    while (ui_keys_take(k, waited, &key)) {
        if (key.kind == UI_KEY_TYPED && (!key.name[0] || !utf8_is_valid(bytes_view_of(key.name)))) abort();
        if (key.kind == UI_KEY_PASTE && !utf8_is_valid(key.text)) abort();
        (void)ui_editor_key(e, &key);
        size_t row;
        int column;
        ui_editor_cursor(e, &row, &column);
        if (row >= ui_editor_row_count(e) || column < 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    size_t step = 1 + data[0] % 32u;
    ui_keys *k = ui_keys_new();
    ui_editor *e = ui_editor_new();
    ui_editor_set_cells(e, 2 + data[0] / 32);
    ui_editor_remember(e, VIEW("sent before"));
    for (size_t at = 1; at < size; at += step) {
        ui_keys_feed(k, (const char *)data + at, MIN_OF(step, size - at));
        take_all(k, e, data[0] & 1);
    }
    take_all(k, e, true);
    if (ui_keys_is_pending(k) || !utf8_is_valid(ui_editor_text(e))) abort();
    ui_editor_free(e);
    ui_keys_free(k);
    return 0;
}
