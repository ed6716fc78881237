#include "ui/app/run_attach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/file.h"
#include "base/macros.h"
#include "base/settings.h"
#include "ui/app/adapter_files.h"
#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"

/* -- rows --------------------------------------------------------------------------------------------------
 */

typedef struct run_rows {
    ui_model_row *list;
    size_t count;
} run_rows;

static void rows_free(ui_model_row *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].name);
        free(list[i].path);
        free(list[i].run_model);
        free(list[i].run_folder);
    }
    free(list);
}

static bool is_named(const run_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->list[i].name, name) == 0) return true;
    return false;
}

/* "run:polite", or after the model where whole weights are trained; a second one of that name has the end of
 * its id, too. */
static char *row_name(const run_rows *rows, const ui_run_row *run)
{
    bytes name = {0};
    bool whole = strcmp(run->adapter, UI_RUN_WEIGHTS) == 0;
    bytes_printf(&name, "run:%s", whole ? run->model : ui_adapter_bare_name(run->adapter));
    if (is_named(rows, bytes_text(&name))) bytes_printf(&name, "-%s", run->id + strlen(run->id) - 4);
    return bytes_take(&name);
}

static void row_add(run_rows *rows, const ui_run_row *run, const char *state, const env *environment)
{
    char *folder = ui_run_folder(state, run->id), *socket = ui_run_socket_path(environment, folder, run->id);

    if (!file_exists(socket)) {
        free(folder);
        free(socket);
        return;
    }
    rows->list = memory_resize_array(rows->list, rows->count + 1, sizeof *rows->list);
    ui_model_row row = {.name = row_name(rows, run),
                        .path = socket,
                        .is_run = true,
                        .run_model = memory_text(run->model),
                        .run_folder = folder,
                        .run_step = run->step,
                        .run_steps = run->steps_total};
    rows->list[rows->count++] = row;
}

/* Takes the rows; whether they say something else than those before. */
static bool rows_take(ui_app *app, run_rows rows)
{
    bool same = rows.count == app->run_count;
    for (size_t i = 0; same && i < rows.count; i++) {
        const ui_model_row *a = &app->run_rows[i], *b = &rows.list[i];
        same = strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 && a->run_step == b->run_step &&
               a->run_steps == b->run_steps;
    }
    rows_free(app->run_rows, app->run_count);
    app->run_rows = rows.list;
    app->run_count = rows.count;
    return !same;
}

bool ui_app_runs_scan(ui_app *app)
{
    const char *state = settings_borrow_folders(app->settings)->state;
    env environment = env_of_process();
    ui_run_store *store = NULL;
    ui_run_list list = {0};
    run_rows rows = {0};

    if (!app->store) return false; /* nobody has a state folder */
    err e = ui_run_store_open(state, &store);
    if (!e.code) e = ui_run_store_list_unended(store, &list);
    for (size_t i = 0; !e.code && i < list.count; i++) {
        const char *shown = ui_run_state_shown(&list.rows[i], state);
        if (strcmp(shown, "running") == 0 || strcmp(shown, "paused") == 0)
            row_add(&rows, &list.rows[i], state, &environment);
    }
    ui_run_list_free(&list);
    ui_run_store_free(store);
    if (e.code) log_write(app->log, LOG_WARNING, "look for runs: %s", e.text);
    return rows_take(app, rows);
}

/* A killed one writes nothing, but its lock is gone. */
static bool one_has_died(const ui_app *app)
{
    for (size_t i = 0; i < app->run_count; i++)
        if (!ui_run_is_alive(app->run_rows[i].run_folder)) return true;
    return false;
}

/* When anybody wrote last: to state.db, or to what is not yet worked into it. In ns. */
static int64_t written_at(const char *state_folder)
{
    static const char *const names[] = {"state.db", "state.db-wal"};
    int64_t latest = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = file_join(state_folder, names[i]);
        struct stat at;
        if (stat(path, &at) == 0)
            latest = MAX_OF(latest, at.st_mtim.tv_sec * (int64_t)1000000000 + at.st_mtim.tv_nsec);
        free(path);
    }
    return latest;
}

bool ui_app_look_for_runs(ui_app *app, double now)
{
    if (!app->store || now - app->runs_looked_at < UI_RUNS_LOOK_SECONDS) return false;
    app->runs_looked_at = now;
    int64_t written = written_at(settings_borrow_folders(app->settings)->state);
    if (written == app->runs_written_at && !one_has_died(app)) return false;
    app->runs_written_at = written;
    return ui_app_rescan_by(app, ui_app_runs_scan);
}

/* -- who answers
 * --------------------------------------------------------------------------------------------- */

static bool is_busy(ui_app *app)
{
    if (!ui_chat_is_busy(&app->chat)) return false;
    ui_app_say(app, LOG_WARNING, "an answer is being written: stop it with Ctrl-C, or wait");
    return true;
}

static void let_go(ui_app *app)
{
    app->source = app->own_source;
    ui_run_source_free(app->run);
    free(app->run_path);
    app->run = NULL;
    app->run_path = NULL;
    app->version++;
}

void ui_app_attach(ui_app *app, const ui_model_row *row)
{
    ui_run_source *run = NULL;
    if (is_busy(app)) return;
    err e = ui_run_source_new(row->path, row->name, &run);
    if (e.code) {
        ui_app_say(app, LOG_ERROR, "%s does not answer: hyprstream runs list says what became of it",
                   row->name);
        ui_app_rescan(app);
        return;
    }
    if (app->run) let_go(app);
    app->run = run;
    app->run_path = memory_text(row->path);
    app->source = ui_run_source_as_source(run);
    ui_app_say(app, LOG_INFO, "%s answers now, with the weights of the step just done", row->name);
}

bool ui_app_detach(ui_app *app)
{
    if (!app->run) return true;
    if (is_busy(app)) return false;
    let_go(app);
    return true;
}

bool ui_app_look_after_run(ui_app *app)
{
    if (!app->run) return false;
    bool changed = app->run_version != ui_run_source_version(app->run);
    app->run_version = ui_run_source_version(app->run);
    const char *end = ui_run_source_end(app->run);
    if (!end || ui_chat_is_busy(&app->chat)) return changed; /* what was asked gets its last news first */
    ui_app_say(app, LOG_WARNING, "%s%s%s", end,
               app->load == UI_LOAD_READY ? ". Answers come again from " : "",
               app->load == UI_LOAD_READY ? app->model_name : "");
    let_go(app);
    ui_app_rescan(app);
    return true;
}

void ui_app_run_rows_free(ui_app *app)
{
    (void)rows_take(app, (run_rows){0});
    if (app->run) let_go(app);
}
