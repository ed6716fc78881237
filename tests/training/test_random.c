/* The golden orders of spec training.md, section 22, and what keys and orders promise. */
#include "training/random.h"

#include "base/macros.h"
#include "tests/support/check.h"

static void check_order(uint64_t seed, uint64_t epoch, const size_t wanted[10])
{
    size_t order[10];
    training_order(seed, epoch, order, COUNT_OF(order));
    for (size_t i = 0; i < COUNT_OF(order); i++) check_int(order[i], wanted[i]);
}

TEST(the_order_of_an_epoch_is_the_golden_one)
{
    check_order(42, 0, (const size_t[]){4, 6, 7, 0, 9, 5, 1, 2, 3, 8});
    check_order(42, 1, (const size_t[]){8, 7, 9, 0, 1, 2, 5, 6, 4, 3});
    check_order(0, 0, (const size_t[]){0, 1, 4, 6, 3, 9, 8, 7, 2, 5});
}

TEST(an_order_of_nothing_or_of_one_is_itself)
{
    size_t one[] = {7};
    training_order(1, 1, one, 0);
    check_int(one[0], 7);
    training_order(1, 1, one, 1);
    check_int(one[0], 0);
}

/* Each place is held by each item about equally often. */
TEST(orders_are_not_biased)
{
    enum { ITEMS = 5, ROUNDS = 20000 };
    size_t held[ITEMS][ITEMS] = {{0}}, order[ITEMS];
    for (uint64_t epoch = 0; epoch < ROUNDS; epoch++) {
        training_order(3, epoch, order, ITEMS);
        for (size_t i = 0; i < ITEMS; i++) held[i][order[i]]++;
    }
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < ITEMS; j++)
            check_true(held[i][j] > ROUNDS / ITEMS - 250 && held[i][j] < ROUNDS / ITEMS + 250);
}

/* The first outputs of splitmix64 from state 0, as its authors publish them. */
TEST(splitmix64_gives_its_published_numbers)
{
    uint64_t state = 0;
    check_true(derived_random_next(&state) == 0xE220A8397B1DCDAFu);
    check_true(derived_random_next(&state) == 0x6E789E6AA1B965F4u);
    check_true(derived_random_next(&state) == 0x06C45D188009454Fu);
}

TEST(a_key_depends_on_the_seed_the_purpose_and_each_counter)
{
    const uint64_t step_1[] = {1, 0}, step_2[] = {2, 0}, swapped[] = {0, 1};
    uint64_t key = training_key(42, TRAINING_PURPOSE_DROPOUT, step_1, 2);
    check_true(key == training_key(42, TRAINING_PURPOSE_DROPOUT, step_1, 2));
    check_true(key != training_key(43, TRAINING_PURPOSE_DROPOUT, step_1, 2));
    check_true(key != training_key(42, TRAINING_PURPOSE_SAMPLE, step_1, 2));
    check_true(key != training_key(42, TRAINING_PURPOSE_DROPOUT, step_2, 2));
    check_true(key != training_key(42, TRAINING_PURPOSE_DROPOUT, swapped, 2));
    check_true(key != training_key(42, TRAINING_PURPOSE_DROPOUT, step_1, 1));
    check_true(key == derived_random(derived_random(derived_random(derived_random(42) ^ 3) ^ 1) ^ 0));
}

TESTS(RUN(the_order_of_an_epoch_is_the_golden_one), RUN(an_order_of_nothing_or_of_one_is_itself),
      RUN(orders_are_not_biased), RUN(splitmix64_gives_its_published_numbers),
      RUN(a_key_depends_on_the_seed_the_purpose_and_each_counter))
