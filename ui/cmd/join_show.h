/* ui/cmd/join_show.h: what merge, cherry-pick, revert and stash tell of their report. */
#ifndef UI_CMD_JOIN_SHOW_H
#define UI_CMD_JOIN_SHOW_H

#include "repo/merge.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/repo_open.h"

/* --ours, --theirs, --both. */
extern const ui_option ui_options_favor[];
/* ERR_USAGE: more than one of them. */
err ui_join_favor(const ui_arguments *a, repo_favor *out);

/* "conflicts": [{"path", "kind"}]. */
void ui_join_add_conflicts(cJSON *object, const repo_merge_report *report);
/* {"model", "result", "commit", "conflicts"}; commit NULL: none was made. Printed. */
void ui_join_json(ui_repo *r, const char *result, const repo_id *commit, const repo_merge_report *report);
/* To err_out: links, pointers without bytes, adapters of one number. */
void ui_join_warn(ui_repo *r, const repo_merge_report *report);
/* After a failure: what is in the way, or each conflict with its kind, to err_out (conflicts as JSON too when
 * asked for), and what to do next. verb: "merge". */
void ui_join_failed(ui_repo *r, const char *verb, const repo_merge_report *report, bool json);
/* When markers were left, what to do next: stage, then `verb` --continue or --abort; or (not `commits`)
 * commit, or reset --merge. To err_out. */
void ui_join_what_next(ui_repo *r, const char *verb, bool commits);
/* "hyprstream VERB MODEL", then `rest`, to err_out. */
void ui_join_command(ui_repo *r, const char *verb, const char *rest);

#endif
