/* ui/app/run_models.c: what the actions on models and adapters do. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "ui/app/run_attach.h"
#include "ui/app/run_internal.h"
#include "ui/app/stack_file.h"

#define SCALE_STEP 0.1
#define SCALE_MAX  100.0

/* -- models ---------------------------------------------------------------------------------------------- */

static bool can_model(const ui_app *app) { return ui_app_shown_count(app) > 0; }
static bool can_cancel_load(const ui_app *app) { return app->load == UI_LOAD_GOING; }
static bool can_unload(const ui_app *app) { return ui_app_is_ready(app); }

static void run_load(ui_app *app)
{
    const ui_model_row *row = ui_app_shown_model(app, app->model_at);
    if (!row) return;
    if (row->is_run) {
        ui_app_attach(app, row);
        if (app->run) ui_go(app, UI_INPUT);
        return;
    }
    bool kept = app->run && app->load == UI_LOAD_READY && strcmp(app->model_name, row->name) == 0;
    if (!ui_app_detach(app)) return;
    if (kept) /* it stayed loaded while the run answered */
        ui_app_say(app, LOG_INFO, "%s answers again", app->model_name);
    else
        ui_app_load(app, row, "");
    if (!row->problem) ui_go(app, UI_INPUT);
}

static void add_ref(void *context, const char *name, const char *what)
{
    ui_menu_add(context, name, what, 0);
}

static void run_load_ref(ui_app *app)
{
    const ui_model_row *row = ui_app_shown_model(app, app->model_at);
    if (!row) return;
    if (row->is_run) {
        ui_app_say(app, LOG_INFO, "%s is a run, not a model: Enter chats with it", row->name);
        return;
    }
    ui_menu_clear(app->palette);
    err e = app->loader->kind->refs(app->loader, row->path, add_ref, app->palette);
    if (e.code) {
        ui_app_say_err(app, e);
        return;
    }
    app->palette_use = UI_PALETTE_REFS;
    ui_open_overlay(app, UI_PALETTE);
}

/* What is chosen, or, when nothing in the list fits it, what was typed: a commit, HEAD~2. */
void ui_load_chosen_ref(ui_app *app)
{
    const ui_model_row *row = ui_app_shown_model(app, app->model_at);
    const char *typed = ui_menu_pattern(app->palette);
    bool listed = ui_menu_count(app->palette) > 0;
    const char *name = listed ? ui_menu_at(app->palette, ui_menu_chosen(app->palette)).name : typed;

    if (!row || !*name || !ui_app_detach(app)) return;
    char *ref = memory_text(name);
    ui_close_overlay(app);
    ui_app_load(app, row, ref);
    free(ref);
    if (app->load == UI_LOAD_GOING) ui_go(app, UI_INPUT);
}

static void run_cancel_load(ui_app *app) { app->loader->kind->cancel(app->loader); }

static void run_models_back(ui_app *app)
{
    if (app->inspecting)
        app->inspecting = false;
    else if (app->filter[0])
        app->filter[0] = 0;
    else
        ui_go(app, UI_INPUT);
}

static void run_unload(ui_app *app)
{
    if (app->run) {
        if (ui_app_detach(app)) ui_app_say(app, LOG_INFO, "The run goes on, and answers no more here");
        return;
    }
    app->loader->kind->unload(app->loader);
    app->load = UI_LOAD_NONE;
    ui_adapters_free(&app->adapters);
    ui_app_say(app, LOG_INFO, "%s is unloaded", app->model_name);
}

static void run_inspect(ui_app *app)
{
    ui_go(app, UI_MODELS);
    app->inspecting = true;
}

static void run_rescan(ui_app *app)
{
    ui_app_rescan(app);
    ui_app_say(app, LOG_INFO, "%zu models in %s", app->models.count, app->models.folder);
}

static void run_filter(ui_app *app)
{
    ui_go(app, UI_MODELS);
    ui_open_prompt(app, UI_PROMPT_FILTER, app->filter);
}

/* -- adapters -------------------------------------------------------------------------------------------- */

static void run_adapters(ui_app *app)
{
    if (app->run)
        ui_app_say(app, LOG_INFO,
                   "A run answers with the adapter that it trains: choose a model to stack others");
    else if (app->adapters.count == 0)
        ui_app_say(app, LOG_INFO, "%s has no adapters: they are files in its adapters folder",
                   app->model_name);
    else
        ui_open_overlay(app, UI_ADAPTERS);
}

static bool can_adapters(const ui_app *app) { return ui_app_is_ready(app); }

void ui_app_restack(ui_app *app)
{
    const char *files[ENGINE_STACK_COUNT_MAX];
    double scales[ENGINE_STACK_COUNT_MAX];
    size_t count = 0;

    for (size_t i = 0; i < app->adapters.count; i++) {
        const ui_adapter_row *row = &app->adapters.rows[i];
        if (!row->on) continue;
        if (count == ENGINE_STACK_COUNT_MAX) {
            ui_app_say(app, LOG_WARNING, "at most %d adapters can be on at once", ENGINE_STACK_COUNT_MAX);
            return;
        }
        files[count] = row->file;
        scales[count++] = row->scale;
    }
    ui_app_say_err(app, app->loader->kind->stack(app->loader, files, scales, count));
}

/* What is on is on again after the next start. */
static void restack(ui_app *app)
{
    CLEANUP(ui_stack_free) ui_stack_list chosen = {0};
    CLEANUP(bytes_free) bytes json = {0};

    ui_app_restack(app);
    if (!app->store) return;
    char *mark = ui_stack_mark_name(app->model_path);
    ui_stack_of_rows(&app->adapters, &chosen);
    ui_stack_print(&chosen, &json);
    ui_app_say_err(app, ui_chat_store_mark(app->store, mark, bytes_text(&json)));
    free(mark);
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
    restack(app);
}

/* Whole steps, so that ten of them make one. */
static double stepped(double scale, int steps) { return (round(scale / SCALE_STEP) + steps) * SCALE_STEP; }
static void run_raise_scale(ui_app *app) { set_scale(app, stepped(chosen_adapter(app)->scale, 1)); }
static void run_lower_scale(ui_app *app) { set_scale(app, stepped(chosen_adapter(app)->scale, -1)); }

static void run_type_scale(ui_app *app)
{
    char text[32];
    snprintf(text, sizeof text, "%g", chosen_adapter(app)->scale);
    ui_open_prompt(app, UI_PROMPT_SCALE, text);
}

err ui_accept_scale(ui_app *app, const char *text)
{
    char *end = NULL;
    double scale = strtod(text, &end);
    if (end == text || *end || !(scale >= -SCALE_MAX && scale <= SCALE_MAX))
        return err_make(ERR_USAGE, "the scale is \"%.40s\", expected a number from %g to %g", text,
                        -SCALE_MAX, SCALE_MAX);
    set_scale(app, scale);
    return ERR_OK;
}

const ui_run_row ui_run_models[] = {
    {"load", run_load, can_model, "There is no model to load yet"},
    {"load-ref", run_load_ref, can_model, "There is no model to load yet"},
    {"cancel-load", run_cancel_load, can_cancel_load, "Nothing is being loaded"},
    {"unload", run_unload, can_unload, "No model is loaded"},
    {"inspect", run_inspect, can_model, "There is no model to look at yet"},
    {"rescan", run_rescan, NULL, NULL},
    {"filter", run_filter, NULL, NULL},
    {"close-models", run_models_back, NULL, NULL},
    {"adapters", run_adapters, can_adapters, "No model is loaded: adapters belong to a model"},
    {"toggle-adapter", run_toggle_adapter, can_adapter, "There is no adapter here"},
    {"raise-scale", run_raise_scale, can_adapter, "There is no adapter here"},
    {"lower-scale", run_lower_scale, can_adapter, "There is no adapter here"},
    {"type-scale", run_type_scale, can_adapter, "There is no adapter here"},
    {0},
};
