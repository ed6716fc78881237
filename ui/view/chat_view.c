/* ui/view/chat_view.c: the conversation, what goes on, and the input. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "ui/view/chat_layout.h"
#include "ui/view/panes.h"

enum {
    INPUT_ROWS_MAX = 8,
    BOXES_FROM_ROWS = 14,
    GAUGE_CELLS = 12,
    CONTEXT_CELLS = 8,
    STATUS_CELLS_MIN = 42,
    RUN_STATUS_CELLS_MIN = 66,
    BOXES_FROM_COLUMNS = 50
};

/* -- what goes on: one line between conversation and input ------------------------------------------------
 */

static void draw_load(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    char took[32];
    double part = app->load_total ? (double)app->load_done / (double)app->load_total : (double)NAN;
    text_human_seconds(clock_seconds() - app->load_began, took, sizeof took);
    ui_draw_gauge(p->screen, r, 0, 0, GAUGE_CELLS, part);
    if (app->load_total)
        ui_paint_format(p, r, 0, GAUGE_CELLS + 1, UI_STYLE_TEXT, "loading %s: %.0f %%, %s  Ctrl-C cancels",
                        app->model_name, part * 100, took);
    else
        ui_paint_format(p, r, 0, GAUGE_CELLS + 1, UI_STYLE_TEXT, "loading %s, %s  Ctrl-C cancels",
                        app->model_name, took);
}

static void draw_run(ui_paint *p, ui_rect r, int column)
{
    CLEANUP(bytes_free) bytes status = {0};
    ui_run_source_status(p->app->run, &status);
    ui_paint_words(p, r, 0, column, UI_STYLE_DIM, bytes_text(&status));
}

static void draw_writing(ui_paint *p, ui_rect r)
{
    const ui_chat *chat = &p->app->chat;
    const ui_chat_message *last = ui_chat_last(chat);
    ui_source_facts facts = p->app->source->kind->facts(p->app->source);
    char took[32];

    text_human_seconds(clock_seconds() - chat->asked_at, took, sizeof took);
    if (last->state == UI_ANSWER_WAITING && chat->prompt_tokens == 0) {
        ui_paint_format(p, r, 0, 0, UI_STYLE_DIM, "reading the conversation, %s  Ctrl-C stops", took);
        return;
    }
    size_t written = facts.context_used > chat->prompt_tokens ? facts.context_used - chat->prompt_tokens : 0;
    int column = ui_paint_format(p, r, 0, 0, UI_STYLE_DIM, "%s: %zu tokens, %s  Ctrl-C stops",
                                 last->content.size == 0 && last->reasoning.size ? "thinking" : "writing",
                                 written, took);
    if (p->app->run) draw_run(p, r, column + 2);
}

static void draw_going_on(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    if (app->load == UI_LOAD_GOING)
        draw_load(p, r);
    else if (ui_chat_is_busy(&app->chat))
        draw_writing(p, r);
    else if (app->run)
        draw_run(p, r, 0);
    else if (app->load == UI_LOAD_NONE)
        ui_paint_words(p, r, 0, 0, UI_STYLE_WARN, "no model is loaded: F2 chooses one");
    else if (!app->facts.has_tokenizer)
        ui_paint_words(p, r, 0, 0, UI_STYLE_WARN,
                       "this model has no tokenizer.json: it cannot read a message");
    else if (!app->facts.has_template)
        ui_paint_words(p, r, 0, 0, UI_STYLE_WARN, "no chat template: the model writes on from your text");
    else if (app->scroll)
        ui_paint_format(p, r, 0, 0, UI_STYLE_DIM, "%zu lines below  G goes to the end", app->scroll);
}

/* How full the context is, at the right end; the rest of the row is left. */
static void draw_context(ui_paint *p, ui_rect *r)
{
    ui_source_facts facts = p->app->source->kind->facts(p->app->source);
    char text[64];
    if (facts.context_max == 0 || !ui_app_is_ready(p->app)) return;
    int cells = snprintf(text, sizeof text, "context %zu/%zu ", facts.context_used, facts.context_max);
    int left = p->app->run ? RUN_STATUS_CELLS_MIN : STATUS_CELLS_MIN;
    if (r->columns < cells + CONTEXT_CELLS + left) return;
    ui_rect right = ui_rect_take_columns(r, -(cells + CONTEXT_CELLS));
    ui_draw_words(p->screen, right, 0, 0, UI_STYLE_DIM, text);
    ui_draw_gauge(p->screen, right, 0, cells, CONTEXT_CELLS,
                  (double)facts.context_used / (double)facts.context_max);
    ui_rect_take_columns(r, -1);
}

/* -- the conversation -------------------------------------------------------------------------------------
 */

static void draw_no_model(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    CLEANUP(bytes_free) bytes text = {0};
    int row = 0;

    if (app->load_problem) {
        row = ui_paint_wrapped(p, r, row, UI_STYLE_ERROR, app->load_problem);
        row++;
    }
    if (app->models.count) {
        bytes_printf(&text, "%zu models are in %s. Press F2, choose one and press Enter.", app->models.count,
                     app->models.folder);
        ui_paint_wrapped(p, r, row, UI_STYLE_TEXT, bytes_text(&text));
        return;
    }
    row = ui_paint_wrapped(p, r, row, UI_STYLE_STRONG, "There is no model yet.");
    bytes_printf(
        &text,
        "\nA model is a folder of its own, with config.json, tokenizer.json and .safetensors files, in\n"
        "  %s\n\nTo get one, in a shell:\n\n"
        "  git lfs install\n"
        "  mkdir -p %s\n"
        "  cd %s\n"
        "  git clone https://huggingface.co/Qwen/Qwen3-0.6B\n\n"
        "Then press F2 here. Another folder: set HYPRSTREAM_MODELS_DIR, or models.dir with "
        "hyprstream config.",
        app->models.folder, app->models.folder, app->models.folder);
    ui_paint_wrapped(p, r, row, UI_STYLE_TEXT, bytes_text(&text));
}

static void draw_empty(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    CLEANUP(bytes_free) bytes text = {0};

    if (app->load == UI_LOAD_NONE && !app->run) {
        draw_no_model(p, r);
        return;
    }
    if (app->run)
        bytes_printf(&text,
                     "%s answers while it trains, with the weights of the step just done. Type a message and "
                     "press Enter.",
                     app->source->kind->facts(app->source).name);
    else if (app->load == UI_LOAD_GOING)
        bytes_printf(&text, "%s is being loaded. You can type your message already.", app->model_name);
    else if (app->facts.has_template)
        bytes_printf(&text, "%s is ready. Type a message and press Enter.", app->model_name);
    else
        bytes_printf(&text,
                     "%s is ready. It has no chat template, so it was not made to answer: it writes on from "
                     "your text, "
                     "and from what you add to it. Type the beginning of something and press Enter.",
                     app->model_name);
    bytes_append_text(&text, "\n\nF1 shows all keys, Ctrl-P all that can be done, Ctrl-Q leaves.");
    ui_paint_wrapped(p, r, 0, UI_STYLE_TEXT, bytes_text(&text));
}

static void draw_lines(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    ui_chat_look look = {.cells = r.columns - 1, .ascii = p->ascii, .thinking_open = app->thinking_open};
    if (r.rows < 1 || r.columns < 2) return;
    size_t count = ui_chat_layout_update(p->chat, &app->chat, &look), rows = (size_t)r.rows;

    /* Who reads further up keeps their place while the answer grows below. */
    if (app->scroll && ui_chat_is_busy(&app->chat) && count > app->line_count)
        app->scroll += count - app->line_count;
    app->line_count = count;
    app->scroll_page = rows;
    app->scroll_max = count > rows ? count - rows : 0;
    app->scroll = MIN_OF(app->scroll, app->scroll_max);
    size_t first = app->scroll_max - app->scroll;
    for (size_t i = 0; i < rows && first + i < count; i++) {
        ui_line line = ui_chat_layout_line(p->chat, first + i);
        ui_draw_styled(p->screen, r, (int)i, 0, &line);
    }
    ui_draw_scrollbar(p->screen, r, first, count);
}

static void draw_conversation(ui_paint *p, ui_rect r)
{
    bool only_system = p->app->chat.count == 1 && strcmp(p->app->chat.messages[0].role, "system") == 0;
    if (p->app->chat.count == 0 || only_system)
        draw_empty(p, r);
    else
        draw_lines(p, r);
}

/* -- the input --------------------------------------------------------------------------------------------
 */

static const char *const input_titles[] = {
    [UI_INPUT_MESSAGE] = "message",
    [UI_INPUT_EDIT] = "edit the last message",
    [UI_INPUT_SYSTEM] = "system prompt of this conversation",
};

static int input_rows(ui_paint *p, int columns, int rows_max)
{
    if (columns < 3) return 1;
    ui_editor_set_cells(p->app->input, columns - 1);
    size_t rows = ui_editor_row_count(p->app->input);
    return (int)MIN_OF(rows, (size_t)MAX_OF(rows_max, 1));
}

void ui_draw_chat(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    bool boxes = r.rows >= BOXES_FROM_ROWS && r.columns >= BOXES_FROM_COLUMNS,
         writes = app->focus == UI_INPUT;
    ui_source_facts facts = app->source->kind->facts(app->source);
    CLEANUP(bytes_free) bytes title = {0};
    int border = boxes ? 1 : 0;

    int wanted = input_rows(p, r.columns - (boxes ? 4 : 2), MIN_OF(INPUT_ROWS_MAX, r.rows / 3));
    ui_rect input = ui_rect_take_rows(&r, -(wanted + 2 * border));
    bytes_printf(&title, "chat");
    if (facts.name && facts.name[0]) bytes_printf(&title, ": %s", facts.name);
    if (boxes) {
        r = ui_draw_box(p->screen, r, bytes_text(&title), app->focus == UI_CHAT);
        input = ui_draw_box(p->screen, input, input_titles[app->input_use], writes);
        r = (ui_rect){r.row, r.column + 1, r.rows, r.columns - 1};
        input = (ui_rect){input.row, input.column + 1, input.rows, input.columns - 1};
    }
    ui_rect status = ui_rect_take_rows(&r, -1);
    draw_conversation(p, r);
    draw_context(p, &status);
    draw_going_on(p, status);
    if (!boxes) {
        ui_draw_words(p->screen, input, 0, 0, writes ? UI_STYLE_USER : UI_STYLE_DIM, ">");
        ui_rect_take_columns(&input, 2);
    }
    ui_paint_editor(p, input, app->input, writes);
}
