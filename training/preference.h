/* training/preference.h: losses of a pair of answers, one preferred to the other.
 *
 * A function of the log-probabilities that model and reference give the two answers; its derivatives are what
 * the answers' cross-entropies are weighted with in the second half of a pass (engine_train_request.weigh).
 * Source: spec training.md, sections 12 and 22. Pure, any thread. */
#ifndef TRAINING_PREFERENCE_H
#define TRAINING_PREFERENCE_H

#include <stdbool.h>
#include <stddef.h>

typedef enum training_preference_kind {
    TRAINING_DPO,
    TRAINING_IPO,   /* (mean delta - 1 / (2 beta))² */
    TRAINING_SIMPO, /* no reference */
    TRAINING_ORPO,  /* no reference */
    TRAINING_PREFERENCE_COUNT,
} training_preference_kind;

typedef struct training_preference {
    training_preference_kind kind;
    double beta;      /* DPO, IPO, SimPO */
    double smoothing; /* DPO: the share of labels taken to be wrong */
    double gamma;     /* SimPO: the margin asked for */
    double lambda;    /* ORPO: what the odds count beside the likelihood */
} training_preference;

/* Sums of log-probabilities of the targets, and how many there are (at least 1). */
typedef struct training_answer {
    double logprob, reference;
    size_t targets;
} training_answer;

typedef struct training_pair_loss {
    double loss;
    double of_chosen, of_rejected;         /* d loss / d logprob */
    double reward_chosen, reward_rejected; /* beta * (logprob - reference) */
} training_pair_loss;

/* Beta 0.1, no smoothing, gamma 0.5, lambda 0.1. */
training_preference training_preference_defaults(training_preference_kind kind);
/* The loss of one pair and its gradient. Source of the formulas: above. */
training_pair_loss training_preference_of(const training_preference *how, const training_answer *chosen,
                                          const training_answer *rejected);
/* Log-probabilities of the untouched base are read. */
bool training_preference_wants_reference(training_preference_kind kind);

/* "dpo", "ipo", "simpo", "orpo". False: no such name. */
bool training_preference_parse(const char *name, training_preference_kind *out);
/* As training_preference_parse reads it. */
const char *training_preference_name(training_preference_kind kind);

#endif
