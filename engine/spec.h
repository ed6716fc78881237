/* engine/spec.h: what config.json says about a model, normalised.
 *
 * Defaults of the family filled in, old and new spellings of a field made one, every number checked against a
 * limit and against the others. The decoder reads the spec alone; families differ by the rows of
 * engine/arch/arch.h that fill it. What cannot be run is refused by name: an unknown model_type, a mixture of
 * experts, quantised weights, an unknown kind of rope scaling.
 * Threads: immutable once parsed. Source: spec models.md, sections 3, 5 and 7. */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
    ENGINE_SPEC_DEPTH_MAX = 32,
    ENGINE_SPEC_LAYERS_MAX = 1024,
    ENGINE_SPEC_HIDDEN_MAX = 1 << 18,
    ENGINE_SPEC_INNER_MAX = 1 << 21,
    ENGINE_SPEC_HEADS_MAX = 4096,
    ENGINE_SPEC_HEAD_SIZE_MAX = 1024,
    ENGINE_SPEC_VOCAB_MAX = 1 << 24,
    ENGINE_SPEC_CONTEXT_MAX = 1 << 28,
    ENGINE_SPEC_EOS_MAX = 16,
    ENGINE_SPEC_ROPES_MAX = 2,
};

typedef enum engine_activation {
    ENGINE_ACTIVATION_SILU,
    ENGINE_ACTIVATION_GELU,      /* erf */
    ENGINE_ACTIVATION_GELU_TANH, /* gelu_pytorch_tanh, gelu_new */
    ENGINE_ACTIVATION_RELU,
} engine_activation;

/* Order of rounding in RMSNorm; the same three as tensor_norm_kind, which has the formulas. */
typedef enum engine_norm_kind {
    ENGINE_NORM_LLAMA,
    ENGINE_NORM_F32_WEIGHT,
    ENGINE_NORM_GEMMA
} engine_norm_kind;

typedef enum engine_qk_norm {
    ENGINE_QK_NORM_NONE,
    ENGINE_QK_NORM_HEAD,  /* one weight [head_size] for every head: qwen3, gemma3 */
    ENGINE_QK_NORM_WHOLE, /* over the whole projection before it is split: olmo2 */
} engine_qk_norm;

typedef enum engine_rope_kind {
    ENGINE_ROPE_DEFAULT,
    ENGINE_ROPE_LINEAR,
    ENGINE_ROPE_DYNAMIC,
    ENGINE_ROPE_LLAMA3,
    ENGINE_ROPE_YARN,
    ENGINE_ROPE_LONG,
    ENGINE_ROPE_KIND_COUNT,
} engine_rope_kind;

/* One way to rotate. Fields that a kind does not read are 0. */
typedef struct engine_rope_spec {
    engine_rope_kind kind;
    double base;                              /* rope_theta */
    size_t size;                              /* rotated elements of a head, even */
    double factor;                            /* of the scaling; 1: none */
    double context_max;                       /* M: max_position_embeddings */
    double original_max;                      /* O: original_max_position_embeddings, else M */
    double attention_factor;                  /* on cos and sin, as the formula of the kind gives it */
    double low_freq, high_freq;               /* llama3 */
    double beta_fast, beta_slow;              /* yarn */
    bool truncate;                            /* yarn */
    const double *short_factor, *long_factor; /* long: [size / 2] each */
} engine_rope_spec;

typedef struct engine_layer_spec {
    size_t window; /* attends to this many last tokens, itself included; 0: to all */
    int rope;      /* row of spec->ropes; -1: no rotation */
} engine_layer_spec;

typedef struct engine_spec {
    const char *model_type;   /* "qwen3"; a wrapper's inner type */
    const char *architecture; /* "Qwen3ForCausalLM", or "" */
    const char *dtype;        /* as stored: "bfloat16", or "" */
    size_t hidden;            /* D */
    size_t inner;             /* I */
    size_t layer_count, head_count, kv_head_count, head_size;
    size_t vocab_count;
    size_t context_max; /* tokens, prompt and answer together */
    double norm_eps;
    engine_norm_kind norm;
    engine_activation activation;
    engine_qk_norm qk_norm;
    bool tied; /* the head is the embedding */
    bool qkv_bias, o_bias, mlp_bias;
    bool fused_qkv, fused_gate_up; /* one matrix in the file: phi3 */
    bool pre_norms,
        post_norms;         /* a norm before / after attention and MLP: P: pre; gemma: both; olmo2: post */
    bool rope_in_f32;       /* tables are not rounded to the model's type: olmo2 */
    double attention_scale; /* on q·k */
    double attention_softcap, final_softcap; /* 0: none */
    double embedding_scale;                  /* 1: none; gemma: sqrt(D), rounded to the type computed in */
    engine_rope_spec ropes[ENGINE_SPEC_ROPES_MAX];
    size_t rope_count;
    const engine_layer_spec *layers; /* layer_count */
    int32_t bos;                     /* -1: none */
    int32_t eos[ENGINE_SPEC_EOS_MAX];
    size_t eos_count;
} engine_spec;

/* Parse config.json. *out is the caller's: engine_spec_free. Errors, each one sentence: ERR_FORMAT (broken
 * JSON, a field of a wrong kind or that contradicts another), ERR_LIMIT, ERR_UNSUPPORTED (with the name of
 * what it is). The sentence does not name the file. */
err engine_spec_parse(bytes_view config_json, engine_spec **out);
void engine_spec_free(engine_spec *spec); /* NULL is fine */

/* Elements of the model, and bytes that one token takes in the cache at `bytes_each` per element. */
uint64_t engine_spec_parameters(const engine_spec *spec);
/* Of keys and values of token_count tokens, with bytes_each for a number. */
uint64_t engine_spec_cache_bytes(const engine_spec *spec, size_t token_count, size_t bytes_each);

const char *engine_activation_name(engine_activation a);  /* for messages: "silu" */
const char *engine_rope_kind_name(engine_rope_kind kind); /* for messages: "yarn" */

#endif
