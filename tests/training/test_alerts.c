/* Planted divergences and plateaus are seen, once each; ordinary curves are not. */
#include <math.h>

#include "tests/support/check.h"
#include "training/alerts.h"

/* The same noise in every run of this test, from -1 to 1. */
static double noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (double)(*state >> 8) / (1 << 23) - 1;
}

static size_t diverging_of(double (*loss)(uint64_t step, double noise), uint64_t steps, uint64_t *first)
{
    training_alerts a;
    uint32_t state = 7;
    size_t count = 0;
    training_alerts_begin(&a, NULL);
    for (uint64_t step = 0; step < steps; step++) {
        if (!training_alerts_step(&a, step, loss(step, noise(&state)))) continue;
        if (!count++) *first = step;
    }
    return count;
}

static double falls(uint64_t step, double n) { return 1 + 3 * exp(-(double)step / 50) + 0.3 * n; }
static double rises(uint64_t step, double n)
{
    return step < 40 ? falls(step, n) : 2.3 + 0.1 * (double)(step - 40);
}
static double spikes(uint64_t step, double n) { return falls(step, n) + (step == 60 ? 3 : 0); }
static double small(uint64_t step, double n) { return 0.01 + 0.009 * n + 0 * (double)step; }
static double twice(uint64_t step, double n)
{
    bool high = (step >= 100 && step < 150) || step >= 300;
    return (high ? 6 : 2) + 0.1 * n;
}

TEST(a_loss_that_rises_diverges_once_and_noise_does_not)
{
    uint64_t first = 0;
    check_int(diverging_of(rises, 200, &first), 1);
    check_true(first >= 42 && first <= 60);
    check_int(diverging_of(falls, 1000, &first), 0);
    check_int(diverging_of(spikes, 1000, &first), 0);
    check_int(diverging_of(small, 1000, &first), 0);
}

TEST(a_divergence_that_came_back_may_come_again)
{
    uint64_t first = 0;
    check_int(diverging_of(twice, 400, &first), 2);
    check_true(first > 100 && first < 110);
}

TEST(what_is_not_finite_does_not_count)
{
    training_alerts a;
    training_alerts_begin(&a, NULL);
    check_true(isnan(training_alerts_mean(&a)));
    for (uint64_t step = 0; step < 20; step++) training_alerts_step(&a, step, 2);
    check_true(!training_alerts_step(&a, 20, NAN));
    check_true(!training_alerts_step(&a, 21, INFINITY));
    check_true(fabs(training_alerts_mean(&a) - 2) < 1e-12);
}

TEST(evaluations_that_are_no_better_are_a_plateau)
{
    static const uint32_t worse[] = {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5};
    training_alerts a;
    size_t count = 0;
    training_alerts_begin(&a, NULL);
    for (size_t i = 0; i < sizeof worse / sizeof *worse; i++) {
        bool told = training_alerts_evaluation(&a, worse[i]);
        check_int(told, i == 5 || i == 12);
        count += told;
    }
    check_int(count, 2);
}

static void carry(training_carried *c, double loss)
{
    c->losses[c->recent_at] = loss;
    c->recent_at = (c->recent_at + 1) % TRAINING_RECENT_STEPS;
    if (c->recent_count < TRAINING_RECENT_STEPS) c->recent_count++;
    c->step++;
}

TEST(losses_that_stand_still_are_a_plateau_where_nothing_is_held_out)
{
    training_alerts a;
    training_carried c = {0};
    uint32_t state = 3;
    size_t told = 0;
    uint64_t first = 0;
    training_alerts_begin(&a, NULL);
    for (uint64_t step = 0; step < 600; step++) {
        double trend = step < 300 ? 4 - 0.01 * (double)step : 1; /* falls by 1 % of itself in a step or two */
        carry(&c, trend + 0.001 * noise(&state));
        if (training_alerts_recent(&a, &c) && !told++) first = step;
    }
    check_int(told, 1);
    check_true(first > 400 && first < 430);
}

TEST(a_plateau_is_told_once_however_the_losses_scatter_and_again_after_a_clear_fall)
{
    training_alerts a;
    training_carried c = {0};
    uint32_t state = 7;
    size_t still = 0, again = 0;
    training_alerts_begin(&a, NULL);
    for (uint64_t step = 0; step < 4000; step++) {
        carry(&c, 0.16 + 0.04 * noise(&state));
        still += training_alerts_recent(&a, &c);
    }
    check_int(still, 1);
    for (uint64_t step = 0; step < 1000; step++) { /* another rate helps, for a while */
        carry(&c, MAX_OF(0.16 - 0.0005 * (double)step, 0.02) + 0.004 * noise(&state));
        again += training_alerts_recent(&a, &c);
    }
    check_int(again, 1);
}

TEST(a_resumed_run_knows_what_it_saw)
{
    training_alerts a, b;
    training_carried c = {0};
    uint32_t state = 5;
    training_alerts_begin(&a, NULL);
    for (uint64_t step = 0; step < 100; step++) {
        double loss = falls(step, noise(&state));
        training_alerts_step(&a, step, loss);
        carry(&c, loss);
    }
    training_alerts_begin(&b, &c);
    check_true(fabs(training_alerts_mean(&a) - training_alerts_mean(&b)) < 1e-12);
    check_int(b.lowest_step, a.lowest_step);
    check_int(b.diverging, a.diverging);
}

TESTS(RUN(a_loss_that_rises_diverges_once_and_noise_does_not),
      RUN(a_divergence_that_came_back_may_come_again), RUN(what_is_not_finite_does_not_count),
      RUN(evaluations_that_are_no_better_are_a_plateau),
      RUN(losses_that_stand_still_are_a_plateau_where_nothing_is_held_out),
      RUN(a_plateau_is_told_once_however_the_losses_scatter_and_again_after_a_clear_fall),
      RUN(a_resumed_run_knows_what_it_saw))
