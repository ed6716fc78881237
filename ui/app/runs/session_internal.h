/* ui/app/runs/session_internal.h: what the files of a run's process share. */
#ifndef UI_APP_RUNS_SESSION_INTERNAL_H
#define UI_APP_RUNS_SESSION_INTERNAL_H

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>

#include "base/json.h"
#include "engine/model.h"
#include "engine/sampling.h"
#include "repo/checkpoint.h"
#include "repo/handle.h"
#include "training/alerts.h"
#include "training/state.h"
#include "training/trainer.h"
#include "ui/app/runs/changes.h"
#include "ui/app/runs/plan.h"
#include "ui/app/runs/server.h"
#include "ui/app/runs/session.h"
#include "ui/app/runs/store.h"

typedef struct run_answer run_answer; /* a generation that is going on */

enum { RUN_VALUES_MAX = 4096, RUN_MEASURED_STEPS = 3 };

typedef struct run_session {
    const settings *settings;
    env environment;
    repo_context context;
    ui_run_plan plan;
    char *folder; /* of the run */
    FILE *log;    /* what is said beside events; stderr of a process of its own */
    int lock;
    ui_run_server *server;
    ui_run_store *store;
    int64_t run, started_ms; /* its row; when the run began */

    training_ranks *ranks; /* that train together; NULL: it is alone */
    ui_run_listener listener;

    engine_model *model;
    training_data *data, *eval_data;
    engine_trainable *trainable;
    training_trainer *trainer;
    training_progress progress;
    ui_run_change *changes;
    size_t change_count;
    bool forked;        /* it begins with the state of another run, and has taken no step yet */
    uint64_t data_step; /* from which the data are those of now; 0: from the beginning */
    char *init_sha256;  /* of the adapter it began with; NULL */

    /* What people asked for; looked at between micro-batches. */
    bool stop, pause, save_now, commit_now, eval_now, tag_now;
    double rate_next;    /* NaN: as it is */
    run_answer *answers; /* first asked, first served */
    double lost_ms;      /* that answers cost the run, since it began */

    /* What is to be kept, in batches. */
    ui_run_value values[RUN_VALUES_MAX];
    size_t value_count;
    double values_since; /* clock of the oldest */
    FILE *jsonl;

    training_alerts alerts;
    double flop_per_token;                    /* by the estimate */
    double first_seconds[RUN_MEASURED_STEPS]; /* of the first steps of this process */
    uint64_t taken;                           /* its steps */
    double last_loss, last_eval;              /* NaN: none yet */
    double saved_at;                          /* clock of the last state */
    uint64_t saved_step;
    bool has_saved;
    int failed_saves;  /* in a row */
    bool base_checked; /* for values that are not finite */
    double save_ms;
} run_session;

extern volatile sig_atomic_t run_stop_signals;

int64_t run_now_ms(void); /* since 1970 */

/* -- events, ui/app/runs/session_say.c ----------------------------------------------------------------------
 */

/* Sends the event to all and frees it. */
void run_say(run_session *s, cJSON *event_taken);
cJSON *run_event(const char *name);
void run_add_number(cJSON *event, const char *key, double value); /* null when not finite */
void run_warn(run_session *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* Estimate and measurement side by side, after the first steps. */
void run_say_measured(run_session *s, const training_point *p);
/* What a person may want to act on, after the step just done; the advice is to halve the rate. */
void run_alert(run_session *s, const char *kind, const char *format, ...) PRINTF_LIKE(3, 4);
/* The row's state, and everybody is told. */
void run_set_state(run_session *s, const char *state, bool ended, const char *error);
void run_keep(run_session *s, const char *name, uint64_t step, double value);
void run_keep_flush(run_session *s, bool now); /* when a second is over, or now */
void run_say_step(run_session *s, const training_point *p);

/* Steps of the whole run as the changes have it; the schedule keeps what it was laid over. */
void run_apply_length(run_session *s);

/* -- requests and answers, session_ask.c --------------------------------------------------------------------
 */

/* Takes what clients asked for, and does a bit of the answer that waits. For the trainer's `between`. */
bool run_between(void *context);
bool run_has_answers(const run_session *s);
void run_answers_free(run_session *s);
/* Greedy words after a prompt with the weights of now, for samples. Appended. */
err run_complete(run_session *s, const char *prompt, size_t token_count_max, bytes *out);

/* -- what is asked, session_prompt.c ------------------------------------------------------------------------
 */

/* "sampling" of a request; greedy where it says nothing, or for NULL. */
engine_sampling run_sampling_read(const json_node *request);
/* The tokens of its "messages" (with "continue": to be written on), or of "prompt". ERR_FORMAT; the
 * template's own. */
err run_prompt_read(const run_session *s, const json_node *request, engine_ids *out);
/* Of one message of a person. */
err run_prompt_of_text(const run_session *s, bytes_view text, engine_ids *out);
/* -- what is committed, session_files.c ---------------------------------------------------------------------
 */

typedef struct run_file_owned {
    char *path, *from_path;
    bytes content;
} run_file_owned;

/* An adapter's three files, or (--full) the weights' files and weights.train.json. */
typedef struct run_files {
    repo_checkpoint_file *list;
    run_file_owned *owned; /* what the list borrows */
    size_t count;
    uint64_t bytes; /* of weights */
    char *folder;   /* where they lie until they are freed; NULL */
} run_files;
/* train.json of the step just done. Appended. */
void run_plan_write(const run_session *s, bytes *out);
/* With that plan. After an error to be freed, too. */
err run_files_make(run_session *s, bytes_view plan, run_files *out);
void run_files_free(run_files *files); /* a zeroed one is fine */

/* Once, after a loss that is not finite: ERR_FORMAT names file and tensor of the base that is to blame. */
err run_check_base(run_session *s);

/* -- several ranks, session_ranks.c; nothing where there is one
 * -------------------------------------------------
 */

typedef enum run_order {
    RUN_ORDER_NONE,
    RUN_ORDER_BEGIN,
    RUN_ORDER_STEP,
    RUN_ORDER_EVALUATE,
    RUN_ORDER_END
} run_order;

/* From rank 0, before it does the same: what the others are to do next. */
err run_order_give(run_session *s, run_order order);
/* The plan to the others; they open model and data as rank 0 does. */
err run_plan_give(run_session *s);
/* The error of a rank that is gone in place of e. */
err run_error(const run_session *s, err e);
/* One that is gone while rank 0 computes: the run failed, and everybody is told. Another thread's. */
void run_lost(void *session, const char *text);
/* s->log: the file of that name in the run's folder. ERR_IO. */
err run_log_open(run_session *s, const char *name);
/* A session before it has a folder; signals stop it from now on. run_take_down() */
run_session *run_session_new(const settings *set, training_ranks *ranks_borrowed);
/* Of the rank's own process: device and threads. The caller frees *device. */
err run_place(const run_session *s, char **device, int *threads);

/* -- saving, session_save.c ---------------------------------------------------------------------------------
 */

/* A state of the step just done. A failure is told, and counted: ERR_IO only. */
err run_save_state(run_session *s);
/* State, files, commit, and with `tag` a tag; then rows. */
err run_checkpoint(run_session *s, bool tag);
/* The commit of the state put back, which was due when the run was killed. True: it was made, with its tag, as
 * the end of a run wants it. */
bool run_checkpoint_due(run_session *s);
/* A tag on the commit of the best step, when there is one. */
void run_tag_best(run_session *s);
void run_prune_states(run_session *s);

#endif
