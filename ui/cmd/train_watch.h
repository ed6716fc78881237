/* ui/cmd/train_watch.h: a run as a command sees it: started, watched line by line, spoken to. */
#ifndef UI_CMD_TRAIN_WATCH_H
#define UI_CMD_TRAIN_WATCH_H

#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"
#include "ui/cmd/arguments.h"

/* The run's own folder, and its socket while it runs. ERR_NOT_FOUND: no process runs it. */
err ui_watch_connect(ui_cli *cli, const char *id, ui_run_client **out);

/* Waits until a run that was started just now listens; the sentence of one that ended before it did. */
err ui_watch_started(ui_cli *cli, const char *id);

typedef struct ui_watch_options {
    bool json;   /* its events as they come; else lines for people */
    bool owns;   /* Ctrl-C and SIGTERM stop the run, and it is waited for; else the run goes on */
    bool starts; /* it was started just now: wait for its socket */
} ui_watch_options;
/* Until the run ends and its process has given the run back, so that it can be resumed at once. ERR_CANCELLED
 * after Ctrl-C; the run's own sentence when it failed or was killed. */
err ui_watch(ui_cli *cli, const char *id, const ui_watch_options *how);

/* Sends a request (a line of JSON) and waits for the event of this name (NULL: for none). The run's refusal
 * is ERR_STATE; after "ended" the run is given back, too. *line is the event. */
err ui_watch_ask(ui_cli *cli, const char *id, bytes_view request, const char *event, bytes *line);

#endif
