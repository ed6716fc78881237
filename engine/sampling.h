/* engine/sampling.h: from logits to the next token.
 *
 * Order: bans, logit bias, repetition, frequency and presence penalties; then, unless greedy, temperature,
 * top_k, typical_p, top_p, min_p, draw. temperature 0 is the argmax, ties to the lowest id. Equal seed,
 * settings and logits give equal tokens on every machine (own random generator, f64 sums in a fixed order).
 * Source: spec models.md section 8; openai_api.md section 8. Threads: a sampler belongs to one thread. */
#ifndef ENGINE_SAMPLING_H
#define ENGINE_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { ENGINE_LOGPROBS_MAX = 20, ENGINE_BIAS_MAX = 4096 };

typedef struct engine_bias {
    int32_t id;
    float add; /* -100 bans */
} engine_bias;

typedef struct engine_sampling {
    double temperature;                         /* 0: greedy */
    int top_k;                                  /* 0: off */
    double top_p, typical_p;                    /* 1: off */
    double min_p;                               /* 0: off */
    double repetition_penalty;                  /* 1: off; prompt and answer */
    int repeat_last_n;                          /* tokens the penalties look back on; -1: all, 0: off */
    double frequency_penalty, presence_penalty; /* 0: off; answer only */
    uint64_t seed;
    const engine_bias *bias; /* borrowed while the sampler is made */
    size_t bias_count;
} engine_sampling;

/* Neutral: temperature 1, everything off, seed 0. */
engine_sampling engine_sampling_neutral(void);
/* ERR_USAGE names the field, its value and its range. */
err engine_sampling_check(const engine_sampling *how, size_t vocab_count);
/* A seed that nobody asked for: from the system's entropy, at most 2^53 so that JSON keeps it. */
uint64_t engine_seed_any(void);

typedef struct engine_sampler engine_sampler;

typedef struct engine_logprob {
    int32_t id;
    float logprob; /* natural, of the untouched distribution: softmax of the logits as they came */
} engine_logprob;

typedef struct engine_pick {
    int32_t id;
    float logprob;
    engine_logprob top[ENGINE_LOGPROBS_MAX]; /* the most likely, descending; top_count as asked */
    size_t top_count;
} engine_pick;

/* Log-probability of `id` (-1: none, NaN) and the top_count most likely (at most ENGINE_LOGPROBS_MAX) of
 * logits as they came from the decoder. */
void engine_pick_logprobs(const float *logits, size_t vocab_count, int32_t id, size_t top_count,
                          engine_pick *out);

/* engine_sampler_free(). Errors as engine_sampling_check. */
err engine_sampler_new(const engine_sampling *how, size_t vocab_count, engine_sampler **out);
void engine_sampler_free(engine_sampler *s); /* NULL is fine */
/* What the penalties see: tokens of the prompt, then each token of the answer. */
void engine_sampler_see_prompt(engine_sampler *s, const int32_t *ids, size_t count);
void engine_sampler_see_answer(engine_sampler *s, int32_t id); /* likewise, one token of the answer */
/* Choose from logits [vocab_count] (changed in place). banned: ids that may not come now (eos below
 * min_tokens). want_logprobs false leaves logprob 0 and top_count 0. ERR_STATE: no finite logit is left. */
err engine_sampler_pick(engine_sampler *s, float *logits, const int32_t *banned, size_t banned_count,
                        bool want_logprobs, size_t top_count, engine_pick *out);

#endif
