/* ui/cmd/evaluation.h: what a running model makes of examples, and the bars that are set for it. */
#ifndef UI_CMD_EVALUATION_H
#define UI_CMD_EVALUATION_H

#include "training/data.h"
#include "ui/cmd/running.h"

/* Sums over what was looked at. */
typedef struct ui_tally {
    size_t examples, targets, hits; /* hits: the word of the data was the likeliest */
    double loss;                    /* summed */
    size_t answers, exact;          /* written, and equal to the data's */
    size_t pairs, pairs_right;      /* of preferences: what was chosen is likelier */
} ui_tally;

typedef struct ui_figures {
    double loss, perplexity, accuracy, exact, preferred; /* NaN: not measured */
} ui_figures;
/* Means and shares of the sums; NaN where nothing was counted. */
ui_figures ui_figures_of(const ui_tally *tally);

/* The first `count` examples; with `write_answers` the last answer of each is written greedily and compared.
 * ERR_CANCELLED; the worker's errors. */
err ui_evaluate(ui_running *r, const training_data *data, size_t count, bool write_answers, ui_tally *out);

/* --max-loss, --min-accuracy, --min-exact; NaN: none. */
typedef struct ui_bars {
    double max_loss, min_accuracy, min_exact;
} ui_bars;
extern const ui_option ui_options_bars[];
/* ERR_USAGE: a bar that is no number, or out of its range. */
err ui_bars_read(const ui_arguments *a, ui_bars *out);
/* Whether a bar is set at all. */
bool ui_bars_any(const ui_bars *bars);
/* ERR_STATE: the first bar that is missed. */
err ui_bars_check(const ui_bars *bars, const ui_figures *f);

/* The greedy answer to these tokens, without the token that ends it; appended. */
err ui_answer_ids(ui_running *r, const int32_t *ids, size_t count, size_t most, engine_ids *out);

#endif
