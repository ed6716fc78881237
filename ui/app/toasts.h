/* ui/app/toasts.h: short sentences that come up, stay for some seconds and go. Everything said in one is also
 * in the log. Threads: the UI thread. */
#ifndef UI_APP_TOASTS_H
#define UI_APP_TOASTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

enum { UI_TOASTS_MAX = 4, UI_TOAST_TEXT_MAX = 512, UI_TOAST_SECONDS = 5, UI_TOAST_ERROR_SECONDS = 10 };

typedef struct ui_toast {
    log_level level;
    double until; /* clock_seconds */
    char text[UI_TOAST_TEXT_MAX];
} ui_toast;

typedef struct ui_toasts {
    ui_toast rows[UI_TOASTS_MAX]; /* the oldest first */
    size_t count;
} ui_toasts;

/* The oldest gives way when there are too many; good news replaces older good news. */
void ui_toasts_add(ui_toasts *t, log_level level, const char *text, double now);
/* Forget those whose time is over; true: some went. */
bool ui_toasts_expire(ui_toasts *t, double now);
/* Seconds until the next one goes; negative: none is shown. */
double ui_toasts_next(const ui_toasts *t, double now);
void ui_toasts_clear(ui_toasts *t); /* none is shown any more */

#endif
