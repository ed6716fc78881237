/* ui/app/first_start.h: what a new user finds. */
#ifndef UI_APP_FIRST_START_H
#define UI_APP_FIRST_START_H

#include <stdbool.h>

#include "base/settings.h"

/* The folder of the demo model's assets: share/hyprstream/demo beside an installed program, assets/demo of
 * the source tree the program was built in; the caller's: free(). NULL: neither is there. `program`: path of
 * the running program. */
char *ui_demo_assets(const char *program);

/* In an empty models folder make the repository `demo` (repo/demo.h). Without assets, or with a folder that
 * holds something or held a demo, nothing is done. */
err ui_first_start(const settings *s, bool *made);

#endif
