/* engine/adapter.h: a LoRA adapter as PEFT writes it, checked against its base model and loaded.
 *
 * Two layouts on disk: a folder with adapter_config.json and adapter_model.safetensors, or the pair
 * NN_name.safetensors and NN_name.config.json. The names in the file decide where the adapter acts.
 * Everything is checked before anything is made: an adapter either loads whole or not at all, and the error
 * names tensor and shapes (engine/adapter_file.h). Supported: LoRA, rsLoRA, rank and alpha patterns,
 * lora_bias, DoRA, embeddings, modules_to_save, trained biases. Refused by name: other PEFT types, what
 * section 9 lists as unsupported. Threads: an adapter is immutable once loaded and counted; share and free
 * from any thread. Source: spec models.md, section 9. */
#ifndef ENGINE_ADAPTER_H
#define ENGINE_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/files.h"
#include "engine/tensor/tensor.h"

typedef struct engine_decoder engine_decoder;
typedef struct engine_adapter engine_adapter;

enum {
    ENGINE_ADAPTER_CONFIG_BYTES_MAX = 4 << 20,
    ENGINE_ADAPTER_RANK_MAX = 4096,
    ENGINE_ADAPTER_PATTERNS_MAX = 4096,
};

/* A folder, or the .safetensors file of a pair. The decoder is that of the base model. */
err engine_adapter_open(const char *path, const engine_decoder *base, engine_adapter **out);
/* One of a model's own: "adapters/01_brief.safetensors", or a PEFT folder's
 * "adapters/x/adapter_model.safetensors". */
err engine_adapter_open_in(engine_files *files, const char *weights_name, const engine_decoder *base,
                           engine_adapter **out);
/* What stands for its bytes, weights and config, as text appended to *out: engine_files_content_id. */
err engine_adapter_content_id(engine_files *files, const char *weights_name, bytes *out);
/* From a set of files: weights_name NULL means the PEFT folder's two names, else "NN_name.safetensors" and
 * the config beside it. `title` is what messages call it. */
err engine_adapter_load(engine_files *files, const char *weights_name, const char *title,
                        const engine_decoder *base, engine_adapter **out);
engine_adapter *
engine_adapter_share(engine_adapter *a);     /* One more share of it; engine_adapter_free(). Any thread. */
void engine_adapter_free(engine_adapter *a); /* NULL is fine */

const char *engine_adapter_borrow_title(const engine_adapter *a); /* "01_brief", or the folder's name */
uint64_t engine_adapter_parameters(const engine_adapter *a);      /* numbers in its tensors */
uint64_t engine_adapter_bytes(const engine_adapter *a);           /* of its tensors in memory */
size_t engine_adapter_module_count(const engine_adapter *a);      /* modules it acts on */
size_t engine_adapter_rank(const engine_adapter *a);              /* the largest */
bool engine_adapter_is_dora(const engine_adapter *a);             /* it has magnitudes */

/* What an adapter does to one module of the base. All tensors NULL: nothing. */
typedef struct engine_adapter_part {
    tensor *a, *b;     /* [rank, in], [out, rank]; of an embedding [rank, vocab], [hidden, rank] */
    tensor *b_bias;    /* [out] or NULL; scaled as B is */
    tensor *magnitude; /* [out], f32: DoRA; or NULL */
    tensor *weight;    /* saved whole: takes the place of the base's */
    tensor *bias;      /* likewise */
    double scale;      /* alpha / rank, or alpha / sqrt(rank) */
} engine_adapter_part;

/* By module, see engine/arch/modules.h. Borrowed; never NULL for a module of the base. */
const engine_adapter_part *engine_adapter_borrow_part(const engine_adapter *a, size_t module);

/* -- adapter_config.json alone ----------------------------------------------------------------------------
 */

typedef struct engine_adapter_config engine_adapter_config;

/* ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED with the field's name; the sentence does not name the file. */
err engine_adapter_config_parse(bytes_view json, engine_adapter_config **out);
void engine_adapter_config_free(engine_adapter_config *config);          /* NULL is fine */
size_t engine_adapter_config_rank(const engine_adapter_config *config);  /* r, before the patterns */
double engine_adapter_config_alpha(const engine_adapter_config *config); /* lora_alpha, before the patterns */
/* The scale is alpha / sqrt(rank). */
bool engine_adapter_config_is_rank_stabilised(const engine_adapter_config *config);
/* It has rank and alpha in place of PEFT's r and lora_alpha: read alike, but PEFT itself would not. */
bool engine_adapter_config_has_old_keys(const engine_adapter_config *config);
const char *
engine_adapter_config_borrow_base(const engine_adapter_config *config); /* base_model_name_or_path or "" */
/* Rank and scale of the module of this name (after the patterns). ERR_FORMAT: a pattern that is no regex. */
err engine_adapter_config_module(const engine_adapter_config *config, const char *module, size_t *rank,
                                 double *scale);

#endif
