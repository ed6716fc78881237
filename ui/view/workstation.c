#include "ui/view/workstation.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/settings.h"
#include "ui/app/first_start.h"
#include "ui/view/chat_layout.h"
#include "ui/view/panes.h"

enum { FRAME_MS = 16, PALETTE_PAGE_ROWS = 10 };

typedef struct workstation {
    ui_screen *screen;
    int news_fd;
    ui_app app;
    ui_paint paint;
    unsigned drawn; /* version of the state that is on the screen */
    double drawn_at;
} workstation;

/* -- keys -------------------------------------------------------------------------------------------------
 */

/* Arrows and pages belong to an editor or a menu before they are actions; everything else is an action first,
 * so that Ctrl-P means the same everywhere. */
static bool moves_in_text(const char *name)
{
    static const char *const names[] = {"Up", "Down", "PageUp", "PageDown", "Home", "End", "Left", "Right"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool give_to_text(ui_app *app, const ui_key *key)
{
    if (app->focus == UI_PALETTE) return ui_menu_key(app->palette, key, PALETTE_PAGE_ROWS);
    if (app->focus == UI_PROMPT) return ui_editor_key(app->line, key);
    return app->focus == UI_INPUT && ui_editor_key(app->input, key);
}

static void typed(ui_app *app, const ui_key *key)
{
    const ui_action *action = ui_action_for_key(app->focus, key->name);
    bool text_first = key->is_text || moves_in_text(key->name);

    app->version++;
    if (strcmp(key->name, "Esc") == 0) ui_toasts_clear(&app->toasts);
    if (action && !(ui_place_is_text(app->focus) && text_first)) {
        ui_app_run(app, action->name);
        return;
    }
    if (!give_to_text(app, key) && action) ui_app_run(app, action->name);
}

/* Outside a text a paste goes to the message, which is what the person meant. */
static void pasted(ui_app *app, const ui_key *key)
{
    if (!ui_place_is_text(app->focus) && (app->focus == UI_CHAT || app->focus == UI_MODELS))
        ui_app_run(app, "chat");
    if (!give_to_text(app, key)) ui_app_say(app, LOG_WARNING, "The paste does not fit here");
    if (key->was_cut)
        ui_app_say(app, LOG_WARNING, "The paste was longer than %d bytes: the rest was left out",
                   UI_PASTE_BYTES_MAX);
    app->version++;
}

/* True when there were any: what a key does is shown at once, only news waits for the time of the next frame. */
static bool take_keys(workstation *w)
{
    bool any = false;
    for (ui_key key; ui_screen_take_key(w->screen, &key); any = true) {
        switch (key.kind) {
        case UI_KEY_TYPED: typed(&w->app, &key); break;
        case UI_KEY_PASTE: pasted(&w->app, &key); break;
        case UI_KEY_RESIZE: w->app.version++; break;
        case UI_KEY_SUSPEND: w->app.suspend = true; break;
        case UI_KEY_CLOSED: w->app.quit = true; return any;
        case UI_KEY_NONE: break;
        }
        if (w->app.quit) return any;
    }
    return any;
}

/* -- the loop ---------------------------------------------------------------------------------------------
 */

/* What the state asks of the terminal. */
static void serve(workstation *w)
{
    ui_app *app = &w->app;
    if (app->clipboard.size) {
        ui_app_say_err(app, ui_screen_copy(w->screen, bytes_borrow(&app->clipboard)));
        bytes_clear(&app->clipboard);
    }
    if (app->suspend) {
        app->suspend = false;
        ui_app_save(app);
        ui_screen_suspend(w->screen);
        app->version++;
    }
    if (app->redraw) {
        app->redraw = false;
        ui_frame_redraw(w->screen);
        app->version++;
    }
}

static void draw(workstation *w)
{
    w->drawn = w->app.version;
    w->drawn_at = clock_seconds();
    ui_draw_all(&w->paint);
}

static int shorter(int a, int b) { return a < 0 ? b : b < 0 ? a : MIN_OF(a, b); }

/* Until a key, news, or the time of the next frame or tick. */
static void wait_for_something(workstation *w)
{
    struct pollfd on[] = {
        {.fd = ui_screen_input_fd(w->screen), .events = POLLIN},
        {.fd = ui_screen_signal_fd(w->screen), .events = POLLIN},
        {.fd = w->news_fd, .events = POLLIN},
    };
    double now = clock_seconds();
    int wait = shorter(ui_screen_wait_ms(w->screen), ui_app_wait_ms(&w->app, now));
    if (w->drawn != w->app.version) {
        int frame = FRAME_MS - (int)((now - w->drawn_at) * 1000);
        wait = shorter(wait, MAX_OF(frame, 0));
    }
    (void)poll(on, COUNT_OF(on), wait); /* a signal wakes it too: the loop looks at everything anyway */
}

static void loop(workstation *w, const volatile sig_atomic_t *interrupted)
{
    while (!w->app.quit && !(interrupted && *interrupted)) {
        wait_for_something(w);
        bool typed_now = take_keys(w);
        ui_app_take_news(&w->app);
        ui_app_tick(&w->app, clock_seconds());
        if (w->app.quit) break;
        serve(w);
        bool is_due = typed_now || (clock_seconds() - w->drawn_at) * 1000 >= FRAME_MS;
        if (w->drawn != w->app.version && is_due) draw(w);
    }
}

/* -- start and end ----------------------------------------------------------------------------------------
 */

static log_book *open_log(const settings *s)
{
    const char *names[] = {"error", "warning", "info", "debug"};
    log_level least = LOG_INFO;
    log_book *log = NULL;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(settings_text(s, "log.level"), names[i]) == 0) least = (log_level)i;
    const char *state = settings_borrow_folders(s)->state;
    char *path = file_join(state, "log");
    if (file_make_folders(state).code || log_open(path, least, &log).code) (void)log_open(NULL, least, &log);
    free(path);
    return log;
}

static ui_chat_store *open_store(ui_app *app)
{
    ui_chat_store *store = NULL;
    char *aside = NULL;
    err e = ui_chat_store_open(settings_borrow_folders(app->settings)->state, &aside, &store);
    if (e.code) {
        ui_app_say_err(app, e);
        ui_app_say(app, LOG_WARNING, "Conversations will not be kept this time");
    } else if (aside) {
        ui_app_say(app, LOG_WARNING,
                   "The file of the conversations was damaged. It is kept as %s; a copy of the last "
                   "day that was good lies beside it",
                   aside);
    }
    free(aside);
    return store;
}

static void say_settings(ui_app *app)
{
    ui_app_say_err(app, settings_check(app->settings));
    for (size_t i = 0; i < settings_warning_count(app->settings); i++)
        ui_app_say(app, LOG_WARNING, "%s", settings_borrow_warning(app->settings, i));
}

static void open_app(workstation *w, const ui_workstation_parts *parts)
{
    ui_app *app = &w->app;
    bool demo_made = false;

    app->settings = parts->settings;
    app->log = open_log(parts->settings);
    app->source = parts->source;
    app->loader = parts->loader;
    say_settings(app);
    app->store = open_store(app);
    ui_app_say_err(app, ui_first_start(parts->settings, &demo_made));
    if (demo_made) ui_app_say(app, LOG_INFO, "The demo model was put into the models folder");
    ui_app_open(app);
    w->news_fd = parts->news_fd;
    w->paint = (ui_paint){w->screen, app, ui_chat_layout_new(), ui_screen_is_ascii(w->screen)};
    ui_screen_set_title(w->screen, "hyprstream");
}

static void close_app(workstation *w)
{
    ui_app_close(&w->app);
    ui_chat_store_free(w->app.store);
    log_free(w->app.log);
    ui_chat_layout_free(w->paint.chat);
}

err ui_workstation_run_on(const ui_workstation_parts *parts)
{
    const settings *s = parts->settings;
    ui_screen_options how = {.color = settings_text(s, "ui.color"), .ascii = settings_bool(s, "ui.ascii")};
    workstation *w = memory_alloc(sizeof *w);

    err e = ui_screen_open(&how, &w->screen);
    if (!e.code) {
        open_app(w, parts);
        draw(w);
        loop(w, parts->interrupted);
        ui_screen_close(w->screen); /* before the rest, which may wait for a step of the engine */
        close_app(w);
    }
    free(w);
    return e;
}
