/* ui/app/run_internal.h: the rows that say what actions do, and what they share. Part of run.c; nobody
 * else's. */
#ifndef UI_APP_RUN_INTERNAL_H
#define UI_APP_RUN_INTERNAL_H

#include "ui/app/app.h"

typedef struct ui_run_row {
    const char *name;
    void (*run)(ui_app *app);
    bool (*can)(const ui_app *app); /* NULL: always */
    const char *why;                /* said when it cannot; NULL: run says it better itself */
} ui_run_row;

/* Ended by a row without a name. */
extern const ui_run_row ui_run_models[]; /* run_models.c: models and adapters */
extern const ui_run_row ui_run_chat[];   /* run_chat.c: the input, the conversation, the kept ones */

void ui_go(ui_app *app, ui_place place);
/* An overlay remembers where it was opened from; one opened from another keeps the first place. */
void ui_open_overlay(ui_app *app, ui_place place);
void ui_close_overlay(ui_app *app);
void ui_open_prompt(ui_app *app, ui_prompt_use use, const char *text);
/* Load the chosen model at what the palette says. */
void ui_load_chosen_ref(ui_app *app);
/* What was typed as the scale of the chosen adapter. ERR_USAGE. */
err ui_accept_scale(ui_app *app, const char *text);

#endif
