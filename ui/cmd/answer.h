/* ui/cmd/answer.h: one answer of a running model: how it is sampled, and its text while it comes. */
#ifndef UI_CMD_ANSWER_H
#define UI_CMD_ANSWER_H

#include "ui/cmd/json_out.h"
#include "ui/cmd/running.h"

/* -n, --temp, --top-p, --top-k, --min-p, --seed, --stop, --system. */
extern const ui_option ui_options_answer[];

typedef struct ui_answer_options {
    engine_sampling sampling;
    bool seed_given;        /* else each answer gets a new one */
    size_t token_count_max; /* SIZE_MAX: what the context leaves */
    const char *stops[ENGINE_STOPS_MAX];
    size_t stop_count;
} ui_answer_options;

/* Each value is the first of: its flag, its setting (chat.*), the model's generation_config.json (do_sample
 * false is temperature 0), neutral. Texts are borrowed from `a`. */
err ui_answer_options_read(ui_cli *cli, const ui_arguments *a, const engine_model *model,
                           ui_answer_options *out);
/* --system, else chat.system; "" is none. */
const char *ui_answer_system(ui_cli *cli, const ui_arguments *a);

typedef struct ui_answer {
    bytes text;
    engine_ids ids;
    engine_finish reason;
    engine_usage usage;
} ui_answer;

/* Generate after the prompt. `each` (may be NULL) gets the new text as it comes. A cancelled answer is no
 * error: its reason tells. *out is the caller's also on failure: ui_answer_free. */
err ui_answer_generate(ui_running *r, const ui_answer_options *options, const engine_ids *prompt,
                       bool skip_special, void (*each)(void *context, bytes_view piece), void *context,
                       ui_answer *out);
void ui_answer_free(ui_answer *answer); /* a zeroed one is fine */
/* Counts, reason, seed and timings of an answer. */
void ui_answer_add_json(cJSON *object, const ui_running *r, const ui_answer *answer);

#endif
