/* ui/app/runs/setup.h: what a run's process opens before its first step, and gives back at its end. */
#ifndef UI_APP_RUNS_SETUP_H
#define UI_APP_RUNS_SETUP_H

#include "ui/app/runs/session_internal.h"

/* Lock, row, socket, model, data, adapter, trainer; a saved state is put back, and its attempt counted. The
 * errors of each. What was opened stays in s for run_take_down, also after a failure. */
err run_set_up(run_session *s);
void run_take_down(run_session *s); /* and frees s */
/* Another rank than 0, which has the plan: model, data, adapter, trainer, with rank 0's values. */
err run_set_up_follower(run_session *s);
/* How the settings begin an adapter; texts are borrowed from them. */
engine_trainable_options run_trainable_options(const training_settings *s);
/* All examples of --eval-file, for the model of the plan. The caller frees *out. */
err run_open_eval_file(const ui_run_plan *plan, const engine_model *model, training_data **out);
/* sha256 of the weights that --init-adapter names: a pair's file, or those of a PEFT folder. The caller frees
 * *out. */
err run_init_sha256(const char *path, char **out);

#endif
