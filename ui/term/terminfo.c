#include "ui/term/terminfo.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool ui_terminfo_find(const char *name, int *colors)
{
    int status = 0;
    TERMINAL *before = cur_term;
    if (setupterm(name, STDOUT_FILENO, &status) != OK) return false;
    *colors = tigetnum("colors");
    del_curterm(set_curterm(before));
    return true;
}

static bytes *restore_out; /* tputs takes no context */

static int append_byte(int c)
{
    bytes_append_byte(restore_out, (char)c);
    return c;
}

void ui_terminfo_restore(bytes *out)
{
    static const char *const names[] = {"sgr0", "op", "cnorm", "rmcup"};
    restore_out = out;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = tigetstr(names[i]);
        if (text && text != (const char *)-1) tputs(text, 1, append_byte);
    }
    restore_out = NULL;
}
