/* ui/term/screen_internal.h: what screen.c and draw.c share. */
#ifndef UI_TERM_SCREEN_INTERNAL_H
#define UI_TERM_SCREEN_INTERNAL_H

#include <curses.h>
#include <termios.h>

#include "ui/term/screen.h"

typedef struct ui_look {
    attr_t attributes;
    short pair;
} ui_look;

struct ui_screen {
    SCREEN *terminal;
    int in, out;
    int notice_fds[2]; /* signals write a letter into the second */
    struct termios modes_before;
    ui_keys *keys;
    double fed_at; /* clock_seconds of the last bytes */
    bool ascii, in_tmux, is_closed;
    bool is_emulator; /* knows titles and synchronised updates, or ignores them; a console shows them as
                         letters */
    bool resize_due, suspend_due, is_left;
    ui_colors colors;
    ui_look looks[UI_STYLE_COUNT];
    int rows, columns;
    int cursor_row, cursor_column; /* -1: hidden */
};

#endif
