/* ui/cmd/completion.h: what a shell may write where its cursor is.
 *
 * Read from the table of commands: the words of a command's args ("MODEL [REF]") and the values of its
 * options say what belongs where. Nothing is ever printed to standard error: a person is typing. */
#ifndef UI_CMD_COMPLETION_H
#define UI_CMD_COMPLETION_H

#include "ui/cmd/command.h"

/* words[0..count): after `hyprstream`; the last is the one that is being typed, perhaps "". One candidate a
 * line, "WORD\tWHAT IT IS"; the line ":files" asks the shell for its files. */
void ui_complete(ui_cli *cli, const char *const *words, size_t count);

#endif
