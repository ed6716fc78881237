/* engine/trainable.h: what a training run moves: the A and B (and DoRA's m) of each target, or whole weights.
 *
 * Every tensor that is trained is a leaf in f32 on the decoder's device, known by the name that PEFT gives it
 * in a file; gradients gather on the leaves (engine/train_pass.h) until somebody clears them. The base stays
 * as it is: pissa and olora keep what they take from a weight here. Tensors are sorted by name.
 * Threads: a trainable belongs to the decoder's thread; a stack made of it is as any other stack.
 * Source: spec training.md, sections 1 and 15.1. */
#ifndef ENGINE_TRAINABLE_H
#define ENGINE_TRAINABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/decoder.h"
#include "engine/files.h"
#include "engine/stack.h"

typedef struct engine_trainable engine_trainable;

typedef struct engine_trainable_options {
    size_t rank;
    double alpha;
    double dropout; /* only told in the config; the pass is given its own */
    bool rslora, dora;
    bool full;                 /* whole weights in place of low-rank parts: rank to init are not read */
    const char *targets;       /* "all-linear", "attn", "mlp", or endings of names: "q_proj,v_proj" */
    const char *layers;        /* "8-15", "0,2-3"; NULL: all */
    const char *rank_pattern;  /* a JSON object, pattern to value, as in adapter_config.json; NULL: none */
    const char *alpha_pattern; /* likewise */
    const char *init;          /* "default" (also NULL), "gaussian", "pissa", "olora" */
    uint64_t seed;
} engine_trainable_options;

/* Rank 16, alpha 32, all-linear, seed 42. */
engine_trainable_options engine_trainable_defaults(void);

/* Targets may be checked before a model is loaded: engine_trainable_check needs the spec alone and no
 * libtorch. Errors: ERR_USAGE (a target or layer that matches nothing, an unknown init, dora with full, a
 * rank of 0), ERR_FORMAT (a pattern), ERR_LIMIT (a rank over ENGINE_ADAPTER_RANK_MAX), ERR_MEMORY. */
err engine_trainable_check(const engine_spec *spec, const engine_trainable_options *options,
                           uint64_t *parameters);
/* On an untouched base, which must outlive it. Errors as of the check; ERR_UNSUPPORTED: `full` on a base that
 * is quantised. */
err engine_trainable_new(const engine_decoder *base, const engine_trainable_options *options,
                         engine_trainable **out);
/* From an adapter's file, bit for bit what it holds (raised to f32): a warm start. weights_name as for
 * engine_adapter_file_open. ERR_UNSUPPORTED names what cannot be trained further: saved modules, trained
 * biases, embeddings. */
err engine_trainable_from_adapter(const engine_decoder *base, engine_files *files, const char *weights_name,
                                  engine_trainable **out);
void engine_trainable_free(engine_trainable *t); /* NULL is fine */

/* -- the leaves -------------------------------------------------------------------------------------------
 */

typedef enum engine_leaf {
    ENGINE_LEAF_A,
    ENGINE_LEAF_B,
    ENGINE_LEAF_MAGNITUDE, /* DoRA's m: no weight decay */
    ENGINE_LEAF_WEIGHT,    /* --full */
    ENGINE_LEAF_BIAS,
} engine_leaf;

size_t engine_trainable_count(const engine_trainable *t);                      /* leaves */
const char *engine_trainable_borrow_name(const engine_trainable *t, size_t i); /* as in PEFT's file */
engine_leaf engine_trainable_leaf(const engine_trainable *t, size_t i);        /* what leaf i is */
tensor *engine_trainable_borrow(const engine_trainable *t, size_t i);  /* leaf i, f32; valid as long as t */
tensor *const *engine_trainable_borrow_all(const engine_trainable *t); /* [count] */
uint64_t engine_trainable_parameters(const engine_trainable *t);       /* numbers in all leaves */
/* Forget all gradients. */
void engine_trainable_clear(engine_trainable *t);
/* ERR_FORMAT names the first tensor that holds a value that is not finite. */
err engine_trainable_check_finite(const engine_trainable *t);

/* -- as an adapter ----------------------------------------------------------------------------------------
 */

/* A stack of one adapter that works on the untouched base: a copy of the values of now, for generation. */
err engine_trainable_stack(const engine_trainable *t, engine_stack **out);
/* adapter_model.safetensors, appended to *out; TENSOR_F32 or TENSOR_BF16. A pissa or olora adapter is written
 * as its difference from the start, of twice the rank, so that it too works on the untouched base. Equal
 * values give equal bytes. Nothing is written when a value is not finite (ERR_FORMAT). */
err engine_trainable_write(const engine_trainable *t, tensor_type type, bytes *out);
/* adapter_config.json, appended. `base_name`: the base's public name, "" when it has none. */
err engine_trainable_config(const engine_trainable *t, const char *base_name, bytes *out);

/* -- as a model (`full`) ----------------------------------------------------------------------------------
 */

/* The weights' files of `files`, which the base was opened from, written anew into `folder`: the same tensors in the
 * same files, each value rounded once to the type it has there. Errors as of engine_merge_write; ERR_USAGE: an adapter
 * is trained. */
err engine_trainable_write_weights(const engine_trainable *t, engine_files *files, const char *folder);

#endif
