/* ui/app/runs/session.h: the process of a run, `hyprstream __run ID`.
 *
 * Its own session, no terminal; one thread owns model, adapter and optimiser, another moves the bytes of the
 * socket (ui/app/runs/server.h). It says what happens as lines of JSON with the key "event" (started, step,
 * eval, sample, saved, committed, state, warning, alert, measured, answer, ended) and takes {"do": pause |
 * resume | stop | save | commit | eval | lr | generate}. A checkpoint is made in the order of spec
 * training.md, section 16: state, adapter files, commit, tag, rows; each later part can be made again from an
 * earlier one.
 */
#ifndef UI_APP_RUNS_SESSION_H
#define UI_APP_RUNS_SESSION_H

#include "base/env.h"
#include "base/settings.h"

/* Leaves the terminal, runs the run to its end and gives the exit status. A run that has a saved state goes
 * on from it. */
int ui_run_session(const settings *s, const char *id);
/* Starts that process, from a run.json that is on disk. ERR_NOT_FOUND, ERR_IO. */
err ui_run_start(const char *id);

#endif
