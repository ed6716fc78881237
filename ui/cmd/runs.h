/* ui/cmd/runs.h: what the verbs of `runs` share. */
#ifndef UI_CMD_RUNS_H
#define UI_CMD_RUNS_H

#include "ui/app/runs/store.h"
#include "ui/cmd/arguments.h"
#include "ui/cmd/json_out.h"

/* The history, and the run that a word means. */
typedef struct ui_runs {
    ui_cli *cli;
    const ui_arguments *a;
    ui_run_store *store;
    const char *state_folder; /* borrowed */
} ui_runs;

/* "0.0123", or "n/a". */
void ui_runs_print_number(FILE *out, double value);
/* The row of words[i]; the caller frees it. ERR_USAGE without one. */
err ui_runs_find(const ui_runs *r, size_t i, ui_run_list *out);

/* Verbs, each with the words after it in a->words[1...]. */
err ui_runs_plot(const ui_runs *r);    /* a curve in braille */
err ui_runs_export(const ui_runs *r);  /* every point, a line of JSON each */
err ui_runs_compare(const ui_runs *r); /* settings that differ, and how far each came */
/* pause, resume, stop, save, commit, tag, eval, lr, ask: said to the run's process. */
err ui_runs_tell(const ui_runs *r);

/* What a run was expected to take, and what it took; NaN: not known. */
typedef struct ui_runs_cost {
    double memory, mem_peak;                 /* bytes */
    double step_seconds, step_seconds_taken; /* the latter in the middle of all steps */
    double flop_per_s, mfu;                  /* of the same kind; mfu: of the speed of a bare product */
} ui_runs_cost;
err ui_runs_cost_of(const ui_runs *r, const ui_run_row *row, ui_runs_cost *out);
void ui_runs_cost_json(const ui_runs_cost *cost, cJSON *to); /* "estimate" and "measured" */
void ui_runs_cost_text(const ui_runs_cost *cost, FILE *out); /* a line each */

#endif
