/* ui/view/layout.c: which pane lies where.
 *
 * One pane on a small screen; on a wide one the models stand beside the chat, on a tall one with the log
 * below. The last row names the keys that do something now. */
#include <string.h>

#include "base/clock.h"
#include "ui/term/cells.h"
#include "ui/view/panes.h"

enum {
    WIDE_COLUMNS = 120,
    MODELS_COLUMNS = 46,
    TALL_ROWS = 36,
    LOG_ROWS = 10,
    DIALOG_MARGIN_FROM_ROWS = 14,
    TOAST_COLUMNS = 76
};

const ui_pane ui_panes[] = {
    {UI_MODELS, ui_draw_models, false},
    {UI_INPUT, ui_draw_chat, false},
    {UI_CHAT, ui_draw_chat, false},
    {UI_LOG, ui_draw_log, false},
    {UI_CONVERSATIONS, ui_draw_conversations, true},
    {UI_SAMPLING, ui_draw_sampling, true},
    {UI_ADAPTERS, ui_draw_adapters, true},
    {UI_HELP, ui_draw_help, true},
    {UI_PALETTE, ui_draw_palette, true},
    {UI_PROMPT, ui_draw_prompt, true},
    {UI_QUESTION, ui_draw_question, true},
    {0},
};

static const ui_pane *pane_of(ui_place place)
{
    for (const ui_pane *pane = ui_panes; pane->draw; pane++)
        if (pane->place == place) return pane;
    return &ui_panes[1];
}

/* The pane below the dialogs. */
static ui_place ground_of(const ui_app *app)
{
    ui_place place = app->focus;
    if (place == UI_PROMPT) place = app->prompt_from;
    return pane_of(place)->over ? app->back : place;
}

static void draw_ground(ui_paint *p, ui_rect r)
{
    ui_place ground = ground_of(p->app);
    if (r.columns < WIDE_COLUMNS) {
        pane_of(ground)->draw(p, r);
        return;
    }
    ui_rect side = ui_rect_take_columns(&r, MODELS_COLUMNS);
    if (r.rows >= TALL_ROWS) {
        ui_draw_log(p, ui_rect_take_rows(&side, -LOG_ROWS));
        ui_draw_models(p, side);
        ui_draw_chat(p, r);
        return;
    }
    ui_draw_models(p, side);
    if (ground == UI_LOG)
        ui_draw_log(p, r);
    else
        ui_draw_chat(p, r);
}

/* -- the bottom line --------------------------------------------------------------------------------------
 */

static int draw_hint(ui_paint *p, ui_rect r, int column, const ui_action *a)
{
    int cells = ui_cells(bytes_view_of(a->key)) + 1 + ui_cells(bytes_view_of(a->short_help));
    if (column + cells > r.columns) return column;
    column = ui_draw_words(p->screen, r, 0, column, UI_STYLE_KEY, a->key);
    column = ui_draw_words(p->screen, r, 0, column, UI_STYLE_STATUS, " ");
    return ui_draw_words(p->screen, r, 0, column, UI_STYLE_STATUS, a->short_help) + 2;
}

/* Those of the focused place first, then those that count anywhere; what does not fit is in the help. */
static void draw_hints(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    int column = 0;
    ui_draw_row(p->screen, r, 0, UI_STYLE_STATUS);
    if (app->load == UI_LOAD_GOING || ui_chat_is_busy(&app->chat))
        column = draw_hint(p, r, column, ui_action_find("stop"));
    for (int own = 1; own >= 0; own--)
        for (const ui_action *a = ui_actions; a->name; a++) {
            bool here = own ? a->place == app->focus && a->place != UI_ANYWHERE : a->place == UI_ANYWHERE;
            if (here && a->short_help && strcmp(a->name, "stop") != 0 && ui_app_can(app, a))
                column = draw_hint(p, r, column, a);
        }
}

/* -- toasts -----------------------------------------------------------------------------------------------
 */

static void draw_toasts(ui_paint *p, ui_rect r)
{
    static const ui_style styles[] = {[LOG_ERROR] = UI_STYLE_ERROR,
                                      [LOG_WARNING] = UI_STYLE_WARN,
                                      [LOG_INFO] = UI_STYLE_OK,
                                      [LOG_DEBUG] = UI_STYLE_DIM};
    const ui_toasts *toasts = &p->app->toasts;
    int row = r.row;

    for (size_t i = toasts->count; i > 0 && row < r.row + r.rows; i--) {
        const ui_toast *t = &toasts->rows[i - 1];
        bytes_view text = bytes_view_of(t->text);
        int columns = MIN_OF(MIN_OF(ui_cells(text) + 2, TOAST_COLUMNS), r.columns);
        int rows = (int)ui_cells_wrap_count(text, MAX_OF(columns - 2, 1));
        ui_rect box = {row, r.column + r.columns - columns, MIN_OF(rows, r.row + r.rows - row), columns};
        ui_draw_fill(p->screen, box, styles[t->level]);
        box.column++;
        box.columns -= 2;
        ui_paint_wrapped(p, box, 0, styles[t->level], t->text);
        row += rows;
    }
}

void ui_draw_all(ui_paint *p)
{
    ui_app *app = p->app;
    ui_rect r = ui_screen_rect(p->screen);

    ui_frame_begin(p->screen);
    if (r.rows > 3) draw_hints(p, ui_rect_take_rows(&r, -1));
    draw_ground(p, r);
    ui_rect room = r.rows >= DIALOG_MARGIN_FROM_ROWS ? ui_rect_inside(r, 1) : r;
    if (app->inspecting) ui_draw_inspect(p, room);
    if (pane_of(app->focus)->over) pane_of(app->focus)->draw(p, room);
    draw_toasts(p, r);
    ui_frame_end(p->screen);
}
