/* training/alerts.h: when the losses of a run want a person's look.
 *
 * diverging: the mean of the losses (exponential, 0.9, bias-corrected) lies over its lowest by a quarter of
 * it and by at least 0.5, after 10 steps or more; again once it has come back half the way. plateau: 5
 * evaluations in a row were no better than the best by min_delta; again after a better one. Where nothing is
 * held out: the line through the losses of the last 128 steps fell by less than 1 % of their mean; again once
 * it fell by that and by four of its standard errors.
 *
 * Steps that were skipped do not count, and nothing is called a plateau where the schedule has the rate below
 * a tenth of its height. Threads: plain values. */
#ifndef TRAINING_ALERTS_H
#define TRAINING_ALERTS_H

#include "training/trainer.h"

enum { TRAINING_PLATEAU_EVALUATIONS = 5, TRAINING_DIVERGING_STEPS = 10 };

typedef struct training_alerts {
    double sum, weight; /* the mean is sum / weight */
    double lowest;
    uint64_t lowest_step, steps; /* the step of `lowest`; losses seen */
    bool diverging, plateau;     /* told, and not over yet */
} training_alerts;

/* With what was carried over a resume: the losses of the last steps; NULL: none. */
void training_alerts_begin(training_alerts *a, const training_carried *carried);
double training_alerts_mean(const training_alerts *a); /* NaN: no loss yet */
/* The loss of step `step`, which was not skipped. True: it diverges from here on. */
bool training_alerts_step(training_alerts *a, uint64_t step, double loss);
/* After an evaluation, `worse` evaluations since the best one. True: a plateau is reached. */
bool training_alerts_evaluation(training_alerts *a, uint32_t worse);
/* After a step where nothing is held out. True: a plateau is reached. */
bool training_alerts_recent(training_alerts *a, const training_carried *carried);

#endif
