/* ui/cmd/running.h: a model that a command runs: the worker, the loaded model and its adapters.
 *
 * Loading shows its progress on a terminal. Ctrl-C cancels the job that is waited for; the command goes on
 * with the job's last event and ends with ERR_CANCELLED. */
#ifndef UI_CMD_RUNNING_H
#define UI_CMD_RUNNING_H

#include "engine/worker.h"
#include "ui/cmd/arguments.h"

typedef struct ui_running {
    ui_cli *cli;
    engine_worker *worker;
    engine_model *model;
    engine_stack *stack; /* NULL: no adapters */
} ui_running;

/* Load the model of `word` with the run options of `a`. After a failure *out is empty. */
err ui_running_open(ui_cli *cli, const ui_arguments *a, const char *word, ui_running *out);
void ui_running_close(ui_running *r); /* a zeroed one is fine */

/* The next event of any job, which is the caller's: engine_event_free. Ctrl-C cancels `job`. */
void ui_running_wait(ui_running *r, engine_job_id job, engine_event *out);

/* Waits for the scores of a job of engine_worker_score; *out is the caller's: free(). */
err ui_running_scores(ui_running *r, engine_job_id job, engine_pick **out, size_t *count);

/* NULL with *problem ERR_NOT_FOUND: the model has none. */
const engine_tokenizer *ui_running_borrow_tokenizer(const ui_running *r, err *problem);

#endif
