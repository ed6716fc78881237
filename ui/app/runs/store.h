/* ui/app/runs/store.h: runs, their points and what they saved, in state.db.
 *
 * History, never needed to resume. Points are kept raw; a pyramid of the lowest and highest value of 16, 256,
 * 4096 ... steps is kept beside them, so that a curve of a million steps is drawn from a few hundred rows. A
 * run that was resumed has points of a later attempt for the steps that it took again: those count.
 * Times are handed in, in ms since 1970. Threads: the thread that opened it. Source: spec training.md,
 * section 14. */
#ifndef UI_APP_RUNS_STORE_H
#define UI_APP_RUNS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct ui_run_store ui_run_store;

enum { UI_RUN_ID_SIZE = 27, UI_RUN_LIST_MAX = 100000 };

/* A run as it is listed; texts are owned by the list. */
typedef struct ui_run_row {
    int64_t run; /* key in the tables */
    char id[UI_RUN_ID_SIZE];
    char *model, *base_commit, *adapter, *branch, *kind, *state, *config, *data_digest;
    char *host, *error, *parent; /* "" when there is none; parent: the id of the run it was forked from */
    uint64_t steps_total, step;
    uint32_t attempt, world_size;
    bool has_best;
    uint64_t best_step;
    double best_loss;
    int64_t started_ms, updated_ms, ended_ms; /* ended 0: not yet */
    int64_t pid;
} ui_run_row;

typedef struct ui_run_list {
    ui_run_row *rows; /* the newest first */
    size_t count;
} ui_run_list;

/* Opens state.db under the folder. Errors: those of ui_state_db_open. The caller's: _free. */
err ui_run_store_open(const char *state_folder, ui_run_store **out);
void ui_run_store_free(ui_run_store *store); /* NULL is fine */

/* A 26-character id whose order is that of `now_ms`, then chance. */
void ui_run_id_make(int64_t now_ms, char id[UI_RUN_ID_SIZE]);
/* Adds what row says (parent NULL: none; run is given back; has_best, step and times but started_ms are not
 * read). ERR_IO. */
err ui_run_store_add(ui_run_store *store, const ui_run_row *row, int64_t *run);
/* All runs, or those of a model (NULL: all). */
err ui_run_store_list(ui_run_store *store, const char *model, ui_run_list *out);
/* Those that have not ended, as far as it is written here: trained now, or killed. */
err ui_run_store_list_unended(ui_run_store *store, ui_run_list *out);
void ui_run_list_free(ui_run_list *list); /* a zeroed one is fine */
/* By id or its beginning or end of at least 4 characters, or "last". One row. ERR_NOT_FOUND; ERR_USAGE: more
 * than one. */
err ui_run_store_find(ui_run_store *store, const char *word, ui_run_list *out);
/* State "running", "paused", "done", ...; `error` "" or what ended it. ended: sets ended_ms. */
err ui_run_store_set_state(ui_run_store *store, int64_t run, const char *state, bool ended, const char *error,
                           int64_t now_ms);
/* A process takes the run: pid and host, a new attempt, running. */
err ui_run_store_take(ui_run_store *store, int64_t run, uint32_t attempt, int64_t pid, int64_t now_ms);
/* The best evaluation so far. */
err ui_run_store_best(ui_run_store *store, int64_t run, uint64_t step, double loss);
/* Forget a run and all that belongs to it. */
err ui_run_store_remove(ui_run_store *store, int64_t run);

/* -- points ---------------------------------------------------------------------------------------------- */

typedef struct ui_run_value {
    const char *name; /* "loss" */
    uint64_t step;
    double value;  /* not finite: kept as that */
    int64_t at_ms; /* since the run began */
} ui_run_value;

/* One transaction: the values, the slots of the pyramid above them, and how far the run is. */
err ui_run_store_points(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_value *values,
                        size_t count, int64_t now_ms);

/* A stretch of a curve: `n` values of steps [first, first + span), `bad` of them not finite. */
typedef struct ui_run_slot {
    uint64_t first, span;
    double lo, hi; /* NaN: none is finite */
    uint64_t n, bad;
} ui_run_slot;

typedef struct ui_run_curve {
    ui_run_slot *slots;
    size_t count;
} ui_run_curve;

/* At least two slots a column where the run has them: from the highest level of the pyramid that still has.
 * columns 0: every step. A name without points has none. */
err ui_run_store_curve(ui_run_store *store, int64_t run, const char *name, size_t columns, ui_run_curve *out);
void ui_run_curve_free(ui_run_curve *curve); /* a zeroed one is fine */
/* Names that have points, in the order of the alphabet; each is passed to `name`. */
err ui_run_store_names(ui_run_store *store, int64_t run, void (*name)(void *context, const char *text),
                       void *context);

/* -- what was saved ---------------------------------------------------------------------------------------
 */

typedef struct ui_run_checkpoint {
    uint64_t step;
    char kind[8];     /* "state", "commit" */
    char ref[64];     /* folder's name, or commit */
    char tag[128];    /* "": none */
    uint64_t bytes;   /* of what was written */
    double eval_loss; /* NaN: not evaluated */
} ui_run_checkpoint;

/* What was saved or committed; the same one again is replaced. */
err ui_run_store_checkpoint(ui_run_store *store, int64_t run, const ui_run_checkpoint *c, int64_t now_ms);
/* A state that was pruned. */
err ui_run_store_forget_state(ui_run_store *store, int64_t run, uint64_t step);
/* Rising by step. The caller frees *list. */
err ui_run_store_checkpoints(ui_run_store *store, int64_t run, ui_run_checkpoint **list, size_t *count);

/* Something that a person may want to act on (training/alerts.h). */
typedef struct ui_run_alert {
    uint64_t step;
    const char *kind, *text, *advice; /* "diverging"; a sentence; a command, "": none */
} ui_run_alert;
/* Texts are copied; `at_ms`: since the run began. */
err ui_run_store_alert(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_alert *alert,
                       int64_t at_ms);
/* Rising by step; of steps that were taken again the latest attempt's. Texts are valid during the call. */
err ui_run_store_alerts(ui_run_store *store, int64_t run,
                        void (*each)(void *context, const ui_run_alert *alert), void *context);

typedef struct ui_run_sample {
    uint64_t step;
    unsigned slot;
    const char *prompt, *text;
} ui_run_sample;
/* An answer to a fixed prompt; texts are copied. */
err ui_run_store_sample(ui_run_store *store, int64_t run, uint32_t attempt, const ui_run_sample *sample);
/* Of each step and slot the latest attempt's, rising; views are valid during the call. */
err ui_run_store_samples(ui_run_store *store, int64_t run,
                         void (*each)(void *context, const ui_run_sample *sample), void *context);

#endif
