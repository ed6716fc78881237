#include "ui/cmd/show.h"

#include <unistd.h>

#include "base/utf8.h"

static bool turns_direction(uint32_t code)
{
    return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

void ui_show_append(bytes *out, bytes_view text)
{
    for (size_t at = 0; at < text.size;) {
        uint32_t code = 0;
        size_t size = utf8_decode(text.data + at, text.size - at, &code);
        if (!size)
            bytes_append_text(out, "\xEF\xBF\xBD");
        else if ((code < 0x20 && code != '\n' && code != '\t') || code == 0x7F)
            bytes_printf(out, "^%c", (char)(code ^ 0x40));
        else if ((code >= 0x80 && code < 0xA0) || turns_direction(code))
            bytes_printf(out, "<U+%04X>", (unsigned)code);
        else
            bytes_append(out, text.data + at, size);
        at += size ? size : 1;
    }
}

void ui_show_text(FILE *out, bytes_view text)
{
    if (!isatty(fileno(out))) {
        fwrite(text.data, 1, text.size, out);
        return;
    }
    CLEANUP(bytes_free) bytes shown = {0};
    ui_show_append(&shown, text);
    fwrite(bytes_text(&shown), 1, shown.size, out);
}
