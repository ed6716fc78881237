/* training/settings_settle.c: what "auto" comes to, what excludes what, and advice. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "training/settings.h"

static err check_together(const training_settings *s, bool preferences)
{
    bool learns_pairs = s->kind > TRAINING_RUN_SFT;
    if (learns_pairs && !preferences)
        return err_make(ERR_USAGE,
                        "--kind asks for preferences, but the data has none: expected chosen and rejected");
    if (!learns_pairs && preferences)
        return err_make(ERR_USAGE, "--kind sft cannot learn from preferences: leave it out, or take dpo");
    if (learns_pairs && s->packing == TRAINING_ON)
        return err_make(ERR_USAGE, "--packing on: pairs of preferences are not packed");
    if (s->full && (s->dora || s->rslora || s->dropout > 0))
        return err_make(
            ERR_USAGE,
            "--full trains the weights themselves: --dora, --rslora and --dropout belong to adapters");
    int layers;
    return training_settings_checkpointing(s, &layers);
}

err training_settings_settle(training_settings *s, bool preferences)
{
    if (s->kind == TRAINING_RUN_AUTO) s->kind = preferences ? TRAINING_RUN_DPO : TRAINING_RUN_SFT;
    err e = check_together(s, preferences);
    if (e.code) return e;
    if (isnan(s->lr)) s->lr = s->kind > TRAINING_RUN_SFT ? 5e-6 : s->full ? 2e-5 : 2e-4;
    if (s->packing == TRAINING_AUTO) s->packing = s->kind > TRAINING_RUN_SFT ? TRAINING_OFF : TRAINING_ON;
    return ERR_OK;
}

err training_settings_checkpointing(const training_settings *s, int *layers)
{
    const char *text = s->checkpointing;
    *layers = strcmp(text, "auto") == 0     ? -1
              : strcmp(text, "off") == 0    ? 0
              : strcmp(text, "layers") == 0 ? 1
                                            : -2;
    if (*layers != -2) return ERR_OK;
    char *end = NULL;
    long count = strncmp(text, "segment:", 8) == 0 ? strtol(text + 8, &end, 10) : 0;
    if (!end || *end || count < 1 || count > 10000)
        return err_make(ERR_USAGE, "--checkpointing %.60s: expected auto, off, layers or segment:K", text);
    *layers = (int)count;
    return ERR_OK;
}

static size_t advise(bytes *out, const char *sentence)
{
    bytes_append(out, sentence, strlen(sentence) + 1);
    return 1;
}

size_t training_settings_advise(const training_settings *s, uint64_t targets, uint64_t parameters,
                                uint64_t steps, bytes *out)
{
    size_t count = 0;
    if (targets > 4 * parameters && !s->full)
        count += advise(
            out, "the data holds more than four words to learn for each trained parameter: raise --rank");
    if (steps < 50)
        count += advise(out, "fewer than 50 steps: a smaller --window or more --epochs would learn more");
    if (s->lr > 1e-3 || s->lr < 1e-6)
        count += advise(out, "the learning rate is unusual: 1e-6 to 1e-3 is common");
    if (s->window > 32 && !s->full)
        count += advise(out, "LoRA learns worse from windows of more than 32 sequences");
    return count;
}

training_data_options training_settings_data(const training_settings *s)
{
    training_data_options o = training_data_defaults();
    o.max_length = (size_t)s->max_length;
    o.too_long = (training_long)s->too_long;
    o.everything = s->learn == TRAINING_LEARN_ALL;
    o.wrap_chat = s->wrap == TRAINING_WRAP_CHAT;
    if (!isnan(s->eval_fraction)) {
        o.held_out = s->eval_fraction;
        o.held_out_bounded = false;
    }
    o.seed = (uint64_t)s->seed;
    return o;
}
