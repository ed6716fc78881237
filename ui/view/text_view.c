/* ui/view/text_view.c: the log, the help, and the dialogs of one line: palette, prompt, question. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ui/term/cells.h"
#include "ui/view/panes.h"

enum {
    PALETTE_ROWS = 12,
    PALETTE_COLUMNS = 72,
    PALETTE_NAME_CELLS = 22,
    HELP_COLUMNS = 76,
    HELP_KEY_CELLS = 12
};

/* -- log --------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    ui_style style;
} levels[] = {
    [LOG_ERROR] = {"error", UI_STYLE_ERROR},
    [LOG_WARNING] = {"warn", UI_STYLE_WARN},
    [LOG_INFO] = {"info", UI_STYLE_OK},
    [LOG_DEBUG] = {"debug", UI_STYLE_DIM},
};

static void draw_log_line(ui_paint *p, ui_rect r, int row, const log_line *line)
{
    time_t at = (time_t)line->unix_seconds;
    struct tm local;
    char clock[16] = "";
    if (localtime_r(&at, &local)) strftime(clock, sizeof clock, "%H:%M:%S ", &local);
    int column = ui_draw_words(p->screen, r, row, 0, UI_STYLE_DIM, clock);
    column = ui_paint_format(p, r, row, column, levels[line->level].style, "%-5s ", levels[line->level].name);
    ui_paint_words(p, r, row, column, UI_STYLE_TEXT, line->text);
}

void ui_draw_log(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    size_t count = log_count(app->log);

    r = ui_draw_box(p->screen, r, "log", app->focus == UI_LOG);
    if (r.rows < 1) return;
    size_t rows = (size_t)r.rows, kept = MIN_OF(count, (size_t)LOG_LINES_MAX);
    size_t back_max = kept > rows ? kept - rows : 0;
    app->log_scroll = MIN_OF(app->log_scroll, back_max);
    if (app->focus == UI_LOG) app->scroll_page = rows;
    size_t first = count > rows + app->log_scroll ? count - rows - app->log_scroll : 0;
    for (size_t i = 0; i < rows && first + i < count; i++) {
        log_line line;
        if (log_copy(app->log, first + i, &line)) draw_log_line(p, r, (int)i, &line);
    }
    ui_draw_scrollbar(p->screen, r, back_max - app->log_scroll, kept);
}

/* -- help -------------------------------------------------------------------------------------------------
 */

typedef struct help_line {
    const ui_action *action; /* NULL: the head of a place */
    ui_place place;
} help_line;

static size_t help_lines(help_line *out)
{
    size_t count = 0;
    for (const ui_action *a = ui_actions; a->name; a++) {
        if (a == ui_actions || a[-1].place != a->place) {
            if (out) out[count] = (help_line){NULL, a->place};
            count++;
        }
        if (out) out[count] = (help_line){a, a->place};
        count++;
    }
    return count;
}

void ui_draw_help(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    size_t count = help_lines(NULL);
    help_line *lines = memory_alloc(count * sizeof *lines);

    help_lines(lines);
    r = ui_paint_dialog(p, r, (int)count, HELP_COLUMNS, "help");
    size_t rows = (size_t)MAX_OF(r.rows, 1);
    app->scroll_page = rows;
    app->help_scroll = MIN_OF(app->help_scroll, count > rows ? count - rows : 0);
    for (size_t i = 0; i < rows && app->help_scroll + i < count; i++) {
        const help_line *line = &lines[app->help_scroll + i];
        if (!line->action) {
            ui_draw_format(p->screen, r, (int)i, 0, UI_STYLE_HEADING, "%s", ui_place_name(line->place));
            continue;
        }
        ui_draw_words(p->screen, r, (int)i, 1, UI_STYLE_KEY, line->action->key);
        ui_draw_words(p->screen, r, (int)i, HELP_KEY_CELLS, UI_STYLE_TEXT, line->action->help);
    }
    ui_draw_scrollbar(p->screen, r, app->help_scroll, count);
    free(lines);
}

/* -- dialogs of one line ----------------------------------------------------------------------------------
 */

void ui_draw_palette(ui_paint *p, ui_rect r)
{
    const ui_menu *menu = p->app->palette;
    size_t count = ui_menu_count(menu), chosen = ui_menu_chosen(menu);
    bool of_refs = p->app->palette_use == UI_PALETTE_REFS;

    r = ui_paint_dialog(p, r, PALETTE_ROWS + 1, PALETTE_COLUMNS,
                        of_refs ? "branch, tag or commit" : "what to do");
    ui_rect line = ui_rect_take_rows(&r, 1);
    ui_draw_words(p->screen, line, 0, 0, UI_STYLE_USER, ":");
    int end = ui_draw_words(p->screen, line, 0, 1, UI_STYLE_TEXT, ui_menu_pattern(menu));
    ui_draw_cursor(p->screen, line, 0, end);
    if (count == 0)
        ui_draw_words(p->screen, r, 0, 0, UI_STYLE_DIM,
                      of_refs ? "Enter tries it as a commit." : "Nothing is called like that.");
    size_t first = ui_first_row(chosen, count, r.rows);
    for (int i = 0; i < r.rows && first + (size_t)i < count; i++) {
        ui_menu_item item = ui_menu_at(menu, first + (size_t)i);
        ui_style style = ui_paint_choice(p, r, i, first + (size_t)i == chosen, true);
        ui_draw_words(p->screen, r, i, 0, style, item.name);
        ui_draw_words(p->screen, r, i, PALETTE_NAME_CELLS, style == UI_STYLE_TEXT ? UI_STYLE_DIM : style,
                      item.detail);
        if (r.columns > PALETTE_COLUMNS - 4 && !of_refs)
            ui_paint_right(p, r, i, r.columns - 1, style == UI_STYLE_TEXT ? UI_STYLE_KEY : style,
                           ui_actions[item.tag].key);
    }
    ui_draw_scrollbar(p->screen, r, first, count);
}

void ui_draw_prompt(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    const char *title = app->prompt_use == UI_PROMPT_FILTER  ? "show models whose name holds"
                        : app->prompt_use == UI_PROMPT_SCALE ? "scale of the adapter"
                                                             : ui_sampling_rows[app->sampling_at].name;
    r = ui_paint_dialog(p, r, 1, 44, title);
    ui_paint_editor(p, r, app->line, true);
}

void ui_draw_question(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    if (app->conversation_at >= app->conversations.count) return;
    r = ui_paint_dialog(p, r, 2, 60, "delete this conversation?");
    ui_paint_words(p, r, 0, 0, UI_STYLE_TEXT, app->conversations.rows[app->conversation_at].title);
    ui_draw_words(p->screen, r, 1, 0, UI_STYLE_WARN, "y deletes it for good, Esc leaves it");
}
