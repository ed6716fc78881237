/* ui/app/runs/plan.h: all that a run is told, kept as run.json in its folder.
 *
 *   $XDG_STATE_HOME/hyprstream/runs/ID/run.json    written once; locked (flock) while a process runs it
 *                               .../changes.json   what was changed since (ui/app/runs/changes.h)
 *                               .../step-N, log    states (training/state.h); what the process says
 *
 * Parses bytes from outside: it has a fuzz target. Threads: plain values. Source: spec training.md, sections
 * 15 and 16. */
#ifndef UI_APP_RUNS_PLAN_H
#define UI_APP_RUNS_PLAN_H

#include "training/settings.h"
#include "ui/app/runs/store.h"

enum {
    UI_RUN_PLAN_BYTES_MAX = 4 << 20,
    UI_RUN_DATA_MAX = 1000,
    UI_RUN_PROMPTS_MAX = 4,
    UI_RUN_WORLD_MAX = 1000000
};

/* What a run of --full is called in the place of an adapter: its plan is weights.train.json. */
#define UI_RUN_WEIGHTS "weights"

/* What the run was expected to take, told beside what it took; 0: not known. */
typedef struct ui_run_estimate {
    double memory;             /* bytes, at most */
    double step_seconds;       /* of a window of average size */
    double flop_per_step;      /* likewise */
    double product_flop_per_s; /* speed of a bare product of the model's size, measured when the run was
                                  planned */
} ui_run_estimate;

typedef struct ui_run_plan {
    char id[UI_RUN_ID_SIZE];
    char *model;            /* what people call it: "demo" */
    char *folder;           /* the repository */
    char *base_commit;      /* 40 digits: its files are trained on */
    char *branch, *adapter; /* "main", "03_polite"; UI_RUN_WEIGHTS: --full */
    char *device, *dtype;   /* as in engine_model_options */
    char **data;            /* absolute paths */
    size_t data_count;
    char *eval_file, *eval_digest;     /* "": what is held out */
    char *data_digest;                 /* of `data` */
    char *init_adapter;                /* path or name in the model; "": none */
    char *parent;                      /* run that this one was forked from; "": none */
    char *jsonl;                       /* points go there too; "": nowhere */
    char *prompts[UI_RUN_PROMPTS_MAX]; /* samples of each evaluation */
    size_t prompt_count;
    ui_run_estimate estimate;
    int threads;                /* 0: one a core */
    int world_size;             /* processes that train together; 1: it is alone */
    training_settings settings; /* settled */
} ui_run_plan;

/* A zeroed plan with "" for every text and settings at their defaults. The caller's: _free. */
void ui_run_plan_init(ui_run_plan *plan);
void ui_run_plan_free(ui_run_plan *plan); /* a zeroed one is fine */

/* An object of sorted keys, with a line end, appended. */
void ui_run_plan_write(const ui_run_plan *plan, bytes *out);
/* Into a fresh one. ERR_FORMAT: "run.json: data: expected a list of paths". */
err ui_run_plan_read(bytes_view json, ui_run_plan *out);

/* ".../runs" and ".../runs/ID"; the caller frees. */
char *ui_run_folder(const char *state_folder, const char *id);
/* Makes the folder and writes run.json. ERR_EXISTS. */
err ui_run_plan_save(const ui_run_plan *plan, const char *run_folder);
/* run.json of the folder, into a fresh plan. ERR_NOT_FOUND, ERR_FORMAT; the caller frees it. */
err ui_run_plan_load(const char *run_folder, ui_run_plan *out);
/* Takes the lock for as long as the descriptor is open. ERR_BUSY: another process runs it. */
err ui_run_lock(const char *run_folder, int *fd);
/* Whether a process runs it now. */
bool ui_run_is_alive(const char *run_folder);
/* "killed" for a row that says running or paused while nobody runs it, else what it says. */
const char *ui_run_state_shown(const ui_run_row *row, const char *state_folder);

/* Why a run of `planned` ranks does not go on by `there` of them. */
err ui_run_other_world(const char *id, size_t planned, size_t there);
/* Why it does not go on with data of another digest, and what lets it. */
err ui_run_other_data(const char *id, const char *digest_learned, const char *digest_there);
/* Why it does not go on when the file that it is evaluated on has another digest. */
err ui_run_other_eval(const ui_run_plan *plan, const char *digest_there);

#endif
