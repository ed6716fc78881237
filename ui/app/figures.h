/* ui/app/figures.h: measured numbers as people read them. What was not measured is "n/a". Pure. */
#ifndef UI_APP_FIGURES_H
#define UI_APP_FIGURES_H

#include "ui/app/chat.h"

/* "3.1 ms" below a second, then as text_human_seconds. */
void ui_figure_seconds(double seconds, char *out, size_t out_size);
/* Of an answer that is done: tokens, speed, time to the first token, why it ended, seed. Appended. */
void ui_figures_of_answer(const ui_chat_message *m, bytes *out);

#endif
