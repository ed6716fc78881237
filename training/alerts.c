#include "training/alerts.h"

#include <math.h>

#include "base/macros.h"

#define DECAY      0.9
#define RISE_LEAST 0.5
#define RISE_SHARE 0.25
#define FALL_SHARE 0.01
#define FALL_CLEAR 4 /* standard errors of the line */

/* The i-th of the losses that were carried, the oldest first. */
static double carried_loss(const training_carried *c, uint32_t i)
{
    uint32_t begin = c->recent_count < TRAINING_RECENT_STEPS ? 0 : c->recent_at;
    return c->losses[(begin + i) % TRAINING_RECENT_STEPS];
}

void training_alerts_begin(training_alerts *a, const training_carried *carried)
{
    *a = (training_alerts){.lowest = NAN};
    for (uint32_t i = 0; carried && i < carried->recent_count; i++)
        (void)training_alerts_step(a, carried->step - carried->recent_count + i, carried_loss(carried, i));
}

double training_alerts_mean(const training_alerts *a) { return a->steps ? a->sum / a->weight : NAN; }

bool training_alerts_step(training_alerts *a, uint64_t step, double loss)
{
    if (!isfinite(loss)) return false;
    a->sum = DECAY * a->sum + (1 - DECAY) * loss;
    a->weight = DECAY * a->weight + (1 - DECAY);
    a->steps++;
    double mean = training_alerts_mean(a);
    if (!(mean >= a->lowest)) {
        a->lowest = mean;
        a->lowest_step = step;
    }
    double over = mean - a->lowest, allowed = MAX_OF(RISE_LEAST, RISE_SHARE * fabs(a->lowest));
    if (a->diverging) {
        a->diverging = over > allowed / 2;
        return false;
    }
    a->diverging = a->steps >= TRAINING_DIVERGING_STEPS && over > allowed;
    return a->diverging;
}

/* Told when it begins. */
static bool plateau_set(training_alerts *a, bool plateau)
{
    bool begins = plateau && !a->plateau;
    a->plateau = plateau;
    return begins;
}

bool training_alerts_evaluation(training_alerts *a, uint32_t worse)
{
    return plateau_set(a, worse >= TRAINING_PLATEAU_EVALUATIONS);
}

bool training_alerts_recent(training_alerts *a, const training_carried *c)
{
    double mean = 0, slope = 0, spread = 0, rest = 0, middle = (TRAINING_RECENT_STEPS - 1) / 2.0;

    if (c->recent_count < TRAINING_RECENT_STEPS) return false;
    for (uint32_t i = 0; i < TRAINING_RECENT_STEPS; i++) mean += carried_loss(c, i) / TRAINING_RECENT_STEPS;
    for (uint32_t i = 0; i < TRAINING_RECENT_STEPS; i++) {
        slope += (i - middle) * (carried_loss(c, i) - mean);
        spread += (i - middle) * (i - middle);
    }
    slope /= spread;
    for (uint32_t i = 0; i < TRAINING_RECENT_STEPS; i++) {
        double off = carried_loss(c, i) - mean - slope * (i - middle);
        rest += off * off;
    }
    double fall = -slope * TRAINING_RECENT_STEPS;
    double error = sqrt(rest / (TRAINING_RECENT_STEPS - 2) / spread) * TRAINING_RECENT_STEPS;
    double enough = FALL_SHARE * fabs(mean);
    /* Losses scatter by more than so small a fall: what was told is not taken back for chance. */
    return plateau_set(a, fall < (a->plateau ? MAX_OF(enough, FALL_CLEAR * error) : enough));
}
