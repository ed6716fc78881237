/* training/preference.c: four losses and their derivatives. */
#include "training/preference.h"

#include <math.h>
#include <string.h>

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

/* log sigmoid(x), without a log of something that rounds to 0. */
static double log_sigmoid(double x) { return x >= 0 ? -log1p(exp(-x)) : x - log1p(exp(x)); }

static double mean_of(const training_answer *answer) { return answer->logprob / (double)answer->targets; }
static double gain_of(const training_answer *answer) { return answer->logprob - answer->reference; }

static void dpo(const training_preference *how, const training_answer *chosen,
                const training_answer *rejected, training_pair_loss *out)
{
    double x = how->beta * (gain_of(chosen) - gain_of(rejected)), wrong = how->smoothing;
    out->loss = -(1 - wrong) * log_sigmoid(x) - wrong * log_sigmoid(-x);
    out->of_chosen = how->beta * (wrong * sigmoid(x) - (1 - wrong) * sigmoid(-x));
    out->of_rejected = -out->of_chosen;
}

static void ipo(const training_preference *how, const training_answer *chosen,
                const training_answer *rejected, training_pair_loss *out)
{
    double c = (double)chosen->targets, r = (double)rejected->targets;
    double off = gain_of(chosen) / c - gain_of(rejected) / r - 1 / (2 * how->beta);
    out->loss = off * off;
    out->of_chosen = 2 * off / c;
    out->of_rejected = -2 * off / r;
}

static void simpo(const training_preference *how, const training_answer *chosen,
                  const training_answer *rejected, training_pair_loss *out)
{
    double x = how->beta * (mean_of(chosen) - mean_of(rejected)) - how->gamma;
    out->loss = -log_sigmoid(x);
    out->of_chosen = -sigmoid(-x) * how->beta / (double)chosen->targets;
    out->of_rejected = sigmoid(-x) * how->beta / (double)rejected->targets;
}

/* log(1 - exp a) of a mean log-probability, which is at most 0. */
static double log_rest(double a) { return log(-expm1(fmin(a, -1e-12))); }

static void orpo(const training_preference *how, const training_answer *chosen,
                 const training_answer *rejected, training_pair_loss *out)
{
    double a = mean_of(chosen), b = mean_of(rejected);
    double odds = (a - b) - (log_rest(a) - log_rest(b)), slope = -how->lambda * sigmoid(-odds);
    out->loss = -a - how->lambda * log_sigmoid(odds);
    out->of_chosen = (slope / -expm1(fmin(a, -1e-12)) - 1) / (double)chosen->targets;
    out->of_rejected = -slope / -expm1(fmin(b, -1e-12)) / (double)rejected->targets;
}

static const struct {
    const char *name;
    bool reference;
    void (*run)(const training_preference *how, const training_answer *chosen,
                const training_answer *rejected, training_pair_loss *out);
} kinds[TRAINING_PREFERENCE_COUNT] = {
    [TRAINING_DPO] = {"dpo", true, dpo},
    [TRAINING_IPO] = {"ipo", true, ipo},
    [TRAINING_SIMPO] = {"simpo", false, simpo},
    [TRAINING_ORPO] = {"orpo", false, orpo},
};

training_preference training_preference_defaults(training_preference_kind kind)
{
    return (training_preference){.kind = kind, .beta = 0.1, .gamma = 0.5, .lambda = 0.1};
}

training_pair_loss training_preference_of(const training_preference *how, const training_answer *chosen,
                                          const training_answer *rejected)
{
    training_pair_loss out = {0};
    kinds[how->kind].run(how, chosen, rejected, &out);
    out.reward_chosen = how->beta * gain_of(chosen);
    out.reward_rejected = how->beta * gain_of(rejected);
    return out;
}

bool training_preference_wants_reference(training_preference_kind kind) { return kinds[kind].reference; }

bool training_preference_parse(const char *name, training_preference_kind *out)
{
    for (size_t i = 0; i < TRAINING_PREFERENCE_COUNT; i++) {
        if (strcmp(name, kinds[i].name) != 0) continue;
        *out = (training_preference_kind)i;
        return true;
    }
    return false;
}

const char *training_preference_name(training_preference_kind kind) { return kinds[kind].name; }
