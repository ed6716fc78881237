#include "ui/term/clipboard.h"

#include <stdint.h>

static void append_base64(bytes *out, bytes_view text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes_reserve(out, text.size / 3 * 4 + 4);
    for (size_t at = 0; at < text.size; at += 3) {
        size_t left = text.size - at;
        uint32_t three = (uint32_t)(unsigned char)text.data[at] << 16;
        if (left > 1) three |= (uint32_t)(unsigned char)text.data[at + 1] << 8;
        if (left > 2) three |= (unsigned char)text.data[at + 2];
        bytes_append_byte(out, digits[three >> 18]);
        bytes_append_byte(out, digits[three >> 12 & 63]);
        bytes_append_byte(out, left > 1 ? digits[three >> 6 & 63] : '=');
        bytes_append_byte(out, left > 2 ? digits[three & 63] : '=');
    }
}

/* In tmux's pass-through (DCS "tmux;") every ESC is doubled; ours is the one that begins the sequence. */
err ui_clipboard_sequence(bytes_view text, bool in_tmux, bytes *out)
{
    if (text.size > UI_CLIPBOARD_BYTES_MAX)
        return err_make(ERR_LIMIT, "the text has %zu bytes: a terminal's clipboard takes at most %d",
                        text.size, (int)UI_CLIPBOARD_BYTES_MAX);
    bytes_append_text(out, in_tmux ? "\x1bPtmux;\x1b\x1b]52;c;" : "\x1b]52;c;");
    append_base64(out, text);
    bytes_append_text(out, in_tmux ? "\a\x1b\\" : "\a");
    return ERR_OK;
}
