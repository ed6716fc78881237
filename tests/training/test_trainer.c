/* Runs of the trainer: recorded ones of the real peers, resumed ones, spoiled ones. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/macros.h"
#include "engine/spec.h"
#include "tests/support/check.h"
#include "training/state.h"
#include "training/trainer.h"

/* A model, what is trained on it, and data. */
typedef struct bench {
    engine_model *model;
    engine_trainable *t;
    training_data *data;
    training_settings settings;
    training_trainer *tr;
} bench;

static engine_model *model_at(const char *folder)
{
    engine_files *files = NULL;
    engine_model *m = NULL;
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_model_open(
        files, &(engine_model_options){.weights = true, .device = "cpu", .dtype = "f32", .threads = 1}, &m));
    return m;
}

static void set_all(training_settings *s, const char *const (*words)[2], size_t count)
{
    training_settings_init(s);
    for (size_t i = 0; i < count; i++) check_ok(training_settings_set(s, words[i][0], words[i][1]));
}

static void open_data(bench *b, const char *path, double held_out)
{
    training_data_options o = training_data_defaults();
    o.max_length = (size_t)b->settings.max_length;
    o.held_out = held_out;
    check_ok(training_data_open(&path, 1, b->model, &o, &b->data));
    check_ok(training_settings_settle(&b->settings, training_data_is_preference(b->data)));
}

static void make_trainer(bench *b)
{
    check_ok(
        training_trainer_new(&(training_trainer_options){.decoder = engine_model_borrow_decoder(b->model),
                                                         .trainable = b->t,
                                                         .data = b->data,
                                                         .settings = &b->settings},
                             &b->tr));
}

static const char *const demo_words[][2] = {
    {"window", "4"},     {"max-length", "96"}, {"dropout", "0.1"}, {"lr", "0.003"},
    {"targets", "attn"}, {"epochs", "2"},      {"warmup", "2"},    {"micro-batch", "2"},
};

/* The demo model with an adapter that begins as a run's would. */
static void demo_open(bench *b, size_t rank)
{
    *b = (bench){.model = model_at("assets/demo")};
    set_all(&b->settings, demo_words, COUNT_OF(demo_words));
    open_data(b, "assets/demo/data/polite.jsonl", 0.1);
    engine_trainable_options o = engine_trainable_defaults();
    o.rank = rank;
    o.targets = b->settings.targets;
    check_ok(engine_trainable_new(engine_model_borrow_decoder(b->model), &o, &b->t));
    make_trainer(b);
}

static void bench_close(bench *b)
{
    training_trainer_free(b->tr);
    engine_trainable_free(b->t);
    training_data_free(b->data);
    training_settings_free(&b->settings);
    engine_model_free(b->model);
}

static void take_steps(bench *b, size_t count, double *losses)
{
    for (size_t i = 0; i < count; i++) {
        training_point p;
        uint64_t step = training_trainer_step_number(b->tr);
        check_ok(training_trainer_step(b->tr, &p));
        check_int(p.step, step);
        if (p.skipped || !isfinite(p.loss) || !(p.grad_norm > 0))
            fail_msg("step %d: loss %g, norm %g, %d targets%s", (int)p.step, p.loss, p.grad_norm,
                     (int)p.targets, p.skipped ? ", skipped" : "");
        losses[i] = p.loss;
    }
}

static bytes adapter_of(const bench *b)
{
    bytes out = {0};
    check_ok(engine_trainable_write(b->t, TENSOR_F32, &out));
    return out;
}

/* -- resuming
 * ---------------------------------------------------------------------------------------------------- */

TEST(a_run_that_was_saved_and_resumed_is_the_run_that_never_stopped)
{
    enum { HALF = 8 };
    double whole[2 * HALF], halves[2 * HALF];
    char folder[600], name[TRAINING_STATE_NAME_SIZE];
    snprintf(folder, sizeof folder, "%s/resume", check_folder());
    bench b;
    demo_open(&b, 4);
    check_true(training_trainer_per_epoch(b.tr) < 2 * HALF); /* the second half is in another epoch */
    take_steps(&b, HALF, halves);
    training_progress progress = {.attempt = 1, .has_best = true, .best_step = 5, .best_loss = 1.0 / 3}, back;
    check_ok(training_state_save(b.tr, folder, &progress, name));
    check_text(name, "step-00000008");
    bench_close(&b);

    demo_open(&b, 4);
    take_steps(&b, 2 * HALF, whole);
    bytes wanted = adapter_of(&b);
    bench_close(&b);

    demo_open(&b, 4);
    check_ok(training_state_load(b.tr, folder, NULL, &back));
    check_int(training_trainer_step_number(b.tr), HALF);
    check_int(back.best_step, 5);
    check_true(back.best_loss == progress.best_loss);
    take_steps(&b, HALF, halves + HALF);
    bytes got = adapter_of(&b);
    bench_close(&b);
    for (size_t i = 0; i < 2 * HALF; i++) check_true(halves[i] == whole[i]);
    check_true(bytes_view_equal(bytes_borrow(&got), bytes_borrow(&wanted)));
    bytes_free(&got);
    bytes_free(&wanted);
}

/* A state of before says no place: the windows of the first data are counted. */
TEST(a_state_that_says_no_place_goes_on_at_its_step)
{
    enum { HALF = 8 };
    double whole[HALF + 2], rest[2];
    char folder[600], path[700], name[TRAINING_STATE_NAME_SIZE];
    snprintf(folder, sizeof folder, "%s/placeless", check_folder());
    snprintf(path, sizeof path, "%s/step-00000008/state.json", folder);
    bench b;
    training_progress p = {0};
    demo_open(&b, 4);
    take_steps(&b, HALF, whole);
    check_ok(training_state_save(b.tr, folder, &p, name));
    take_steps(&b, 2, whole + HALF);
    bench_close(&b);
    bytes text = check_read("%s", path);
    char *at = strstr(text.data, " \"epoch\"");
    check_true(at != NULL);
    char *end = strstr(at, " \"rate\"");
    memmove(at, end, (size_t)(text.data + text.size - end));
    check_write(path, text.data, text.size - (size_t)(end - at));
    bytes_free(&text);

    training_place place;
    check_ok(training_state_find(folder, &place));
    check_int(place.step, HALF);
    check_int(place.epoch, 0);
    check_int(place.window, HALF);
    demo_open(&b, 4);
    check_ok(training_state_load(b.tr, folder, NULL, &p));
    take_steps(&b, 2, rest);
    check_true(rest[0] == whole[HALF] && rest[1] == whole[HALF + 1]);
    bench_close(&b);
}

/* The window that the trainer took, by another plan of the same data. */
static void check_window(const bench *b, training_windows *plan, uint64_t epoch, size_t window)
{
    CLEANUP(bytes_free) bytes taken = {0}, wanted = {0};
    training_window w;
    training_trainer_describe_window(b->tr, &taken);
    check_ok(training_windows_get(plan, epoch, window, &w));
    for (size_t i = 0; i < w.example_count && i < 8; i++)
        bytes_printf(&wanted, "%spolite.jsonl:%u", i ? ", " : "",
                     training_data_origin(b->data, w.examples[i]).line);
    if (w.example_count > 8) bytes_printf(&wanted, " and %zu more", w.example_count - 8);
    check_text(bytes_text(&taken), bytes_text(&wanted));
    training_window_free(&w);
}

TEST(other_data_begin_an_epoch_at_the_step_they_came)
{
    enum { EPOCH = 5, STEPS = 3 };
    double losses[STEPS];
    char folder[600], name[TRAINING_STATE_NAME_SIZE];
    snprintf(folder, sizeof folder, "%s/changed", check_folder());
    bench b;
    training_progress p = {0};
    training_windows *plan = NULL;
    demo_open(&b, 4);
    take_steps(&b, STEPS, losses);
    training_trainer_data_changed(b.tr, EPOCH);
    const training_windows_options how = {
        .room = 96, .window = 4, .packing = true, .seed = (uint64_t)b.settings.seed};
    check_ok(
        training_windows_new(training_data_borrow(b.data), training_data_train_count(b.data), &how, &plan));
    size_t per_epoch = training_windows_count(plan);
    for (size_t i = 0; i < per_epoch + 1; i++) {
        take_steps(&b, 1, losses);
        check_window(&b, plan, EPOCH + i / per_epoch, i % per_epoch);
    }
    check_int(training_trainer_step_number(b.tr), STEPS + per_epoch + 1);
    check_ok(training_state_save(b.tr, folder, &p, name));
    training_place place;
    check_ok(training_state_find(folder, &place));
    check_int(place.epoch, EPOCH + 1);
    check_int(place.window, 1);
    training_windows_free(plan);
    bench_close(&b);
}

TEST(damaged_and_half_made_states_are_passed_over)
{
    char folder[600], path[700], name[TRAINING_STATE_NAME_SIZE];
    double losses[4];
    snprintf(folder, sizeof folder, "%s/damaged", check_folder());
    bench b;
    demo_open(&b, 4);
    training_progress p = {0};
    check_fails(training_state_load(b.tr, folder, NULL, &p), ERR_NOT_FOUND, "holds no saved state");
    for (size_t i = 0; i < 3; i++) {
        take_steps(&b, 1, losses);
        check_ok(training_state_save(b.tr, folder, &p, name));
    }
    snprintf(path, sizeof path, "%s/step-00000003/state.safetensors", folder);
    bytes file = check_read("%s", path);
    file.data[file.size - 5] ^= 1;
    check_write(path, file.data, file.size);
    snprintf(path, sizeof path, "%s/step-00000004.tmp", folder);
    check_ok(file_make_folders(path));
    check_fails(training_state_load(b.tr, folder, "step-00000003", &p), ERR_FORMAT,
                "does not have the sha256");
    check_ok(training_state_load(b.tr, folder, NULL, &p));
    check_int(training_trainer_step_number(b.tr), 2);
    check_true(!file_exists(path));
    uint64_t *steps = NULL;
    size_t count = 0;
    check_ok(training_state_prune(folder, (const uint64_t[]){2}, 1));
    check_ok(training_state_list(folder, &steps, &count));
    check_int(count, 1);
    check_int(steps[0], 2);
    free(steps);
    bytes_free(&file);
    bench_close(&b);
}

TEST(the_state_of_another_run_is_refused)
{
    char folder[600], name[TRAINING_STATE_NAME_SIZE];
    snprintf(folder, sizeof folder, "%s/other", check_folder());
    bench a, b;
    training_progress p = {0};
    demo_open(&a, 4);
    check_ok(training_state_save(a.tr, folder, &p, name));
    demo_open(&b, 8);
    check_fails(training_state_load(b.tr, folder, NULL, &p), ERR_FORMAT, "is of another shape");
    bench_close(&a);
    bench_close(&b);
}

/* -- windows and micro-batches
 * ------------------------------------------------------------------------------------ */

TEST(the_micro_batch_changes_no_number)
{
    double first[3], again[3];
    bench b;
    demo_open(&b, 4);
    take_steps(&b, 3, first);
    bench_close(&b);
    demo_open(&b, 4);
    b.settings.micro_batch = 4;
    training_trainer_free(b.tr);
    make_trainer(&b);
    take_steps(&b, 3, again);
    bench_close(&b);
    for (int i = 0; i < 3; i++) check_true(fabs(first[i] - again[i]) < 1e-6 * first[i]);
}

/* -- evaluation
 * ---------------------------------------------------------------------------------------------------- */

TEST(evaluation_moves_nothing_and_falls_with_training)
{
    training_evaluation before, after;
    double losses[16];
    bench b;
    demo_open(&b, 4);
    check_true(training_trainer_eval_count(b.tr) > 0);
    check_ok(training_trainer_evaluate(b.tr, &before));
    take_steps(&b, 16, losses);
    check_ok(training_trainer_evaluate(b.tr, &after));
    check_true(after.loss < before.loss && after.targets == before.targets);
    check_true(fabs(after.perplexity - exp(after.loss)) < 1e-12);
    bench_close(&b);
}

/* -- numbers that go wrong
 * ------------------------------------------------------------------------------------------ */

TEST(a_run_that_diverges_is_stopped_and_its_adapter_never_written)
{
    bench b;
    demo_open(&b, 4);
    training_point p = {0};
    b.settings.clip = 0;
    b.settings.optimizer = 1; /* sgd */
    b.settings.warmup = 0;
    training_trainer_free(b.tr);
    make_trainer(&b);
    training_trainer_rate_set(b.tr, 1e30);
    err e = ERR_OK;
    for (int i = 0; i < 12 && !e.code; i++) {
        check_ok(training_trainer_step(b.tr, &p));
        e = training_trainer_health(b.tr);
    }
    check_true(p.skipped);
    check_true(e.code == ERR_STATE && check_text_holds(e.text, "in a row"));
    bytes out = {0};
    training_trainer_describe_window(b.tr, &out);
    check_true(check_text_holds(bytes_text(&out), "polite.jsonl:"));
    bytes_free(&out);

    bench_close(&b);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

TEST(a_cancelled_step_can_be_taken_again)
{
    double wanted[2], got[2];
    bench b;
    demo_open(&b, 4);
    take_steps(&b, 2, wanted);
    bench_close(&b);
    demo_open(&b, 4);
    take_steps(&b, 1, got);
    training_trainer *whole = b.tr;
    training_carried carried;
    training_trainer_take_out(whole, &carried);
    training_trainer *stopped = NULL;
    check_ok(training_trainer_new(&(training_trainer_options){.decoder = engine_model_borrow_decoder(b.model),
                                                              .trainable = b.t,
                                                              .data = b.data,
                                                              .settings = &b.settings,
                                                              .between = never},
                                  &stopped));
    training_point p;
    check_fails(training_trainer_step(stopped, &p), ERR_CANCELLED, "cancelled");
    training_trainer_free(stopped);
    take_steps(&b, 1, got + 1);
    check_true(got[0] == wanted[0] && got[1] == wanted[1]);
    bench_close(&b);
}

/* -- recorded by the real peers
 * -------------------------------------------------------------------------------------- */

static const char *text_of(arena *a, const json_node *node)
{
    bytes_view text = json_text(node);
    return arena_text_n(a, text.data, text.size);
}

static void set_number(training_settings *s, const char *name, const json_node *node)
{
    char text[64];
    snprintf(text, sizeof text, "%.17g", json_double(node, 0));
    check_ok(training_settings_set(s, name, text));
}

/* A whole recorded run from its data file, by the trainer's own plan. */
static void check_recorded(const char *name, const char *base, double tolerance)
{
    if (!check_shared_data()) skip();
    char path[700];
    bytes text = check_read("%s/golden/training/%s.json", check_shared_data(), name);
    arena a = {0};
    const json_node *root = NULL;
    check_ok(json_parse(bytes_borrow(&text), JSON_DEPTH_MAX, &a, &root));
    const json_node *settings = json_get(root, "settings");
    snprintf(path, sizeof path, "%s/models/%s", check_shared_data(), base);
    bench b = {.model = model_at(path)};
    training_settings_init(&b.settings);
    static const char *const fixed[][2] = {
        {"order", "file"}, {"packing", "off"}, {"epochs", "1"}, {"micro-batch", "1"}};
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        check_ok(training_settings_set(&b.settings, fixed[i][0], fixed[i][1]));
    check_ok(training_settings_set(&b.settings, "optimizer", text_of(&a, json_get(settings, "optimizer"))));
    check_ok(training_settings_set(&b.settings, "schedule", text_of(&a, json_get(settings, "schedule"))));
    set_number(&b.settings, "lr", json_get(settings, "lr"));
    set_number(&b.settings, "weight-decay", json_get(settings, "weight_decay"));
    set_number(&b.settings, "clip", json_get(settings, "clip"));
    set_number(&b.settings, "window", json_get(settings, "window"));
    set_number(&b.settings, "warmup", json_get(settings, "warmup"));
    b.settings.steps = (int64_t)json_count(json_get(root, "steps"));
    snprintf(path, sizeof path, "%s/golden/training/%s", check_shared_data(),
             text_of(&a, json_get(settings, "data")));
    open_data(&b, path, 0);
    engine_files *files = NULL;
    snprintf(path, sizeof path, "%s/golden/training/init/%s", check_shared_data(),
             text_of(&a, json_get(settings, "init")));
    check_ok(engine_files_open_folder(path, &files));
    check_ok(engine_trainable_from_adapter(engine_model_borrow_decoder(b.model), files, NULL, &b.t));
    engine_files_free(files);
    make_trainer(&b);
    check_ok(training_trainer_make_references(b.tr));
    double most = 0;
    for (const json_node *wanted = json_first(json_get(root, "steps")); wanted; wanted = wanted->next) {
        training_point p;
        check_ok(training_trainer_step(b.tr, &p));
        double loss = json_double(json_get(wanted, "loss"), NAN),
               norm = json_double(json_get(wanted, "grad_norm"), NAN);
        most = fmax(most, fabs(p.loss - loss) / fabs(loss));
        if (!(fabs(p.loss - loss) <= tolerance * fabs(loss)))
            fail_msg("%s: loss of step %d is %.9g, recorded %.9g", name, (int)p.step, p.loss, loss);
        if (!(fabs(p.grad_norm - norm) <= 2.5 * tolerance * norm))
            fail_msg("%s: norm of step %d is %.9g, recorded %.9g", name, (int)p.step, p.grad_norm, norm);
        check_true(fabs(p.lr - json_double(json_get(wanted, "lr"), NAN)) <= 1e-12);
    }
    print_message("%s: losses within %.1e of the recorded ones\n", name, most);
    arena_free(&a);
    bytes_free(&text);
    bench_close(&b);
}

TEST(a_run_over_a_file_equals_the_one_of_the_real_peers) { check_recorded("adamw", "stories260K", 4e-6); }
TEST(a_run_of_preferences_equals_it_too) { check_recorded("dpo", "stories260K", 2e-5); }

TESTS(RUN(a_run_that_was_saved_and_resumed_is_the_run_that_never_stopped),
      RUN(a_state_that_says_no_place_goes_on_at_its_step),
      RUN(other_data_begin_an_epoch_at_the_step_they_came), RUN(damaged_and_half_made_states_are_passed_over),
      RUN(the_state_of_another_run_is_refused), RUN(the_micro_batch_changes_no_number),
      RUN(evaluation_moves_nothing_and_falls_with_training),
      RUN(a_run_that_diverges_is_stopped_and_its_adapter_never_written),
      RUN(a_cancelled_step_can_be_taken_again), RUN(a_run_over_a_file_equals_the_one_of_the_real_peers),
      RUN(a_run_of_preferences_equals_it_too))
