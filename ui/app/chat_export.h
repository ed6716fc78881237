/* ui/app/chat_export.h: marked answers as lines to train with.
 *
 * A line is an object with "prompt" and "completion", both lists of messages: of these training learns only
 * the completion, whatever answers stand before it (spec training.md, section 9.1). Thoughts of an answer go
 * along as "reasoning_content", for the templates that show them. Pure. */
#ifndef UI_APP_CHAT_EXPORT_H
#define UI_APP_CHAT_EXPORT_H

#include "ui/app/chat.h"

/* The answer at `position`, with all that was said before it; appended to *out, with its end of line. */
void ui_chat_export_line(const ui_chat *chat, size_t position, bytes *out);
/* It ended by itself: not cut at a length, stopped or broken off. */
bool ui_chat_answer_ended(const ui_chat_message *m);

#endif
