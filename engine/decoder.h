/* engine/decoder.h: token ids in, logits out.
 *
 * One decoder for every family: it reads the spec and never asks for a model's name. It holds the weights;
 * what is known of a sequence lies in its cache. A step takes any mix of segments: slices of prompts and
 * single tokens of different sequences, each with its own adapters. On the CPU the result of a segment does
 * not depend on the other segments of the step. The parts of a step (rows, embed, layer, head) can be called
 * alone, one layer at a time and, in a scope made with grad and with no cache, under autograd. Threads: a
 * decoder belongs to one thread (the worker's); its spec is immutable and must outlive it. */
#ifndef ENGINE_DECODER_H
#define ENGINE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/cache.h"
#include "engine/quantise.h"
#include "engine/spec.h"
#include "engine/stack.h"
#include "engine/tensor/tensor.h"
#include "engine/weights.h"

typedef struct engine_decoder engine_decoder;

typedef struct engine_decoder_options {
    tensor_device device;
    tensor_type type; /* TENSOR_F32 or TENSOR_BF16 */
    /* Pack the linear layers as `kind` while they are loaded; embedding, norms and head stay as they are.
     * Few rows are multiplied by them as they lie; for many, and in training, they are expanded to `type` a piece of
     * at most 16 MiB at a time, forward and backward. On the CPU. */
    bool quantise;
    engine_quantised_kind kind;
    /* Called from 0 to bytes_total while weights are loaded; false cancels (ERR_CANCELLED). NULL is fine. */
    bool (*progress)(void *context, uint64_t bytes_done, uint64_t bytes_total);
    void *context;
} engine_decoder_options;

/* Tensors are looked for under "model.", a wrapper's prefix, or none, as the file has them. All that are
 * missing or of a wrong shape are named in one ERR_FORMAT. Weights that the CPU can use as they lie in the
 * file stay there; the pages of those that were quantised are let go. ERR_UNSUPPORTED: to quantise on a GPU.
 * `spec` is borrowed, `weights` only used during the call. */
err engine_decoder_new(const engine_spec *spec, const engine_weights *weights,
                       const engine_decoder_options *options, engine_decoder **out);
void engine_decoder_free(engine_decoder *d); /* NULL is fine */

/* The same check of names and shapes without loading; needs no libtorch. */
err engine_decoder_check(const engine_spec *spec, const engine_weights *weights);

const engine_spec *engine_decoder_borrow_spec(const engine_decoder *d); /* as it was given */
tensor_device engine_decoder_device(const engine_decoder *d);           /* where its weights are */
tensor_type engine_decoder_type(const engine_decoder *d);               /* of activations */
engine_cache_shape
engine_decoder_cache_shape(const engine_decoder *d); /* what a pool of caches for it must have */

typedef enum engine_logits_want {
    ENGINE_LOGITS_NONE,
    ENGINE_LOGITS_LAST,
    ENGINE_LOGITS_ALL
} engine_logits_want;

typedef struct engine_segment {
    engine_cache *cache;       /* NULL: the rows attend to themselves alone, from `position` on */
    size_t row_count;          /* at least 1 */
    size_t position;           /* of the first row; with a cache: engine_cache_count(cache) */
    const engine_stack *stack; /* NULL: none */
    engine_logits_want want;
    /* Length of the sequence as it is planned (prompt and answer). Rope scalings that depend on the length
     * (dynamic, longrope) choose their table by it, so that a prompt fed in slices rotates alike; 0: position
     * + row_count. */
    size_t length_planned;
} engine_segment;

/* One forward pass over the rows of all segments, laid one after another.
 *   ids     [sum of row_count]
 *   logits  [wanted rows, vocab_count] f32, row-major, host memory of the caller, in segment order, final
 * softcap applied; written only on success; may be NULL when nothing is wanted The rows of a segment attend
 * to its cache and causally to each other, and are in the cache afterwards; after a failure all caches are as
 * before. A cache may stand in one segment only. Errors: ERR_USAGE (an id outside the vocabulary, a position
 * that is not the cache's), ERR_LIMIT (past the context, pool full), ERR_MEMORY, ERR_DEVICE. */
err engine_decoder_step(engine_decoder *d, const int32_t *ids, const engine_segment *segments,
                        size_t segment_count, float *logits);
/* Ask go_on before each layer of a step from now on; false ends the step with ERR_CANCELLED, all caches as
 * before. NULL: do not ask. */
void engine_decoder_watch(engine_decoder *d, bool (*go_on)(void *context), void *context);
/* Rows of logits that these segments ask for. */
size_t engine_segments_wanted(const engine_segment *segments, size_t segment_count);

/* -- the parts
 * -------------------------------------------------------------------------------------------------- */

/* What the layers need to know about the rows of a step: positions, rope tables, row ranges. It borrows the
 * segments, which must outlive it, and its tensors live in `s`. */
typedef struct engine_rows engine_rows;

/* Checks the segments and reserves room in their caches. */
err engine_rows_new(const engine_decoder *d, tensor_scope *s, const engine_segment *segments,
                    size_t segment_count, engine_rows **out);
void engine_rows_free(engine_rows *rows);         /* NULL is fine */
void engine_rows_commit(const engine_rows *rows); /* the caches now hold the rows: after the last layer */

/* h: [rows, hidden] in the decoder's type. */
tensor *engine_decoder_embed(const engine_decoder *d, tensor_scope *s, const int32_t *ids,
                             const engine_rows *rows);
/* One layer: h [rows, hidden] in, the same out; its keys and values go into the caches of `rows`. */
tensor *engine_decoder_layer(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *h,
                             const engine_rows *rows);
/* Logits [wanted rows, vocab_count] of the rows that the segments want, in the decoder's type. NULL without a
 * failure when none is wanted. */
tensor *engine_decoder_head(const engine_decoder *d, tensor_scope *s, tensor *h, const engine_rows *rows);

/* -- for adapters: modules by number, see engine/arch/modules.h
 * ------------------------------------------------- */

/* NULL: there is none, or it is quantised. */
const tensor *engine_decoder_borrow_weight(const engine_decoder *d, size_t module);
/* The whole weight in the decoder's type: borrowed where it lies so, else an expanded copy that is the
 * scope's. NULL: there is none. */
const tensor *engine_decoder_weight(const engine_decoder *d, tensor_scope *s, size_t module);
bool engine_decoder_is_quantised(const engine_decoder *d); /* as the options said */
const tensor *engine_decoder_borrow_bias(const engine_decoder *d,
                                         size_t module); /* [out]; NULL: there is none */

#endif
