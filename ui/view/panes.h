/* ui/view/panes.h: the panes, one row each. */
#ifndef UI_VIEW_PANES_H
#define UI_VIEW_PANES_H

#include "ui/view/paint.h"

typedef struct ui_pane {
    ui_place place;
    void (*draw)(ui_paint *p, ui_rect r);
    bool over; /* lies over the others, as large as it needs to be */
} ui_pane;

extern const ui_pane ui_panes[]; /* ended by a row without a function */

void ui_draw_models(ui_paint *p, ui_rect r);        /* the list of models */
void ui_draw_chat(ui_paint *p, ui_rect r);          /* the conversation and the input below it */
void ui_draw_conversations(ui_paint *p, ui_rect r); /* the list of conversations */
void ui_draw_sampling(ui_paint *p, ui_rect r);      /* the values of sampling */
void ui_draw_adapters(ui_paint *p, ui_rect r);      /* the stack of adapters */
void ui_draw_log(ui_paint *p, ui_rect r);           /* the last lines of the log */
void ui_draw_help(ui_paint *p, ui_rect r);          /* keys and actions */
void ui_draw_palette(ui_paint *p, ui_rect r);       /* the menu of actions */
void ui_draw_prompt(ui_paint *p, ui_rect r);        /* a line that is asked for */
void ui_draw_question(ui_paint *p, ui_rect r);      /* yes or no */
void ui_draw_inspect(ui_paint *p, ui_rect r);       /* of the chosen model */

/* The whole screen as one frame. */
void ui_draw_all(ui_paint *p);

#endif
