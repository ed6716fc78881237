/* ui/app/sampling.h: the values of the sampling panel, one row each.
 *
 * A value comes from the person (setting or panel), else from the model's generation_config.json, else it is
 * neutral. Threads: plain values. */
#ifndef UI_APP_SAMPLING_H
#define UI_APP_SAMPLING_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/settings.h"
#include "engine/model.h"
#include "engine/sampling.h"

typedef enum ui_sampling_field {
    UI_SAMPLING_TEMPERATURE,
    UI_SAMPLING_TOP_P,
    UI_SAMPLING_TOP_K,
    UI_SAMPLING_MIN_P,
    UI_SAMPLING_REPETITION,
    UI_SAMPLING_TOKENS,
    UI_SAMPLING_SEED,
    UI_SAMPLING_COUNT,
} ui_sampling_field;

typedef struct ui_sampling_row {
    const char *name, *help;
    double least, most, step;
    bool whole;           /* an integer */
    const char *at_least; /* what the least value is called: "greedy", "off"; NULL: the number */
} ui_sampling_row;

extern const ui_sampling_row ui_sampling_rows[UI_SAMPLING_COUNT];

typedef struct ui_sampling_values {
    double value[UI_SAMPLING_COUNT]; /* TOKENS 0: what the context leaves; SEED -1: a new one each time */
    bool set[UI_SAMPLING_COUNT];     /* by the person; else it follows the model */
} ui_sampling_values;

ui_sampling_values ui_sampling_neutral(void); /* nothing set by anybody */
/* What the settings chat.* say counts as set by the person. */
void ui_sampling_read_settings(ui_sampling_values *v, const settings *s);
/* What the person has not set becomes what the model says. */
void ui_sampling_follow(ui_sampling_values *v, const engine_generation_defaults *defaults);
/* Forget what the person set: the model's defaults hold again (NULL: none). */
void ui_sampling_reset(ui_sampling_values *v, const engine_generation_defaults *defaults);
/* Up (steps > 0) or down, kept inside the row's range. */
void ui_sampling_move(ui_sampling_values *v, ui_sampling_field field, int steps);
/* A number as it was typed, or the name of the least value. ERR_USAGE says what was expected. */
err ui_sampling_type(ui_sampling_values *v, ui_sampling_field field, const char *text);
void ui_sampling_show(const ui_sampling_values *v, ui_sampling_field field, bytes *out); /* "0.70", "off" */

/* For an ask; new_seed: whatever the panel says. */
engine_sampling ui_sampling_of(const ui_sampling_values *v, bool new_seed);

#endif
