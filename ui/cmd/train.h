/* ui/cmd/train.h: from the words of `train` to the plan of a run. */
#ifndef UI_CMD_TRAIN_H
#define UI_CMD_TRAIN_H

#include "training/estimate.h"
#include "ui/app/runs/plan.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/train_ranks.h"

/* What is known of a run before its first step. */
typedef struct ui_train_plan {
    ui_run_plan plan;
    training_estimate estimate;
    ui_run_change *changes; /* that --from brings along */
    size_t change_count;
    training_extent extent;
    uint64_t parameters, steps, held_out;
    bytes advice; /* sentences, NUL-terminated */
    size_t advice_count;
} ui_train_plan;

/* Everything is checked: model, data, settings, names. The caller's: _free. */
err ui_train_plan_make(ui_cli *cli, const ui_arguments *a, ui_train_plan *out);
void ui_train_plan_free(ui_train_plan *plan); /* a zeroed one is fine */

/* The plan of the commit's adapter (train --from): settings, base commit, changes, name. */
err ui_train_from(ui_cli *cli, const ui_arguments *a, ui_train_plan *out, char **digest, char **init_sha256);

/* A row for the list of runs, "planned". */
err ui_train_add_row(ui_cli *cli, const ui_run_plan *plan, uint64_t steps);
/* Its process, or that of rank 0; watched unless --detach is given. */
err ui_train_start(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together, const char *id);
/* --resume RUN goes on as planned; with --extend STEPS or --lr X a new run begins with its last state. */
err ui_train_resume(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together);

#endif
