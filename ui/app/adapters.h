/* ui/app/adapters.h: the adapters that a model brings along.
 *
 * Files of its adapters/ folder, at the ref that is looked at: NN_name.safetensors with a config beside it,
 * or a PEFT folder. */
#ifndef UI_APP_ADAPTERS_H
#define UI_APP_ADAPTERS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/files.h"

enum { UI_ADAPTERS_COUNT_MAX = 256 };

typedef struct ui_adapter_row {
    char *name; /* "01_brief" */
    char *file; /* of its weights, in the model's files */
    bool on;
    double scale;
} ui_adapter_row;

typedef struct ui_adapter_list {
    ui_adapter_row *rows;
    size_t count;
} ui_adapter_list;

/* In the order of their names; all off, scale 1. */
void ui_adapters_list(const engine_files *files, ui_adapter_list *out);
void ui_adapters_free(ui_adapter_list *list); /* a zeroed one is fine */

/* By "01_brief", or "brief" when only one ends so. ERR_NOT_FOUND and ERR_USAGE list the names that there are;
 * `model` is for the sentence. Borrowed from the list. */
err ui_adapters_find(const ui_adapter_list *list, const char *word, const char *model, ui_adapter_row **out);

#endif
