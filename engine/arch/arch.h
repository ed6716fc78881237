/* engine/arch/arch.h: one row for each family of models.
 *
 * A row is the spec that the family has where config.json is silent, and a function that fills in what only
 * this family reads. engine_spec_parse does the rest. A new family is one small file and one line in table.c.
 * Source: spec models.md, sections 3 and 7. */
#ifndef ENGINE_ARCH_ARCH_H
#define ENGINE_ARCH_ARCH_H

#include "engine/arch/config.h"
#include "engine/spec.h"

/* What a family's function works on: the common fields of `spec` are read by then, the layers are not. */
typedef struct engine_arch_build {
    engine_config *config;
    engine_spec *spec;
    size_t window;             /* of the sliding layers; 0: none slides */
    bool *sliding;             /* [layer_count], all false; layer_types of config.json wins over it */
    bool *rotates;             /* [layer_count], all true */
    double sliding_rope_base;  /* sliding layers rotate by this base without scaling; 0: as the others */
    bool context_holds_factor; /* max_position_embeddings counts the factor of a linear rope already */
} engine_arch_build;

typedef struct engine_arch {
    const char *model_type;
    const char *refused;        /* why this family is not run; NULL: it is */
    const char *activation_key; /* NULL: "hidden_act" */
    /* What config.json need not say. A 0 is no default: head_count, vocab_count and context_max must then be
     * there, kv_head_count is head_count, head_size is hidden / head_count. */
    engine_spec form;
    double rope_base;
    size_t original_max;                    /* original_max_position_embeddings; 0: max_position_embeddings */
    bool yarn_is_long;                      /* rope_type yarn is an old name of longrope */
    void (*fill)(engine_arch_build *build); /* NULL: nothing more */
} engine_arch;

/* NULL: unknown. */
const engine_arch *engine_arch_find(const char *model_type);
/* Names of the families that are run, for messages: "llama, mistral, ..." appended to *out. */
void engine_arch_list(bytes *out);

/* -- for the families' functions ------------------------------------------------------------------------- */

/* attention_bias on q, k, v and o. */
void engine_arch_read_attention_bias(engine_arch_build *build);
/* sliding_window: `absent` when the key is not there, 0 when it is null. */
size_t engine_arch_read_window(engine_arch_build *build, size_t absent);
/* Every layer slides over build->window. */
void engine_arch_slide_all(engine_arch_build *build);
/* qwen2, qwen3: use_sliding_window, and then layers from max_window_layers on. */
void engine_arch_slide_qwen(engine_arch_build *build);
/* gemma: a soft cap that is `absent` when the key is not there and off when it is null. */
double engine_arch_read_softcap(engine_arch_build *build, const char *key, double absent);

#endif
