/* base/settings_rows.c: the settings that there are. A new one is a new row. */
#include "base/settings.h"

#include <stddef.h>

#define COUNTS_MAX 9007199254740992.0 /* 2^53: what JSON and a double can hold exactly */

const setting_row setting_rows[] = {
    {"models.dir", SETTING_PATH, "", NULL, 0, 0,
     "folder of the models (default: models in hyprstream's data folder)"},
    {"run.device", SETTING_TEXT, "auto", NULL, 0, 0, "where models run: auto, cpu or cuda:N"},
    {"run.dtype", SETTING_CHOICE, "auto", "auto f32 bf16", 0, 0,
     "what models compute in; auto: as the weights are stored"},
    {"run.threads", SETTING_INTEGER, "0", NULL, 0, 1024, "CPU threads; 0: one per core"},
    {"chat.temperature", SETTING_NUMBER, "", NULL, 0, 5,
     "0: always the most likely token; not set: the model's own"},
    {"chat.top_p", SETTING_NUMBER, "", NULL, 0, 1,
     "keep the likeliest tokens up to this probability; not set: the model's own"},
    {"chat.top_k", SETTING_INTEGER, "", NULL, 0, 1 << 24,
     "keep this many of the likeliest tokens, 0: all; not set: the model's own"},
    {"chat.min_p", SETTING_NUMBER, "", NULL, 0, 1,
     "drop tokens less likely than this part of the likeliest; not set: the model's own"},
    {"chat.seed", SETTING_INTEGER, "", NULL, 0, COUNTS_MAX,
     "seed of the sampling; not set: a new one for each answer"},
    {"chat.max_tokens", SETTING_INTEGER, "0", NULL, 0, 1 << 28,
     "tokens of an answer at most; 0: what the context leaves"},
    {"chat.system", SETTING_TEXT, "", NULL, 0, 0, "system prompt of a new conversation"},
    {"ui.color", SETTING_CHOICE, "auto", "auto never 8 16 256 true", 0, 0, "colours of the screen"},
    {"ui.ascii", SETTING_BOOL, "false", NULL, 0, 0, "draw lines with plain ASCII characters"},
    {"ui.thinking", SETTING_CHOICE, "folded", "folded open", 0, 0,
     "how the thinking of a model is shown at first"},
    {"log.level", SETTING_CHOICE, "info", "error warning info debug", 0, 0, "the least that is logged"},
    {0},
};
