#include "ui/app/app.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "ui/app/figures.h"
#include "ui/app/run_attach.h"
#include "ui/app/stack_file.h"

#define MARK_MODEL "model" /* the one used last */

/* How often a run that answers is listened to. */
#define RUN_LOOK_SECONDS 0.25
#define RUN_BUSY_SECONDS 0.05

/* -- saying ---------------------------------------------------------------------------------------------- */

void ui_app_say(ui_app *app, log_level level, const char *format, ...)
{
    char text[UI_TOAST_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ui_toasts_add(&app->toasts, level, text, clock_seconds());
    log_write(app->log, level, "%s", text);
    app->version++;
}

void ui_app_say_err(ui_app *app, err e)
{
    if (e.code == ERR_CANCELLED)
        ui_app_say(app, LOG_INFO, "%s", e.text);
    else if (e.code)
        ui_app_say(app, e.code == ERR_STATE ? LOG_WARNING : LOG_ERROR, "%s", e.text);
}

/* -- life ------------------------------------------------------------------------------------------------ */

static bool scan_models(ui_app *app)
{
    ui_models_scan(app->settings, app->log, &app->models);
    if (app->models.error.code) ui_app_say_err(app, app->models.error);
    (void)ui_app_runs_scan(app);
    return true;
}

static void open_first_model(ui_app *app)
{
    char *last = NULL;
    if (app->store) ui_app_say_err(app, ui_chat_store_marked(app->store, MARK_MODEL, &last));
    char *ref = last ? strchr(last, ':') : NULL; /* "demo:v1": no model's name holds a ':' */
    if (ref) *ref++ = 0;
    const ui_model_row *row = ui_models_first(&app->models, last);
    if (row) ui_app_load(app, row, ref && strcmp(row->name, last) == 0 ? ref : "");
    free(last);
    app->focus = row ? UI_INPUT : app->models.count ? UI_MODELS : UI_INPUT;
}

static void open_last_conversation(ui_app *app)
{
    if (!app->store) return;
    if (ui_chat_store_is_alone(app->store))
        ui_app_say_err(app, ui_chat_store_load_last(app->store, &app->chat));
    else
        ui_app_say(app, LOG_WARNING, "Another workstation is open, so this one starts a new conversation");
}

void ui_app_open(ui_app *app)
{
    app->own_source = app->source;
    app->input = ui_editor_new();
    app->line = ui_editor_new();
    app->palette = ui_menu_new();
    app->filter = memory_text("");
    app->draft = memory_text("");
    app->thinking_open = strcmp(settings_text(app->settings, "ui.thinking"), "open") == 0;
    app->sampling = ui_sampling_neutral();
    ui_sampling_read_settings(&app->sampling, app->settings);
    scan_models(app);
    open_last_conversation(app);
    if (app->chat.count == 0)
        ui_app_start_conversation(app);
    else
        ui_app_conversation_changed(app);
    open_first_model(app);
    app->version++;
}

void ui_app_start_conversation(ui_app *app)
{
    ui_chat_free(&app->chat);
    ui_chat_set_system(&app->chat, bytes_view_of(settings_text(app->settings, "chat.system")));
    for (size_t i = 0; i < app->chat.count; i++)
        app->chat.messages[i].changed = false; /* nobody's words yet */
    ui_app_conversation_changed(app);
}

void ui_app_conversation_changed(ui_app *app)
{
    app->scroll = 0;
    for (size_t i = 0; i < app->chat.count; i++)
        if (strcmp(app->chat.messages[i].role, "user") == 0)
            ui_editor_remember(app->input, bytes_borrow(&app->chat.messages[i].content));
    app->version++;
}

void ui_app_save(ui_app *app)
{
    if (!app->store) return;
    err e = ui_chat_store_save(app->store, &app->chat);
    app->saved_at = clock_seconds();
    if (e.code && !app->save_failed) ui_app_say_err(app, e);
    app->save_failed = e.code != 0;
}

void ui_app_close(ui_app *app)
{
    ui_chat_stop(&app->chat, app->source);
    ui_app_save(app);
    ui_chat_free(&app->chat);
    ui_models_free(&app->models);
    ui_app_run_rows_free(app);
    ui_adapters_free(&app->adapters);
    ui_conversation_list_free(&app->conversations);
    ui_editor_free(app->input);
    ui_editor_free(app->line);
    ui_menu_free(app->palette);
    bytes_free(&app->clipboard);
    free(app->filter);
    free(app->draft);
    free(app->pending);
    free(app->model_name);
    free(app->model_path);
    free(app->load_problem);
}

bool ui_app_rescan_by(ui_app *app, bool (*scan)(ui_app *app))
{
    const ui_model_row *chosen = ui_app_shown_model(app, app->model_at), *row;
    char *name = chosen ? memory_text(chosen->name) : NULL;

    bool changed = scan(app);
    app->model_at = 0;
    for (size_t i = 0; name && (row = ui_app_shown_model(app, i)); i++)
        if (strcmp(row->name, name) == 0) app->model_at = i;
    free(name);
    if (changed) app->version++;
    return changed;
}

void ui_app_rescan(ui_app *app) { (void)ui_app_rescan_by(app, scan_models); }

/* -- models ---------------------------------------------------------------------------------------------- */

bool ui_app_is_ready(const ui_app *app) { return app->run || app->load == UI_LOAD_READY; }

size_t ui_app_shown_count(const ui_app *app)
{
    size_t count = 0;
    while (ui_app_shown_model(app, count)) count++;
    return count;
}

const ui_model_row *ui_app_shown_model(const ui_app *app, size_t i)
{
    for (size_t at = 0; at < app->models.count; at++)
        if (strstr(app->models.rows[at].name, app->filter) && i-- == 0) return &app->models.rows[at];
    for (size_t at = 0; at < app->run_count; at++)
        if (strstr(app->run_rows[at].name, app->filter) && i-- == 0) return &app->run_rows[at];
    return NULL;
}

static void set_text(char **text, const char *value)
{
    char *copy = value ? memory_text(value) : NULL;
    free(*text);
    *text = copy;
}

void ui_app_load(ui_app *app, const ui_model_row *row, const char *ref)
{
    CLEANUP(bytes_free) bytes title = {0};

    bytes_printf(&title, "%s%s%s", row->name, *ref ? ":" : "", ref);
    err e = row->problem && !*ref ? err_make(ERR_STATE, "%s: %s", row->name, row->problem)
                                  : app->loader->kind->load(app->loader, row->path, ref, bytes_text(&title));
    if (e.code) {
        ui_app_say_err(app, e);
        return;
    }
    set_text(&app->model_name, bytes_text(&title));
    set_text(&app->model_path, row->path);
    set_text(&app->load_problem, NULL);
    app->load = UI_LOAD_GOING;
    app->load_done = app->load_total = 0;
    app->load_began = clock_seconds();
    ui_adapters_free(&app->adapters);
    app->adapter_at = 0;
    log_write(app->log, LOG_INFO, "load %s%s%s", row->path, *ref ? ":" : "", ref);
    app->version++;
}

/* The adapters and scales that were on when this model was used last. */
static void choice_restore(ui_app *app)
{
    CLEANUP(ui_stack_free) ui_stack_list chosen = {0};
    char *mark = ui_stack_mark_name(app->model_path), *value = NULL;
    bool any = false;

    err e = ui_chat_store_marked(app->store, mark, &value);
    if (!e.code && value) e = ui_stack_parse(bytes_view_of(value), &chosen);
    if (e.code) ui_app_say_err(app, err_note(e, "the adapters that were on"));
    free(value);
    free(mark);
    ui_stack_apply(&chosen, &app->adapters);
    for (size_t i = 0; i < app->adapters.count; i++) any = any || app->adapters.rows[i].on;
    if (any) ui_app_restack(app);
}

static void load_done(ui_app *app, const ui_loaded_facts *facts)
{
    char took[32];
    app->load = UI_LOAD_READY;
    app->facts = *facts;
    ui_sampling_follow(&app->sampling, &facts->defaults);
    app->loader->kind->adapters(app->loader, &app->adapters);
    if (app->store) ui_app_say_err(app, ui_chat_store_mark(app->store, MARK_MODEL, app->model_name));
    if (app->store) choice_restore(app);
    ui_figure_seconds(facts->load_seconds, took, sizeof took);
    ui_app_say(app, LOG_INFO, "%s is loaded: %s, %s, in %s", app->model_name, facts->device, facts->type,
               took);
    if (!facts->has_template)
        log_write(app->log, LOG_WARNING, "%s has no chat template: it writes on from plain text",
                  app->model_name);
}

/* What the person sent while the model was loading, unless it was changed since. */
static void send_pending(ui_app *app)
{
    if (app->pending && bytes_view_is(ui_editor_text(app->input), app->pending)) ui_app_run(app, "send");
    free(app->pending);
    app->pending = NULL;
}

static void load_failed(ui_app *app, err e)
{
    app->load = UI_LOAD_NONE;
    free(app->pending);
    app->pending = NULL;
    if (e.code == ERR_CANCELLED)
        ui_app_say(app, LOG_INFO, "The load of %s was cancelled", app->model_name);
    else {
        set_text(&app->load_problem, e.text);
        ui_app_say(app, LOG_ERROR, "%s", e.text);
    }
}

void ui_app_apply_load(ui_app *app, const ui_load_news *news)
{
    switch (news->kind) {
    case UI_LOAD_PROGRESS:
        app->load_done = news->done;
        app->load_total = news->total;
        break;
    case UI_LOAD_DONE:
        load_done(app, &news->facts);
        send_pending(app);
        break;
    case UI_LOAD_FAILED: load_failed(app, news->error); break;
    case UI_LOAD_STACKED:
        ui_app_say(app, LOG_INFO, "Answers now come from %s",
                   app->own_source->kind->facts(app->own_source).name);
        break;
    case UI_LOAD_STACK_FAILED: ui_app_say_err(app, news->error); break;
    }
    app->version++;
}

/* -- news and time --------------------------------------------------------------------------------------- */

static bool take_answers(ui_app *app)
{
    ui_news news;
    bool any = false;
    while (app->source->kind->take(app->source, &news)) {
        if (ui_chat_apply(&app->chat, &news)) any = true;
        if (news.kind == UI_NEWS_FAILED) ui_app_say_err(app, news.error);
        if (any && !ui_chat_is_busy(&app->chat)) ui_app_save(app);
        ui_news_free(&news);
    }
    return any;
}

bool ui_app_take_news(ui_app *app)
{
    ui_load_news load_news;
    bool any = false;
    while (app->loader->kind->take(app->loader, &load_news)) {
        ui_app_apply_load(app, &load_news);
        any = true;
    }
    if (take_answers(app)) any = true;
    if (ui_app_look_after_run(app)) any = true;
    if (any) app->version++;
    return any;
}

static bool needs_save(const ui_app *app)
{
    const ui_chat_message *last = ui_chat_last(&app->chat);
    return app->store && ((last && last->changed) || app->chat.cut);
}

bool ui_app_tick(ui_app *app, double now)
{
    bool changed = ui_toasts_expire(&app->toasts, now);
    if (needs_save(app) && (now - app->saved_at) * 1000 >= UI_SAVE_MS) ui_app_save(app);
    if (ui_app_look_for_runs(app, now)) changed = true;
    if (ui_chat_is_busy(&app->chat) || app->load == UI_LOAD_GOING) changed = true; /* elapsed times move */
    if (changed) app->version++;
    return changed;
}

int ui_app_wait_ms(const ui_app *app, double now)
{
    double next = ui_toasts_next(&app->toasts, now);
    if (needs_save(app) && (next < 0 || next > UI_SAVE_MS / 1000.0)) next = UI_SAVE_MS / 1000.0;
    if ((ui_chat_is_busy(&app->chat) || app->load == UI_LOAD_GOING) && (next < 0 || next > 0.25)) next = 0.25;
    double look = ui_chat_is_busy(&app->chat) ? RUN_BUSY_SECONDS : RUN_LOOK_SECONDS;
    if (app->run && (next < 0 || next > look)) next = look; /* its socket wakes nobody */
    if (app->store && (next < 0 || next > UI_RUNS_LOOK_SECONDS)) next = UI_RUNS_LOOK_SECONDS;
    return next < 0 ? -1 : (int)(next * 1000) + 1;
}
