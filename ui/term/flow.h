/* ui/term/flow.h: styled text poured into lines of a width, under prefixes (quote bars, bullets). Part of
 * markdown.c. Texts are sanitised ones. One thread. */
#ifndef UI_TERM_FLOW_H
#define UI_TERM_FLOW_H

#include "base/arena.h"
#include "ui/term/markdown.h"

enum { UI_FLOW_COLUMNS_MAX = 64 }; /* of a table; further ones are left out */

/* One text whose parts have styles. Zeroed is empty. */
typedef struct ui_flow_run {
    size_t begin;
    ui_style style;
} ui_flow_run;

typedef struct ui_flow_text {
    bytes text;
    ui_flow_run *runs;
    size_t run_count, run_capacity;
} ui_flow_text;

/* Tabs become blanks up to the next stop. */
void ui_flow_text_add(ui_flow_text *t, bytes_view text, ui_style style);
void ui_flow_text_clear(ui_flow_text *t); /* empty, memory kept */
void ui_flow_text_free(ui_flow_text *t);  /* a zeroed one is fine */

typedef struct ui_flow_level {
    const char *first, *rest; /* before the first line, before the others */
    ui_style style;
    bool first_done;
} ui_flow_level;

typedef struct ui_flow {
    arena *memory; /* of the lines */
    ui_markdown_options how;
    ui_flow_level levels[UI_MARKDOWN_DEPTH_MAX];
    size_t depth;   /* levels asked for; those past the maximum have no prefix */
    bool blank_due; /* an empty line before the next one */
    ui_line *lines; /* malloc'ed while it grows */
    size_t line_count, line_capacity;
    ui_span *spans; /* of the line being made */
    size_t span_count, span_capacity;
} ui_flow;

/* Strings live as long as the arena. A prefix that would leave less than half of the width is left out. */
void ui_flow_push(ui_flow *f, const char *first, const char *rest, ui_style style);
void ui_flow_pop(ui_flow *f); /* back from ui_flow_push */

void ui_flow_paragraph(ui_flow *f, const ui_flow_text *text); /* broken at blanks to the width that is left */
/* As it stands, cut at the width; between two edges, the first with the label. */
void ui_flow_code(ui_flow *f, bytes_view label, const ui_flow_text *code);
void ui_flow_rule(ui_flow *f); /* a line across */
/* cells[row * columns + column]; the first row is the head. */
void ui_flow_table(ui_flow *f, const ui_flow_text *cells, size_t rows, size_t columns);

/* The lines, moved into the arena; the flow's own memory is freed. */
ui_lines ui_flow_finish(ui_flow *f);

#endif
