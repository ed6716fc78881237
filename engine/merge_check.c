/* engine/merge_check.c: does the merged model answer as base and stack do? */
#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "engine/decoder.h"
#include "engine/derived_random.h"
#include "engine/merge.h"
#include "engine/spec.h"
#include "engine/text/tokenizer.h"

enum { PROMPT_TOKENS_MAX = 64, PROMPT_TOKENS_DRAWN = 16 };

static const char *const prompts[] = {
    "Once upon a time there was a",
    "The three largest cities of the country are",
    "To list the files of a folder, say",
};

/* Of the text, or without a tokenizer some ids of the whole vocabulary. */
static err prompt_ids(const engine_model *m, size_t i, engine_ids *out)
{
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(m);
    size_t vocab = engine_model_borrow_spec(m)->vocab_count;
    err e = tokenizer ? engine_tokenizer_encode(tokenizer, bytes_view_of(prompts[i]), true, out) : ERR_OK;
    if (!e.code && out->count > PROMPT_TOKENS_MAX) out->count = PROMPT_TOKENS_MAX;
    for (size_t k = 0; !e.code && !tokenizer && k < PROMPT_TOKENS_DRAWN; k++)
        engine_ids_push(out, (int32_t)(derived_random(i * PROMPT_TOKENS_DRAWN + k) % vocab));
    return e;
}

static err logits_of(engine_model *m, const engine_stack *stack, const engine_ids *ids, float *out)
{
    const engine_segment segment = {NULL, ids->count, 0, stack, ENGINE_LOGITS_LAST, 0};
    return engine_decoder_step(engine_model_borrow_decoder(m), ids->data, &segment, 1, out);
}

static void compare(const float *wanted, const float *got, size_t count, engine_merge_check_result *out)
{
    double off = 0, norm = 0, most = 0;
    size_t best = 0, own = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)got[i] - (double)wanted[i];
        off += d * d;
        norm += (double)wanted[i] * (double)wanted[i];
        most = fmax(most, fabs((double)wanted[i]));
        if (wanted[i] > wanted[best]) best = i;
        if (got[i] > got[own]) own = i;
    }
    double difference = norm > 0 ? sqrt(off / norm) : sqrt(off);
    if (!(difference <= out->difference)) out->difference = difference; /* NaN stays */
    bool as_likely = (double)wanted[best] - (double)wanted[own] <= out->allowed * most;
    if (best != own && !as_likely) out->same_best = false;
}

err engine_merge_check(engine_model *base, const engine_stack *stack, engine_model *merged,
                       engine_merge_check_result *out)
{
    size_t vocab = engine_model_borrow_spec(base)->vocab_count;
    float *wanted = memory_alloc(vocab * sizeof *wanted), *got = memory_alloc(vocab * sizeof *got);
    err e = ERR_OK;

    *out = (engine_merge_check_result){.same_best = true,
                                       .allowed = engine_model_type(base) == TENSOR_F32 ? 1e-5 : 0.02};
    for (size_t i = 0; i < COUNT_OF(prompts) && !e.code; i++) {
        CLEANUP(engine_ids_free) engine_ids ids = {0};
        e = prompt_ids(base, i, &ids);
        if (!e.code) e = logits_of(base, stack, &ids, wanted);
        if (!e.code) e = logits_of(merged, NULL, &ids, got);
        if (e.code) break;
        compare(wanted, got, vocab, out);
        out->prompt_count++;
    }
    free(wanted);
    free(got);
    if (!e.code && (!(out->difference <= out->allowed) || !out->same_best))
        e = err_make(ERR_FORMAT,
                     "the merged model answers otherwise than base and adapters: logits differ by %.2g, "
                     "%.2g is allowed%s",
                     out->difference, out->allowed,
                     out->same_best ? "" : ", and the likeliest token is another");
    return e;
}
