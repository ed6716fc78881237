#include "ui/app/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED_MAX 9007199254740992.0 /* 2^53: JSON and doubles keep it */

const ui_sampling_row ui_sampling_rows[UI_SAMPLING_COUNT] = {
    [UI_SAMPLING_TEMPERATURE] = {"temperature", "how freely words are drawn", 0, 2, 0.05, false, "greedy"},
    [UI_SAMPLING_TOP_P] = {"top_p", "draw from the likeliest words that make up this share", 0.01, 1, 0.05,
                           false, NULL},
    [UI_SAMPLING_TOP_K] = {"top_k", "draw from this many likeliest words", 0, 1000, 5, true, "off"},
    [UI_SAMPLING_MIN_P] = {"min_p", "leave out words below this share of the likeliest", 0, 1, 0.01, false,
                           "off"},
    [UI_SAMPLING_REPETITION] = {"repetition_penalty", "makes words that were said less likely; 1 is off", 0.5,
                                2, 0.05, false, NULL},
    [UI_SAMPLING_TOKENS] = {"max_tokens", "length of an answer", 0, 1 << 20, 64, true, "context"},
    [UI_SAMPLING_SEED] = {"seed", "same seed, same answer", -1, SEED_MAX, 1, true, "any"},
};

ui_sampling_values ui_sampling_neutral(void)
{
    ui_sampling_values v = {0};
    v.value[UI_SAMPLING_TEMPERATURE] = 1;
    v.value[UI_SAMPLING_TOP_P] = 1;
    v.value[UI_SAMPLING_REPETITION] = 1;
    v.value[UI_SAMPLING_SEED] = -1;
    return v;
}

static const char *const setting_names[UI_SAMPLING_COUNT] = {
    [UI_SAMPLING_TEMPERATURE] = "chat.temperature",
    [UI_SAMPLING_TOP_P] = "chat.top_p",
    [UI_SAMPLING_TOP_K] = "chat.top_k",
    [UI_SAMPLING_MIN_P] = "chat.min_p",
    [UI_SAMPLING_TOKENS] = "chat.max_tokens",
    [UI_SAMPLING_SEED] = "chat.seed",
};

void ui_sampling_read_settings(ui_sampling_values *v, const settings *s)
{
    for (int i = 0; i < UI_SAMPLING_COUNT; i++) {
        const char *name = setting_names[i];
        if (!name || !*settings_text(s, name) || strcmp(settings_source(s, name), "default") == 0) continue;
        v->value[i] =
            ui_sampling_rows[i].whole ? (double)settings_integer(s, name) : settings_number(s, name);
        v->set[i] = true;
    }
}

void ui_sampling_follow(ui_sampling_values *v, const engine_generation_defaults *d)
{
    ui_sampling_values own = ui_sampling_neutral();
    if (d->has_temperature) own.value[UI_SAMPLING_TEMPERATURE] = d->temperature;
    if (d->has_do_sample && !d->do_sample) own.value[UI_SAMPLING_TEMPERATURE] = 0;
    if (d->has_top_p) own.value[UI_SAMPLING_TOP_P] = d->top_p;
    if (d->has_top_k) own.value[UI_SAMPLING_TOP_K] = d->top_k;
    if (d->has_min_p) own.value[UI_SAMPLING_MIN_P] = d->min_p;
    if (d->has_repetition_penalty) own.value[UI_SAMPLING_REPETITION] = d->repetition_penalty;
    if (d->has_token_count_max) own.value[UI_SAMPLING_TOKENS] = (double)d->token_count_max;
    for (int i = 0; i < UI_SAMPLING_COUNT; i++)
        if (!v->set[i]) v->value[i] = own.value[i];
}

void ui_sampling_reset(ui_sampling_values *v, const engine_generation_defaults *defaults)
{
    memset(v->set, 0, sizeof v->set);
    ui_sampling_follow(v, defaults);
}

void ui_sampling_move(ui_sampling_values *v, ui_sampling_field field, int steps)
{
    const ui_sampling_row *row = &ui_sampling_rows[field];
    double moved = v->value[field] + steps * row->step;
    moved = round(moved / row->step) * row->step; /* no 0.30000000000000004 */
    v->value[field] = fmin(fmax(moved, row->least), row->most);
    v->set[field] = true;
}

err ui_sampling_type(ui_sampling_values *v, ui_sampling_field field, const char *text)
{
    const ui_sampling_row *row = &ui_sampling_rows[field];
    char *end = NULL;
    double typed = strtod(text, &end);

    while (*end == ' ') end++;
    if (row->at_least && strcmp(text, row->at_least) == 0)
        typed = row->least;
    else if (end == text || *end || !isfinite(typed) || typed < row->least || typed > row->most ||
             (row->whole && typed != floor(typed)))
        return err_make(ERR_USAGE, "%s is \"%.40s\", expected %s from %g to %.16g%s%s", row->name, text,
                        row->whole ? "a whole number" : "a number", row->least, row->most,
                        row->at_least ? " or " : "", row->at_least ? row->at_least : "");
    v->value[field] = typed;
    v->set[field] = true;
    return ERR_OK;
}

void ui_sampling_show(const ui_sampling_values *v, ui_sampling_field field, bytes *out)
{
    const ui_sampling_row *row = &ui_sampling_rows[field];
    if (row->at_least && v->value[field] == row->least)
        bytes_append_text(out, row->at_least);
    else
        bytes_printf(out, row->whole ? "%.0f" : "%.2f", v->value[field]);
}

engine_sampling ui_sampling_of(const ui_sampling_values *v, bool new_seed)
{
    engine_sampling how = engine_sampling_neutral();
    how.temperature = v->value[UI_SAMPLING_TEMPERATURE];
    how.top_p = v->value[UI_SAMPLING_TOP_P];
    how.top_k = (int)v->value[UI_SAMPLING_TOP_K];
    how.min_p = v->value[UI_SAMPLING_MIN_P];
    how.repetition_penalty = v->value[UI_SAMPLING_REPETITION];
    how.repeat_last_n = how.repetition_penalty == 1 ? 0 : -1;
    double seed = v->value[UI_SAMPLING_SEED];
    how.seed = seed < 0 || new_seed ? engine_seed_any() : (uint64_t)seed;
    return how;
}
