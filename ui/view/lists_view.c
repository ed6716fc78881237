/* ui/view/lists_view.c: the short lists that lie over the panes: conversations, adapters, sampling. */
#include <stdio.h>
#include <time.h>

#include "ui/view/panes.h"

enum { DIALOG_COLUMNS = 70 };

/* -- conversations --------------------------------------------------------------------------------------- */

static void when(int64_t unix_seconds, char *out, size_t size)
{
    time_t at = (time_t)unix_seconds;
    struct tm local;
    if (!localtime_r(&at, &local) || strftime(out, size, "%Y-%m-%d %H:%M", &local) == 0)
        snprintf(out, size, "n/a");
}

void ui_draw_conversations(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    size_t count = app->conversations.count;
    char text[64];

    r = ui_paint_dialog(p, r, MAX_OF((int)count, 1), DIALOG_COLUMNS, "conversations");
    if (count == 0) ui_paint_words(p, r, 0, 0, UI_STYLE_DIM, "No conversation is kept yet.");
    app->scroll_page = (size_t)MAX_OF(r.rows, 1);
    size_t first = ui_first_row(app->conversation_at, count, r.rows);
    for (int i = 0; i < r.rows && first + (size_t)i < count; i++) {
        const ui_conversation *c = &app->conversations.rows[first + (size_t)i];
        bool chosen = first + (size_t)i == app->conversation_at;
        ui_style style = ui_paint_choice(p, r, i, chosen, true);
        when(c->changed, text, sizeof text);
        int begin = r.columns > 50 ? ui_paint_words(p, r, i, 0, chosen ? style : UI_STYLE_DIM, text) + 2 : 0;
        if (begin)
            begin =
                ui_paint_format(p, r, i, begin, chosen ? style : UI_STYLE_DIM, "%4zu  ", c->message_count);
        ui_paint_words(p, r, i, begin, style, c->id == app->chat.id ? ui_sign(p, "● ", "* ") : "  ");
        ui_paint_words(p, r, i, begin + 2, style, c->title);
    }
    ui_draw_scrollbar(p->screen, r, first, count);
}

/* -- adapters ---------------------------------------------------------------------------------------------
 */

void ui_draw_adapters(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    size_t count = app->adapters.count;

    r = ui_paint_dialog(p, r, (int)count, DIALOG_COLUMNS, "adapters");
    size_t first = ui_first_row(app->adapter_at, count, r.rows);
    for (int i = 0; i < r.rows && first + (size_t)i < count; i++) {
        const ui_adapter_row *a = &app->adapters.rows[first + (size_t)i];
        ui_style style = ui_paint_choice(p, r, i, first + (size_t)i == app->adapter_at, true);
        int at =
            ui_paint_format(p, r, i, 0, style, "[%s] %6.2f  ", a->on ? ui_sign(p, "✓", "x") : " ", a->scale);
        ui_paint_words(p, r, i, at, style, a->name);
    }
    ui_draw_scrollbar(p->screen, r, first, count);
}

/* -- sampling ---------------------------------------------------------------------------------------------
 */

void ui_draw_sampling(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    r = ui_paint_dialog(p, r, UI_SAMPLING_COUNT, DIALOG_COLUMNS, "sampling");
    size_t first = ui_first_row(app->sampling_at, UI_SAMPLING_COUNT, r.rows);
    for (int i = 0; i < r.rows && first + (size_t)i < UI_SAMPLING_COUNT; i++) {
        ui_sampling_field field = (ui_sampling_field)(first + (size_t)i);
        const ui_sampling_row *row = &ui_sampling_rows[field];
        CLEANUP(bytes_free) bytes value = {0};
        ui_style style = ui_paint_choice(p, r, i, field == app->sampling_at, true);
        ui_style dim = style == UI_STYLE_TEXT ? UI_STYLE_DIM : style;
        ui_sampling_show(&app->sampling, field, &value);
        ui_paint_words(p, r, i, 0, style, row->name);
        ui_paint_right(p, r, i, 28, app->sampling.set[field] ? UI_STYLE_STRONG : style, bytes_text(&value));
        ui_paint_words(p, r, i, 30, dim, row->help);
    }
}
