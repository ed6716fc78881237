/* ui/app/run_attach.h: the runs that train now as rows below the models, and one of them as the one who
 * answers.
 *
 * A loaded model stays loaded meanwhile and answers again when the run has ended.
 * Threads: the UI thread. */
#ifndef UI_APP_RUN_ATTACH_H
#define UI_APP_RUN_ATTACH_H

#include "ui/app/app.h"

/* How often it is looked whether runs began, ended, or went on. */
#define UI_RUNS_LOOK_SECONDS 1.0

/* Look again which runs train: app->run_rows. What cannot be read has none. True: others than before, or at
 * another step. */
bool ui_app_runs_scan(ui_app *app);
/* The same, when a second has passed and something was written since or one of them has died; else nothing is
 * read. */
bool ui_app_look_for_runs(ui_app *app, double now);
/* The run of this row answers from now on; a toast says so, or why it cannot. */
void ui_app_attach(ui_app *app, const ui_model_row *row);
/* The loaded model answers again, or nobody. False: an answer is being written, which a toast says. */
bool ui_app_detach(ui_app *app);
/* After its news were taken: a run that has ended is let go of, and that is said. True: something changed. */
bool ui_app_look_after_run(ui_app *app);
void ui_app_run_rows_free(ui_app *app); /* also the run that answers */

#endif
