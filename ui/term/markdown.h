/* ui/term/markdown.h: Markdown as styled lines of a given width.
 *
 * CommonMark with tables, task lists, strikethrough and bare links (md4c). A cut-off text, as it comes while
 * a model writes, is rendered as far as it goes: an open code block is a code block. Costs a few microseconds
 * per line, so the message that grows is rendered again for every frame and the finished ones are kept by the
 * caller. HTML is shown as text. Nothing is fetched. Pure: any thread. */
#ifndef UI_TERM_MARKDOWN_H
#define UI_TERM_MARKDOWN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "ui/term/line.h"

enum { UI_MARKDOWN_BYTES_MAX = 16 * 1024 * 1024, UI_MARKDOWN_DEPTH_MAX = 12 };

typedef struct ui_markdown_options {
    int cells; /* width, at least 1 */
    bool ascii;
    ui_style base; /* of plain words: UI_STYLE_TEXT, or UI_STYLE_THINKING */
} ui_markdown_options;

/* The text is sanitised here. Lines live in the arena; none for an empty text. Text past
 * UI_MARKDOWN_BYTES_MAX is replaced by one line that says so. */
ui_lines ui_markdown_lines(bytes_view text, const ui_markdown_options *how, arena *a);

/* The same without any markup: every line as it is, wrapped. For the person's own
 * messages and for raw view. */
ui_lines ui_plain_lines(bytes_view text, const ui_markdown_options *how, arena *a);

/* Content of the last code block, as written (not sanitised, not wrapped). False: there is none. */
bool ui_markdown_last_code(bytes_view text, bytes *out);

#endif
