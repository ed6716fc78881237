#include "ui/cmd/commands.h"

#include <string.h>

#include "base/text.h"

const ui_command *const ui_commands[] = {
    &ui_cmd_infer, &ui_cmd_chat, &ui_cmd_tokenize, &ui_cmd_template, &ui_cmd_score, &ui_cmd_inspect,
    &ui_cmd_bench, &ui_cmd_list, &ui_cmd_config,   &ui_cmd_doctor,   &ui_cmd_help,  NULL,
};

const ui_option ui_options_run[] = {
    {"device", "NAME", "auto, cpu or cuda:N (default: auto)", false},
    {"dtype", "TYPE", "what to compute in: auto, f32 or bf16 (default: auto, as the weights are stored)",
     false},
    {"threads", "N", "CPU threads (default: one per core)", false},
    {"adapter", "NAME|PATH[@SCALE]", "put an adapter of the model, or a file or folder, on the model", true},
    {0},
};

const ui_option ui_options_all[] = {
    {"json", NULL, "print JSON", false},
    {"help", NULL, "print this help", false},
    {0},
};

err ui_command_unknown(const char *name)
{
    const char *names[COUNT_OF(ui_commands)];
    size_t count = 0;

    for (const ui_command *const *c = ui_commands; *c; c++) names[count++] = (*c)->name;
    const char *nearest = text_nearest(name, names, count);
    if (nearest) return err_make(ERR_USAGE, "there is no command '%s'; did you mean %s?", name, nearest);
    return err_make(ERR_USAGE, "there is no command '%s' (see hyprstream --help)", name);
}

const ui_command *ui_command_find(const char *name)
{
    for (const ui_command *const *c = ui_commands; *c; c++) {
        if (strcmp((*c)->name, name) == 0) return *c;
    }
    return NULL;
}
