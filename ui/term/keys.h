/* ui/term/keys.h: bytes from a terminal become names of keys.
 *
 * Names are those of ui/app/action.h: a character as itself ("a", "Y", "/", "é"), "Space" is " "; "Enter",
 * "Alt-Enter", "Tab", "Shift-Tab", "Esc", "Backspace", "Delete", "Insert", "Up", "Down", "Left", "Right",
 * "Home", "End", "PageUp", "PageDown", "F1" to "F20", "Ctrl-A" to "Ctrl-Z", "Alt-b", and modifiers before
 * these in the order Ctrl-, Alt-, Shift- ("Ctrl-Left", "Ctrl-Shift-Up", "Alt-Backspace"). Ctrl-J is
 * "Alt-Enter": both mean a new line in a message. Ctrl-I is Tab and Ctrl-M is Enter, as on every terminal;
 * Ctrl-H is "Backspace".
 *
 * Knows xterm, VT, rxvt, Linux console, tmux and the CSI-u forms. An unknown sequence is dropped whole, never
 * typed as letters. A lone ESC is a key once nothing followed it for UI_ESCAPE_MS: the caller keeps the time.
 * Pasted text (bracketed paste) is one event. Pure, owns its bytes; one thread. */
#ifndef UI_TERM_KEYS_H
#define UI_TERM_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum {
    UI_ESCAPE_MS = 25,
    UI_KEY_NAME_BYTES = 48,              /* a glyph of several code points is cut to whole characters */
    UI_PASTE_BYTES_MAX = 4 * 1024 * 1024 /* the rest of a longer paste is dropped, and the event says so */
};

typedef enum ui_key_kind {
    UI_KEY_NONE,
    UI_KEY_TYPED,   /* name */
    UI_KEY_PASTE,   /* text */
    UI_KEY_RESIZE,  /* from the screen: the size has changed, draw everything */
    UI_KEY_SUSPEND, /* from the screen: somebody sent SIGTSTP; answer with ui_screen_suspend */
    UI_KEY_CLOSED,  /* from the screen: the terminal is gone; end the program */
} ui_key_kind;

typedef struct ui_key {
    ui_key_kind kind;
    char name[UI_KEY_NAME_BYTES];
    bool is_text; /* the name is a character to insert */
    bytes_view
        text;     /* of a paste, sanitised, lines ended by '\n'. Borrowed until the next call of ui_keys_* */
    bool was_cut; /* the paste was longer than UI_PASTE_BYTES_MAX */
} ui_key;

typedef struct ui_keys ui_keys;

ui_keys *ui_keys_new(void);    /* ui_keys_free() gives it back */
void ui_keys_free(ui_keys *k); /* NULL is fine */

/* Bytes just read, any cut. */
void ui_keys_feed(ui_keys *k, const char *data, size_t size);
/* The next key, false when the bytes so far make none. `waited`: at least UI_ESCAPE_MS passed since the last
 * feed, so what is begun will not go on (a lone ESC is "Esc"). */
bool ui_keys_take(ui_keys *k, bool waited, ui_key *out);
/* Something is begun and waits for more: call take with `waited` after UI_ESCAPE_MS. False inside a paste. */
bool ui_keys_is_pending(const ui_keys *k);

#endif
