/* engine/adapter_file.h: an adapter's file, its tensors matched to the modules of a base and checked.
 *
 * Needs the base's spec, not its weights, and never the door to libtorch: what is looked at before an adapter
 * is taken in, loaded, combined or written anew. The names in the file decide where the adapter acts; fewer
 * matches than tensors is an error that names the first ones. Every value must be finite. Threads: immutable
 * once opened. Source: spec models.md, section 9. */
#ifndef ENGINE_ADAPTER_FILE_H
#define ENGINE_ADAPTER_FILE_H

#include "engine/adapter.h"
#include "engine/spec.h"
#include "engine/weights.h"

#define ENGINE_ADAPTER_WEIGHTS_FILE "adapter_model.safetensors"
#define ENGINE_ADAPTER_CONFIG_FILE  "adapter_config.json"

/* What a tensor is to its module. */
typedef enum engine_adapter_slot {
    ENGINE_ADAPTER_A,         /* [rank, in] */
    ENGINE_ADAPTER_B,         /* [out, rank] */
    ENGINE_ADAPTER_B_BIAS,    /* [out] */
    ENGINE_ADAPTER_MAGNITUDE, /* [out] */
    ENGINE_ADAPTER_EMBED_A,   /* [rank, vocab] */
    ENGINE_ADAPTER_EMBED_B,   /* [hidden, rank] */
    ENGINE_ADAPTER_WEIGHT,    /* saved whole */
    ENGINE_ADAPTER_BIAS,      /* likewise */
    ENGINE_ADAPTER_SLOT_COUNT,
} engine_adapter_slot;

typedef struct engine_adapter_file engine_adapter_file;

/* weights_name NULL: the PEFT folder's two names; else "NN_name.safetensors" and the config beside it, or
 * "x/adapter_model.safetensors". `spec` is borrowed while the file lives, `files` only during the call.
 * Errors name file, tensor and shapes: ERR_NOT_FOUND, ERR_FORMAT, ERR_UNSUPPORTED, ERR_LIMIT, ERR_IO. */
err engine_adapter_file_open(engine_files *files, const char *weights_name, const engine_spec *spec,
                             engine_adapter_file **out);
void engine_adapter_file_free(engine_adapter_file *f); /* NULL is fine */

/* Of the base it was opened for; valid as that is. */
const engine_spec *engine_adapter_file_borrow_spec(const engine_adapter_file *f);
/* Its tensors by name; valid as long as f. */
const engine_weights *engine_adapter_file_borrow_weights(const engine_adapter_file *f);
const engine_adapter_config *
engine_adapter_file_borrow_config(const engine_adapter_file *f);   /* valid as long as f */
bytes_view engine_adapter_file_json(const engine_adapter_file *f); /* the config as it stands in its file */
/* NULL: the file has no such tensor. module < engine_module_count(spec). */
const engine_weight *engine_adapter_file_borrow(const engine_adapter_file *f, size_t module,
                                                engine_adapter_slot slot);
/* Of a module with low-rank tensors: their rank, and alpha / rank or alpha / sqrt(rank). */
void engine_adapter_file_scale(const engine_adapter_file *f, size_t module, size_t *rank, double *scale);
size_t engine_adapter_file_acting(const engine_adapter_file *f); /* modules with any tensor */
size_t
engine_adapter_file_rank(const engine_adapter_file *f); /* the largest; 0: it has no low-rank tensors */
bool engine_adapter_file_has(const engine_adapter_file *f, engine_adapter_slot slot); /* in any module */

/* The name as PEFT writes it: "base_model.model." before, no words of other writers within. Appended to *out.
 */
void engine_adapter_peft_name(const char *name, bytes *out);
/* "NN_name.config.json" for "NN_name.safetensors", PEFT's other name for "x/adapter_model.safetensors". The
 * caller's: free(). */
char *engine_adapter_config_name(const char *weights_name);

#endif
