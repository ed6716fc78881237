#define _GNU_SOURCE
#include "ui/cmd/train_ranks.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "ui/app/runs/session.h"
#include "ui/cmd/train_watch.h"

/* -- the others
 * ----------------------------------------------------------------------------------------------- */

/* The terminal is rank 0's. What is given back still leads there. */
static FILE *be_silent(void)
{
    int kept = dup(STDERR_FILENO), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    FILE *shout = kept < 0 ? NULL : fdopen(kept, "w");
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    return shout ? shout : stderr;
}

err ui_train_join(ui_cli *cli, ui_train_ranks *out, bool *follows)
{
    training_ranks **ranks = &out->ranks;
    *follows = false;
    err e = training_ranks_join(TRAINING_RANKS_TIMEOUT_SECONDS, ranks);
    if (e.code || !*ranks) return e;
    FILE *shout = training_ranks_number(*ranks) ? be_silent() : NULL;
    e = training_ranks_agree(*ranks, "version of the program", HYPRSTREAM_VERSION);
    if (!shout) return e;
    *follows = out->led = true;
    if (!e.code) e = ui_run_follow(cli->settings, *ranks, shout);
    if (shout != stderr) fclose(shout);
    return e;
}

/* -- rank 0
 * --------------------------------------------------------------------------------------------------- */

/* The screen is a client as any other, on a thread of its own. */
typedef struct screen {
    ui_cli *cli;
    const char *id;
    ui_watch_options how;
    pthread_t thread;
    bool started;
} screen;

static void *watch(void *context)
{
    screen *s = context;
    (void)ui_watch(s->cli, s->id, &s->how); /* the run itself gives its error */
    return NULL;
}

static void begin_watching(void *context)
{
    screen *s = context;
    s->started = pthread_create(&s->thread, NULL, watch, s) == 0;
}

err ui_train_lead(ui_cli *cli, ui_train_ranks *together, const char *id, bool json)
{
    training_ranks *ranks = together->ranks;
    screen s = {.cli = cli, .id = id, .how = {.json = json, .starts = true}};
    const ui_run_listener listener = {begin_watching, &s};

    together->led = true;
    err e = ui_run_lead(cli->settings, id, ranks, &listener);
    if (s.started) pthread_join(s.thread, NULL);
    if (e.code && training_ranks_lost(ranks))
        e = err_make(e.code,
                     "%.300s; mpirun -np %zu hyprstream train --resume %s goes on from the last saved state",
                     e.text, training_ranks_count(ranks), id);
    else if (!e.code && ui_run_was_interrupted())
        e = err_make(ERR_CANCELLED, "stopped: mpirun -np %zu hyprstream train --resume %s goes on",
                     training_ranks_count(ranks), id);
    return e;
}

void ui_train_leave(ui_train_ranks *together, err e)
{
    bool well = !e.code || (together->led && e.code == ERR_CANCELLED);
    if (together->ranks && !together->led && well) {
        e = ui_run_call_off(together->ranks);
        well = !e.code;
    }
    training_ranks_close(together->ranks, well ? NULL : e.text);
    together->ranks = NULL;
}
