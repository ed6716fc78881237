/* ui/app/run_source.h: a training run as the one who answers.
 *
 * Asks go through the run's private socket (ui/app/runs/server.h); the run answers with the weights of the
 * step just done, between the layers of its training, and says what that cost it. Nothing here waits.
 * Threads: the UI thread. */
#ifndef UI_APP_RUN_SOURCE_H
#define UI_APP_RUN_SOURCE_H

#include "ui/app/source.h"

typedef struct ui_run_source ui_run_source;

/* The run that listens at this socket, called `name` ("run:polite") in what is said of it. ERR_NOT_FOUND:
 * nobody listens there. ui_run_source_free(). */
err ui_run_source_new(const char *socket_path, const char *name, ui_run_source **out);
void ui_run_source_free(ui_run_source *r); /* NULL is fine */
/* The same thing as a source: it lives as long as r. */
ui_source *ui_run_source_as_source(ui_run_source *r);

/* Goes up with everything that the run said: draw when it differs. */
unsigned ui_run_source_version(const ui_run_source *r);
/* "step 12 of 96, loss 1.234; 2 answers cost it 340 ms", appended. */
void ui_run_source_status(const ui_run_source *r, bytes *out);
/* The run is over, or its process is gone: a sentence that says what became of it; NULL: it goes on. */
const char *ui_run_source_end(const ui_run_source *r);

#endif
