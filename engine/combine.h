/* engine/combine.h: several adapters made into one, as PEFT's add_weighted_adapter does.
 *
 * cat is exact and its rank the sum; svd is the nearest of a given rank; linear, ties, dare_* and
 * magnitude_prune work on the A and the B apart and need equal ranks; *_svd work on the deltas, then take the
 * nearest. The result has alpha = rank, so its own scale is 1, and is not rank-stabilised (PEFT copies the
 * flag of the first: a slip). Source: spec models.md, section 10; PEFT 0.21. Needs the door to libtorch.
 * Threads: functions of their arguments. */
#ifndef ENGINE_COMBINE_H
#define ENGINE_COMBINE_H

#include "engine/adapter_write.h"

typedef enum engine_combine_kind {
    ENGINE_COMBINE_LINEAR,
    ENGINE_COMBINE_CAT,
    ENGINE_COMBINE_SVD,
    ENGINE_COMBINE_TIES,
    ENGINE_COMBINE_DARE_LINEAR,
    ENGINE_COMBINE_DARE_TIES,
    ENGINE_COMBINE_MAGNITUDE_PRUNE,
    ENGINE_COMBINE_TIES_SVD,
    ENGINE_COMBINE_DARE_LINEAR_SVD,
    ENGINE_COMBINE_DARE_TIES_SVD,
    ENGINE_COMBINE_MAGNITUDE_PRUNE_SVD,
    ENGINE_COMBINE_COUNT,
} engine_combine_kind;

const char *engine_combine_name(engine_combine_kind kind);            /* "dare_ties" */
err engine_combine_parse(const char *name, engine_combine_kind *out); /* ERR_USAGE with all names */
bool engine_combine_prunes(engine_combine_kind kind);                 /* it takes a density */
bool engine_combine_is_svd(engine_combine_kind kind);                 /* it takes a rank and a clamp */

typedef struct engine_combine_item {
    const engine_adapter_file *file; /* of one base */
    const char *title;               /* for messages */
    double weight;
} engine_combine_item;

typedef struct engine_combine_options {
    engine_combine_kind kind;
    double density;    /* share of the entries that is kept, 0 to 1 */
    bool by_frequency; /* majority sign: of the signs, not of the sum */
    size_t rank;       /* of an SVD; 0: the largest of the adapters' */
    double clamp;      /* quantile at which the entries of an SVD are cut, 0 to 1; 0: none */
    uint64_t seed;     /* of DARE's choice */
} engine_combine_options;

/* Into an empty *out. ERR_UNSUPPORTED: an adapter with DoRA, a bias or modules saved whole; ERR_USAGE: no
 * adapters, ranks that differ where they may not; ERR_LIMIT: a rank over ENGINE_ADAPTER_RANK_MAX. */
err engine_combine(const engine_combine_item *items, size_t count, const engine_combine_options *options,
                   engine_adapter_out *out);

#endif
