/* ui/app/app.h: the state of the workstation, and what its actions do to it.
 *
 * No terminal in here: keys come as actions by name (ui/app/action.h) and as text in the editors; news come
 * from the loader and the source; the panes of ui/view draw what they find in this struct. What only a
 * terminal can do is asked for by a flag (redraw, suspend, quit) or a text (clipboard).
 * A test makes one with a source and a loader of its own. Nothing here waits.
 * Threads: the UI thread. */
#ifndef UI_APP_APP_H
#define UI_APP_APP_H

#include "base/log.h"
#include "base/settings.h"
#include "ui/app/action.h"
#include "ui/app/chat.h"
#include "ui/app/chat_store.h"
#include "ui/app/loader.h"
#include "ui/app/models.h"
#include "ui/app/run_source.h"
#include "ui/app/sampling.h"
#include "ui/app/source.h"
#include "ui/app/toasts.h"
#include "ui/term/editor.h"
#include "ui/term/menu.h"

enum { UI_SAVE_MS = 200 }; /* an answer that is being written is saved at most this often */

typedef enum ui_load_state { UI_LOAD_NONE, UI_LOAD_GOING, UI_LOAD_READY } ui_load_state;

/* What the input is for. */
typedef enum ui_input_use { UI_INPUT_MESSAGE, UI_INPUT_EDIT, UI_INPUT_SYSTEM } ui_input_use;

/* What the palette lists. */
typedef enum ui_palette_use { UI_PALETTE_ACTIONS, UI_PALETTE_REFS } ui_palette_use;

/* What the one-line prompt is for. */
typedef enum ui_prompt_use { UI_PROMPT_FILTER, UI_PROMPT_VALUE, UI_PROMPT_SCALE } ui_prompt_use;

struct ui_app {
    /* Borrowed; store may be NULL: conversations are not kept then. */
    settings *settings;
    log_book *log;
    ui_source *source;
    ui_loader *loader;
    ui_chat_store *store;

    /* The conversation. */
    ui_chat chat;
    double saved_at;  /* clock_seconds of the last save */
    bool save_failed; /* said once, not every 200 ms */
    bool thinking_open;
    size_t scroll;                  /* lines up from the end; 0 follows the answer */
    size_t scroll_max, scroll_page; /* told by whoever drew it last */
    size_t line_count;              /* of the conversation, when it was drawn last */
    ui_editor *input;
    ui_input_use input_use;
    char *pending; /* the message that is sent by itself once the model is loaded; NULL: none */
    char *draft;   /* what was in the input before it was used for something else */

    /* Models. */
    ui_model_list models;
    char *filter;    /* "" : all */
    size_t model_at; /* chosen row among the shown ones */
    ui_load_state load;
    char *model_name, *model_path; /* being loaded, or loaded: "demo:v1" and its folder */
    uint64_t load_done, load_total;
    double load_began;
    ui_loaded_facts facts; /* READY */
    char *load_problem;    /* why the last load failed; NULL */
    ui_adapter_list adapters;
    size_t adapter_at;

    /* Training runs, shown below the models (ui/app/run_attach.h). */
    ui_model_row *run_rows;
    size_t run_count;
    double runs_looked_at;   /* clock_seconds */
    int64_t runs_written_at; /* the file that says which runs there are, as it was then */
    ui_run_source *run;      /* the one that answers in place of the model: `source` is it. NULL: none */
    char *run_path;          /* its socket */
    unsigned run_version;
    ui_source *own_source; /* the one that `source` was when the app was opened */

    ui_sampling_values sampling;
    size_t sampling_at;

    ui_conversation_list conversations;
    size_t conversation_at;

    /* Where the person is. */
    ui_place focus;
    ui_place back;    /* where to go when an overlay closes */
    bool inspecting;  /* the facts of the chosen model are shown */
    ui_menu *palette; /* tags are rows of ui_actions */
    ui_palette_use palette_use;
    ui_editor *line; /* of the prompt */
    ui_prompt_use prompt_use;
    ui_place prompt_from;
    size_t help_scroll, log_scroll;

    ui_toasts toasts;

    /* For the terminal. */
    bool quit, redraw, suspend;
    bytes clipboard;  /* not empty: to be put there */
    unsigned version; /* goes up with every change: draw when it differs */
};

/* Reads settings, the models folder and the last conversation, and begins to load the first model
 * (ui_models_first). Never fails for what a person can mend: it says so in a toast. */
void ui_app_open(ui_app *app);
void ui_app_close(ui_app *app); /* saves; frees what the app holds, not what it borrowed */

/* Take all news of source and loader. True: something changed. */
bool ui_app_take_news(ui_app *app);
void ui_app_apply_load(ui_app *app, const ui_load_news *news); /* into the state; on the UI thread */
/* Time passes: toasts go, answers are saved. True: something changed. */
bool ui_app_tick(ui_app *app, double now);
/* Milliseconds until the next tick has something to do; -1: nothing before the next news or key. */
int ui_app_wait_ms(const ui_app *app, double now);

/* Do what an action says; when it is not possible now, a toast says why. The name must be one of ui_actions.
 */
void ui_app_run(ui_app *app, const char *action);
/* Whether a key would do anything now: the bottom line shows only these. */
bool ui_app_can(const ui_app *app, const ui_action *action);

/* A toast and a line of the log. */
void ui_app_say(ui_app *app, log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
void ui_app_say_err(ui_app *app, err e); /* no error: nothing */

bool ui_app_is_ready(const ui_app *app); /* a loaded model, or a run, can be asked */
/* The i-th model, then run, that the filter shows; NULL: past the last. */
const ui_model_row *ui_app_shown_model(const ui_app *app, size_t i);
size_t ui_app_shown_count(const ui_app *app); /* models and runs whose names hold the filter */
/* Begin to load this row, at this ref ("": what is checked out). */
void ui_app_load(ui_app *app, const ui_model_row *row, const char *ref);
/* Ask the loader for the adapters that are on, from the next answer on. */
void ui_app_restack(ui_app *app);
void ui_app_rescan(ui_app *app); /* read the models folder again */
/* Whatever lists are read by `scan`, which says whether they changed: the chosen row stays chosen, wherever
 * it stands then. */
bool ui_app_rescan_by(ui_app *app, bool (*scan)(ui_app *app));
void ui_app_start_conversation(ui_app *app);   /* an empty one, with the system prompt of the settings */
void ui_app_conversation_changed(ui_app *app); /* another one was put into app->chat */
void ui_app_save(ui_app *app);                 /* the conversation, now */

#endif
