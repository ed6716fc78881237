/* The golden table of spec training.md, section 22: W = 10, T = 100 (wsd: S = 70, D = 20). */
#include "training/schedule.h"

#include <math.h>

#include "base/macros.h"
#include "tests/support/check.h"

static const training_schedule columns[] = {
    {TRAINING_SCHEDULE_LINEAR, 10, 100, 0, 0, TRAINING_DECAY_LINEAR, 0},
    {TRAINING_SCHEDULE_COSINE, 10, 100, 0, 0, TRAINING_DECAY_LINEAR, 0},
    {TRAINING_SCHEDULE_COSINE, 10, 100, 0.1, 0, TRAINING_DECAY_LINEAR, 0},
    {TRAINING_SCHEDULE_WSD, 10, 100, 0, 0, TRAINING_DECAY_LINEAR, 20},
    {TRAINING_SCHEDULE_WSD, 10, 100, 0.1, 0, TRAINING_DECAY_COSINE, 20},
    {TRAINING_SCHEDULE_WSD, 10, 100, 0, 0, TRAINING_DECAY_ROOT, 20},
};

static const struct {
    uint64_t step;
    double factors[COUNT_OF(columns)];
} rows[] = {
    {0, {0, 0, 0, 0, 0.1, 0}},
    {1, {0.1, 0.1, 0.1, 0.1, 0.19, 0.1}},
    {9, {0.9, 0.9, 0.9, 0.9, 0.91, 0.9}},
    {10, {1, 1, 1, 1, 1, 1}},
    {11, {0.988888889, 0.999695414, 0.999725872, 1, 1, 1}},
    {55, {0.5, 0.5, 0.55, 1, 1, 1}},
    {80, {0.222222222, 0.116977778, 0.205280001, 1, 1, 1}},
    {90, {0.111111111, 0.030153690, 0.127138321, 0.5, 0.55, 0.292893219}},
    {99, {0.011111111, 0.000304586, 0.100274128, 0.05, 0.105540247, 0.025320566}},
    {100, {0, 0, 0.1, 0, 0.1, 0}},
};

TEST(schedules_have_their_golden_factors)
{
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        for (size_t c = 0; c < COUNT_OF(columns); c++) {
            double got = training_schedule_factor(&columns[c], rows[r].step);
            if (!(fabs(got - rows[r].factors[c]) < 6e-10))
                fail_msg("step %d, column %zu: %.12f, expected %.9f", (int)rows[r].step, c, got,
                         rows[r].factors[c]);
        }
    }
}

TEST(a_constant_rate_rises_over_its_warmup_and_stays)
{
    const training_schedule how = {.kind = TRAINING_SCHEDULE_CONSTANT, .warmup = 4, .total = 20};
    check_true(training_schedule_factor(&how, 0) == 0);
    check_true(training_schedule_factor(&how, 1) == 0.25);
    check_true(training_schedule_factor(&how, 4) == 1);
    check_true(training_schedule_factor(&how, 1000) == 1);
    const training_schedule none = {.kind = TRAINING_SCHEDULE_CONSTANT, .total = 20};
    check_true(training_schedule_factor(&none, 0) == 1);
}

TEST(a_run_of_one_step_and_a_warmup_past_the_end_divide_by_nothing)
{
    for (int kind = 0; kind < TRAINING_SCHEDULE_COUNT; kind++) {
        const training_schedule shapes[] = {
            {.kind = (training_schedule_kind)kind, .total = 1},
            {.kind = (training_schedule_kind)kind, .warmup = 5, .total = 3},
            {.kind = (training_schedule_kind)kind},
        };
        for (size_t i = 0; i < COUNT_OF(shapes); i++)
            for (uint64_t step = 0; step < 8; step++) {
                double factor = training_schedule_factor(&shapes[i], step);
                if (!(factor >= 0 && factor <= 1))
                    fail_msg("kind %d, shape %zu, step %d: %g", kind, i, (int)step, factor);
            }
    }
}

TEST(a_warmup_by_ratio_is_rounded_up_and_bounded)
{
    check_int(training_schedule_warmup(0.03, 1000, 100), 30);
    check_int(training_schedule_warmup(0.03, 1001, 100), 31);
    check_int(training_schedule_warmup(0.03, 10, 100), 1);
    check_int(training_schedule_warmup(0.03, 100000, 100), 100);
    check_int(training_schedule_warmup(0, 1000, 100), 0);
}

TEST(schedules_and_decays_are_found_by_name)
{
    training_schedule_kind kind;
    training_decay decay;
    for (int i = 0; i < TRAINING_SCHEDULE_COUNT; i++) {
        check_true(training_schedule_parse(training_schedule_name((training_schedule_kind)i), &kind));
        check_int(kind, i);
    }
    for (int i = 0; i < TRAINING_DECAY_COUNT; i++) {
        check_true(training_decay_parse(training_decay_name((training_decay)i), &decay));
        check_int(decay, i);
    }
    check_true(!training_schedule_parse("cosin", &kind));
    check_true(!training_decay_parse("", &decay));
}

TESTS(RUN(schedules_have_their_golden_factors), RUN(a_constant_rate_rises_over_its_warmup_and_stays),
      RUN(a_run_of_one_step_and_a_warmup_past_the_end_divide_by_nothing),
      RUN(a_warmup_by_ratio_is_rounded_up_and_bounded), RUN(schedules_and_decays_are_found_by_name))
