/* ui/term/terminfo.h: what the system's descriptions say about a terminal. Part of the screen; a room of its
 * own because the library's header defines words such as `lines` and `columns`. UI thread. */
#ifndef UI_TERM_TERMINFO_H
#define UI_TERM_TERMINFO_H

#include <stdbool.h>

#include "base/bytes.h"

/* False: there is no description of this name. *colors is -1 where it has none. */
bool ui_terminfo_find(const char *name, int *colors);
/* What gives the opened terminal its own colours, cursor and main screen back, appended. */
void ui_terminfo_restore(bytes *out);

#endif
