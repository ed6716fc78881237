/* The golden numbers of spec training.md, section 22, and each derivative against a difference. */
#include "training/preference.h"

#include <math.h>

#include "base/macros.h"
#include "tests/support/check.h"

static void check_near(const char *what, double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance)) fail_msg("%s: %.14g, expected %.14g", what, got, wanted);
}

TEST(dpo_has_its_golden_numbers)
{
    training_preference how = training_preference_defaults(TRAINING_DPO);
    const training_answer chosen = {-42, -45, 7}, rejected = {-55, -50, 9};
    training_pair_loss loss = training_preference_of(&how, &chosen, &rejected);
    check_near("loss", loss.loss, 0.371100665948, 1e-12);
    check_near("of_chosen", loss.of_chosen, -0.031002551887, 1e-12);
    check_near("of_rejected", loss.of_rejected, 0.031002551887, 1e-12);
    check_near("reward_chosen", loss.reward_chosen, 0.3, 1e-12);
    check_near("reward_rejected", loss.reward_rejected, -0.5, 1e-12);
    how.smoothing = 0.1;
    check_near("smoothed", training_preference_of(&how, &chosen, &rejected).loss, 0.451100665948, 1e-12);
}

TEST(orpo_has_its_golden_numbers)
{
    training_preference how = training_preference_defaults(TRAINING_ORPO);
    const training_answer chosen = {-0.8 * 5, 0, 5}, rejected = {-1.1 * 3, 0, 3};
    how.lambda = 1;
    check_near("loss", training_preference_of(&how, &chosen, &rejected).loss, 0.8 + 0.477163380248, 1e-12);
}

TEST(derivatives_are_those_of_the_loss)
{
    const training_answer chosen = {-12.5, -13, 6}, rejected = {-21, -19.5, 8};
    const double step = 1e-5;
    for (int kind = 0; kind < TRAINING_PREFERENCE_COUNT; kind++) {
        training_preference how = training_preference_defaults((training_preference_kind)kind);
        how.smoothing = 0.1;
        training_answer up = chosen, down = chosen, other_up = rejected, other_down = rejected;
        up.logprob += step, down.logprob -= step, other_up.logprob += step, other_down.logprob -= step;
        training_pair_loss loss = training_preference_of(&how, &chosen, &rejected);
        double by_chosen = (training_preference_of(&how, &up, &rejected).loss -
                            training_preference_of(&how, &down, &rejected).loss) /
                           (2 * step);
        double by_rejected = (training_preference_of(&how, &chosen, &other_up).loss -
                              training_preference_of(&how, &chosen, &other_down).loss) /
                             (2 * step);
        check_near(training_preference_name(how.kind), loss.of_chosen, by_chosen, 1e-8);
        check_near(training_preference_name(how.kind), loss.of_rejected, by_rejected, 1e-8);
        check_true(loss.of_chosen < 0 && loss.of_rejected > 0);
    }
}

TEST(far_answers_give_finite_numbers)
{
    const training_answer sure = {-1e-9, -5000, 10}, lost = {-20000, -3, 10};
    for (int kind = 0; kind < TRAINING_PREFERENCE_COUNT; kind++) {
        training_preference how = training_preference_defaults((training_preference_kind)kind);
        training_pair_loss loss = training_preference_of(&how, &sure, &lost),
                           other = training_preference_of(&how, &lost, &sure);
        check_true(isfinite(loss.loss) && isfinite(loss.of_chosen) && isfinite(loss.of_rejected));
        check_true(isfinite(other.loss) && isfinite(other.of_chosen) && isfinite(other.of_rejected));
    }
}

TEST(kinds_are_found_by_name)
{
    training_preference_kind kind;
    for (int i = 0; i < TRAINING_PREFERENCE_COUNT; i++) {
        check_true(training_preference_parse(training_preference_name((training_preference_kind)i), &kind));
        check_int(kind, i);
    }
    check_true(!training_preference_parse("kto", &kind));
    check_true(training_preference_wants_reference(TRAINING_DPO) &&
               !training_preference_wants_reference(TRAINING_SIMPO));
}

TESTS(RUN(dpo_has_its_golden_numbers), RUN(orpo_has_its_golden_numbers),
      RUN(derivatives_are_those_of_the_loss), RUN(far_answers_give_finite_numbers),
      RUN(kinds_are_found_by_name))
