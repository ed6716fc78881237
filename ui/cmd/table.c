#include "ui/cmd/commands.h"

#include <string.h>

#include "base/text.h"

const ui_group ui_groups[] = {
    {"chat", "Chat and answer"},     {"models", "Models"},       {"adapters", "Adapters and training"},
    {"changes", "Changes of files"}, {"history", "History"},     {"servers", "Servers"},
    {"worktrees", "Worktrees"},      {"program", "The program"}, {0},
};

const ui_command *const ui_commands[] = {
    &ui_cmd_infer,       &ui_cmd_chat,         &ui_cmd_tokenize,   &ui_cmd_template,    &ui_cmd_score,
    &ui_cmd_list,        &ui_cmd_inspect,      &ui_cmd_bench,      &ui_cmd_adapter,     &ui_cmd_stack,
    &ui_cmd_compare,     &ui_cmd_inspect_data, &ui_cmd_data,       &ui_cmd_eval,        &ui_cmd_train,
    &ui_cmd_lt,          &ui_cmd_attach,       &ui_cmd_runs,       &ui_cmd_bisect,      &ui_cmd_init,
    &ui_cmd_adopt,       &ui_cmd_rename,       &ui_cmd_remove,     &ui_cmd_rescan,      &ui_cmd_unlock,
    &ui_cmd_gc,          &ui_cmd_status,       &ui_cmd_diff,       &ui_cmd_stage,       &ui_cmd_unstage,
    &ui_cmd_discard,     &ui_cmd_commit,       &ui_cmd_stash,      &ui_cmd_log,         &ui_cmd_checkout,
    &ui_cmd_branch,      &ui_cmd_tag,          &ui_cmd_merge,      &ui_cmd_cherry_pick, &ui_cmd_revert,
    &ui_cmd_reset,       &ui_cmd_undo,         &ui_cmd_redo,       &ui_cmd_clone,       &ui_cmd_fetch,
    &ui_cmd_fetch_files, &ui_cmd_pull,         &ui_cmd_push,       &ui_cmd_remote,      &ui_cmd_worktree,
    &ui_cmd_config,      &ui_cmd_doctor,       &ui_cmd_completion, &ui_cmd_help,        NULL,
};

const ui_option ui_options_run[] = {
    {"device", "NAME", "auto, cpu or cuda:N (default: auto)", false},
    {"dtype", "TYPE", "auto (as the weights are stored), f32 or bf16; int8 or nf4: layers packed, on the CPU",
     false},
    {"threads", "N", "CPU threads (default: one per core)", false},
    {"adapter", "NAME|PATH[@SCALE]", "put an adapter of the model, or a file or folder, on the model", true},
    {"stack", "NAME", "put the adapters of the model's stacks/NAME.json on the model, before any others",
     false},
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
