/* ui/app/action.h: what a person can do in the workstation, one row each.
 *
 * Key bindings, the bottom line, the help screen, the palette and the demo model's corpus read this table. An
 * action with the same name as a command of the command line does the same thing (ui/cmd/command.h). */
#ifndef UI_APP_ACTION_H
#define UI_APP_ACTION_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* Where a key counts. The focused place first, then UI_ANYWHERE. */
typedef enum ui_place {
    UI_ANYWHERE,
    UI_MODELS,        /* the list of models */
    UI_INPUT,         /* the chat's input: letters are text here */
    UI_CHAT,          /* the conversation above it */
    UI_CONVERSATIONS, /* the list of kept conversations */
    UI_SAMPLING,      /* the sampling panel */
    UI_LOG,
    UI_ADAPTERS, /* the list of adapters of the loaded model */
    UI_HELP,
    UI_PALETTE,  /* a line of text, and the actions that hold it */
    UI_PROMPT,   /* one line of text: a filter, a value */
    UI_QUESTION, /* yes or no */
    UI_PLACE_COUNT,
} ui_place;

const char *ui_place_name(ui_place place); /* "chat input", for help */

typedef struct ui_app ui_app;

typedef struct ui_action {
    const char *name; /* "regenerate": a word of the palette */
    ui_place place;
    const char *key;        /* as it is shown: "r", "Ctrl-R", "Alt-Enter", "F1", "Up"; "" : only by name */
    const char *short_help; /* two words at most, for the bottom line; NULL: not shown there */
    const char *help;       /* one sentence */
} ui_action;

/* Ended by a row without a name. The order is that of the help screen. */
extern const ui_action ui_actions[];

const ui_action *ui_action_find(const char *name); /* NULL: there is none of that name */
/* What this key does when `place` is focused; NULL: nothing. Where letters are not text, "?" is help, ":" the
 * palette, q is Esc, and j and k move as the arrows do. */
const ui_action *ui_action_for_key(ui_place place, const char *key);
/* The place has an editor, so that letters are text. */
bool ui_place_is_text(ui_place place);
/* Every row as {"name", "place", "key", "help"}; the caller's. */
cJSON *ui_actions_json(void);

#endif
