/* engine/model_generation.h: generation_config.json, the model's own wishes for sampling. */
#ifndef ENGINE_MODEL_GENERATION_H
#define ENGINE_MODEL_GENERATION_H

#include "engine/model.h"

typedef struct engine_generation {
    engine_generation_defaults defaults;
    int32_t eos[ENGINE_MODEL_EOS_MAX];
    size_t eos_count;
} engine_generation;

/* An empty text is an absent file: neutral values. Errors do not name the file: ERR_FORMAT, ERR_LIMIT. */
err engine_generation_parse(bytes_view json, engine_generation *out);

#endif
