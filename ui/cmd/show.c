#include "ui/cmd/show.h"

#include <unistd.h>

#include "ui/term/sanitise.h"

void ui_show_text(FILE *out, bytes_view text)
{
    CLEANUP(bytes_free) bytes shown = {0};

    if (isatty(fileno(out)))
        ui_sanitise(text, false, &shown);
    else
        bytes_append_view(&shown, text);
    fwrite(bytes_text(&shown), 1, shown.size, out);
}
