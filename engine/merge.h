/* engine/merge.h: a stack of adapters worked into the weights for good.
 *
 * W' = round(W + sum of s * B A) with products and sums in f32 and one rounding to W's type; with DoRA the rows scaled by
 * m / row norm; what an adapter saved whole takes W's place. That is what the stack computes while it runs, and PEFT's
 * merge_and_unload. The merged model is then asked the same as base and stack. Source: spec training.md 15.4.
 * Threads: the decoder's. */
#ifndef ENGINE_MERGE_H
#define ENGINE_MERGE_H

#include "engine/model.h"
#include "engine/spec.h"
#include "engine/stack.h"
#include "engine/weights.h"

/* The weights' files of `files` (the base's) written anew into `folder`, and every other file but adapters, stacks and
 * what git keeps copied. *changed: tensors that are others now. go_on (NULL: nobody asks): after each tensor; false
 * cancels. Errors: ERR_UNSUPPORTED (a weight that is quantised; a change of tied weights that would change the other use
 * too; a bias where the base has none), ERR_FORMAT (a result that is not finite), ERR_IO, ERR_CANCELLED; what was written
 * until then stays for the caller to remove. */
err engine_merge_write(engine_model *base, engine_files *files, const engine_stack *stack, const char *folder,
                       bool (*go_on)(void *context), void *context, size_t *changed);

/* The weights' files alone, of an untouched base. Errors as of engine_merge_write. */
err engine_merge_write_weights(const engine_decoder *base, engine_files *files, const engine_stack *stack,
                               const char *folder);

/* ERR_UNSUPPORTED: a module's weight has no tensor of its own in the files (several share one), so that whole weights
 * could not be written there. Needs headers alone. */
err engine_merge_check_whole(const engine_spec *spec, const engine_weights *weights);

typedef struct engine_merge_check_result {
    size_t prompt_count;
    double difference; /* the largest over the prompts: norm of the difference / norm of the logits */
    double allowed;    /* 1e-5 for f32, else 0.02 */
    bool same_best;    /* after every prompt the likeliest token is the same, or as likely but for rounding */
} engine_merge_check_result;

/* Logits of the merged model against those of base and stack after three prompts. ERR_FORMAT: they differ. */
err engine_merge_check(engine_model *base, const engine_stack *stack, engine_model *merged,
                       engine_merge_check_result *out);

#endif
