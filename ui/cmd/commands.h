/* ui/cmd/commands.h: the rows, one per file of the same name. */
#ifndef UI_CMD_COMMANDS_H
#define UI_CMD_COMMANDS_H

#include "ui/cmd/command.h"

extern const ui_command ui_cmd_infer, ui_cmd_chat, ui_cmd_tokenize, ui_cmd_template, ui_cmd_score,
    ui_cmd_inspect, ui_cmd_bench, ui_cmd_list, ui_cmd_config, ui_cmd_doctor, ui_cmd_help;

#endif
