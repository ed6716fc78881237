/* How long a step is said to take: by the model's own first layers, whatever is trained of them. */
#include "training/speed.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "engine/spec.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"

static engine_model *opened(const char *name, int layers)
{
    char *folder = file_join(check_folder(), name);
    engine_files *files = NULL;
    engine_model *m = NULL;
    small_model_write_as(folder, false, &(small_model_shape){64, 160, layers, 4, 2, 16});
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_model_open(files, &(engine_model_options){.dtype = "f32"}, &m));
    free(folder);
    return m;
}

static const training_extent rows_of_100 = {
    .windows = 4, .rows = 16, .examples = 16, .row_tokens = 100, .tokens = 1600, .targets = 800};

/* Of 16 rows of 100 tokens in 4 windows. `name`: a setting, with `value`; NULL: the defaults. */
static double step_seconds(const engine_model *m, const char *name, const char *value,
                           const engine_trainable_options *trained)
{
    training_settings s;
    training_speed speed = {0};
    training_settings_init(&s);
    check_ok(training_settings_set(&s, "packing", "off"));
    if (name) check_ok(training_settings_set(&s, name, value));
    check_ok(training_settings_settle(&s, false));
    uint64_t parameters = 0;
    check_ok(engine_trainable_check(engine_model_borrow_spec(m), trained, &parameters));
    training_estimate e =
        training_estimate_make(m, parameters, &s, &rows_of_100, (training_room){.ranks = 1});
    check_ok(training_speed_measure(m, trained, &s, &rows_of_100, &e, 1, &speed));
    training_settings_free(&s);
    check_true(isfinite(speed.product_flop_per_s) && speed.product_flop_per_s > 0);
    check_true(isfinite(speed.step_seconds));
    return speed.step_seconds;
}

TEST(a_step_takes_time_whatever_is_trained)
{
    engine_model *m = opened("model", 3);
    engine_trainable_options plain = engine_trainable_defaults(), dora = plain, full = plain, some = plain;
    dora.dora = true;
    full.full = true;
    some.layers = "2"; /* none of the first two */
    some.targets = "layers.2.self_attn.q_proj";
    const engine_trainable_options *all[] = {&plain, &dora, &full, &some};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_true(step_seconds(m, NULL, NULL, all[i]) > 0);
    check_true(step_seconds(m, "checkpointing", "layers", &plain) > 0);
    engine_model_free(m);
}

TEST(many_layers_take_longer_than_few)
{
    engine_trainable_options how = engine_trainable_defaults();
    engine_model *one = opened("one", 1), *sixteen = opened("sixteen", 16);
    check_true(step_seconds(sixteen, NULL, NULL, &how) > 2 * step_seconds(one, NULL, NULL, &how));
    engine_model_free(one);
    engine_model_free(sixteen);
}

TEST(what_is_taken_out_of_the_weights_is_counted_as_memory)
{
    engine_model *m = opened("model", 2);
    training_settings s;
    training_settings_init(&s);
    check_ok(training_settings_settle(&s, false));
    training_room room = {.ranks = 1};
    training_estimate plain = training_estimate_make(m, 1000, &s, &rows_of_100, room);
    check_ok(training_settings_set(&s, "init", "olora"));
    training_estimate olora = training_estimate_make(m, 1000, &s, &rows_of_100, room);
    uint64_t of_layer = 64 * 64 + 2 * 64 * 32 + 64 * 64 + 3 * 64 * 160;
    check_int(olora.adapter - plain.adapter, 2 * of_layer * 4);
    check_ok(training_settings_set(&s, "init", "default"));
    check_ok(training_settings_set(&s, "dora", "on"));
    check_true(training_estimate_make(m, 1000, &s, &rows_of_100, room).graph > plain.graph);
    training_settings_free(&s);
    engine_model_free(m);
}

TESTS(RUN(a_step_takes_time_whatever_is_trained), RUN(many_layers_take_longer_than_few),
      RUN(what_is_taken_out_of_the_weights_is_counted_as_memory))
