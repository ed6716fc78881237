/* ui/cmd/train.h: from the words of `train` to the plan of a run. */
#ifndef UI_CMD_TRAIN_H
#define UI_CMD_TRAIN_H

#include "training/estimate.h"
#include "training/state.h"
#include "ui/app/runs/changes.h"
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

/* Everything is checked: model, data, settings, names, room for the ranks of this machine (NULL: one). The
 * caller's: _free. */
err ui_train_plan_make(ui_cli *cli, const ui_arguments *a, const training_ranks *ranks, ui_train_plan *out);
void ui_train_plan_free(ui_train_plan *plan); /* a zeroed one is fine */
/* Where the ranks of an estimate share memory: "on this machine". */
const char *ui_train_room_name(const training_estimate *m);

/* sha256 of what a commit's run read from outside of the repository; NULL: nothing of that kind. */
typedef struct ui_train_sources {
    char *data, *eval, *init;
} ui_train_sources;
void ui_train_sources_free(ui_train_sources *sources); /* zeroed ones are fine */
/* The plan of the commit's adapter (train --from): settings, base commit, changes, name. The caller frees
 * *sources. */
err ui_train_from(ui_cli *cli, const ui_arguments *a, ui_train_plan *out, ui_train_sources *sources);
/* Whether --eval-file and --init-adapter name what the commit's run had. ERR_USAGE: one is wanted, or too
 * much. */
err ui_train_sources_check(const ui_train_sources *sources, const ui_run_plan *plan);

/* The model of a plan without its weights, and the data as they lie there now; the caller frees both. */
err ui_train_open_data(ui_cli *cli, const ui_run_plan *plan, engine_model **model, training_data **data);

/* Whether somebody is set who makes the run's commits: asked before it learns anything. */
err ui_train_check_author(ui_cli *cli, const ui_run_plan *plan);

/* A row for the list of runs, "planned". */
err ui_train_add_row(ui_cli *cli, const ui_run_plan *plan, uint64_t steps);
/* Its process, or that of rank 0; watched unless --detach is given. */
err ui_train_start(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together, const char *id);
/* --resume RUN goes on as planned; with --extend STEPS or --lr X a new run begins with its last state; with
 * --allow-data-change either learns from the data as they are now. */
err ui_train_resume(ui_cli *cli, const ui_arguments *a, ui_train_ranks *together);

/* Other data than a run learned from, looked at before it goes on with them. */
typedef struct ui_train_data {
    char digest[SHA256_HEX_SIZE];
    training_extent extent;
    uint64_t held_out;
} ui_train_data;
/* Whether the data are others than what led to `step`. Without --allow-data-change others are refused, as by
 * the run itself; with it they are read, and must be of the run's kind. */
err ui_train_data_look(ui_cli *cli, const ui_arguments *a, const ui_run_plan *plan,
                       const ui_run_change *changes, size_t count, uint64_t step, bool *other,
                       ui_train_data *out);
/* What was found counts from `at` on, in the place of what was to count from there. False: the data are those
 * that led there, and nothing is added. */
bool ui_train_data_record(const ui_train_data *data, const ui_run_plan *plan, const training_place *at,
                          ui_run_change **changes, size_t *count);
/* The lines or the event of the change that was recorded last; `total`: steps of the run. */
void ui_train_data_tell(ui_cli *cli, bool json, const ui_train_data *data, const ui_run_plan *plan,
                        const ui_run_change *changes, size_t count, uint64_t total);
/* That nothing changed. */
void ui_train_data_tell_same(ui_cli *cli, bool json, const char *run);

#endif
