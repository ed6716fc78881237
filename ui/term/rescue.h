/* ui/term/rescue.h: the terminal is given back however the program ends. Part of the screen; nobody else's.
 *
 * What must be written is prepared while all is well, so that a handler only writes bytes and
 * sets modes (both allowed in one). Then the signal does what it did before us: a crash still
 * makes its core file or sanitizer report, SIGTERM still ends the program with that status.
 * Signals that were ignored stay ignored. */
#ifndef UI_TERM_RESCUE_H
#define UI_TERM_RESCUE_H

#include <termios.h>

#include "base/bytes.h"

enum { UI_RESCUE_BYTES_MAX = 256 };

/* Before ncurses starts, which otherwise would set handlers of its own that end the program with status 1.
 * One byte arrives at notify_fd for: 'w' SIGWINCH, 'c' SIGCONT, 'z' SIGTSTP. */
void ui_rescue_watch(int notify_fd);
/* From now on there is something to give back. */
void ui_rescue_arm(int terminal_fd, const struct termios *modes, bytes_view restore);
/* The terminal is somebody else's for a while (suspended, an editor runs): handlers write nothing. */
void ui_rescue_pause(void);
void ui_rescue_resume(void); /* back from ui_rescue_pause */
/* All handlers as they were before _watch. */
void ui_rescue_end(void);

#endif
