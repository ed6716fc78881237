/* engine/weights_index.h: model.safetensors.index.json, which tensor lies in which shard.
 *
 * Only the weight_map is used. Source: spec models.md, section 1. */
#ifndef ENGINE_WEIGHTS_INDEX_H
#define ENGINE_WEIGHTS_INDEX_H

#include "base/arena.h"
#include "base/err.h"
#include "engine/files.h"

#define ENGINE_WEIGHT_INDEX_FILE "model.safetensors.index.json"

typedef struct engine_weight_place {
    const char *tensor, *file;
} engine_weight_place;

typedef struct engine_weight_index {
    engine_weight_place *places; /* sorted by tensor, each once */
    size_t count;                /* at least 1 */
    const char **files;          /* sorted, each once; names without any folder */
    size_t file_count;
} engine_weight_index;

/* All of *out lives in `memory`. Every error names the file. */
err engine_weight_index_read(engine_files *files, arena *memory, engine_weight_index *out);

#endif
