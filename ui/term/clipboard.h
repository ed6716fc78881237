/* ui/term/clipboard.h: OSC 52, with which a terminal is asked to place text on the clipboard.
 *
 * Works over ssh; inside tmux (TMUX is set) it is wrapped so that tmux passes it on. Pure. Source: xterm,
 * "Operating System Commands", Ps = 52. */
#ifndef UI_TERM_CLIPBOARD_H
#define UI_TERM_CLIPBOARD_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"

/* Bytes of text; a little under the 100000 bytes of base64 that xterm, tmux and others take. */
enum { UI_CLIPBOARD_BYTES_MAX = 74994 };

/* The sequence for this text, appended. ERR_LIMIT: longer than UI_CLIPBOARD_BYTES_MAX. */
err ui_clipboard_sequence(bytes_view text, bool in_tmux, bytes *out);

#endif
