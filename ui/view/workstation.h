/* ui/view/workstation.h: what opens when a person types `hyprstream`. */
#ifndef UI_VIEW_WORKSTATION_H
#define UI_VIEW_WORKSTATION_H

#include "ui/cmd/command.h"

/* Takes the terminal until the person leaves. ERR_UNSUPPORTED: standard input or output is no terminal. What
 * a person can mend inside (no model, a damaged file) is said on the screen. */
err ui_workstation_run(ui_cli *cli);

#endif
