/* ui/app/run_chat.c: what the actions on the input, the conversation and the kept ones do. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/app/run_internal.h"
#include "ui/term/markdown.h"

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
    ui_go(app, UI_INPUT);
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
    if (!app->run && app->load == UI_LOAD_GOING) {
        free(app->pending);
        app->pending = memory_text_n(text.data, text.size);
        ui_app_say(app, LOG_INFO, "It will be sent as soon as the model is loaded");
        return;
    }
    if (!ui_app_is_ready(app)) {
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
    ui_go(app, UI_CHAT);
}

static void run_history_previous(ui_app *app) { ui_editor_history_previous(app->input); }
static void run_history_next(ui_app *app) { ui_editor_history_next(app->input); }

/* -- the conversation ------------------------------------------------------------------------------------ */

static bool can_stop(const ui_app *app) { return ui_chat_is_busy(&app->chat) || app->load == UI_LOAD_GOING; }

/* Up brings it back. */
static void put_away(ui_app *app)
{
    CLEANUP(bytes_free) bytes text = {0};
    bytes_append_view(&text, ui_editor_text(app->input));
    ui_editor_remember(app->input, bytes_borrow(&text));
    ui_editor_clear(app->input);
}

static void run_stop(ui_app *app)
{
    if (ui_chat_is_busy(&app->chat))
        ui_chat_stop(&app->chat, app->source);
    else if (app->load == UI_LOAD_GOING)
        app->loader->kind->cancel(app->loader);
    else if (app->focus == UI_INPUT && !ui_editor_is_empty(app->input))
        put_away(app);
    else
        ui_app_say(app, LOG_INFO, "Nothing is being written. Ctrl-Q leaves the workstation");
}

static bool can_answer(const ui_app *app)
{
    return ui_app_is_ready(app) && !ui_chat_is_busy(&app->chat) && ui_chat_editable(&app->chat) != SIZE_MAX;
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

static void mark(ui_app *app, ui_rating rating)
{
    err e = ui_chat_rate_last(&app->chat, rating);
    ui_app_say_err(app, e);
    if (e.code) return;
    ui_rating now = ui_chat_last_answer(&app->chat)->rating;
    ui_app_save(app);
    ui_app_say(app, LOG_INFO, "%s",
               now == UI_RATING_GOOD  ? "The answer is marked as good: hyprstream data export writes it out"
               : now == UI_RATING_BAD ? "The answer is marked as bad"
                                      : "The mark is taken back");
}

static bool can_mark(const ui_app *app) { return can_copy(app) && !ui_chat_is_busy(&app->chat); }
static void run_mark_good(ui_app *app) { mark(app, UI_RATING_GOOD); }
static void run_mark_bad(ui_app *app) { mark(app, UI_RATING_BAD); }

static void run_fold_thinking(ui_app *app) { app->thinking_open = !app->thinking_open; }
static void run_system(ui_app *app) { use_input(app, UI_INPUT_SYSTEM, ui_chat_system(&app->chat)); }

static bool can_leave_conversation(const ui_app *app) { return !ui_chat_is_busy(&app->chat); }

static void run_new_conversation(ui_app *app)
{
    ui_app_save(app);
    ui_app_start_conversation(app);
    if (app->input_use != UI_INPUT_MESSAGE) give_input_back(app);
    ui_go(app, UI_INPUT);
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
    ui_open_overlay(app, UI_CONVERSATIONS);
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
    ui_go(app, UI_INPUT);
}

static void run_delete_conversation(ui_app *app) { ui_go(app, UI_QUESTION); }

static void run_yes(ui_app *app)
{
    int64_t id = app->conversations.rows[app->conversation_at].id;
    ui_go(app, UI_CONVERSATIONS);
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

static void run_no(ui_app *app) { ui_go(app, UI_CONVERSATIONS); }

const ui_run_row ui_run_chat[] = {
    {"send", run_send, NULL, NULL},
    {"newline", run_newline, NULL, NULL},
    {"history-previous", run_history_previous, NULL, NULL},
    {"history-next", run_history_next, NULL, NULL},
    {"leave-input", run_leave_input, NULL, NULL},
    {"stop", run_stop, can_stop, NULL},
    {"regenerate", run_regenerate, can_answer, NULL},
    {"continue", run_continue, can_continue, NULL},
    {"edit", run_edit, can_edit, "There is no message to edit now"},
    {"copy", run_copy, can_copy, "There is no answer to copy yet"},
    {"copy-code", run_copy_code, can_copy, "There is no answer to copy from yet"},
    {"mark-good", run_mark_good, can_mark, NULL},
    {"mark-bad", run_mark_bad, can_mark, NULL},
    {"fold-thinking", run_fold_thinking, NULL, NULL},
    {"system", run_system, NULL, NULL},
    {"new-conversation", run_new_conversation, can_leave_conversation,
     "An answer is being written: stop it with Ctrl-C first"},
    {"conversations", run_conversations, can_conversations,
     "Conversations are not kept this time: the log says why"},
    {"open-conversation", run_open_conversation, can_conversation, "There is no conversation to open yet"},
    {"delete-conversation", run_delete_conversation, can_conversation, "There is no conversation to delete"},
    {"yes", run_yes, can_conversation, "There is no conversation to delete"},
    {"no", run_no, NULL, NULL},
    {0},
};
