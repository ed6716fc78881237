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

#include <stdbool.h>
#include <stdio.h>

#include "base/env.h"
#include "base/settings.h"
#include "training/ranks.h"

/* Leaves the terminal, runs the run to its end and gives the exit status. A run that has a saved state goes
 * on from it. */
int ui_run_session(const settings *s, const char *id);

/* Called once the run's socket is there. */
typedef struct ui_run_listener {
    void (*listening)(void *context); /* NULL: nobody wants to know */
    void *context;
} ui_run_listener;
/* The same in this process, as rank 0 of those that a launcher started; the others call _follow. Also gives
 * the error of a rank that died, by its number. The run is as in a process of its own: its state, its log. */
err ui_run_lead(const settings *s, const char *id, training_ranks *ranks, const ui_run_listener *listener);
/* Another rank: trains what rank 0 says until it says the end. Its log is rank-N.log in the run's folder;
 * `shout` is where it says that rank 0 has died. */
err ui_run_follow(const settings *s, training_ranks *ranks, FILE *shout);
/* Rank 0 has no run for the others: they end. */
err ui_run_call_off(training_ranks *ranks);
/* A signal stopped the run of this process. */
bool ui_run_was_interrupted(void);
/* Starts that process, from a run.json that is on disk. ERR_BUSY: another has the run; nothing of it is
 * touched. ERR_NOT_FOUND, ERR_IO. */
err ui_run_start(const char *id);

#endif
