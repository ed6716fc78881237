/* engine/trainable_internal.h: what the pass and the files of a trainable share. */
#ifndef ENGINE_TRAINABLE_INTERNAL_H
#define ENGINE_TRAINABLE_INTERNAL_H

#include "engine/adapter.h"
#include "engine/arch/modules.h"
#include "engine/trainable.h"

/* What is trained of one module. All tensors NULL: nothing. */
typedef struct trainable_part {
    tensor *a, *b, *magnitude; /* leaves: [rank, in], [out, rank], [out] */
    tensor *weight, *bias;     /* leaves, --full */
    tensor *base;              /* what pissa and olora made of W, of the decoder's type; NULL: W itself */
    tensor *a_start, *b_start; /* with `base`: what was taken out of W */
    tensor *squares;           /* DoRA: ‖row of W‖², f32 [out] */
    tensor *norms;             /* DoRA: ‖row of W + s B A‖ as of this pass, f32 [out] */
    double scale;
    size_t rank;
} trainable_part;

typedef struct trainable_leaf {
    char *name;
    engine_leaf kind;
    size_t module;
} trainable_leaf;

struct engine_trainable {
    const engine_decoder *base;
    size_t module_count;
    trainable_part *parts; /* by module */
    size_t count;
    trainable_leaf *leaves; /* sorted by name */
    tensor **values;        /* [count], of the parts */
    uint64_t parameters;
    bool dora, full;
    char *config; /* adapter_config.json but for the base's name */
};

/* Weight of a module as the pass sees it, before any low-rank part; the decoder's type. Borrowed, or
 * the scope's where the base is quantised. */
const tensor *trainable_weight(const engine_trainable *t, const engine_decoder *d, tensor_scope *s,
                               size_t module);

/* Fill a part's a, b (and with pissa and olora base, a_start, b_start). */
err trainable_init_part(const engine_trainable_options *options, const engine_decoder *base, size_t module,
                        const char *name, trainable_part *part);
/* Before the first pass: the squares of the rows, and m = the row norms where the part has none yet. */
err trainable_init_dora(const engine_decoder *base, size_t module, trainable_part *part);

/* The config of new options, and of an adapter's file that is trained further. The caller's: free(). */
err trainable_config_of(const engine_spec *spec, const engine_trainable_options *options, const bool *targets,
                        char **out);
err trainable_config_from(const engine_spec *spec, const bool *targets, bytes_view json, char **out);
/* Which modules are targets: [module count]. The caller's: free(). */
err trainable_targets(const engine_spec *spec, const engine_trainable_options *options, bool **out);

/* "base_model.model.model.layers.0.self_attn.q_proj". The caller's: free(). */
char *trainable_module_name(const engine_decoder *base, size_t module);
void trainable_part_free(trainable_part *part);
/* Leaves of the parts, named and sorted; each becomes one that wants a gradient. */
err trainable_gather(engine_trainable *t);

#endif
