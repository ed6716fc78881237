/* ui/cmd/join_end.h: --continue and --abort of a merge, a cherry-pick or a revert that left markers. */
#ifndef UI_CMD_JOIN_END_H
#define UI_CMD_JOIN_END_H

#include "repo/merge.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/repo_open.h"

/* ERR_USAGE: both of them, or one with other words or options (but --message with --continue, where that is
 * taken). */
err ui_join_end_check(const ui_arguments *a, bool takes_message);
/* Take it back and say so. ERR_NOTHING: no such thing is going on; ERR_CONFLICT: what is in the way was
 * listed. */
err ui_join_abort(ui_repo *r, const char *verb, repo_join_kind kind, bool json);
/* Commit it and say so: "Picked (1a2b3c4d): subject". message NULL: the one that was prepared. ERR_NOTHING:
 * no such thing is going on, or nothing is left to commit; ERR_CONFLICT: unmerged files. */
err ui_join_continue(ui_repo *r, const char *done_word, repo_join_kind kind, const char *message, bool json);

#endif
