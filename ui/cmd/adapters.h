/* ui/cmd/adapters.h: the adapters that --adapter names. */
#ifndef UI_CMD_ADAPTERS_H
#define UI_CMD_ADAPTERS_H

#include "engine/stack.h"
#include "ui/cmd/arguments.h"

typedef struct ui_adapter_choice {
    char *paths[ENGINE_STACK_COUNT_MAX];
    double scales[ENGINE_STACK_COUNT_MAX];
    size_t count;
} ui_adapter_choice;

/* Each --adapter of the arguments: a path, or a name of the model's adapters/ folder ("01_brief", or "brief"
 * when only one ends so), then "@SCALE" if it is not 1. ERR_NOT_FOUND lists the names that there are. */
err ui_adapters_choose(ui_cli *cli, const ui_arguments *a, const char *model_path, ui_adapter_choice *out);
void ui_adapter_choice_free(ui_adapter_choice *choice); /* a zeroed one is fine */

#endif
