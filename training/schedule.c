/* training/schedule.c: the table of section 4. */
#include "training/schedule.h"

#include <math.h>
#include <string.h>

#include "base/macros.h"

enum { DECAY_SHARE = 10 }; /* of the run, when wsd is not told how long to decay */

static double ratio_of(uint64_t part, uint64_t whole) { return (double)part / (double)MAX_OF(whole, 1u); }

static double constant(const training_schedule *how, uint64_t step)
{
    (void)how, (void)step;
    return 1;
}

static double linear(const training_schedule *how, uint64_t step)
{
    if (step >= how->total) return 0;
    return ratio_of(how->total - step, how->total > how->warmup ? how->total - how->warmup : 0);
}

static double cosine(const training_schedule *how, uint64_t step)
{
    double cycles = how->cycles > 0 ? how->cycles : 0.5;
    double done = ratio_of(step - how->warmup, how->total > how->warmup ? how->total - how->warmup : 0);
    double height = (1 + cos(M_PI * 2 * cycles * done)) / 2;
    return fmax(0, height * (1 - how->min_ratio) + how->min_ratio);
}

static double decayed(training_decay decay, double done)
{
    switch (decay) {
    case TRAINING_DECAY_LINEAR: return 1 - done;
    case TRAINING_DECAY_COSINE: return (1 + cos(M_PI * done)) / 2;
    case TRAINING_DECAY_ROOT: return 1 - sqrt(done);
    case TRAINING_DECAY_COUNT: break;
    }
    return 0;
}

static double wsd(const training_schedule *how, uint64_t step)
{
    uint64_t length = how->decay_steps ? how->decay_steps : MAX_OF(how->total / DECAY_SHARE, 1u);
    uint64_t ends = MAX_OF(how->total, how->warmup + length), begins = ends - length;
    if (step < begins) return 1;
    if (step >= ends) return how->min_ratio;
    return decayed(how->decay, ratio_of(step - begins, length)) * (1 - how->min_ratio) + how->min_ratio;
}

static const struct {
    const char *name;
    double (*factor)(const training_schedule *how, uint64_t step);
} kinds[TRAINING_SCHEDULE_COUNT] = {
    [TRAINING_SCHEDULE_CONSTANT] = {"constant", constant},
    [TRAINING_SCHEDULE_LINEAR] = {"linear", linear},
    [TRAINING_SCHEDULE_COSINE] = {"cosine", cosine},
    [TRAINING_SCHEDULE_WSD] = {"wsd", wsd},
};

static const char *const decays[TRAINING_DECAY_COUNT] = {
    [TRAINING_DECAY_LINEAR] = "linear",
    [TRAINING_DECAY_COSINE] = "cosine",
    [TRAINING_DECAY_ROOT] = "1-sqrt",
};

double training_schedule_factor(const training_schedule *how, uint64_t step)
{
    if (step >= how->warmup) return kinds[how->kind].factor(how, step);
    double risen = ratio_of(step, how->warmup);
    return how->kind == TRAINING_SCHEDULE_WSD ? risen * (1 - how->min_ratio) + how->min_ratio : risen;
}

uint64_t training_schedule_warmup(double ratio, uint64_t total, uint64_t most)
{
    if (!(ratio > 0)) return 0;
    double steps = ceil(ratio * (double)total);
    return steps < 1 ? 1 : steps > (double)most ? most : (uint64_t)steps;
}

bool training_schedule_parse(const char *name, training_schedule_kind *out)
{
    for (size_t i = 0; i < TRAINING_SCHEDULE_COUNT; i++) {
        if (strcmp(name, kinds[i].name) != 0) continue;
        *out = (training_schedule_kind)i;
        return true;
    }
    return false;
}

bool training_decay_parse(const char *name, training_decay *out)
{
    for (size_t i = 0; i < TRAINING_DECAY_COUNT; i++) {
        if (strcmp(name, decays[i]) != 0) continue;
        *out = (training_decay)i;
        return true;
    }
    return false;
}

const char *training_schedule_name(training_schedule_kind kind) { return kinds[kind].name; }
const char *training_decay_name(training_decay decay) { return decays[decay]; }
