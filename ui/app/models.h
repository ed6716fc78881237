/* ui/app/models.h: what lies in the models folder, as the panes show it.
 *
 * The rows of repo/registry/models.h with what the engine says of each config.json: cheap, and libtorch stays
 * closed. A model that cannot be used is a row too, with the reason.
 * Threads: a list belongs to the thread that scanned it. */
#ifndef UI_APP_MODELS_H
#define UI_APP_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "repo/registry/models.h"

enum { UI_MODEL_CONFIG_BYTES_MAX = 4 << 20 };

typedef struct ui_model_row {
    char *name, *path;
    char *architecture; /* "llama"; NULL when config.json is not readable */
    char *problem;      /* why it cannot be loaded; NULL: nothing is known against it */
    uint64_t parameters;
    uint64_t file_bytes;   /* of its weights, pointers counted as what they stand for */
    uint64_t weight_bytes; /* estimate in memory, in the type it will compute in */
    uint64_t cache_bytes;  /* estimate of the keys and values of a full context */
    size_t context_max;    /* tokens */
    size_t layer_count, vocab_count;
    bool has_template;          /* chat_template.* or a chat_template in tokenizer_config.json */
    size_t adapter_count;       /* files in adapters/ */
    const repo_model_row *repo; /* branch, state and the rest; borrowed from the list; NULL: a run */

    /* A training run that can be asked: name is "run:ADAPTER", path its socket, and nothing else above
     * is set. See ui/app/run_attach.h. */
    bool is_run;
    char *run_model;  /* what it trains */
    char *run_folder; /* locked while it lives */
    uint64_t run_step, run_steps;
} ui_model_row;

typedef struct ui_model_list {
    char *folder; /* the models folder */
    ui_model_row *rows;
    size_t count;
    err error; /* of the scan: the rows are those of before */
    env environment;
    repo_context context;
    repo_models *models; /* borrows context: a list does not move while it holds something */
} ui_model_list;

/* Into an empty list: open; again: look at what changed. The settings say where, and in what type weights
 * will be held (run.dtype; auto is the type that the files have). settings and log (may be NULL) are
 * borrowed. */
void ui_models_scan(settings *s, log_book *log, ui_model_list *list);
/* Likewise, but look at every model again. */
void ui_models_rescan(settings *s, log_book *log, ui_model_list *list);
void ui_models_free(ui_model_list *list);                                        /* a zeroed one is fine */
const ui_model_row *ui_models_find(const ui_model_list *list, const char *name); /* NULL: none */

/* The model to load at start: `last` (may be NULL), else "demo", else the only usable one, else NULL. */
const ui_model_row *ui_models_first(const ui_model_list *list, const char *last);

/* Memory that programs can still have, of the system; 0: not known. */
uint64_t ui_memory_available(void);

#endif
