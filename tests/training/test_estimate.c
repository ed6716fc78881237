/* What a run will take of memory, alone and as one of several on a machine. */
#include "training/estimate.h"

#include <stdlib.h>

#include "base/file.h"
#include "tests/support/check.h"
#include "tests/support/small_model.h"

/* The small model's file is f32. */
static engine_model *opened_as(const char *dtype)
{
    char *folder = file_join(check_folder(), "model");
    engine_files *files = NULL;
    engine_model *m = NULL;
    small_model_write(folder, false);
    check_ok(engine_files_open_folder(folder, &files));
    check_ok(engine_model_open(files, &(engine_model_options){.dtype = dtype}, &m));
    free(folder);
    return m;
}

static training_estimate estimate_of(const char *dtype, const char *checkpointing, training_room room)
{
    training_settings s;
    engine_model *m = opened_as(dtype);
    const training_extent extent = {
        .windows = 4, .rows = 16, .examples = 16, .row_tokens = 64, .tokens = 800, .targets = 400};
    training_settings_init(&s);
    check_ok(training_settings_set(&s, "checkpointing", checkpointing));
    check_ok(training_settings_settle(&s, false));
    training_estimate e = training_estimate_make(m, 1000, &s, &extent, room);
    training_settings_free(&s);
    engine_model_free(m);
    return e;
}

TEST(one_process_takes_what_it_takes)
{
    training_estimate e = estimate_of("f32", "off", (training_room){.ranks = 1});
    check_int(e.total, e.base + e.adapter + e.graph + e.loss + e.fixed);
    check_int(e.together, e.total);
    check_int(e.adapter, 18000);
}

TEST(ranks_share_a_base_that_is_mapped_and_nothing_else)
{
    training_estimate e = estimate_of("f32", "off", (training_room){.ranks = 4});
    check_true(e.base > 0);
    check_int(e.together, e.base + 4 * (e.total - e.base));
    static const char *const own[] = {"bf16", "int8", "nf4"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        e = estimate_of(own[i], "off", (training_room){.ranks = 4});
        check_int(e.together, 4 * e.total);
    }
    e = estimate_of("f32", "off", (training_room){.ranks = 4, .cuda = true});
    check_int(e.together, 4 * e.total);
}

TEST(layers_are_computed_again_where_all_ranks_would_not_fit)
{
    training_estimate alone = estimate_of("f32", "off", (training_room){.ranks = 1});
    uint64_t room = 2 * (alone.base + alone.adapter + alone.loss + alone.graph);
    check_int(estimate_of("f32", "auto", (training_room){room, 1, false}).checkpoint_layers, 0);
    check_int(estimate_of("f32", "auto", (training_room){room, 4, false}).checkpoint_layers, 1);
    check_int(estimate_of("f32", "auto", (training_room){0, 4, false}).checkpoint_layers, 0);
}

TEST(the_room_of_this_machine_is_known)
{
    training_room room = training_room_look(TENSOR_CPU, true, NULL);
    check_int(room.ranks, 1);
    check_true(room.free > 0 && !room.cuda);
}

TESTS(RUN(one_process_takes_what_it_takes), RUN(ranks_share_a_base_that_is_mapped_and_nothing_else),
      RUN(layers_are_computed_again_where_all_ranks_would_not_fit), RUN(the_room_of_this_machine_is_known))
