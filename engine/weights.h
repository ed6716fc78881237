/* engine/weights.h: the tensors of a model or an adapter, by name.
 *
 * One safetensors file, or shards and their index. Opening reads headers only and never needs the door to
 * libtorch; engine_weights_load gives tensors. Weights on the CPU in their own type are views of the mapped
 * file: no copy is made (unless they lie unaligned), and the mapping lives as long as its last view.
 * Accepted as weights: F32, F16, BF16; others are refused by name. Source: spec models.md, sections 1 and 2.
 * Threads: immutable once opened. */
#ifndef ENGINE_WEIGHTS_H
#define ENGINE_WEIGHTS_H

#include "base/bytes.h"
#include "base/err.h"
#include "engine/files.h"
#include "engine/safetensors.h"
#include "engine/tensor/tensor.h"

enum { ENGINE_WEIGHTS_SHARDS_MAX = 1000, ENGINE_WEIGHTS_INDEX_BYTES_MAX = 64 << 20 };

typedef struct engine_weights engine_weights;

typedef struct engine_weight {
    const char *name;
    const char *file; /* of the set it came from */
    engine_dtype type;
    unsigned rank;
    const int64_t *shape;
    uint64_t count;  /* elements */
    bytes_view data; /* in the mapped file: for readers that need no tensor */
} engine_weight;

/* The weights of a model folder: model.safetensors, else model.safetensors.index.json and its shards, else
 * the only other *.safetensors of the set (consolidated*.safetensors and adapter_model.safetensors aside).
 * `files` is only used during the call. Errors name file and place: ERR_NOT_FOUND (no weights, a missing
 * shard), ERR_UNSUPPORTED (pytorch_model.bin only), ERR_FORMAT, ERR_LIMIT, ERR_IO. */
err engine_weights_open(engine_files *files, engine_weights **out);
/* The weights of this one file of the set ("adapter_model.safetensors"). */
err engine_weights_open_file(engine_files *files, const char *name, engine_weights **out);
void engine_weights_free(engine_weights *w); /* NULL is fine; tensors made from it live on */

/* The files that engine_weights_open would read for this set, in order: names, NUL-terminated, one after
 * another in *names (cleared first). Reads the index at most. */
err engine_weights_list_files(engine_files *files, bytes *names, size_t *count);

size_t engine_weights_count(const engine_weights *w);                          /* tensors of all files */
const engine_weight *engine_weights_borrow(const engine_weights *w, size_t i); /* sorted by name */
const engine_weight *engine_weights_find(const engine_weights *w, const char *name); /* NULL: absent */
/* The shortest name that is `ending` or ends with "." and `ending` (a wrapper's prefix:
 * "language_model.model." before "embed_tokens.weight"); NULL: none. */
const engine_weight *engine_weights_find_ending(const engine_weights *w, const char *ending);
uint64_t engine_weights_bytes(const engine_weights *w);      /* of all tensors */
uint64_t engine_weights_parameters(const engine_weights *w); /* elements of all tensors */
/* The type most elements have: what dtype "auto" means for these files. */
engine_dtype engine_weights_main_type(const engine_weights *w);
bytes_view engine_weights_metadata(const engine_weights *w, const char *key); /* of the first file */

/* One tensor as `type` on `device`; the scope's. An absent name, a refused dtype or no memory fails the
 * scope. */
tensor *engine_weights_load(const engine_weights *w, tensor_scope *scope, const char *name, tensor_type type,
                            tensor_device device);

/* The mapped pages of this tensor need not stay in memory; it can be read again. */
void engine_weights_let_go(const engine_weights *w, const char *name);

/* What a reader needs, for one error sentence that tells all that is wrong. */
typedef struct engine_weight_want {
    const char *name;
    unsigned rank;
    int64_t shape[4]; /* -1: any size */
    bool optional;    /* may be absent; when present its shape must fit */
} engine_weight_want;

/* ERR_FORMAT: "2 tensors are missing: a, b; c is [3, 4], expected [4, 3]; ..." (the first few of each, then
 * how many more), ERR_UNSUPPORTED when a wanted tensor has a type that no weight may have. */
err engine_weights_check(const engine_weights *w, const engine_weight_want *wants, size_t want_count);

#endif
