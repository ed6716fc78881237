#include "ui/cmd/bench_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/text.h"
#include "engine/spec.h"
#include "engine/train_pass.h"
#include "training/optimizer.h"
#include "ui/cmd/json_out.h"
#include "ui/cmd/model_open.h"

enum { LENGTH = 512, STEPS = 4, STEPS_MAX = 1000, LENGTH_MAX = 1 << 20, ROWS_MAX = 1024 };

const ui_option ui_bench_train_options[] = {
    {"rank", "R", "train: rank of the adapter (default: 16)", false},
    {"targets", "WORDS", "train: all-linear, attn, mlp, or endings of names (default: all-linear)", false},
    {"length", "N", "train: tokens of a row (default: 512, or what fits)", false},
    {"segments", "N", "train: examples packed into each row (default: 1)", false},
    {"micro-batch", "N", "train: rows of a step (default: 1)", false},
    {"checkpointing", "MODE", "train: off, layers or segment:K (default: off)", false},
    {"steps", "N", "train: steps that are timed, after one that is not (default: 4)", false},
    {0},
};

typedef struct train_plan {
    engine_trainable_options adapter;
    int64_t length, segments, rows, steps;
    size_t checkpoint_layers;
    const char *checkpointing;
} train_plan;

typedef struct train_result {
    uint64_t parameters;
    double first_loss, pass_s, step_s, first_step_s; /* medians of a timed step; the first one was not */
} train_result;

static err checkpointing_read(const ui_arguments *a, train_plan *plan)
{
    const char *mode = ui_arguments_text(a, "checkpointing");
    plan->checkpointing = mode ? mode : "off";
    if (strcmp(plan->checkpointing, "off") == 0) return ERR_OK;
    if (strcmp(plan->checkpointing, "layers") == 0) {
        plan->checkpoint_layers = 1;
        return ERR_OK;
    }
    char *end = NULL;
    bool segment = strncmp(mode, "segment:", strlen("segment:")) == 0;
    if (segment) plan->checkpoint_layers = strtoul(mode + strlen("segment:"), &end, 10);
    if (segment && plan->checkpoint_layers > 0 && plan->checkpoint_layers <= ENGINE_SPEC_LAYERS_MAX && !*end)
        return ERR_OK;
    return err_make(ERR_USAGE, "--checkpointing %.40s: expected off, layers or segment:K", mode);
}

static err plan_read(const ui_arguments *a, const engine_spec *spec, train_plan *plan)
{
    int64_t rank = (int64_t)plan->adapter.rank;
    plan->length = MIN_OF((int64_t)LENGTH, (int64_t)spec->context_max);
    plan->segments = plan->rows = 1;
    plan->steps = STEPS;
    err e = ui_arguments_integer(a, "rank", 1, ENGINE_ADAPTER_RANK_MAX, &rank);
    if (!e.code) e = ui_arguments_integer(a, "length", 2, LENGTH_MAX, &plan->length);
    if (!e.code) e = ui_arguments_integer(a, "segments", 1, plan->length / 2, &plan->segments);
    if (!e.code) e = ui_arguments_integer(a, "micro-batch", 1, ROWS_MAX, &plan->rows);
    if (!e.code) e = ui_arguments_integer(a, "steps", 1, STEPS_MAX, &plan->steps);
    if (!e.code) e = checkpointing_read(a, plan);
    plan->adapter.rank = (size_t)rank;
    plan->adapter.alpha = 2 * (double)rank;
    if (ui_arguments_has(a, "targets")) plan->adapter.targets = ui_arguments_text(a, "targets");
    return e.code ? e : engine_trainable_check(spec, &plan->adapter, NULL);
}

/* -- one step -------------------------------------------------------------------------------------------- */

typedef struct trained {
    engine_decoder *decoder;
    engine_trainable *trainable;
    training_optimizer *optimizer;
    int32_t *ids, *targets; /* [rows][length] */
    size_t *begins;         /* [segments] */
    engine_train_row *rows;
    const volatile sig_atomic_t *interrupted;
} trained;

static void trained_free(trained *t)
{
    training_optimizer_free(t->optimizer);
    engine_trainable_free(t->trainable);
    free(t->ids);
    free(t->targets);
    free(t->begins);
    free(t->rows);
}

static bool goes_on(void *context) { return !*((const trained *)context)->interrupted; }

/* Tokens of no meaning, other ones in each step. */
static void fill_rows(trained *t, const train_plan *plan, uint64_t *state)
{
    size_t vocab = engine_decoder_borrow_spec(t->decoder)->vocab_count,
           count = (size_t)(plan->rows * plan->length);
    for (size_t i = 0; i < count; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        t->ids[i] = (int32_t)((*state >> 33) % vocab);
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = i % (size_t)plan->length, segment = 0;
        while (segment + 1 < (size_t)plan->segments && t->begins[segment + 1] <= place) segment++;
        size_t end = segment + 1 < (size_t)plan->segments ? t->begins[segment + 1] : (size_t)plan->length;
        t->targets[i] = place + 1 < end ? t->ids[i + 1] : ENGINE_TARGET_NONE;
    }
}

static err trained_make(trained *t, const train_plan *plan)
{
    training_optimizer_options adamw = training_optimizer_defaults(TRAINING_ADAMW);
    size_t count = (size_t)(plan->rows * plan->length);
    err e = engine_trainable_new(t->decoder, &plan->adapter, &t->trainable);
    if (!e.code) e = training_optimizer_new(t->trainable, &adamw, &t->optimizer);
    if (e.code) return e;
    t->ids = memory_alloc(count * sizeof *t->ids);
    t->targets = memory_alloc(count * sizeof *t->targets);
    t->begins = memory_alloc((size_t)plan->segments * sizeof *t->begins);
    t->rows = memory_alloc((size_t)plan->rows * sizeof *t->rows);
    for (int64_t i = 0; i < plan->segments; i++) t->begins[i] = (size_t)(i * plan->length / plan->segments);
    for (int64_t i = 0; i < plan->rows; i++)
        t->rows[i] = (engine_train_row){.ids = t->ids + i * plan->length,
                                        .targets = t->targets + i * plan->length,
                                        .count = (size_t)plan->length,
                                        .segment_begins = t->begins,
                                        .segment_count = (size_t)plan->segments};
    return ERR_OK;
}

/* Pass, clip, update. Seconds of the pass and of the whole. */
static err step_run(trained *t, const train_plan *plan, uint64_t *state, double *pass_s, double *step_s,
                    double *loss)
{
    engine_train_result result;
    double norm = 0, began = clock_seconds();
    fill_rows(t, plan, state);
    engine_train_request request = {
        .rows = t->rows,
        .row_count = (size_t)plan->rows,
        .scale = 1 / (double)(plan->rows * (plan->length - plan->segments)),
        .backward = true,
        .checkpoint_layers = plan->checkpoint_layers,
        .go_on = goes_on,
        .context = t,
    };
    err e = engine_train_pass(t->decoder, t->trainable, &request, &result);
    *pass_s = clock_seconds() - began;
    if (!e.code) e = training_optimizer_clip(t->optimizer, 1, &norm);
    if (!e.code) e = training_optimizer_step(t->optimizer, 1e-4);
    engine_trainable_clear(t->trainable);
    *step_s = clock_seconds() - began;
    if (!e.code) *loss = result.loss_sum / (double)result.targets;
    return e;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_numbers);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static err measure(trained *t, const train_plan *plan, train_result *out)
{
    size_t count = (size_t)plan->steps;
    double *passes = memory_alloc(2 * count * sizeof *passes), *steps = passes + count, loss = NAN,
           pass_s = 0;
    uint64_t state = 1;
    /* The first step pays for memory and threads that later ones find ready. */
    err e = step_run(t, plan, &state, &pass_s, &out->first_step_s, &out->first_loss);
    for (size_t i = 0; !e.code && i < count; i++) e = step_run(t, plan, &state, &passes[i], &steps[i], &loss);
    if (!e.code) {
        out->pass_s = median_of(passes, count);
        out->step_s = median_of(steps, count);
        out->parameters = engine_trainable_parameters(t->trainable);
    }
    free(passes);
    return e;
}

/* -- telling --------------------------------------------------------------------------------------------- */

static uint64_t peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static double tokens_of(const train_plan *plan) { return (double)(plan->rows * plan->length); }

static void print_json(const engine_model *model, const train_plan *plan, const train_result *result,
                       FILE *out)
{
    cJSON *o = cJSON_CreateObject();
    ui_json_add_text(o, "model", bytes_view_of(engine_model_borrow_name(model)));
    cJSON_AddStringToObject(o, "dtype", engine_model_dtype(model));
    cJSON_AddBoolToObject(o, "cuda", engine_model_device(model).cuda);
    cJSON_AddNumberToObject(o, "threads", tensor_threads());
    cJSON_AddNumberToObject(o, "rank", (double)plan->adapter.rank);
    cJSON_AddNumberToObject(o, "trainable", (double)result->parameters);
    cJSON_AddNumberToObject(o, "length", (double)plan->length);
    cJSON_AddNumberToObject(o, "segments", (double)plan->segments);
    cJSON_AddNumberToObject(o, "micro_batch", (double)plan->rows);
    cJSON_AddStringToObject(o, "checkpointing", plan->checkpointing);
    ui_json_add_number(o, "tokens_per_s", tokens_of(plan) / result->step_s);
    ui_json_add_number(o, "step_s", result->step_s);
    ui_json_add_number(o, "pass_s", result->pass_s);
    ui_json_add_number(o, "first_step_s", result->first_step_s);
    ui_json_add_number(o, "first_loss", result->first_loss);
    cJSON_AddNumberToObject(o, "peak_bytes", (double)peak_bytes());
    cJSON_AddNumberToObject(o, "model_bytes", (double)engine_model_bytes(model));
    ui_json_print(o, out);
}

static void print_text(const engine_model *model, const train_plan *plan, const train_result *result,
                       FILE *out)
{
    char size[32];
    fprintf(out, "%-24s %s, %s on %s\n", "model", engine_model_borrow_name(model),
            engine_model_dtype(model), engine_model_device(model).cuda ? "GPU" : "CPU");
    fprintf(out, "%-24s rank %zu, %llu parameters\n", "adapter", plan->adapter.rank,
            (unsigned long long)result->parameters);
    fprintf(out, "%-24s %lld x %lld tokens, checkpointing %s\n", "step", (long long)plan->rows,
            (long long)plan->length, plan->checkpointing);
    fprintf(out, "%-24s %.1f tokens/s\n", "training", tokens_of(plan) / result->step_s);
    fprintf(out, "%-24s %.2f s, %.2f s of it forward and backward\n", "a step takes", result->step_s,
            result->pass_s);
    text_human_size(engine_model_bytes(model), size, sizeof size);
    fprintf(out, "%-24s %s\n", "weights", size);
    text_human_size(peak_bytes(), size, sizeof size);
    fprintf(out, "%-24s %s\n", "peak memory", size);
}

err ui_bench_train(ui_cli *cli, const ui_arguments *a, const char *word)
{
    CLEANUP(ui_model_word_free) ui_model_word said = {0};
    engine_model_options options;
    engine_files *files = NULL;
    engine_model *model = NULL;
    train_plan plan = {.adapter = engine_trainable_defaults()};
    train_result result = {0};
    trained t = {.interrupted = cli->interrupted};

    err e = ui_model_run_options(cli, a, &options);
    if (!e.code) e = ui_model_word_read(cli, word, &said);
    if (!e.code) e = ui_model_word_open(cli, &said, &files);
    if (!e.code) e = engine_model_open(files, &options, &model);
    if (!e.code) e = plan_read(a, engine_model_borrow_spec(model), &plan);
    if (!e.code) {
        t.decoder = engine_model_borrow_decoder(model);
        e = trained_make(&t, &plan);
    }
    if (!e.code) e = measure(&t, &plan, &result);
    if (!e.code && ui_arguments_has(a, "json"))
        print_json(model, &plan, &result, cli->out);
    else if (!e.code)
        print_text(model, &plan, &result, cli->out);
    trained_free(&t);
    engine_model_free(model);
    return e;
}
