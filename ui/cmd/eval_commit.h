/* ui/cmd/eval_commit.h: keeping an adapter that passed its bars (eval --commit). */
#ifndef UI_CMD_EVAL_COMMIT_H
#define UI_CMD_EVAL_COMMIT_H

#include "repo/checkpoint.h"
#include "ui/cmd/evaluation.h"

/* Before anything is measured: ERR_USAGE when no bar is set, or MODEL does not name one adapter of a model.
 */
err ui_eval_commit_check(ui_cli *cli, const char *model_word, const ui_bars *bars);
/* The adapter's files as they are checked out, in a commit with the figures as trailers, on the branch that
 * is checked out; files that are committed already, or a MODEL with a ref, are only tagged: passed-NN_name,
 * never moved. */
err ui_eval_commit(ui_cli *cli, const char *model_word, const training_data *data, const ui_tally *tally,
                   const ui_figures *figures, repo_checkpoint_done *done);

#endif
