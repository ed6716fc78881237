/* ui/term/rescue.h: the terminal is given back however the program ends. Part of the screen; nobody else's.
 *
 * What must be written is prepared while all is well, so that a handler only writes bytes and sets modes
 * (both allowed in one). Then the signal does what it did before us: a crash still makes its core file or
 * sanitizer report, SIGTERM still ends the program with that status. Signals that were ignored stay ignored.
 */
#ifndef UI_TERM_RESCUE_H
#define UI_TERM_RESCUE_H

#include <termios.h>

#include "base/bytes.h"

enum { UI_RESCUE_BYTES_MAX = 256 };

/* One byte arrives at notify_fd for: 'w' SIGWINCH, 'c' SIGCONT, 'z' SIGTSTP. */
void ui_rescue_arm(int terminal_fd, const struct termios *modes, bytes_view restore, int notify_fd);
/* The terminal is somebody else's for a while (suspended, an editor runs): handlers write nothing. */
void ui_rescue_pause(void);
void ui_rescue_resume(void);
/* All handlers as they were before _arm. */
void ui_rescue_disarm(void);

#endif
