/* engine/arch/modules.h: the modules of a decoder, by number.
 *
 * A module is what owns weights: an embedding, a linear layer, a norm. Weights, adapters and gains are kept
 * by module number: the globals first, then layer by layer the kinds of a layer, whether or not this model
 * has them (engine_module_shape says so). Kinds are roles, not names: what llama calls
 * post_attention_layernorm stands before the MLP and is ENGINE_MODULE_PRE_FFW_NORM here, in gemma2 and olmo2
 * it stands after the attention and is ENGINE_MODULE_POST_ATTENTION_NORM. Functions of the spec alone; any
 * thread may call. Source: spec models.md, sections 3 and 7. */
#ifndef ENGINE_ARCH_MODULES_H
#define ENGINE_ARCH_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/spec.h"

typedef enum engine_module_kind {
    ENGINE_MODULE_EMBED,
    ENGINE_MODULE_HEAD, /* of a tied model too: its weight is then the embedding's */
    ENGINE_MODULE_FINAL_NORM,
    ENGINE_MODULE_GLOBAL_COUNT,

    ENGINE_MODULE_Q = ENGINE_MODULE_GLOBAL_COUNT, /* from here on, one in each layer */
    ENGINE_MODULE_K,
    ENGINE_MODULE_V,
    ENGINE_MODULE_QKV, /* fused: rows of q, then k, then v */
    ENGINE_MODULE_O,
    ENGINE_MODULE_GATE,
    ENGINE_MODULE_UP,
    ENGINE_MODULE_GATE_UP, /* fused: rows of gate, then up */
    ENGINE_MODULE_DOWN,
    ENGINE_MODULE_INPUT_NORM,          /* before the attention */
    ENGINE_MODULE_POST_ATTENTION_NORM, /* on what the attention gives, before it is added */
    ENGINE_MODULE_PRE_FFW_NORM,        /* before the MLP */
    ENGINE_MODULE_POST_FFW_NORM,       /* on what the MLP gives, before it is added */
    ENGINE_MODULE_Q_NORM,
    ENGINE_MODULE_K_NORM,
    ENGINE_MODULE_KIND_COUNT,

    ENGINE_MODULE_LAYER_COUNT =
        ENGINE_MODULE_KIND_COUNT - ENGINE_MODULE_GLOBAL_COUNT, /* numbers of a layer */
} engine_module_kind;

#define ENGINE_MODULE_NONE SIZE_MAX
enum { ENGINE_MODULE_NAME_MAX = 96 }; /* bytes of the longest name with its NUL */

size_t engine_module_count(const engine_spec *spec); /* numbers, absent modules included */
/* `layer` counts for the kinds of a layer only. */
size_t engine_module_of(const engine_spec *spec, size_t layer, engine_module_kind kind);
engine_module_kind engine_module_kind_of(size_t module); /* of a number below engine_module_count() */
size_t engine_module_layer_of(size_t module);            /* 0 for the globals */

/* Linear layers (the head is one) have weights [out, in] and may have a bias and LoRA. */
bool engine_module_is_linear(engine_module_kind kind);

/* The wanted shape of its weight: rank 2 [out, in] (embedding and head [vocab, hidden]), rank 1 for a norm,
 * rank 0: this model has no such module. *has_bias: it has a bias [out]. */
void engine_module_shape(const engine_spec *spec, size_t module, int64_t shape[2], unsigned *rank,
                         bool *has_bias);

/* "model.layers.0.self_attn.q_proj", "model.embed_tokens", "lm_head": as transformers and PEFT name it. Cut
 * off when `size` is too small; ENGINE_MODULE_NAME_MAX never is. */
void engine_module_name(const engine_spec *spec, size_t module, char *buffer, size_t size);
/* The other way: the module of this name under "model.", a wrapper's prefix ("language_model.model.",
 * "model.language_model."), or none. ENGINE_MODULE_NONE: this model has no such module. */
size_t engine_module_find(const engine_spec *spec, const char *name);

#endif
