/* ui/cmd/adapters.h: the adapters that MODEL, --stack and --adapter name. */
#ifndef UI_CMD_ADAPTERS_H
#define UI_CMD_ADAPTERS_H

#include "engine/stack.h"
#include "ui/cmd/model_open.h"

typedef struct ui_adapter_choice {
    char *names[ENGINE_STACK_COUNT_MAX]; /* as engine_worker_stack takes them */
    double scales[ENGINE_STACK_COUNT_MAX];
    size_t count;
} ui_adapter_choice;

/* Those of --stack, then of the word MODEL, then each --adapter: a path, or a name among the model's own ("01_brief", or
 * "brief" when only one ends so), then "@SCALE" if it is not 1. ERR_NOT_FOUND lists the names that there are.
 */
err ui_adapters_choose(ui_cli *cli, const ui_arguments *a, const ui_model_word *model,
                       engine_files *files, ui_adapter_choice *out);
void ui_adapter_choice_free(ui_adapter_choice *choice); /* a zeroed one is fine */

#endif
