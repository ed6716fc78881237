/* Runs recorded from PEFT, step by step: losses, gradient norms, first gradients, final adapters, within what
 * the peers themselves vary by, times ten (the README beside the data). Skipped where that data is not. */
#include <math.h>
#include <stdio.h>

#include "tests/support/training.h"
#include "training/preference.h"

/* What one run was off by, at most. */
typedef struct spread {
    double loss, norm, rate, grad0, final, other;
} spread;

typedef struct golden_run {
    const char *name;
    char folder[512];
    bytes text;
    arena memory;
    const json_node *root, *settings;
    model m;
    engine_trainable *t;
    training_optimizer *optimizer;
    training_schedule schedule;
    double rate, clip;
    token_row *rows;
    size_t row_count, window;
    spread off;
} golden_run;

static void row_read(const json_node *node, void *rows, size_t i)
{
    token_row_read(node, (token_row *)rows + i);
}

/* A pair is two rows: what was chosen, what was rejected. */
static void pair_read(const json_node *node, void *rows, size_t i)
{
    token_row_read(json_get(node, "chosen_tokens"), (token_row *)rows + 2 * i);
    token_row_read(json_get(node, "rejected_tokens"), (token_row *)rows + 2 * i + 1);
}

static const char *text_at(golden_run *run, const char *key)
{
    bytes_view text = json_text(json_get(run->settings, key));
    return arena_text_n(&run->memory, text.data, text.size);
}

static void open_model(golden_run *run)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/init/%s", run->folder, text_at(run, "init"));
    engine_files *files = NULL;
    check_ok(engine_files_open_folder(path, &files));
    bytes json = {0};
    check_ok(engine_files_read(files, "adapter_config.json", 1 << 20, &json));
    engine_adapter_config *config = NULL;
    check_ok(engine_adapter_config_parse(bytes_borrow(&json), &config));
    snprintf(path, sizeof path, "%s/models/%s", check_shared_data(),
             engine_adapter_config_borrow_base(config));
    run->m = model_open(path, TENSOR_F32);
    check_ok(engine_trainable_from_adapter(run->m.decoder, files, NULL, &run->t));
    engine_adapter_config_free(config);
    bytes_free(&json);
    engine_files_free(files);
}

/* False: there is no data, the test is skipped. */
static bool golden_open(golden_run *run, const char *name)
{
    char path[1024];
    *run = (golden_run){.name = name};
    if (!check_shared_data()) {
        print_message("the recorded runs are not beside this checkout\n");
        return false;
    }
    snprintf(run->folder, sizeof run->folder, "%s/golden/training", check_shared_data());
    run->text = check_read("%s/%s.json", run->folder, name);
    check_ok(json_parse(bytes_borrow(&run->text), JSON_DEPTH_MAX, &run->memory, &run->root));
    run->settings = json_get(run->root, "settings");
    open_model(run);
    training_optimizer_kind kind;
    check_true(training_optimizer_parse(text_at(run, "optimizer"), &kind));
    training_optimizer_options options = training_optimizer_defaults(kind);
    options.decay = json_double(json_get(run->settings, "weight_decay"), 0);
    check_ok(training_optimizer_new(run->t, &options, &run->optimizer));
    check_true(training_schedule_parse(text_at(run, "schedule"), &run->schedule.kind));
    run->schedule.warmup = (uint64_t)json_int(json_get(run->settings, "warmup"), -1);
    run->schedule.total = json_count(json_get(run->root, "steps"));
    run->rate = json_double(json_get(run->settings, "lr"), NAN);
    run->clip = json_double(json_get(run->settings, "clip"), NAN);
    run->window = (size_t)json_int(json_get(run->settings, "window"), -1);
    run->rows = memory_alloc(2 * TRAINING_ROWS_MAX * sizeof *run->rows);
    bool pairs = !json_is_null(json_get(run->settings, "beta"));
    snprintf(path, sizeof path, "%s/%s", run->folder, text_at(run, "data"));
    run->row_count = lines_read(path, pairs ? pair_read : row_read, run->rows);
    return true;
}

static void golden_close(golden_run *run)
{
    training_optimizer_free(run->optimizer);
    engine_trainable_free(run->t);
    model_close(&run->m);
    free(run->rows);
    arena_free(&run->memory);
    bytes_free(&run->text);
}

static void widen(double *most, double value) { *most = value <= *most ? *most : value; }

static void check_within(const golden_run *run, const char *what, double off, double allowed)
{
    if (!(off <= allowed)) fail_msg("%s: %s is off by %.2e, allowed %.0e", run->name, what, off, allowed);
}

static double apart(double got, double wanted) { return fabs(got - wanted) / fabs(wanted); }

/* Leaves, or their gradients, against a file that may hold some of them; and against the norms of all. */
static double compare_leaves(const golden_run *run, const char *file, bool gradient)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.%s.safetensors", run->folder, run->name, file);
    engine_safetensors *st = NULL;
    bytes data = {0};
    FILE *there = fopen(path, "rb");
    if (there) {
        fclose(there);
        data = check_read("%s", path);
        check_ok(engine_safetensors_parse(bytes_borrow(&data), &st));
    }
    double most = 0;
    size_t compared = 0;
    for (size_t i = 0; i < engine_trainable_count(run->t); i++) {
        const char *name = engine_trainable_borrow_name(run->t, i);
        size_t count = (size_t)tensor_count(engine_trainable_borrow(run->t, i));
        float *values = leaf_values(run->t, i, gradient);
        const engine_safetensor *wanted = st ? engine_safetensors_find(st, name) : NULL;
        if (wanted) {
            check_int(wanted->count, count);
            float *theirs = memory_alloc(count * sizeof *theirs);
            memcpy(theirs, wanted->data.data, count * sizeof *theirs);
            widen(&most, relative_difference(values, theirs, count));
            free(theirs);
            compared++;
        }
        double norm = 0,
               told = json_double(
                   json_get(json_get(json_get(run->root, "norms"), name), gradient ? "grad0" : "final"), NAN);
        for (size_t v = 0; v < count; v++) norm += (double)values[v] * (double)values[v];
        widen(&most, told == 0 ? sqrt(norm) : apart(sqrt(norm), told));
        free(values);
    }
    if (st) check_int(compared, engine_safetensors_count(st));
    engine_safetensors_free(st);
    bytes_free(&data);
    return most;
}

/* How the rows of a window go through: each alone, all as rows of one micro-batch, padded to one length, or
 * packed as segments of one row. */
typedef enum way { ONE_BY_ONE, TOGETHER, PADDED, PACKED } way;

static engine_train_result run_rows(golden_run *run, const engine_train_row *rows, size_t count, double scale,
                                    size_t layers)
{
    engine_train_result result;
    engine_train_request request = {
        .rows = rows, .row_count = count, .scale = scale, .backward = true, .checkpoint_layers = layers};
    check_ok(engine_train_pass(run->m.decoder, run->t, &request, &result));
    return result;
}

static double pass_packed(golden_run *run, const token_row *rows, size_t count, double scale, size_t layers)
{
    int32_t *ids = memory_alloc(2 * count * TRAINING_TOKENS_MAX * sizeof *ids),
            *targets = ids + count * TRAINING_TOKENS_MAX;
    size_t *begins = memory_alloc(count * sizeof *begins), total = 0;
    for (size_t i = 0; i < count; i++) {
        begins[i] = total;
        memcpy(ids + total, rows[i].ids, rows[i].count * sizeof *ids);
        memcpy(targets + total, rows[i].targets, rows[i].count * sizeof *ids);
        total += rows[i].count;
    }
    engine_train_row row = {
        .ids = ids, .targets = targets, .count = total, .segment_begins = begins, .segment_count = count};
    double loss = run_rows(run, &row, 1, scale, layers).loss_sum;
    free(ids);
    free(begins);
    return loss;
}

static double pass_window(golden_run *run, const token_row *rows, size_t count, double scale, way how,
                          size_t layers)
{
    if (how == PACKED) return pass_packed(run, rows, count, scale, layers);
    engine_train_row *list = memory_alloc(count * sizeof *list);
    token_row *padded = memory_alloc(count * sizeof *padded);
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) longest = MAX_OF(longest, rows[i].count);
    for (size_t i = 0; i < count; i++) {
        padded[i] = rows[i];
        while (how == PADDED && padded[i].count < longest) {
            padded[i].ids[padded[i].count] = 2;
            padded[i].targets[padded[i].count++] = ENGINE_TARGET_NONE;
        }
        list[i] =
            (engine_train_row){.ids = padded[i].ids, .targets = padded[i].targets, .count = padded[i].count};
    }
    double loss = 0;
    if (how == ONE_BY_ONE)
        for (size_t i = 0; i < count; i++) loss += run_rows(run, &list[i], 1, scale, layers).loss_sum;
    else
        loss = run_rows(run, list, count, scale, layers).loss_sum;
    free(list);
    free(padded);
    return loss;
}

/* Clip, compare norm and rate, step. */
static void finish_step(golden_run *run, const json_node *wanted, uint64_t step)
{
    double norm = 0, rate = run->rate * training_schedule_factor(&run->schedule, step);
    if (step == 0) run->off.grad0 = compare_leaves(run, "grad0", true);
    check_ok(training_optimizer_clip(run->optimizer, run->clip, &norm));
    widen(&run->off.norm, apart(norm, json_double(json_get(wanted, "grad_norm"), NAN)));
    double told = json_double(json_get(wanted, "lr"), NAN);
    widen(&run->off.rate, told == 0 ? rate : apart(rate, told));
    check_ok(training_optimizer_step(run->optimizer, rate));
    engine_trainable_clear(run->t);
}

static void run_all(golden_run *run, way how, size_t layers)
{
    size_t at = 0;
    uint64_t step = 0;
    for (const json_node *wanted = json_first(json_get(run->root, "steps")); wanted;
         wanted = wanted->next, step++) {
        size_t count = MIN_OF(run->window, run->row_count - at), targets = 0;
        for (size_t i = 0; i < count; i++) targets += run->rows[at + i].target_count;
        check_int(targets, json_int(json_get(wanted, "targets"), -1));
        double sum = pass_window(run, run->rows + at, count, 1 / (double)targets, how, layers);
        widen(&run->off.loss, apart(sum / (double)targets, json_double(json_get(wanted, "loss"), NAN)));
        finish_step(run, wanted, step);
        at = at + count == run->row_count ? 0 : at + count;
    }
    run->off.final = compare_leaves(run, "final", false);
}

static const char *const ways[] = {"one by one", "together", "padded", "packed"};

static void print_off(const golden_run *run, const char *how)
{
    const spread *off = &run->off;
    print_message("| %s | %s | %.1e | %.1e | %.1e | %.1e | %.1e |\n", run->name, how, off->loss, off->norm,
                  off->rate, off->grad0, off->final);
}

static void check_case(const char *name, way how, size_t layers, double final)
{
    golden_run run;
    if (!golden_open(&run, name)) skip();
    run_all(&run, how, layers);
    print_off(&run, ways[how]);
    check_within(&run, "a loss", run.off.loss, 4e-6);
    check_within(&run, "a gradient's norm", run.off.norm, 1e-5);
    check_within(&run, "a rate", run.off.rate, 1e-12);
    check_within(&run, "a tensor of the first gradient", run.off.grad0, 7e-5);
    check_within(&run, "a tensor of the final adapter", run.off.final, final);
    golden_close(&run);
}

TEST(sgd_equals_the_recorded_run) { check_case("sgd", ONE_BY_ONE, 0, 2e-5); }
TEST(adamw_equals_the_recorded_run) { check_case("adamw", ONE_BY_ONE, 0, 3e-4); }
TEST(adamw_with_layers_computed_again_equals_it_too) { check_case("adamw", TOGETHER, 1, 3e-4); }
TEST(rslora_equals_the_recorded_run) { check_case("rslora", ONE_BY_ONE, 0, 3e-4); }
TEST(dora_equals_the_recorded_run) { check_case("dora", ONE_BY_ONE, 0, 2e-5); }
TEST(dora_with_layers_computed_again_equals_it_too) { check_case("dora", PACKED, 1, 2e-5); }

TEST(one_window_gives_its_numbers_whichever_way_the_rows_go_through)
{
    for (way how = ONE_BY_ONE; how <= PACKED; how++)
        check_case("one_window", how, how == PACKED ? 2 : 0, 2e-5);
}

/* -- preferences -------------------------------------------------------------------------------------- */

enum { DPO_MEANS = 6 };

/* What a pass over the pairs of a window is told, and tells. */
typedef struct dpo_window {
    training_preference how;
    const double *references; /* [rows] */
    const token_row *rows;
    double
        means[DPO_MEANS]; /* loss, rewards of the chosen, of the rejected, their margin, log-probabilities */
} dpo_window;

static void weigh_pairs(void *context, const double *logprobs, double *factors, size_t segment_count)
{
    dpo_window *window = context;
    double pairs = (double)segment_count / 2;
    for (size_t i = 0; i < segment_count; i += 2) {
        training_answer chosen = {logprobs[i], window->references[i], window->rows[i].target_count};
        training_answer rejected = {logprobs[i + 1], window->references[i + 1],
                                    window->rows[i + 1].target_count};
        training_pair_loss loss = training_preference_of(&window->how, &chosen, &rejected);
        factors[i] = -loss.of_chosen / pairs;
        factors[i + 1] = -loss.of_rejected / pairs;
        const double values[DPO_MEANS] = {loss.loss,
                                          loss.reward_chosen,
                                          loss.reward_rejected,
                                          loss.reward_chosen - loss.reward_rejected,
                                          chosen.logprob,
                                          rejected.logprob};
        for (size_t k = 0; k < DPO_MEANS; k++) window->means[k] += values[k] / pairs;
    }
}

static void list_rows(const token_row *rows, size_t count, engine_train_row *list)
{
    for (size_t i = 0; i < count; i++)
        list[i] = (engine_train_row){.ids = rows[i].ids, .targets = rows[i].targets, .count = rows[i].count};
}

/* Log-probabilities of all rows with the adapter off. */
static double *references_of(golden_run *run, size_t row_count)
{
    double *references = memory_alloc(row_count * sizeof *references);
    engine_train_row list[2 * TRAINING_ROWS_MAX];
    engine_train_result result;
    list_rows(run->rows, row_count, list);
    engine_train_request request = {.rows = list, .row_count = row_count, .segment_logprobs = references};
    check_ok(engine_train_pass(run->m.decoder, NULL, &request, &result));
    return references;
}

static void compare_means(golden_run *run, const dpo_window *window, const json_node *wanted)
{
    static const char *const keys[DPO_MEANS] = {
        "loss", "rewards_chosen", "rewards_rejected", "rewards_margins", "logps_chosen", "logps_rejected"};
    for (size_t k = 0; k < DPO_MEANS; k++) {
        double told = json_double(json_get(wanted, keys[k]), NAN);
        /* Rewards are differences of log-probabilities near -50, of which f32 keeps seven digits. */
        widen(k == 0 ? &run->off.loss : &run->off.other, fabs(window->means[k] - told) / fmax(fabs(told), 1));
    }
}

TEST(dpo_equals_the_recorded_run)
{
    golden_run run;
    if (!golden_open(&run, "dpo")) skip();
    size_t row_count = 2 * run.row_count, at = 0;
    double *references = references_of(&run, row_count);
    uint64_t step = 0;
    for (const json_node *wanted = json_first(json_get(run.root, "steps")); wanted;
         wanted = wanted->next, step++) {
        dpo_window window = {training_preference_defaults(TRAINING_DPO), references + at, run.rows + at, {0}};
        engine_train_row list[2 * TRAINING_ROWS_MAX];
        engine_train_result result;
        list_rows(run.rows + at, 2 * run.window, list);
        engine_train_request request = {.rows = list,
                                        .row_count = 2 * run.window,
                                        .backward = true,
                                        .checkpoint_layers = step % 3,
                                        .weigh = weigh_pairs,
                                        .context = &window};
        check_ok(engine_train_pass(run.m.decoder, run.t, &request, &result));
        compare_means(&run, &window, wanted);
        finish_step(&run, wanted, step);
        at = (at + 2 * run.window) % row_count;
    }
    run.off.final = compare_leaves(&run, "final", false);
    print_off(&run, "pairs");
    check_within(&run, "a loss", run.off.loss, 2e-5);
    check_within(&run, "a gradient's norm", run.off.norm, 2e-5);
    check_within(&run, "a reward or log-probability", run.off.other, 2e-5);
    check_within(&run, "a tensor of the final adapter", run.off.final, 2e-5);
    free(references);
    golden_close(&run);
}

TESTS(RUN(dpo_equals_the_recorded_run), RUN(sgd_equals_the_recorded_run), RUN(adamw_equals_the_recorded_run),
      RUN(adamw_with_layers_computed_again_equals_it_too), RUN(rslora_equals_the_recorded_run),
      RUN(dora_equals_the_recorded_run), RUN(dora_with_layers_computed_again_equals_it_too),
      RUN(one_window_gives_its_numbers_whichever_way_the_rows_go_through))
