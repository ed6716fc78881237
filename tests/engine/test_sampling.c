/* Each step of sampling against what it is defined to keep, and the draws against the distribution. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/sampling.h"
#include "tests/support/check.h"

enum { VOCAB = 8, DRAWS = 20000 };

/* Probabilities .4 .3 .15 .08 .04 .02 .01 0 of tokens 3 1 0 7 5 2 6 4. */
static const int32_t order[VOCAB] = {3, 1, 0, 7, 5, 2, 6, 4};
static const double shares[VOCAB] = {.4, .3, .15, .08, .04, .02, .01, 0};

static void logits_fill(float *logits)
{
    for (size_t i = 0; i < VOCAB; i++) logits[order[i]] = shares[i] > 0 ? (float)log(shares[i]) : -INFINITY;
}

/* How often each token of `order` is drawn, as shares. */
static void draw_shares(const engine_sampling *how, double *got)
{
    engine_sampler *s = NULL;
    size_t counts[VOCAB] = {0};

    check_ok(engine_sampler_new(how, VOCAB, &s));
    for (size_t i = 0; i < DRAWS; i++) {
        float logits[VOCAB];
        engine_pick pick;
        logits_fill(logits);
        check_ok(engine_sampler_pick(s, logits, NULL, 0, false, 0, &pick));
        counts[pick.id]++;
    }
    engine_sampler_free(s);
    for (size_t i = 0; i < VOCAB; i++) got[i] = (double)counts[order[i]] / DRAWS;
}

/* The first `kept` of `order` are drawn by their shares, made whole; the others never. */
static void check_keeps(const engine_sampling *how, size_t kept, double temperature)
{
    double got[VOCAB], wanted[VOCAB] = {0}, sum = 0;

    draw_shares(how, got);
    for (size_t i = 0; i < kept; i++) sum += wanted[i] = pow(shares[i], 1 / temperature);
    for (size_t i = 0; i < VOCAB; i++) {
        double share = wanted[i] / sum, spread = 4 * sqrt(share * (1 - share) / DRAWS);
        if (fabs(got[i] - share) > spread + 1e-12)
            fail_msg("token %d: %.4f drawn, %.4f expected", order[i], got[i], share);
    }
}

TEST(without_filters_the_draws_follow_the_distribution)
{
    engine_sampling how = engine_sampling_neutral();
    check_keeps(&how, 7, 1);
    how.temperature = 0.5;
    check_keeps(&how, 7, 0.5);
}

TEST(top_k_keeps_the_k_most_likely)
{
    engine_sampling how = engine_sampling_neutral();
    how.top_k = 3;
    check_keeps(&how, 3, 1);
    how.top_k = 100;
    check_keeps(&how, 7, 1);
}

TEST(top_p_keeps_the_smallest_head_that_holds_p)
{
    engine_sampling how = engine_sampling_neutral();
    how.top_p = 0.69;
    check_keeps(&how, 2, 1);
    how.top_p = 0.71;
    check_keeps(&how, 3, 1);
    how.top_p = 0.01;
    check_keeps(&how, 1, 1);
}

TEST(min_p_is_relative_to_the_best)
{
    engine_sampling how = engine_sampling_neutral();
    how.min_p = 0.19; /* of 0.4: 0.076 */
    check_keeps(&how, 4, 1);
}

TEST(typical_p_keeps_those_nearest_to_the_entropy)
{
    engine_sampling how = engine_sampling_neutral();
    double got[VOCAB];
    how.typical_p = 0.25; /* entropy 1.50 nats: 0.3 (1.20) is nearest, then 0.15 (1.90), then 0.4 (0.92) */
    draw_shares(&how, got);
    check_true(got[1] == 1);
}

/* -- all filters together, against plain loops over the definitions ----------------------------------------
 */

enum { MANY = 40, MIXTURES = 60, MIXED_DRAWS = 4000 };

static void shares_of(const double *logits, const bool *kept, double *share)
{
    double best = -INFINITY, sum = 0;
    for (int i = 0; i < MANY; i++)
        if (kept[i]) best = fmax(best, logits[i]);
    for (int i = 0; i < MANY; i++) sum += share[i] = kept[i] ? exp(logits[i] - best) : 0;
    for (int i = 0; i < MANY; i++) share[i] /= sum;
}

/* Keep the tokens whose keys are smallest, until their shares reach `mass`. */
static void keep_mass(const double *key, const double *share, double mass, bool *kept)
{
    bool taken[MANY] = {false};
    for (double sum = 0; sum < mass;) {
        int next = -1;
        for (int i = 0; i < MANY; i++)
            if (kept[i] && !taken[i] && (next < 0 || key[i] < key[next])) next = i;
        if (next < 0) break;
        taken[next] = true;
        sum += share[next];
    }
    memcpy(kept, taken, sizeof taken);
}

static void plain_shares(const engine_sampling *how, const double *logits_in, double *share)
{
    double logits[MANY], key[MANY], entropy = 0, best = 0;
    bool kept[MANY];
    for (int i = 0; i < MANY; i++) logits[i] = logits_in[i] / how->temperature;
    for (int i = 0; i < MANY; i++) {
        int above = 0;
        for (int j = 0; j < MANY; j++) above += logits[j] > logits[i];
        kept[i] = how->top_k == 0 || above < how->top_k;
    }
    shares_of(logits, kept, share);
    for (int i = 0; i < MANY; i++)
        if (share[i] > 0) entropy -= share[i] * log(share[i]);
    for (int i = 0; i < MANY; i++) key[i] = fabs(-log(share[i]) - entropy);
    if (how->typical_p < 1) keep_mass(key, share, how->typical_p, kept);
    shares_of(logits, kept, share);
    for (int i = 0; i < MANY; i++) key[i] = -share[i];
    if (how->top_p < 1) keep_mass(key, share, how->top_p, kept);
    shares_of(logits, kept, share);
    for (int i = 0; i < MANY; i++) best = fmax(best, share[i]);
    for (int i = 0; i < MANY; i++) kept[i] = kept[i] && share[i] >= how->min_p * best;
    shares_of(logits, kept, share);
}

/* Chi-square over the tokens that are expected at least five times. */
static void check_drawn(const size_t *counts, const double *share)
{
    double chi_square = 0;
    int degrees = -1;
    for (int i = 0; i < MANY; i++) {
        double expected = share[i] * MIXED_DRAWS;
        if (share[i] == 0 && counts[i]) fail_msg("token %d was dropped and drawn %zu times", i, counts[i]);
        if (expected < 5) continue;
        chi_square += pow((double)counts[i] - expected, 2) / expected;
        degrees++;
    }
    if (chi_square > degrees + 5 * sqrt(2.0 * (degrees + 1)) + 5)
        fail_msg("chi-square %g of %d degrees", chi_square, degrees);
}

TEST(filters_together_keep_and_draw_what_plain_loops_say)
{
    unsigned seed = 77;
    for (int mixture = 0; mixture < MIXTURES; mixture++) {
        engine_sampling how = engine_sampling_neutral();
        double logits[MANY], share[MANY];
        size_t counts[MANY] = {0};
        engine_sampler *s = NULL;
        for (int i = 0; i < MANY; i++) logits[i] = (float)((rand_r(&seed) % 10000) / 2000.0);
        how.seed = (uint64_t)mixture;
        how.temperature = 0.3 + rand_r(&seed) % 100 / 70.0;
        if (mixture & 1) how.top_k = 1 + rand_r(&seed) % MANY;
        if (mixture & 2) how.typical_p = 0.2 + rand_r(&seed) % 79 / 100.0;
        if (mixture & 4) how.top_p = 0.2 + rand_r(&seed) % 79 / 100.0;
        if (mixture & 8) how.min_p = rand_r(&seed) % 50 / 100.0;
        plain_shares(&how, logits, share);
        check_ok(engine_sampler_new(&how, MANY, &s));
        for (int i = 0; i < MIXED_DRAWS; i++) {
            float given[MANY];
            engine_pick pick;
            for (int j = 0; j < MANY; j++) given[j] = (float)logits[j];
            check_ok(engine_sampler_pick(s, given, NULL, 0, false, 0, &pick));
            counts[pick.id]++;
        }
        engine_sampler_free(s);
        check_drawn(counts, share);
    }
}

TEST(temperature_zero_is_the_argmax_and_ties_go_to_the_lowest_id)
{
    engine_sampling how = engine_sampling_neutral();
    engine_sampler *s = NULL;
    engine_pick pick;
    float logits[VOCAB] = {1, 5, 2, 5, 0, 5, NAN, 4};
    how.temperature = 0;
    check_ok(engine_sampler_new(&how, VOCAB, &s));
    check_ok(engine_sampler_pick(s, logits, NULL, 0, false, 0, &pick));
    check_int(pick.id, 1);
    engine_sampler_free(s);
}

TEST(equal_seeds_draw_alike_and_others_do_not)
{
    int32_t ids[3][64];
    for (size_t run = 0; run < 3; run++) {
        engine_sampling how = engine_sampling_neutral();
        engine_sampler *s = NULL;
        how.seed = run == 2 ? 8 : 7;
        check_ok(engine_sampler_new(&how, VOCAB, &s));
        for (size_t i = 0; i < 64; i++) {
            float logits[VOCAB];
            engine_pick pick;
            logits_fill(logits);
            check_ok(engine_sampler_pick(s, logits, NULL, 0, false, 0, &pick));
            ids[run][i] = pick.id;
        }
        engine_sampler_free(s);
    }
    check_true(memcmp(ids[0], ids[1], sizeof ids[0]) == 0);
    check_true(memcmp(ids[0], ids[2], sizeof ids[0]) != 0);
}

TEST(penalties_see_what_they_should)
{
    engine_sampling how = engine_sampling_neutral();
    engine_sampler *s = NULL;
    engine_pick pick;
    float logits[VOCAB] = {2, -2, 2, 2, 2, 2, 2, 2};
    const int32_t prompt[] = {0, 1, 0};

    how.temperature = 0;
    how.repetition_penalty = 2;
    how.frequency_penalty = 0.25;
    how.presence_penalty = 0.5;
    check_ok(engine_sampler_new(&how, VOCAB, &s));
    engine_sampler_see_prompt(s, prompt, COUNT_OF(prompt));
    engine_sampler_see_answer(s, 2);
    engine_sampler_see_answer(s, 2);
    for (int round = 0; round < 2; round++) { /* a second pick finds no trace of the first */
        float again[VOCAB];
        memcpy(again, logits, sizeof logits);
        check_ok(engine_sampler_pick(s, again, NULL, 0, false, 0, &pick));
        check_true(again[0] == 1.0f);  /* divided once, though it stood twice in the prompt */
        check_true(again[1] == -4.0f); /* negative: multiplied */
        check_true(again[2] == 0.0f);  /* 2/2 - 2·0.25 - 0.5 */
        check_true(again[3] == 2.0f);
        check_int(pick.id, 3);
    }
    engine_sampler_free(s);
}

TEST(bias_and_bans_move_the_choice)
{
    const engine_bias bias[] = {{5, 100}, {3, -100}};
    engine_sampling how = engine_sampling_neutral();
    engine_sampler *s = NULL;
    engine_pick pick;
    float logits[VOCAB];

    how.temperature = 0;
    how.bias = bias;
    how.bias_count = 2;
    check_ok(engine_sampler_new(&how, VOCAB, &s));
    logits_fill(logits);
    check_ok(engine_sampler_pick(s, logits, NULL, 0, false, 0, &pick));
    check_int(pick.id, 5);
    logits_fill(logits);
    check_ok(engine_sampler_pick(s, logits, (const int32_t[]){5}, 1, false, 0, &pick));
    check_int(pick.id, 1);
    logits_fill(logits);
    const int32_t all[] = {0, 1, 2, 3, 4, 5, 6, 7};
    check_fails(engine_sampler_pick(s, logits, all, VOCAB, false, 0, &pick), ERR_STATE, "no token is left");
    engine_sampler_free(s);
}

TEST(log_probabilities_are_of_the_untouched_distribution)
{
    const engine_bias bias[] = {{6, 50}};
    engine_sampling how = engine_sampling_neutral();
    engine_sampler *s = NULL;
    engine_pick pick;
    float logits[VOCAB];

    how.temperature = 0;
    how.bias = bias;
    how.bias_count = 1;
    check_ok(engine_sampler_new(&how, VOCAB, &s));
    logits_fill(logits);
    check_ok(engine_sampler_pick(s, logits, NULL, 0, true, 3, &pick));
    check_int(pick.id, 6);
    check_true(fabs(pick.logprob - log(.01)) < 1e-5);
    check_int(pick.top_count, 3);
    check_int(pick.top[0].id, 3);
    check_int(pick.top[1].id, 1);
    check_int(pick.top[2].id, 0);
    check_true(fabs(pick.top[2].logprob - log(.15)) < 1e-5);
    engine_sampler_free(s);
}

TEST(bad_settings_are_named)
{
    engine_sampling how = engine_sampling_neutral();
    how.top_p = 1.5;
    check_fails(engine_sampling_check(&how, VOCAB), ERR_USAGE, "top_p is 1.5");
    how = engine_sampling_neutral();
    how.temperature = NAN;
    check_fails(engine_sampling_check(&how, VOCAB), ERR_USAGE, "temperature");
    how = engine_sampling_neutral();
    how.bias = (const engine_bias[]){{VOCAB, 1}};
    how.bias_count = 1;
    check_fails(engine_sampling_check(&how, VOCAB), ERR_USAGE, "expected an id below 8");
}

TESTS(RUN(without_filters_the_draws_follow_the_distribution), RUN(top_k_keeps_the_k_most_likely),
      RUN(top_p_keeps_the_smallest_head_that_holds_p), RUN(min_p_is_relative_to_the_best),
      RUN(typical_p_keeps_those_nearest_to_the_entropy),
      RUN(filters_together_keep_and_draw_what_plain_loops_say),
      RUN(temperature_zero_is_the_argmax_and_ties_go_to_the_lowest_id),
      RUN(equal_seeds_draw_alike_and_others_do_not), RUN(penalties_see_what_they_should),
      RUN(bias_and_bans_move_the_choice), RUN(log_probabilities_are_of_the_untouched_distribution),
      RUN(bad_settings_are_named))
