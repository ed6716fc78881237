#include "ui/view/chat_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/app/figures.h"
#include "ui/term/cells.h"
#include "ui/term/markdown.h"
#include "ui/term/sanitise.h"

enum { INDENT_CELLS = 2 };

/* The lines of one message. */
typedef struct block {
    arena memory;
    ui_line *lines;
    size_t count, capacity;
    unsigned version; /* of the message; 0: not laid out yet */
} block;

struct ui_chat_layout {
    block *blocks;
    size_t count, capacity;
    ui_chat_look look;
};

ui_chat_layout *ui_chat_layout_new(void) { return memory_alloc(sizeof(ui_chat_layout)); }

static void block_empty(block *b)
{
    arena_free(&b->memory);
    b->lines = NULL;
    b->count = b->capacity = 0;
}

void ui_chat_layout_free(ui_chat_layout *layout)
{
    if (!layout) return;
    for (size_t i = 0; i < layout->count; i++) block_empty(&layout->blocks[i]);
    free(layout->blocks);
    free(layout);
}

/* -- building lines -------------------------------------------------------------------------------------- */

static void push(block *b, ui_line line)
{
    if (b->count == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 16;
        ui_line *grown = arena_array(&b->memory, ui_line, capacity);
        if (b->count) memcpy(grown, b->lines, b->count * sizeof *grown);
        b->lines = grown;
        b->capacity = capacity;
    }
    b->lines[b->count++] = line;
}

static void push_lines(block *b, ui_lines lines)
{
    for (size_t i = 0; i < lines.count; i++) push(b, lines.items[i]);
}

static void push_words(block *b, const ui_chat_look *look, ui_style style, const char *text)
{
    push_lines(
        b, ui_plain_lines(bytes_view_of(text),
                          &(ui_markdown_options){.cells = look->cells, .ascii = look->ascii, .base = style},
                          &b->memory));
}

static const char *sign(const ui_chat_look *look, const char *unicode, const char *ascii)
{
    return look->ascii ? ascii : unicode;
}

/* -- what is said under and above the words ----------------------------------------------------------------
 */

static void push_end(block *b, const ui_chat_message *m, const ui_chat_look *look)
{
    CLEANUP(bytes_free) bytes text = {0};
    switch (m->state) {
    case UI_ANSWER_DONE:
        ui_figures_of_answer(m, &text);
        push_words(b, look, UI_STYLE_DIM, bytes_text(&text));
        break;
    case UI_ANSWER_FAILED: push_words(b, look, UI_STYLE_ERROR, m->problem ? m->problem : "failed"); break;
    case UI_ANSWER_CUT:
        push_words(b, look, UI_STYLE_WARN,
                   "The program ended while this was written: c writes on, r answers again");
        break;
    default: break;
    }
}

static size_t count_words(bytes_view text)
{
    size_t count = 0;
    bool inside = false;
    for (size_t i = 0; i < text.size; i++) {
        bool space = strchr(" \n\t\r", text.data[i]) != NULL;
        if (!space && !inside) count++;
        inside = !space;
    }
    return count;
}

static void push_thinking(block *b, const ui_chat_message *m, const ui_chat_look *look)
{
    CLEANUP(bytes_free) bytes head = {0};
    bool going = m->content.size == 0 && m->state == UI_ANSWER_WRITING;
    char seconds[32];

    if (m->reasoning.size == 0) return;
    bytes_printf(&head, "%s %s, %zu words", look->thinking_open ? sign(look, "▾", "v") : sign(look, "▸", ">"),
                 going ? "thinking" : "thought", count_words(bytes_borrow(&m->reasoning)));
    if (m->thinking_seconds > 0) {
        ui_figure_seconds(m->thinking_seconds, seconds, sizeof seconds);
        bytes_printf(&head, ", %s", seconds);
    }
    bytes_append_text(&head, look->thinking_open ? "  (t folds)" : "  (t opens)");
    push_words(b, look, UI_STYLE_THINKING, bytes_text(&head));
    if (!look->thinking_open) return;
    ui_markdown_options how = {.cells = look->cells, .ascii = look->ascii, .base = UI_STYLE_THINKING};
    push_lines(b, ui_markdown_lines(bytes_borrow(&m->reasoning), &how, &b->memory));
    push(b, (ui_line){0});
}

/* At the end of the last line so far, or on one of its own when there is no room. */
static void push_rating(block *b, ui_rating rating, const ui_chat_look *look)
{
    const char *words = rating == UI_RATING_GOOD ? "  + good" : "  - bad";
    ui_style style = rating == UI_RATING_GOOD ? UI_STYLE_OK : UI_STYLE_WARN;
    ui_line *line = &b->lines[b->count - 1];
    int cells = (int)strlen(words);

    if (line->cells + cells > look->cells) {
        push_words(b, look, style, words + 2);
        return;
    }
    ui_span *spans = arena_array(&b->memory, ui_span, line->span_count + 1);
    if (line->span_count) memcpy(spans, line->spans, line->span_count * sizeof *spans);
    spans[line->span_count] = (ui_span){bytes_view_of(words), style};
    *line = (ui_line){spans, line->span_count + 1, line->cells + cells};
}

static void push_speaker(block *b, const ui_chat_message *m, const ui_chat_look *look)
{
    bool user = strcmp(m->role, "user") == 0, system = strcmp(m->role, "system") == 0;
    const char *who = user ? "you" : system ? "system prompt" : m->model && m->model[0] ? m->model : "answer";
    CLEANUP(bytes_free) bytes safe = {0};
    ui_sanitise_line(bytes_view_of(who), look->ascii, &safe);
    push_words(b, look, user ? UI_STYLE_USER : system ? UI_STYLE_DIM : UI_STYLE_ASSISTANT, bytes_text(&safe));
    if (m->rating) push_rating(b, m->rating, look);
}

static void lay_out(block *b, const ui_chat_message *m, const ui_chat_look *look)
{
    bool answer = strcmp(m->role, "assistant") == 0;
    ui_markdown_options how = {.cells = look->cells, .ascii = look->ascii, .base = UI_STYLE_TEXT};

    block_empty(b);
    b->version = m->version;
    push_speaker(b, m, look);
    push_thinking(b, m, look);
    bytes_view content = bytes_borrow(&m->content);
    push_lines(b, answer ? ui_markdown_lines(content, &how, &b->memory)
                         : ui_plain_lines(content, &how, &b->memory));
    push_end(b, m, look);
    push(b, (ui_line){0});
}

/* -- keeping them ---------------------------------------------------------------------------------------- */

static bool same_look(const ui_chat_look *a, const ui_chat_look *b)
{
    return a->cells == b->cells && a->ascii == b->ascii && a->thinking_open == b->thinking_open;
}

size_t ui_chat_layout_update(ui_chat_layout *layout, const ui_chat *chat, const ui_chat_look *look)
{
    bool all = !same_look(&layout->look, look);
    size_t lines = 0;

    while (layout->count > chat->count) block_empty(&layout->blocks[--layout->count]);
    if (layout->capacity < chat->count) {
        layout->capacity = chat->capacity;
        layout->blocks = memory_resize_array(layout->blocks, layout->capacity, sizeof *layout->blocks);
    }
    for (; layout->count < chat->count; layout->count++) layout->blocks[layout->count] = (block){0};
    for (size_t i = 0; i < chat->count; i++) {
        block *b = &layout->blocks[i];
        const ui_chat_message *m = &chat->messages[i];
        if (all || b->version != m->version) lay_out(b, m, look);
        lines += b->count;
    }
    layout->look = *look;
    return lines;
}

ui_line ui_chat_layout_line(const ui_chat_layout *layout, size_t i)
{
    for (size_t at = 0; at < layout->count; at++) {
        if (i < layout->blocks[at].count) return layout->blocks[at].lines[i];
        i -= layout->blocks[at].count;
    }
    return (ui_line){0};
}
