/* ui/view/chat_layout.h: a conversation as lines of one width.
 *
 * The lines of a message are kept until it, the width or the folding changes; only the answer that grows is
 * laid out for every frame.
 * Threads: the UI thread. */
#ifndef UI_VIEW_CHAT_LAYOUT_H
#define UI_VIEW_CHAT_LAYOUT_H

#include "ui/app/chat.h"
#include "ui/term/line.h"

typedef struct ui_chat_layout ui_chat_layout;

ui_chat_layout *ui_chat_layout_new(void);         /* ui_chat_layout_free() gives it back */
void ui_chat_layout_free(ui_chat_layout *layout); /* NULL is fine */

typedef struct ui_chat_look {
    int cells;
    bool ascii, thinking_open;
} ui_chat_look;

/* Lay out what changed. Returns the number of all lines. */
size_t ui_chat_layout_update(ui_chat_layout *layout, const ui_chat *chat, const ui_chat_look *look);
/* Line i of all; borrowed until the next update. */
ui_line ui_chat_layout_line(const ui_chat_layout *layout, size_t i);

#endif
