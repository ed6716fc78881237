/* ui/view/workstation.h: what opens when a person types `hyprstream`. */
#ifndef UI_VIEW_WORKSTATION_H
#define UI_VIEW_WORKSTATION_H

#include "ui/app/loader.h"
#include "ui/app/source.h"
#include "ui/cmd/command.h"

/* Takes the terminal until the person leaves. ERR_UNSUPPORTED: standard input or output is no terminal. What
 * a person can mend inside (no model, a damaged file) is said on the screen. */
err ui_workstation_run(ui_cli *cli);

/* The same over any source and loader. All borrowed. */
typedef struct ui_workstation_parts {
    settings *settings;
    ui_source *source;
    ui_loader *loader;
    int news_fd; /* readable while source or loader may have news; -1: they are asked at every turn only */
    const volatile sig_atomic_t *interrupted; /* NULL is fine */
} ui_workstation_parts;

err ui_workstation_run_on(const ui_workstation_parts *parts); /* the same on parts that a test made */

#endif
