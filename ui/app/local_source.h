/* ui/app/local_source.h: the engine worker of this process, as a source of answers and a loader of models.
 *
 * Holds one model and one stack at a time. The worker's thread opens libtorch, loads and computes; the
 * functions here post and take, and render and tokenise the conversation, which is short work.
 * A model without a chat template writes on from the plain text of the conversation.
 * Threads: the UI thread. */
#ifndef UI_APP_LOCAL_SOURCE_H
#define UI_APP_LOCAL_SOURCE_H

#include "repo/context.h"
#include "ui/app/loader.h"
#include "ui/app/source.h"

typedef struct ui_local_source ui_local_source;

typedef struct ui_local_options {
    const repo_context *context; /* to read repositories with; borrowed while the source lives */
    const char *device, *dtype;  /* as engine_model_options; copied */
    int threads;
} ui_local_options;

/* Starts the engine's worker; ui_local_source_free(). Errors as engine_worker_new. */
err ui_local_source_new(const ui_local_options *options, ui_local_source **out);
/* Cancels everything and joins the worker. NULL is fine. */
void ui_local_source_free(ui_local_source *l);

ui_source *ui_local_source_as_source(ui_local_source *l); /* borrowed; its free frees all */
ui_loader *ui_local_source_as_loader(ui_local_source *l); /* borrowed */
int ui_local_source_fd(const ui_local_source *l);         /* readable while news waits in the worker */

#endif
