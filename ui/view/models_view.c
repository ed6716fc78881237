/* ui/view/models_view.c: the models folder, and the facts of one model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "ui/app/figures.h"
#include "ui/view/panes.h"

enum {
    DETAIL_ROWS = 4,
    PARAMETERS_CELLS = 7,
    MEMORY_CELLS = 8,
    ARCHITECTURE_FROM_COLUMNS = 60,
    GAUGE_CELLS = 12
};

static void count_human(uint64_t count, char *out, size_t size)
{
    if (count >= 1000000000)
        snprintf(out, size, "%.1f B", (double)count / 1e9);
    else if (count >= 1000000)
        snprintf(out, size, "%.0f M", (double)count / 1e6);
    else
        snprintf(out, size, "%.0f k", (double)count / 1e3);
}

static bool is_current(const ui_app *app, const ui_model_row *row)
{
    if (row->is_run) return app->run && strcmp(app->run_path, row->path) == 0;
    return app->load != UI_LOAD_NONE && app->model_path && strcmp(app->model_path, row->path) == 0;
}

static const char *state_sign(const ui_paint *p, const ui_model_row *row)
{
    if (row->problem) return "!";
    if (!is_current(p->app, row)) return " ";
    if (p->app->run && !row->is_run) return ui_sign(p, "○", "o"); /* loaded, but the run answers */
    return row->is_run || p->app->load == UI_LOAD_READY ? ui_sign(p, "●", "*") : ui_sign(p, "…", "~");
}

static void draw_row(ui_paint *p, ui_rect r, int at, const ui_model_row *row, bool chosen)
{
    ui_style style = ui_paint_choice(p, r, at, chosen, p->app->focus == UI_MODELS);
    ui_style dim = style == UI_STYLE_TEXT ? UI_STYLE_DIM : style;
    char parameters[24], memory[24];
    int end = r.columns;

    if (style == UI_STYLE_TEXT && row->problem) style = UI_STYLE_DIM;
    if (row->parameters) {
        count_human(row->parameters, parameters, sizeof parameters);
        text_human_size(row->weight_bytes, memory, sizeof memory);
        ui_paint_right(p, r, at, end, dim, memory);
        end -= MEMORY_CELLS + 1;
        ui_paint_right(p, r, at, end, dim, parameters);
        end -= PARAMETERS_CELLS + 1;
    }
    if (r.columns >= ARCHITECTURE_FROM_COLUMNS && row->architecture) {
        end -= 12;
        ui_paint_words(p, (ui_rect){r.row, r.column + end, r.rows, 12}, at, 0, dim, row->architecture);
    }
    ui_paint_words(p, r, at, 0, style, state_sign(p, row));
    ui_paint_words(p, (ui_rect){r.row, r.column, r.rows, end - 1}, at, 2, style, row->name);
}

static void draw_run_detail(ui_paint *p, ui_rect r, const ui_model_row *row)
{
    CLEANUP(bytes_free) bytes text = {0};
    bytes_printf(&text, "trains %s, at step %llu of %llu when it was looked at; Enter chats with it",
                 row->run_model, (unsigned long long)row->run_step, (unsigned long long)row->run_steps);
    ui_paint_wrapped(p, r, 0, UI_STYLE_TEXT, bytes_text(&text));
}

static void draw_detail(ui_paint *p, ui_rect r, const ui_model_row *row)
{
    char weights[24], cache[24], available[24];
    uint64_t free_bytes = ui_memory_available();

    ui_draw_line_across(p->screen, r, 0, UI_STYLE_BORDER);
    ui_rect_take_rows(&r, 1);
    if (row->is_run) {
        draw_run_detail(p, r, row);
        return;
    }
    if (row->problem) {
        ui_paint_wrapped(p, r, 0, UI_STYLE_WARN, row->problem);
        return;
    }
    text_human_size(row->weight_bytes, weights, sizeof weights);
    text_human_size(row->cache_bytes, cache, sizeof cache);
    CLEANUP(bytes_free) bytes text = {0};
    bytes_printf(&text, "about %s for weights, %s for a full context of %zu tokens", weights, cache,
                 row->context_max);
    int next = ui_paint_wrapped(p, r, 0, UI_STYLE_TEXT, bytes_text(&text));
    if (free_bytes == 0 || is_current(p->app, row)) return;
    text_human_size(free_bytes, available, sizeof available);
    bool fits = row->weight_bytes < free_bytes;
    ui_paint_format(p, r, next, 0, fits ? UI_STYLE_DIM : UI_STYLE_ERROR, "%s: %s of memory are free",
                    fits ? "fits" : "does not fit", available);
}

static void draw_load(ui_paint *p, ui_rect r)
{
    const ui_app *app = p->app;
    char took[32];
    text_human_seconds(clock_seconds() - app->load_began, took, sizeof took);
    ui_draw_gauge(p->screen, r, 0, 0, MIN_OF(GAUGE_CELLS, r.columns),
                  app->load_total ? (double)app->load_done / (double)app->load_total : (double)NAN);
    ui_paint_format(p, r, 0, GAUGE_CELLS + 1, UI_STYLE_TEXT, "%s, %s, x cancels", app->model_name, took);
}

static void draw_none(ui_paint *p, ui_rect r)
{
    CLEANUP(bytes_free) bytes text = {0};
    if (p->app->filter[0])
        bytes_printf(&text, "No model's name holds \"%s\". Esc shows all.", p->app->filter);
    else
        bytes_printf(&text, "No model in %s yet: the chat pane says how to get one.", p->app->models.folder);
    ui_paint_wrapped(p, r, 0, UI_STYLE_DIM, bytes_text(&text));
}

void ui_draw_models(ui_paint *p, ui_rect r)
{
    ui_app *app = p->app;
    size_t count = ui_app_shown_count(app);
    char title[80];

    if (app->filter[0])
        snprintf(title, sizeof title, "models: %zu of %zu", count, app->models.count + app->run_count);
    else if (app->run_count)
        snprintf(title, sizeof title, "models: %zu, runs: %zu", app->models.count, app->run_count);
    else
        snprintf(title, sizeof title, "models: %zu", count);
    r = ui_draw_box(p->screen, r, title, app->focus == UI_MODELS);
    if (app->load == UI_LOAD_GOING) draw_load(p, ui_rect_take_rows(&r, -1));
    const ui_model_row *chosen = ui_app_shown_model(app, app->model_at);
    if (!chosen) {
        draw_none(p, r);
        return;
    }
    if (r.rows > DETAIL_ROWS * 2) draw_detail(p, ui_rect_take_rows(&r, -DETAIL_ROWS), chosen);
    size_t first = ui_first_row(app->model_at, count, r.rows);
    if (app->focus == UI_MODELS) app->scroll_page = (size_t)MAX_OF(r.rows, 1);
    for (int i = 0; i < r.rows && first + (size_t)i < count; i++)
        draw_row(p, r, i, ui_app_shown_model(app, first + (size_t)i), first + (size_t)i == app->model_at);
    ui_draw_scrollbar(p->screen, r, first, count);
}

/* -- inspect ----------------------------------------------------------------------------------------------
 */

static int fact(ui_paint *p, ui_rect r, int row, const char *name, const char *value)
{
    ui_paint_words(p, r, row, 0, UI_STYLE_DIM, name);
    ui_rect rest = {r.row, r.column + 14, r.rows, r.columns - 14};
    return ui_paint_wrapped(p, rest, row, UI_STYLE_TEXT, value);
}

static int size_fact(ui_paint *p, ui_rect r, int row, const char *name, uint64_t size)
{
    char text[24];
    text_human_size(size, text, sizeof text);
    return fact(p, r, row, name, text);
}

static int number_fact(ui_paint *p, ui_rect r, int row, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return fact(p, r, row, name, text);
}

static int loaded_facts(ui_paint *p, ui_rect r, int row)
{
    const ui_loaded_facts *f = &p->app->facts;
    char text[96], took[32];
    ui_figure_seconds(f->load_seconds, took, sizeof took);
    snprintf(text, sizeof text, "on %s in %s, in %s", f->device, f->type, took);
    return fact(p, r, row, "loaded", text);
}

void ui_draw_inspect(ui_paint *p, ui_rect r)
{
    const ui_model_row *m = ui_app_shown_model(p->app, p->app->model_at);
    int row = 0;
    if (!m) return;
    r = ui_paint_dialog(p, r, 14, 64, "model");
    row = fact(p, r, row, "name", m->name);
    if (m->is_run) {
        row = fact(p, r, row, "trains", m->run_model);
        row = number_fact(p, r, row, "step", m->run_step);
        row = number_fact(p, r, row, "of", m->run_steps);
        fact(p, r, row, "socket", m->path);
        return;
    }
    row = fact(p, r, row, "folder", m->path);
    if (m->problem) row = fact(p, r, row, "problem", m->problem);
    if (m->architecture) {
        row = fact(p, r, row, "architecture", m->architecture);
        row = number_fact(p, r, row, "parameters", m->parameters);
        row = number_fact(p, r, row, "layers", m->layer_count);
        row = number_fact(p, r, row, "vocabulary", m->vocab_count);
        row = number_fact(p, r, row, "context", m->context_max);
        row = size_fact(p, r, row, "weights", m->weight_bytes);
        row = size_fact(p, r, row, "full context", m->cache_bytes);
    }
    row = size_fact(p, r, row, "on disk", m->file_bytes);
    row = fact(p, r, row, "chat template", m->has_template ? "yes" : "no: it writes on from plain text");
    row = number_fact(p, r, row, "adapters", m->adapter_count);
    if (is_current(p->app, m) && p->app->load == UI_LOAD_READY) loaded_facts(p, r, row);
}
