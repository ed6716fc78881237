#include "ui/cmd/data_choice.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "engine/spec.h"
#include "training/settings.h"

const ui_option ui_options_data[] = {
    {"data", "FILE", "examples: .jsonl, .json or .txt", true},
    {"max-length", "N", "tokens of an example (default: 2048, or the model's context)", false},
    {"too-long", "WAY", "truncate, drop or split longer examples (default: truncate)", false},
    {"learn", "WHAT", "assistant: the answers of a chat; all: everything (default: assistant)", false},
    {"wrap", "FORM", "chat: make chats of prompts given as strings (default: none)", false},
    {0},
};

static err read_options(const ui_arguments *a, const engine_model *model, training_data_options *out)
{
    static const char *const flags[] = {"max-length", "too-long", "learn", "wrap"};
    training_settings s;
    err e = ERR_OK;

    training_settings_init(&s);
    for (size_t i = 0; i < COUNT_OF(flags) && !e.code; i++)
        if (ui_arguments_has(a, flags[i]))
            e = training_settings_set(&s, flags[i], ui_arguments_text(a, flags[i]));
    *out = training_settings_data(&s);
    out->max_length = MIN_OF(out->max_length, engine_model_borrow_spec(model)->context_max);
    out->held_out = 0;
    training_settings_free(&s);
    return e;
}

static bool go_on(void *context, uint64_t done, uint64_t total)
{
    (void)done, (void)total;
    return !*((ui_cli *)context)->interrupted;
}

static void say_left_out(FILE *out, const training_data *d)
{
    training_counts c = training_data_counts(d);
    size_t count;
    const char *key = training_data_borrow_unknown_keys(d, &count);

    if (c.cut) fprintf(out, "note: %zu examples are too long and were cut\n", c.cut);
    if (c.dropped) fprintf(out, "note: %zu examples are too long and were dropped\n", c.dropped);
    if (c.untargeted)
        fprintf(out, "note: %zu records have nothing to learn and were left out\n", c.untargeted);
    if (!count) return;
    fputs("note: keys that no form knows:", out);
    for (size_t i = 0; i < count; i++, key += strlen(key) + 1) fprintf(out, "%s %s", i ? "," : "", key);
    fputc('\n', out);
}

err ui_data_open(ui_cli *cli, const ui_arguments *a, const engine_model *model, training_data **out)
{
    const char *paths[UI_GIVEN_MAX];
    size_t count = 0;
    training_data_options options;

    while (count < COUNT_OF(paths) && (paths[count] = ui_arguments_each(a, "data", count))) count++;
    if (!count) return err_make(ERR_USAGE, "expected --data FILE");
    err e = read_options(a, model, &options);
    options.go_on = go_on;
    options.context = cli;
    if (!e.code) e = training_data_open(paths, count, model, &options, out);
    if (!e.code) say_left_out(cli->err_out, *out);
    return e;
}
