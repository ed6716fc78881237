/* ui/app/run.c: what each action does, one row each: moving about, sampling, prompt, palette. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/app/run_internal.h"

/* -- moving about ---------------------------------------------------------------------------------------- */

void ui_go(ui_app *app, ui_place place)
{
    app->focus = place;
    app->inspecting = false;
}

void ui_open_overlay(ui_app *app, ui_place place)
{
    if (app->focus < UI_CONVERSATIONS || app->focus == UI_LOG) app->back = app->focus;
    ui_go(app, place);
}

void ui_close_overlay(ui_app *app) { ui_go(app, app->back); }

static const ui_place panes[] = {UI_INPUT, UI_CHAT, UI_MODELS, UI_LOG};

static void turn(ui_app *app, size_t steps)
{
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(panes); i++)
        if (panes[i] == app->focus) at = i;
    ui_go(app, panes[(at + steps) % COUNT_OF(panes)]);
}

static void run_next_pane(ui_app *app) { turn(app, 1); }
static void run_previous_pane(ui_app *app) { turn(app, COUNT_OF(panes) - 1); }

/* Reading the folder is cheap, and somebody may have put a model there since. */
static void run_models(ui_app *app)
{
    ui_app_rescan(app);
    ui_go(app, UI_MODELS);
}

static void run_chat(ui_app *app) { ui_go(app, UI_INPUT); }
static void run_log(ui_app *app)
{
    app->log_scroll = 0;
    ui_go(app, UI_LOG);
}
static void run_write(ui_app *app) { ui_go(app, UI_INPUT); }
static void run_close(ui_app *app) { ui_close_overlay(app); }

static void run_help(ui_app *app)
{
    app->help_scroll = 0;
    ui_open_overlay(app, UI_HELP);
}

static void run_palette(ui_app *app)
{
    ui_menu_clear(app->palette);
    app->palette_use = UI_PALETTE_ACTIONS;
    for (size_t i = 0; ui_actions[i].name; i++)
        if (ui_actions[i].place <= UI_CHAT && ui_app_can(app, &ui_actions[i])) /* the others move in a list */
            ui_menu_add(app->palette, ui_actions[i].name, ui_actions[i].help, i);
    ui_open_overlay(app, UI_PALETTE);
}

static void run_redraw(ui_app *app) { app->redraw = true; }
static void run_suspend(ui_app *app) { app->suspend = true; }
static void run_quit(ui_app *app) { app->quit = true; }

/* -- rows and scrolling ---------------------------------------------------------------------------------- */

/* The row that Up and Down move, and how many there are; NULL: the place scrolls instead. */
static size_t *chosen_row(ui_app *app, size_t *count)
{
    switch (app->focus) {
    case UI_MODELS: *count = ui_app_shown_count(app); return &app->model_at;
    case UI_CONVERSATIONS: *count = app->conversations.count; return &app->conversation_at;
    case UI_SAMPLING: *count = UI_SAMPLING_COUNT; return &app->sampling_at;
    case UI_ADAPTERS: *count = app->adapters.count; return &app->adapter_at;
    default: return NULL;
    }
}

/* Lines towards the beginning (positive) or the end of what is shown. */
static void scroll_chat(ui_app *app, long lines)
{
    long to = (long)app->scroll + lines;
    app->scroll = to < 0 ? 0 : MIN_OF((size_t)to, app->scroll_max);
}

static void scroll_down(size_t *at, long lines)
{
    long to = (long)*at + lines;
    *at = to < 0 ? 0 : (size_t)to; /* the far end is known to whoever draws, who cuts it there */
}

static void move(ui_app *app, long rows)
{
    size_t count = 0, *at = chosen_row(app, &count);
    if (at) {
        long to = MIN_OF((long)*at + rows, (long)count - 1);
        *at = to < 0 ? 0 : (size_t)to;
    } else if (app->focus == UI_HELP) {
        scroll_down(&app->help_scroll, rows);
    } else if (app->focus == UI_LOG) {
        scroll_down(&app->log_scroll, -rows);
    } else {
        scroll_chat(app, -rows);
    }
}

static long page(const ui_app *app) { return app->scroll_page > 2 ? (long)app->scroll_page - 1 : 1; }
static void run_up(ui_app *app) { move(app, -1); }
static void run_down(ui_app *app) { move(app, 1); }
static void run_page_up(ui_app *app) { move(app, -page(app)); }
static void run_page_down(ui_app *app) { move(app, page(app)); }
static void run_scroll_up(ui_app *app) { scroll_chat(app, 1); }
static void run_scroll_down(ui_app *app) { scroll_chat(app, -1); }
static void run_scroll_top(ui_app *app) { app->scroll = app->scroll_max; }
static void run_scroll_end(ui_app *app) { app->scroll = 0; }

/* -- sampling, prompt, palette --------------------------------------------------------------------------- */

static void run_sampling(ui_app *app) { ui_open_overlay(app, UI_SAMPLING); }

static void run_raise(ui_app *app)
{
    ui_sampling_move(&app->sampling, (ui_sampling_field)app->sampling_at, 1);
}
static void run_lower(ui_app *app)
{
    ui_sampling_move(&app->sampling, (ui_sampling_field)app->sampling_at, -1);
}
static void run_reset(ui_app *app) { ui_sampling_reset(&app->sampling, &app->facts.defaults); }

void ui_open_prompt(ui_app *app, ui_prompt_use use, const char *text)
{
    app->prompt_use = use;
    app->prompt_from = app->focus;
    ui_editor_set_text(app->line, bytes_view_of(text));
    ui_go(app, UI_PROMPT);
}

static void run_type_value(ui_app *app)
{
    CLEANUP(bytes_free) bytes text = {0};
    ui_sampling_show(&app->sampling, (ui_sampling_field)app->sampling_at, &text);
    ui_open_prompt(app, UI_PROMPT_VALUE, bytes_text(&text));
}

static void run_dismiss(ui_app *app) { ui_go(app, app->prompt_from); }

static void run_accept(ui_app *app)
{
    CLEANUP(bytes_free) bytes text = {0};
    err e = ERR_OK;

    bytes_append_view(&text, ui_editor_text(app->line));
    if (app->prompt_use == UI_PROMPT_FILTER) {
        free(app->filter);
        app->filter = memory_text(bytes_text(&text));
        app->model_at = 0;
    } else if (app->prompt_use == UI_PROMPT_SCALE) {
        e = ui_accept_scale(app, bytes_text(&text));
    } else {
        e = ui_sampling_type(&app->sampling, (ui_sampling_field)app->sampling_at, bytes_text(&text));
    }
    ui_app_say_err(app, e);
    if (!e.code) run_dismiss(app);
}

static void run_chosen(ui_app *app)
{
    if (app->palette_use == UI_PALETTE_REFS) {
        ui_load_chosen_ref(app);
        return;
    }
    if (ui_menu_count(app->palette) == 0) return;
    size_t row = ui_menu_at(app->palette, ui_menu_chosen(app->palette)).tag;
    ui_close_overlay(app);
    ui_app_run(app, ui_actions[row].name);
}

/* -- the table ------------------------------------------------------------------------------------------- */

static const ui_run_row run_places[] = {
    {"help", run_help, NULL, NULL},
    {"palette", run_palette, NULL, NULL},
    {"next-pane", run_next_pane, NULL, NULL},
    {"previous-pane", run_previous_pane, NULL, NULL},
    {"models", run_models, NULL, NULL},
    {"chat", run_chat, NULL, NULL},
    {"log", run_log, NULL, NULL},
    {"move-up", run_up, NULL, NULL},
    {"move-down", run_down, NULL, NULL},
    {"page-up", run_page_up, NULL, NULL},
    {"page-down", run_page_down, NULL, NULL},
    {"redraw", run_redraw, NULL, NULL},
    {"suspend", run_suspend, NULL, NULL},
    {"quit", run_quit, NULL, NULL},
    {"write", run_write, NULL, NULL},
    {"sampling", run_sampling, NULL, NULL},
    {"scroll-up", run_scroll_up, NULL, NULL},
    {"scroll-down", run_scroll_down, NULL, NULL},
    {"scroll-top", run_scroll_top, NULL, NULL},
    {"scroll-end", run_scroll_end, NULL, NULL},
    {"close-conversations", run_close, NULL, NULL},
    {"raise", run_raise, NULL, NULL},
    {"lower", run_lower, NULL, NULL},
    {"type-value", run_type_value, NULL, NULL},
    {"reset-sampling", run_reset, NULL, NULL},
    {"close-sampling", run_close, NULL, NULL},
    {"close-adapters", run_close, NULL, NULL},
    {"close-log", run_chat, NULL, NULL},
    {"close-help", run_close, NULL, NULL},
    {"run-chosen", run_chosen, NULL, NULL},
    {"close-palette", run_close, NULL, NULL},
    {"accept", run_accept, NULL, NULL},
    {"dismiss", run_dismiss, NULL, NULL},
    {0},
};

static const ui_run_row *find_row(const char *name)
{
    const ui_run_row *const tables[] = {run_places, ui_run_models, ui_run_chat};
    for (size_t i = 0; i < COUNT_OF(tables); i++)
        for (const ui_run_row *row = tables[i]; row->name; row++)
            if (strcmp(row->name, name) == 0) return row;
    return NULL;
}

bool ui_app_can(const ui_app *app, const ui_action *action)
{
    const ui_run_row *row = find_row(action->name);
    return row && (!row->can || row->can(app));
}

void ui_app_run(ui_app *app, const char *action)
{
    const ui_run_row *row = find_row(action);
    assert(row);
    app->version++;
    if (row->why && !row->can(app))
        ui_app_say(app, LOG_INFO, "%s", row->why);
    else
        row->run(app);
}
