#include "ui/app/toasts.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

static void drop(ui_toasts *t, size_t i)
{
    memmove(&t->rows[i], &t->rows[i + 1], (--t->count - i) * sizeof t->rows[0]);
}

void ui_toasts_add(ui_toasts *t, log_level level, const char *text, double now)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->rows[i].text, text) == 0 || (level == LOG_INFO && t->rows[i].level == LOG_INFO))
            drop(t, i--);
    if (t->count == UI_TOASTS_MAX) drop(t, 0);
    ui_toast *row = &t->rows[t->count++];
    row->level = level;
    row->until = now + (level <= LOG_WARNING ? UI_TOAST_ERROR_SECONDS : UI_TOAST_SECONDS);
    snprintf(row->text, sizeof row->text, "%s", text);
}

bool ui_toasts_expire(ui_toasts *t, double now)
{
    size_t before = t->count;
    for (size_t i = 0; i < t->count;)
        if (t->rows[i].until <= now)
            drop(t, i);
        else
            i++;
    return t->count != before;
}

double ui_toasts_next(const ui_toasts *t, double now)
{
    double next = -1;
    for (size_t i = 0; i < t->count; i++) {
        double left = MAX_OF(t->rows[i].until - now, 0.0);
        if (next < 0 || left < next) next = left;
    }
    return next;
}

void ui_toasts_clear(ui_toasts *t) { t->count = 0; }
