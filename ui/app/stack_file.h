/* ui/app/stack_file.h: adapters in an order, each with a scale, on or off, as JSON.
 *
 * What stacks/NAME.json of a model holds, and what the workstation keeps for each model between two starts:
 * {"adapters": [{"adapter": "01_brief", "on": true, "scale": 0.7}, ...], "format": 1}. Text alone: whether a
 * model has these adapters is asked elsewhere. */
#ifndef UI_APP_STACK_FILE_H
#define UI_APP_STACK_FILE_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/files.h"
#include "ui/app/adapters.h"

enum {
    UI_STACK_ITEMS_MAX = 64,
    UI_STACK_BYTES_MAX = 64 << 10,
    UI_STACK_NAME_BYTES_MAX = 40,
    UI_STACK_SCALE_MAX = 100,
};

typedef struct ui_stack_item {
    char *adapter; /* "01_brief" */
    double scale;
    bool on;
} ui_stack_item;

typedef struct ui_stack_list {
    ui_stack_item items[UI_STACK_ITEMS_MAX];
    size_t count;
} ui_stack_list;

/* ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED (a newer format), each with the line. */
err ui_stack_parse(bytes_view json, ui_stack_list *out);
void ui_stack_print(const ui_stack_list *list, bytes *out); /* appended; reads back to the same */
void ui_stack_free(ui_stack_list *list);                    /* a zeroed one is fine */
/* At the end; the name is copied. ERR_LIMIT, ERR_FORMAT (no name), ERR_USAGE (a scale out of bounds, a name twice). */
err ui_stack_add(ui_stack_list *list, const char *adapter, double scale, bool on);
ui_stack_item *ui_stack_find(ui_stack_list *list, const char *adapter); /* NULL: it is not in it */

/* Names of stacks and adapters: [a-z0-9_-]{1,40}. `what` begins the sentence: "the stack's name". ERR_USAGE.
 */
err ui_stack_name_check(const char *what, const char *name);
/* stacks/NAME.json of a model. ERR_NOT_FOUND lists the stacks that there are. */
err ui_stack_read(engine_files *files, const char *name, const char *model, ui_stack_list *out);

/* On and scale of the rows that the list names; the others are off. */
void ui_stack_apply(const ui_stack_list *list, ui_adapter_list *rows);
/* The rows that are on or have a scale of their own. */
void ui_stack_of_rows(const ui_adapter_list *rows, ui_stack_list *out);
/* Under which mark of the chat store a model's choice is kept; the caller's: free(). */
char *ui_stack_mark_name(const char *model_folder);

#endif
