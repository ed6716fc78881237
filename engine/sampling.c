#include "engine/sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "engine/text/ids.h"

typedef struct candidate {
    int32_t id;
    double logit, p; /* p: of the softmax over the candidates that are left, once it was computed */
} candidate;

struct engine_sampler {
    engine_sampling how;
    engine_bias *bias;
    size_t vocab_count;
    uint64_t random;    /* state of splitmix64 */
    engine_ids history; /* prompt, then answer */
    size_t prompt_count;
    uint32_t *counts, *answer_counts; /* [vocab_count]; of one pick, zero between picks */
    candidate *candidates;            /* [vocab_count] */
};

engine_sampling engine_sampling_neutral(void)
{
    return (engine_sampling){
        .temperature = 1, .top_p = 1, .typical_p = 1, .repetition_penalty = 1, .repeat_last_n = -1};
}

static err field_check(const char *name, double value, double min, double max)
{
    if (value >= min && value <= max) return ERR_OK; /* a NaN fails */
    return err_make(ERR_USAGE, "%s is %g: expected a number from %g to %g", name, value, min, max);
}

err engine_sampling_check(const engine_sampling *how, size_t vocab_count)
{
    const struct {
        const char *name;
        double value, min, max;
    } fields[] = {
        {"temperature", how->temperature, 0, 5},
        {"top_k", how->top_k, 0, INT32_MAX},
        {"top_p", how->top_p, 0, 1},
        {"typical_p", how->typical_p, 0, 1},
        {"min_p", how->min_p, 0, 1},
        {"repetition_penalty", how->repetition_penalty, 0.01, 4},
        {"repeat_last_n", how->repeat_last_n, -1, INT32_MAX},
        {"frequency_penalty", how->frequency_penalty, -2, 2},
        {"presence_penalty", how->presence_penalty, -2, 2},
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        err e = field_check(fields[i].name, fields[i].value, fields[i].min, fields[i].max);
        if (e.code) return e;
    }
    if (how->bias_count > ENGINE_BIAS_MAX)
        return err_make(ERR_USAGE, "logit_bias has %zu entries: expected at most %d", how->bias_count,
                        ENGINE_BIAS_MAX);
    for (size_t i = 0; i < how->bias_count; i++) {
        const engine_bias *b = &how->bias[i];
        if (b->id < 0 || (size_t)b->id >= vocab_count)
            return err_make(ERR_USAGE, "logit_bias names token %d: expected an id below %zu", b->id,
                            vocab_count);
        err e = field_check("logit_bias", b->add, -100, 100);
        if (e.code) return e;
    }
    return ERR_OK;
}

uint64_t engine_seed_any(void)
{
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) abort(); /* 8 bytes never fail on Linux */
    return seed >> 11;
}

err engine_sampler_new(const engine_sampling *how, size_t vocab_count, engine_sampler **out)
{
    err e = engine_sampling_check(how, vocab_count);
    if (e.code) return e;
    engine_sampler *s = memory_alloc(sizeof *s);
    s->how = *how;
    s->vocab_count = vocab_count;
    s->random = how->seed;
    if (how->bias_count) {
        s->bias = memory_resize_array(NULL, how->bias_count, sizeof *s->bias);
        memcpy(s->bias, how->bias, how->bias_count * sizeof *s->bias);
    }
    s->how.bias = s->bias;
    s->counts = memory_alloc(vocab_count * sizeof *s->counts);
    s->answer_counts = memory_alloc(vocab_count * sizeof *s->answer_counts);
    s->candidates = memory_resize_array(NULL, vocab_count, sizeof *s->candidates);
    *out = s;
    return ERR_OK;
}

void engine_sampler_free(engine_sampler *s)
{
    if (!s) return;
    free(s->bias);
    free(s->counts);
    free(s->answer_counts);
    free(s->candidates);
    engine_ids_free(&s->history);
    free(s);
}

void engine_sampler_see_prompt(engine_sampler *s, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) engine_ids_push(&s->history, ids[i]);
    s->prompt_count += count;
}

void engine_sampler_see_answer(engine_sampler *s, int32_t id) { engine_ids_push(&s->history, id); }

/* splitmix64: a full period over all seeds, seed 0 included. In [0, 1). */
static double random_next(engine_sampler *s)
{
    uint64_t z = s->random += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* -- penalties --------------------------------------------------------------------------------------------
 */

static void penalise(engine_sampler *s, float *logits)
{
    const engine_sampling *how = &s->how;
    size_t count = s->history.count, last = how->repeat_last_n < 0 ? count : (size_t)how->repeat_last_n;
    size_t begin = count > last ? count - last : 0;

    for (size_t i = begin; i < count; i++) s->counts[s->history.data[i]]++;
    for (size_t i = s->prompt_count; i < count; i++) s->answer_counts[s->history.data[i]]++;
    for (size_t i = 0; i < count; i++) { /* each distinct id once: its counts are cleared when it is done */
        int32_t id = s->history.data[i];
        if (s->counts[id]) {
            float *l = &logits[id];
            *l = (float)(*l < 0 ? *l * how->repetition_penalty : *l / how->repetition_penalty);
        }
        if (s->answer_counts[id])
            logits[id] -= (float)(how->frequency_penalty * s->answer_counts[id] + how->presence_penalty);
        s->counts[id] = s->answer_counts[id] = 0;
    }
}

static bool has_penalties(const engine_sampling *how)
{
    return how->repetition_penalty != 1 || how->frequency_penalty != 0 || how->presence_penalty != 0;
}

/* -- choosing ---------------------------------------------------------------------------------------------
 */

static int by_logit(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* p over the first `count` candidates, which are in descending order. */
static void softmax(candidate *c, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += c[i].p = exp(c[i].logit - c[0].logit);
    for (size_t i = 0; i < count; i++) c[i].p /= sum;
}

/* Each filter keeps a prefix of the descending order, but typical_p, and gives how many stay (at least one).
 */
static size_t keep_top_k(const candidate *c, size_t count, int top_k)
{
    if (top_k <= 0 || (size_t)top_k >= count) return count;
    size_t kept = (size_t)top_k;
    while (kept < count && c[kept].logit == c[top_k - 1].logit) kept++; /* ties with the k-th stay */
    return kept;
}

typedef struct typical {
    double distance;
    candidate of;
} typical;

static int by_distance(const void *a, const void *b)
{
    const typical *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return by_logit(&x->of, &y->of);
}

static size_t keep_typical(candidate *c, size_t count, double typical_p)
{
    if (typical_p >= 1) return count;
    typical *order = memory_resize_array(NULL, count, sizeof *order);
    double entropy = 0, sum = 0;
    size_t kept = 0;

    softmax(c, count);
    for (size_t i = 0; i < count; i++)
        if (c[i].p > 0) entropy -= c[i].p * log(c[i].p);
    for (size_t i = 0; i < count; i++)
        order[i] = (typical){c[i].p > 0 ? fabs(-log(c[i].p) - entropy) : INFINITY, c[i]};
    qsort(order, count, sizeof *order, by_distance);
    do {
        sum += order[kept].of.p;
        c[kept] = order[kept].of;
        kept++;
    } while (kept < count && sum < typical_p);
    free(order);
    qsort(c, kept, sizeof *c, by_logit);
    return kept;
}

/* Dropped where the mass of it and all that are less likely is at most 1 - p. */
static size_t keep_top_p(candidate *c, size_t count, double top_p)
{
    if (top_p >= 1) return count;
    double before = 0;
    size_t kept = 0;

    softmax(c, count);
    while (kept < count && (kept == 0 || before < top_p)) before += c[kept++].p;
    return kept;
}

static size_t keep_min_p(candidate *c, size_t count, double min_p)
{
    if (min_p <= 0) return count;
    size_t kept = 1;
    softmax(c, count);
    while (kept < count && c[kept].p >= min_p * c[0].p) kept++;
    return kept;
}

/* The finite logits in descending order. With top_k alone the tail need not be sorted, but it is cheap beside
 * a step. */
static size_t gather(engine_sampler *s, const float *logits)
{
    size_t count = 0;
    for (size_t i = 0; i < s->vocab_count; i++)
        if (isfinite(logits[i])) s->candidates[count++] = (candidate){(int32_t)i, logits[i], 0};
    return count;
}

/* Candidates less likely than this many e-folds below the best have no share that a draw of 53 bits could
 * meet; dropping them first makes the sort short. */
static size_t drop_hopeless(candidate *c, size_t count)
{
    double best = -INFINITY;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) best = fmax(best, c[i].logit);
    for (size_t i = 0; i < count; i++)
        if (c[i].logit >= best - 50) c[kept++] = c[i];
    return kept;
}

static int32_t draw(engine_sampler *s, size_t count)
{
    candidate *c = s->candidates;
    const engine_sampling *how = &s->how;

    for (size_t i = 0; i < count; i++) c[i].logit /= how->temperature;
    count = drop_hopeless(c, count);
    qsort(c, count, sizeof *c, by_logit);
    count = keep_top_k(c, count, how->top_k);
    count = keep_typical(c, count, how->typical_p);
    count = keep_top_p(c, count, how->top_p);
    count = keep_min_p(c, count, how->min_p);
    softmax(c, count);
    double at = random_next(s), sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += c[i].p;
        if (at < sum) return c[i].id;
    }
    return c[count - 1].id; /* rounding left a sliver */
}

static int32_t argmax(const float *logits, size_t count)
{
    int32_t best = -1;
    for (size_t i = 0; i < count; i++)
        if (isfinite(logits[i]) && (best < 0 || logits[i] > logits[best])) best = (int32_t)i;
    return best;
}

/* -- log-probabilities --------------------------------------------------------------------------------------
 */

static double log_sum_exp(const float *logits, size_t count)
{
    double best = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) best = fmax(best, logits[i]);
    for (size_t i = 0; i < count; i++) sum += exp(logits[i] - best);
    return best + log(sum);
}

static void top_insert(engine_pick *pick, size_t top_count, int32_t id, float logprob)
{
    size_t at = pick->top_count;
    while (at > 0 && pick->top[at - 1].logprob < logprob) at--;
    if (at == top_count) return;
    if (pick->top_count < top_count) pick->top_count++;
    memmove(&pick->top[at + 1], &pick->top[at], (pick->top_count - 1 - at) * sizeof *pick->top);
    pick->top[at] = (engine_logprob){id, logprob};
}

void engine_pick_logprobs(const float *logits, size_t vocab_count, int32_t id, size_t top_count,
                          engine_pick *out)
{
    double total = log_sum_exp(logits, vocab_count);

    top_count = MIN_OF(top_count, (size_t)ENGINE_LOGPROBS_MAX);
    *out = (engine_pick){.id = id, .logprob = id < 0 ? NAN : (float)(logits[id] - total)};
    for (size_t i = 0; top_count && i < vocab_count; i++) {
        float logprob = (float)(logits[i] - total);
        if (out->top_count < top_count || logprob > out->top[top_count - 1].logprob)
            top_insert(out, top_count, (int32_t)i, logprob);
    }
}

err engine_sampler_pick(engine_sampler *s, float *logits, const int32_t *banned, size_t banned_count,
                        bool want_logprobs, size_t top_count, engine_pick *out)
{
    float *untouched = NULL;

    if (want_logprobs) {
        untouched = memory_resize_array(NULL, s->vocab_count, sizeof *untouched);
        memcpy(untouched, logits, s->vocab_count * sizeof *untouched);
    }
    for (size_t i = 0; i < banned_count; i++) logits[banned[i]] = -INFINITY;
    for (size_t i = 0; i < s->how.bias_count; i++) {
        float add = s->bias[i].add;
        logits[s->bias[i].id] = add <= -100 ? -INFINITY : logits[s->bias[i].id] + add;
    }
    if (has_penalties(&s->how)) penalise(s, logits);
    size_t count = gather(s, logits);
    if (!count) {
        free(untouched);
        return err_make(ERR_STATE, "no token is left to choose from: every logit is banned or not finite");
    }
    bool greedy = s->how.temperature == 0 || s->how.top_k == 1 || s->how.top_p == 0;
    int32_t id = greedy ? argmax(logits, s->vocab_count) : draw(s, count);
    *out = (engine_pick){.id = id};
    if (want_logprobs) engine_pick_logprobs(untouched, s->vocab_count, id, top_count, out);
    free(untouched);
    return ERR_OK;
}
