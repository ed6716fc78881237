/* ui/app/run.c: what each action does, one row each. */
#define _GNU_SOURCE
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "ui/app/app.h"
#include "ui/term/markdown.h"

#define SCALE_STEP 0.1
#define SCALE_MAX  100.0

/* -- moving about ---------------------------------------------------------------------------------------- */

static void go(ui_app *app, ui_place place)
{
    app->focus = place;
    app->inspecting = false;
}

/* An overlay remembers where it was opened from; one opened from another keeps the first place. */
static void open_overlay(ui_app *app, ui_place place)
{
    if (app->focus < UI_CONVERSATIONS || app->focus == UI_LOG) app->back = app->focus;
    go(app, place);
}

static void close_overlay(ui_app *app) { go(app, app->back); }

static const ui_place panes[] = {UI_INPUT, UI_CHAT, UI_MODELS, UI_LOG};

static void turn(ui_app *app, size_t steps)
{
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(panes); i++)
        if (panes[i] == app->focus) at = i;
    go(app, panes[(at + steps) % COUNT_OF(panes)]);
}

static void run_next_pane(ui_app *app) { turn(app, 1); }
static void run_previous_pane(ui_app *app) { turn(app, COUNT_OF(panes) - 1); }
static void run_models(ui_app *app) { go(app, UI_MODELS); }
static void run_chat(ui_app *app) { go(app, UI_INPUT); }
static void run_log(ui_app *app)
{
    app->log_scroll = 0;
    go(app, UI_LOG);
}
static void run_write(ui_app *app) { go(app, UI_INPUT); }
static void run_close(ui_app *app) { close_overlay(app); }

static void run_help(ui_app *app)
{
    app->help_scroll = 0;
    open_overlay(app, UI_HELP);
}

static void run_palette(ui_app *app)
{
    ui_menu_clear(app->palette);
    for (size_t i = 0; ui_actions[i].name; i++)
        if (ui_actions[i].place <= UI_CHAT && ui_app_can(app, &ui_actions[i])) /* the others move in a list */
            ui_menu_add(app->palette, ui_actions[i].name, ui_actions[i].help, i);
    open_overlay(app, UI_PALETTE);
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

/* -- models ---------------------------------------------------------------------------------------------- */

static bool can_model(const ui_app *app) { return ui_app_shown_count(app) > 0; }
static bool can_cancel_load(const ui_app *app) { return app->load == UI_LOAD_GOING; }
static bool can_unload(const ui_app *app) { return app->load == UI_LOAD_READY; }

static void run_load(ui_app *app)
{
    const ui_model_row *row = ui_app_shown_model(app, app->model_at);
    if (!row) return;
    ui_app_load(app, row);
    if (!row->problem) go(app, UI_INPUT);
}

static void run_cancel_load(ui_app *app) { app->loader->kind->cancel(app->loader); }

static void run_models_back(ui_app *app)
{
    if (app->inspecting)
        app->inspecting = false;
    else if (app->filter[0])
        app->filter[0] = 0;
    else
        go(app, UI_INPUT);
}

static void run_unload(ui_app *app)
{
    app->loader->kind->unload(app->loader);
    app->load = UI_LOAD_NONE;
    ui_adapters_free(&app->adapters);
    ui_app_say(app, LOG_INFO, "%s is unloaded", app->model_name);
}

static void run_inspect(ui_app *app)
{
    go(app, UI_MODELS);
    app->inspecting = true;
}

static void run_rescan(ui_app *app)
{
    ui_app_rescan(app);
    ui_app_say(app, LOG_INFO, "%zu models in %s", app->models.count, app->models.folder);
}

static void open_prompt(ui_app *app, ui_prompt_use use, const char *text)
{
    app->prompt_use = use;
    app->prompt_from = app->focus;
    ui_editor_set_text(app->line, bytes_view_of(text));
    go(app, UI_PROMPT);
}

static void run_filter(ui_app *app)
{
    go(app, UI_MODELS);
    open_prompt(app, UI_PROMPT_FILTER, app->filter);
}

/* -- adapters -------------------------------------------------------------------------------------------- */

static void run_adapters(ui_app *app)
{
    if (app->adapters.count == 0)
        ui_app_say(app, LOG_INFO, "%s has no adapters: they are files in its adapters folder",
                   app->model_name);
    else
        open_overlay(app, UI_ADAPTERS);
}

static bool can_adapters(const ui_app *app) { return app->load == UI_LOAD_READY; }

static void restack(ui_app *app)
{
    const char *paths[ENGINE_STACK_COUNT_MAX];
    double scales[ENGINE_STACK_COUNT_MAX];
    size_t count = 0;

    for (size_t i = 0; i < app->adapters.count; i++) {
        const ui_adapter_row *row = &app->adapters.rows[i];
        if (!row->on) continue;
        if (count == ENGINE_STACK_COUNT_MAX) {
            ui_app_say(app, LOG_WARNING, "at most %d adapters can be on at once", ENGINE_STACK_COUNT_MAX);
            return;
        }
        paths[count] = row->path;
        scales[count++] = row->scale;
    }
    ui_app_say_err(app, app->loader->kind->stack(app->loader, paths, scales, count));
}

static ui_adapter_row *chosen_adapter(ui_app *app)
{
    return app->adapter_at < app->adapters.count ? &app->adapters.rows[app->adapter_at] : NULL;
}

static bool can_adapter(const ui_app *app) { return app->adapter_at < app->adapters.count; }

static void run_toggle_adapter(ui_app *app)
{
    ui_adapter_row *row = chosen_adapter(app);
    row->on = !row->on;
    restack(app);
}

static void set_scale(ui_app *app, double scale)
{
    ui_adapter_row *row = chosen_adapter(app);
    if (scale > SCALE_MAX) scale = SCALE_MAX;
    if (scale < -SCALE_MAX) scale = -SCALE_MAX;
    row->scale = scale;
    if (row->on) restack(app);
}

/* Whole steps, so that ten of them make one. */
static double stepped(double scale, int steps)
{
    return (double)(long)(scale / SCALE_STEP + (scale < 0 ? -0.5 : 0.5) + steps) * SCALE_STEP;
}
static void run_raise_scale(ui_app *app) { set_scale(app, stepped(chosen_adapter(app)->scale, 1)); }
static void run_lower_scale(ui_app *app) { set_scale(app, stepped(chosen_adapter(app)->scale, -1)); }

static void run_type_scale(ui_app *app)
{
    char text[32];
    snprintf(text, sizeof text, "%g", chosen_adapter(app)->scale);
    open_prompt(app, UI_PROMPT_SCALE, text);
}

/* -- the input ------------------------------------------------------------------------------------------- */

static void use_input(ui_app *app, ui_input_use use, bytes_view text)
{
    if (app->input_use == UI_INPUT_MESSAGE) {
        bytes_view draft = ui_editor_text(app->input);
        free(app->draft);
        app->draft = memory_text_n(draft.data ? draft.data : "", draft.size);
    }
    app->input_use = use;
    ui_editor_set_text(app->input, text);
    go(app, UI_INPUT);
}

static void give_input_back(ui_app *app)
{
    app->input_use = UI_INPUT_MESSAGE;
    ui_editor_set_text(app->input, bytes_view_of(app->draft));
}

static bool is_blank(bytes_view text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!strchr(" \t\r\n", text.data[i])) return false;
    return true;
}

static size_t tokens_max(const ui_app *app) { return (size_t)app->sampling.value[UI_SAMPLING_TOKENS]; }

static void asked(ui_app *app, err e)
{
    if (e.code) {
        ui_app_say_err(app, e);
        return;
    }
    app->scroll = 0;
    ui_app_save(app);
}

static void send_message(ui_app *app, bytes_view text, bool edit)
{
    engine_sampling how = ui_sampling_of(&app->sampling, false);
    if (is_blank(text)) {
        ui_app_say(app, LOG_INFO, "There is nothing to send yet: type a message first");
        return;
    }
    if (app->load == UI_LOAD_GOING) {
        free(app->pending);
        app->pending = memory_text_n(text.data, text.size);
        ui_app_say(app, LOG_INFO, "It will be sent as soon as the model is loaded");
        return;
    }
    if (app->load == UI_LOAD_NONE) {
        ui_app_say(app, LOG_WARNING, "%s",
                   app->models.count ? "No model is loaded: choose one in the models pane (F2)"
                                     : "There is no model yet: the chat pane says how to get one");
        return;
    }
    err e = edit ? ui_chat_edit(&app->chat, app->source, text, &how, tokens_max(app))
                 : ui_chat_send(&app->chat, app->source, text, &how, tokens_max(app));
    asked(app, e);
    if (e.code) return;
    ui_editor_remember(app->input, text);
    if (edit)
        give_input_back(app);
    else
        ui_editor_clear(app->input);
}

static void keep_system(ui_app *app, bytes_view text)
{
    if (ui_chat_is_busy(&app->chat)) {
        ui_app_say(app, LOG_WARNING, "an answer is being written: stop it with Ctrl-C, or wait");
        return;
    }
    ui_chat_set_system(&app->chat, is_blank(text) ? (bytes_view){0} : text);
    ui_app_save(app);
    give_input_back(app);
    ui_app_say(app, LOG_INFO,
               is_blank(ui_chat_system(&app->chat)) ? "This conversation has no system prompt"
                                                    : "The system prompt is set");
}

static void run_send(ui_app *app)
{
    CLEANUP(bytes_free) bytes text = {0};
    bytes_append_view(&text, ui_editor_text(app->input));
    if (app->input_use == UI_INPUT_SYSTEM)
        keep_system(app, bytes_borrow(&text));
    else
        send_message(app, bytes_borrow(&text), app->input_use == UI_INPUT_EDIT);
}

static void run_newline(ui_app *app) { ui_editor_insert(app->input, VIEW("\n")); }

static void run_leave_input(ui_app *app)
{
    if (app->input_use != UI_INPUT_MESSAGE) give_input_back(app);
    go(app, UI_CHAT);
}

static void run_history_previous(ui_app *app) { ui_editor_history_previous(app->input); }
static void run_history_next(ui_app *app) { ui_editor_history_next(app->input); }

/* -- the conversation ------------------------------------------------------------------------------------ */

static bool can_stop(const ui_app *app) { return ui_chat_is_busy(&app->chat) || app->load == UI_LOAD_GOING; }

static void run_stop(ui_app *app)
{
    if (ui_chat_is_busy(&app->chat))
        ui_chat_stop(&app->chat, app->source);
    else if (app->load == UI_LOAD_GOING)
        run_cancel_load(app);
    else if (app->focus == UI_INPUT && ui_editor_text(app->input).size)
        ui_editor_clear(app->input);
    else
        ui_app_say(app, LOG_INFO, "Nothing is being written. Ctrl-Q leaves the workstation");
}

static bool can_answer(const ui_app *app)
{
    return app->load == UI_LOAD_READY && !ui_chat_is_busy(&app->chat) &&
           ui_chat_editable(&app->chat) != SIZE_MAX;
}

static bool can_continue(const ui_app *app)
{
    const ui_chat_message *last = ui_chat_last(&app->chat);
    return can_answer(app) && strcmp(last->role, "assistant") == 0 && last->content.size > 0;
}

static void run_regenerate(ui_app *app)
{
    engine_sampling how = ui_sampling_of(&app->sampling, true);
    asked(app, ui_chat_regenerate(&app->chat, app->source, &how, tokens_max(app)));
}

static void run_continue(ui_app *app)
{
    engine_sampling how = ui_sampling_of(&app->sampling, false);
    asked(app, ui_chat_continue(&app->chat, app->source, &how, tokens_max(app)));
}

static bool can_edit(const ui_app *app)
{
    return !ui_chat_is_busy(&app->chat) && ui_chat_editable(&app->chat) != SIZE_MAX;
}

static void run_edit(ui_app *app)
{
    use_input(app, UI_INPUT_EDIT, bytes_borrow(&app->chat.messages[ui_chat_editable(&app->chat)].content));
}

static bool can_copy(const ui_app *app) { return ui_chat_last_answer(&app->chat) != NULL; }

static void copy(ui_app *app, bytes_view text, const char *what)
{
    bytes_clear(&app->clipboard);
    bytes_append_view(&app->clipboard, text);
    ui_app_say(app, LOG_INFO, "%s was handed to the terminal's clipboard", what);
}

static void run_copy(ui_app *app)
{
    copy(app, bytes_borrow(&ui_chat_last_answer(&app->chat)->content), "The answer");
}

static void run_copy_code(ui_app *app)
{
    CLEANUP(bytes_free) bytes code = {0};
    if (ui_markdown_last_code(bytes_borrow(&ui_chat_last_answer(&app->chat)->content), &code))
        copy(app, bytes_borrow(&code), "The code block");
    else
        ui_app_say(app, LOG_INFO, "The last answer has no code block");
}

static void run_fold_thinking(ui_app *app) { app->thinking_open = !app->thinking_open; }
static void run_sampling(ui_app *app) { open_overlay(app, UI_SAMPLING); }
static void run_system(ui_app *app) { use_input(app, UI_INPUT_SYSTEM, ui_chat_system(&app->chat)); }

static bool can_leave_conversation(const ui_app *app) { return !ui_chat_is_busy(&app->chat); }

static void run_new_conversation(ui_app *app)
{
    ui_app_save(app);
    ui_app_start_conversation(app);
    if (app->input_use != UI_INPUT_MESSAGE) give_input_back(app);
    go(app, UI_INPUT);
}

static void list_conversations(ui_app *app)
{
    ui_conversation_list list = {0};
    ui_app_save(app);
    err e = ui_chat_store_list(app->store, &list);
    if (e.code) {
        ui_app_say_err(app, e);
        return;
    }
    ui_conversation_list_free(&app->conversations);
    app->conversations = list;
    if (app->conversation_at >= list.count) app->conversation_at = list.count ? list.count - 1 : 0;
}

static bool can_conversations(const ui_app *app) { return app->store != NULL; }

static void run_conversations(ui_app *app)
{
    app->conversation_at = 0;
    list_conversations(app);
    open_overlay(app, UI_CONVERSATIONS);
}

static bool can_conversation(const ui_app *app) { return app->conversation_at < app->conversations.count; }

static void run_open_conversation(ui_app *app)
{
    if (ui_chat_is_busy(&app->chat)) {
        ui_app_say(app, LOG_WARNING, "an answer is being written: stop it with Ctrl-C, or wait");
        return;
    }
    err e = ui_chat_store_load(app->store, app->conversations.rows[app->conversation_at].id, &app->chat);
    ui_app_say_err(app, e);
    if (e.code) return;
    ui_app_conversation_changed(app);
    if (app->input_use != UI_INPUT_MESSAGE) give_input_back(app);
    go(app, UI_INPUT);
}

static void run_delete_conversation(ui_app *app) { go(app, UI_QUESTION); }

static void run_yes(ui_app *app)
{
    int64_t id = app->conversations.rows[app->conversation_at].id;
    go(app, UI_CONVERSATIONS);
    if (id == app->chat.id && ui_chat_is_busy(&app->chat)) {
        ui_app_say(app, LOG_WARNING, "an answer is being written in it: stop it with Ctrl-C first");
        return;
    }
    err e = ui_chat_store_delete(app->store, id);
    ui_app_say_err(app, e);
    if (e.code) return;
    if (id == app->chat.id) ui_app_start_conversation(app);
    list_conversations(app);
}

static void run_no(ui_app *app) { go(app, UI_CONVERSATIONS); }

/* -- sampling, prompt, palette --------------------------------------------------------------------------- */

static void run_raise(ui_app *app)
{
    ui_sampling_move(&app->sampling, (ui_sampling_field)app->sampling_at, 1);
}
static void run_lower(ui_app *app)
{
    ui_sampling_move(&app->sampling, (ui_sampling_field)app->sampling_at, -1);
}
static void run_reset(ui_app *app) { ui_sampling_reset(&app->sampling, &app->facts.defaults); }

static void run_type_value(ui_app *app)
{
    CLEANUP(bytes_free) bytes text = {0};
    ui_sampling_show(&app->sampling, (ui_sampling_field)app->sampling_at, &text);
    open_prompt(app, UI_PROMPT_VALUE, bytes_text(&text));
}

static void run_dismiss(ui_app *app) { go(app, app->prompt_from); }

static err accept_scale(ui_app *app, const char *text)
{
    char *end = NULL;
    double scale = strtod(text, &end);
    if (end == text || *end || !(scale >= -SCALE_MAX && scale <= SCALE_MAX))
        return err_make(ERR_USAGE, "the scale is \"%.40s\", expected a number from %g to %g", text,
                        -SCALE_MAX, SCALE_MAX);
    set_scale(app, scale);
    return ERR_OK;
}

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
        e = accept_scale(app, bytes_text(&text));
    } else {
        e = ui_sampling_type(&app->sampling, (ui_sampling_field)app->sampling_at, bytes_text(&text));
    }
    ui_app_say_err(app, e);
    if (!e.code) run_dismiss(app);
}

static void run_chosen(ui_app *app)
{
    if (ui_menu_count(app->palette) == 0) return;
    size_t row = ui_menu_at(app->palette, ui_menu_chosen(app->palette)).tag;
    close_overlay(app);
    ui_app_run(app, ui_actions[row].name);
}

/* -- the table ------------------------------------------------------------------------------------------- */

typedef struct run_row {
    const char *name;
    void (*run)(ui_app *app);
    bool (*can)(const ui_app *app); /* NULL: always */
    const char *why;                /* said when it cannot; NULL: run says it better itself */
} run_row;

static const run_row rows[] = {
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
    {"stop", run_stop, can_stop, NULL},
    {"redraw", run_redraw, NULL, NULL},
    {"suspend", run_suspend, NULL, NULL},
    {"quit", run_quit, NULL, NULL},

    {"load", run_load, can_model, "There is no model to load yet"},
    {"cancel-load", run_cancel_load, can_cancel_load, "Nothing is being loaded"},
    {"unload", run_unload, can_unload, "No model is loaded"},
    {"inspect", run_inspect, can_model, "There is no model to look at yet"},
    {"adapters", run_adapters, can_adapters, "No model is loaded: adapters belong to a model"},
    {"rescan", run_rescan, NULL, NULL},
    {"filter", run_filter, NULL, NULL},
    {"close-models", run_models_back, NULL, NULL},

    {"send", run_send, NULL, NULL},
    {"newline", run_newline, NULL, NULL},
    {"history-previous", run_history_previous, NULL, NULL},
    {"history-next", run_history_next, NULL, NULL},
    {"leave-input", run_leave_input, NULL, NULL},

    {"write", run_write, NULL, NULL},
    {"regenerate", run_regenerate, can_answer, NULL},
    {"continue", run_continue, can_continue, NULL},
    {"edit", run_edit, can_edit, "There is no message to edit now"},
    {"copy", run_copy, can_copy, "There is no answer to copy yet"},
    {"copy-code", run_copy_code, can_copy, "There is no answer to copy from yet"},
    {"fold-thinking", run_fold_thinking, NULL, NULL},
    {"sampling", run_sampling, NULL, NULL},
    {"system", run_system, NULL, NULL},
    {"new-conversation", run_new_conversation, can_leave_conversation,
     "An answer is being written: stop it with Ctrl-C first"},
    {"conversations", run_conversations, can_conversations,
     "Conversations are not kept this time: the log says why"},
    {"scroll-up", run_scroll_up, NULL, NULL},
    {"scroll-down", run_scroll_down, NULL, NULL},
    {"scroll-top", run_scroll_top, NULL, NULL},
    {"scroll-end", run_scroll_end, NULL, NULL},

    {"open-conversation", run_open_conversation, can_conversation, "There is no conversation to open yet"},
    {"delete-conversation", run_delete_conversation, can_conversation, "There is no conversation to delete"},
    {"close-conversations", run_close, NULL, NULL},

    {"raise", run_raise, NULL, NULL},
    {"lower", run_lower, NULL, NULL},
    {"type-value", run_type_value, NULL, NULL},
    {"reset-sampling", run_reset, NULL, NULL},
    {"close-sampling", run_close, NULL, NULL},

    {"toggle-adapter", run_toggle_adapter, can_adapter, "There is no adapter here"},
    {"raise-scale", run_raise_scale, can_adapter, "There is no adapter here"},
    {"lower-scale", run_lower_scale, can_adapter, "There is no adapter here"},
    {"type-scale", run_type_scale, can_adapter, "There is no adapter here"},
    {"close-adapters", run_close, NULL, NULL},

    {"close-log", run_chat, NULL, NULL},
    {"close-help", run_close, NULL, NULL},
    {"run-chosen", run_chosen, NULL, NULL},
    {"close-palette", run_close, NULL, NULL},
    {"accept", run_accept, NULL, NULL},
    {"dismiss", run_dismiss, NULL, NULL},
    {"yes", run_yes, can_conversation, "There is no conversation to delete"},
    {"no", run_no, NULL, NULL},
};

static const run_row *find_row(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

bool ui_app_can(const ui_app *app, const ui_action *action)
{
    const run_row *row = find_row(action->name);
    return row && (!row->can || row->can(app));
}

void ui_app_run(ui_app *app, const char *action)
{
    const run_row *row = find_row(action);
    assert(row);
    app->version++;
    if (row->why && !row->can(app))
        ui_app_say(app, LOG_INFO, "%s", row->why);
    else
        row->run(app);
}
