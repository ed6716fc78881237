/* ui/cmd/commands.h: the rows, one per file of the same name. */
#ifndef UI_CMD_COMMANDS_H
#define UI_CMD_COMMANDS_H

#include "ui/cmd/command.h"

extern const ui_command ui_cmd_infer, ui_cmd_chat, ui_cmd_tokenize, ui_cmd_template, ui_cmd_score,
    ui_cmd_inspect, ui_cmd_bench, ui_cmd_list, ui_cmd_config, ui_cmd_doctor, ui_cmd_help;
extern const ui_command ui_cmd_init, ui_cmd_adopt, ui_cmd_rename, ui_cmd_remove, ui_cmd_rescan, ui_cmd_unlock,
    ui_cmd_gc;
extern const ui_command ui_cmd_status, ui_cmd_stage, ui_cmd_unstage, ui_cmd_discard, ui_cmd_checkout;
extern const ui_command ui_cmd_commit, ui_cmd_branch, ui_cmd_tag, ui_cmd_log, ui_cmd_reset, ui_cmd_undo,
    ui_cmd_redo;
extern const ui_command ui_cmd_merge, ui_cmd_cherry_pick, ui_cmd_revert, ui_cmd_stash;
extern const ui_command ui_cmd_worktree;
extern const ui_command ui_cmd_clone, ui_cmd_fetch, ui_cmd_fetch_files, ui_cmd_remote, ui_cmd_push,
    ui_cmd_pull;
extern const ui_command ui_cmd_diff, ui_cmd_completion;
extern const ui_command ui_cmd_data, ui_cmd_inspect_data, ui_cmd_eval, ui_cmd_bisect;
extern const ui_command ui_cmd_train, ui_cmd_lt, ui_cmd_attach, ui_cmd_runs;
extern const ui_command ui_cmd_adapter, ui_cmd_stack, ui_cmd_compare;

#endif
