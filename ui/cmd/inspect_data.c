#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/macros.h"
#include "engine/text/tokenizer.h"
#include "ui/cmd/commands.h"
#include "ui/cmd/data_choice.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"
#include "ui/cmd/show.h"

static const ui_option options[] = {
    {"rows", "N", "examples to show (default: 3)", false},
    {0},
};

/* -- lengths
 * --------------------------------------------------------------------------------------------------- */

typedef struct lengths {
    size_t least, middle, most, of_95; /* 95 of 100 examples are at most so long */
} lengths;

static int by_size(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static lengths lengths_of(const training_data *d)
{
    size_t count = training_data_train_count(d), *all = memory_alloc((count + 1) * sizeof *all);

    for (size_t i = 0; i < count; i++) all[i] = training_data_borrow(d)[i].count;
    qsort(all, count, sizeof *all, by_size);
    lengths l = {all[0], all[count / 2], all[count - 1], all[count * 95 / 100]};
    free(all);
    return l;
}

/* -- as text
 * ----------------------------------------------------------------------------------------------------- */

/* What is learned stands out: green on a terminal, else between « and ». */
typedef struct marks {
    const char *on, *off;
} marks;

static marks marks_for(FILE *out)
{
    return isatty(fileno(out)) ? (marks){"\033[32m", "\033[0m"} : (marks){"«", "»"};
}

static void print_example(ui_cli *cli, const training_data *d, size_t i, const engine_tokenizer *t)
{
    const training_sequence *s = &training_data_borrow(d)[i];
    training_origin at = training_data_origin(d, i);
    marks mark = marks_for(cli->out);
    bool learned = false;

    fprintf(cli->out, "%s:%u  %s, %zu tokens, %zu to learn\n", training_data_borrow_file(d, at.file), at.line,
            training_kind_name(at.kind), s->count, training_sequence_targets(s));
    for (size_t k = 0; k < s->count; k++) {
        bool now = k > 0 && s->labels[k] != ENGINE_TARGET_NONE;
        if (learned && !now) fputs(mark.off, cli->out);
        if (k) fputc(' ', cli->out);
        if (now && !learned) fputs(mark.on, cli->out);
        learned = now;
        if (t)
            ui_show_text(cli->out, engine_tokenizer_borrow_token(t, s->ids[k]));
        else
            fprintf(cli->out, "%d", s->ids[k]);
    }
    fprintf(cli->out, "%s\n\n", learned ? mark.off : "");
}

static void print_counts(ui_cli *cli, const training_data *d)
{
    training_counts c = training_data_counts(d);
    lengths l = lengths_of(d);

    for (int kind = 0; kind < TRAINING_KIND_COUNT; kind++)
        if (c.kinds[kind])
            fprintf(cli->out, "%-12s %zu records\n", training_kind_name((training_kind)kind), c.kinds[kind]);
    fprintf(cli->out, "%-12s %zu, %llu tokens, %llu of them to learn\n", "examples", c.examples,
            (unsigned long long)c.tokens, (unsigned long long)c.targets);
    fprintf(cli->out, "%-12s %zu to %zu tokens, half up to %zu, 95 %% up to %zu\n", "lengths", l.least,
            l.most, l.middle, l.of_95);
    fprintf(cli->out, "%-12s %zu\n", "duplicates", c.duplicates);
    if (c.unrolled)
        fprintf(cli->out, "%-12s %zu conversations: one example for each answer\n", "unrolled", c.unrolled);
    fprintf(cli->out, "%-12s sha256:%s\n", "digest", training_data_borrow_digest(d));
}

/* -- as JSON
 * ------------------------------------------------------------------------------------------------------ */

static cJSON *json_example(const training_data *d, size_t i, const engine_tokenizer *t)
{
    const training_sequence *s = &training_data_borrow(d)[i];
    training_origin at = training_data_origin(d, i);
    cJSON *o = cJSON_CreateObject();

    cJSON_AddStringToObject(o, "file", training_data_borrow_file(d, at.file));
    cJSON_AddNumberToObject(o, "line", at.line);
    cJSON_AddStringToObject(o, "kind", training_kind_name(at.kind));
    ui_json_add_ids(o, "ids", s->ids, s->count);
    ui_json_add_ids(o, "labels", s->labels, s->count);
    cJSON *tokens = t ? cJSON_AddArrayToObject(o, "tokens") : NULL;
    for (size_t k = 0; tokens && k < s->count; k++)
        ui_json_push_text(tokens, engine_tokenizer_borrow_token(t, s->ids[k]));
    return o;
}

static void json_counts(cJSON *o, const training_data *d)
{
    training_counts c = training_data_counts(d);
    lengths l = lengths_of(d);
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"records", (double)c.records},       {"examples", (double)c.examples},
        {"tokens", (double)c.tokens},         {"targets", (double)c.targets},
        {"unrolled", (double)c.unrolled},     {"cut", (double)c.cut},
        {"dropped", (double)c.dropped},       {"split", (double)c.split},
        {"untargeted", (double)c.untargeted}, {"duplicates", (double)c.duplicates},
        {"length_min", (double)l.least},      {"length_median", (double)l.middle},
        {"length_95", (double)l.of_95},       {"length_max", (double)l.most},
    };

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        cJSON_AddNumberToObject(o, numbers[i].key, numbers[i].value);
    cJSON_AddStringToObject(o, "digest", training_data_borrow_digest(d));
}

/* -- the command
 * -------------------------------------------------------------------------------------------------- */

static void print_all(ui_cli *cli, const ui_arguments *a, const training_data *d, const engine_model *model,
                      size_t rows)
{
    const engine_tokenizer *t = engine_model_borrow_tokenizer(model);

    rows = MIN_OF(rows, training_data_train_count(d));
    if (ui_arguments_has(a, "json")) {
        cJSON *o = cJSON_CreateObject();
        json_counts(o, d);
        cJSON *list = cJSON_AddArrayToObject(o, "rows");
        for (size_t i = 0; i < rows; i++) cJSON_AddItemToArray(list, json_example(d, i, t));
        ui_json_print(o, cli->out);
        return;
    }
    for (size_t i = 0; i < rows; i++) print_example(cli, d, i, t);
    print_counts(cli, d);
}

static err inspect_data_run(ui_cli *cli, const ui_arguments *a)
{
    engine_model *model = NULL;
    training_data *d = NULL;
    int64_t rows = 3;

    err e = ui_arguments_integer(a, "rows", 0, 1000000, &rows);
    if (!e.code) e = ui_model_open_without_weights(cli, a->words[0], &model);
    if (!e.code) e = ui_data_open(cli, a, model, &d);
    if (!e.code) print_all(cli, a, d, model, (size_t)rows);
    training_data_free(d);
    engine_model_free(model);
    return e;
}

const ui_command ui_cmd_inspect_data = {
    .name = "inspect-data",
    .group = "adapters",
    .args = "MODEL --data FILE",
    .help = "Show examples as the tokens that training would see, and which of them it learns",
    .words_min = 1,
    .words_max = 1,
    .options = {ui_options_data, options, ui_options_all},
    .cancels = true,
    .run = inspect_data_run,
};
