/* engine/decoder_internal.h: what the files of the decoder share.
 *
 * Two ways through each part of a layer. `kernels`: on the CPU without grad, by engine/kernels, with results
 * that do not depend on a row's company. Else by libtorch's ops, on any device, under grad or not. */
#ifndef ENGINE_DECODER_INTERNAL_H
#define ENGINE_DECODER_INTERNAL_H

#include "engine/arch/modules.h"
#include "engine/decoder.h"
#include "engine/kernels/kernels.h"

typedef struct engine_trainable engine_trainable;

struct engine_decoder {
    const engine_spec *spec;
    tensor_device device;
    tensor_type type;
    size_t module_count;
    tensor **weights, **biases;    /* by module; NULL: there is none */
    engine_quantised **quantised; /* by module; in place of a weight */
    bool is_quantised;
    char *prefix;               /* what stands before "layers.0." in the files: "model." */
    size_t *windows;            /* the different windows of the layers */
    size_t window_count;
    bool (*go_on)(void *context); /* NULL: steps are not watched */
    void *go_on_context;
};

/* Rows that lie together and share a stack. */
typedef struct engine_row_range {
    size_t begin, count;
    const engine_stack *stack;
} engine_row_range;

/* How the rows of a training pass are computed: with what is trained, of which a stack knows nothing. */
typedef struct engine_training {
    const engine_trainable *trainable; /* NULL: the base alone */
    double dropout;
    const size_t *begins; /* [sequence_count + 1]: rows of each sequence */
    const uint64_t *keys; /* [sequence_count]: of each one's dropout */
    size_t sequence_count;
    const size_t *segment_begins; /* [segment_count + 1]: rows of each segment */
    size_t segment_count;
    /* By ops whose backward pass is written here, on the CPU; else by libtorch's own one by one: on a GPU, and what
     * the written ones are checked against. */
    bool written;
    bool narrow; /* low-rank branches in the decoder's type, not in f32 */
} engine_training;

typedef struct engine_ranges {
    const engine_row_range *list; /* in order, without gaps */
    size_t count, row_count;
    bool kernels;
    const engine_training *training; /* NULL: the ranges' stacks decide */
} engine_ranges;

/* Keys that a segment's rows see when libtorch's fused attention is used: tokens [first_key, end). */
typedef struct engine_mask {
    size_t first_key;
    tensor *additive; /* [rows, keys], 0 or -inf, of the decoder's type; NULL: one row that sees all keys, or
                       * causal with rows == keys */
} engine_mask;

struct engine_rows {
    const engine_decoder *d;
    const engine_segment *segments;
    size_t segment_count;
    engine_row_range *list, *wanted_list;
    engine_ranges all, wanted; /* of the rows of h, and of those that the head computes */
    int32_t *wanted_rows;      /* [wanted.row_count] */
    float *cos[ENGINE_SPEC_ROPES_MAX], *sin[ENGINE_SPEC_ROPES_MAX]; /* [rows, size / 2]; kernels */
    tensor *cos_tensor[ENGINE_SPEC_ROPES_MAX], *sin_tensor[ENGINE_SPEC_ROPES_MAX]; /* [rows, 1, size / 2] */
    engine_mask *masks; /* [segment_count][window_count]; not for the kernels */
};

static inline kernel_type kernel_type_of(tensor_type type)
{
    return type == TENSOR_F32 ? KERNEL_F32 : KERNEL_BF16;
}

/* Attends row by row over the blocks of its cache, not by libtorch. */
static inline bool segment_is_short(const engine_rows *rows, const engine_segment *segment)
{
    return rows->all.kernels && segment->cache && segment->row_count <= KERNEL_ROWS_MAX &&
           rows->d->spec->head_size <= KERNEL_HEAD_SIZE_MAX;
}

/* The first token that row `row` of a segment attends to; without a cache rows see each other alone. */
static inline size_t first_key_of(const engine_segment *segment, size_t row, size_t window)
{
    size_t first = segment->cache ? 0 : segment->position, end = segment->position + row + 1;
    return window && end > window && end - window > first ? end - window : first;
}

/* Rows [begin, begin + count) of x as a tensor that begins where an allocation does: what libtorch's products
 * give depends on how their input is aligned, in its last bits. */
tensor *engine_rows_copy(tensor_scope *s, tensor *x, size_t begin, size_t count);

/* Groups of ranges: the end of the run of ranges from i on for which same(range i, range j) holds. */
typedef bool engine_range_same(const engine_decoder *d, size_t module, const engine_row_range *a,
                               const engine_row_range *b);
size_t engine_ranges_run(const engine_decoder *d, size_t module, const engine_ranges *ranges, size_t i,
                         engine_range_same *same);
size_t engine_ranges_run_rows(const engine_ranges *ranges, size_t i, size_t end);

/* x [rows, heads * size]: RMSNorm with a module's weight, over all of a row, or over each `size` of it. */
tensor *engine_norm_run(const engine_decoder *d, tensor_scope *s, size_t module, tensor *x,
                        const engine_ranges *ranges);
/* q [rows, heads * head_size], k and v [rows, kv heads * head_size], rotated: what the rows attend to, as q.
 */
tensor *engine_attention_run(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *q, tensor *k,
                             tensor *v, const engine_rows *rows);
/* The same for the rows of one segment, many or without a cache: [rows, heads * head_size]. */
tensor *engine_attend_long(const engine_rows *rows, tensor_scope *s, size_t segment, size_t layer, tensor *q,
                           tensor *k, tensor *v);
/* Rotate x [rows, heads * head_size]. In place where the kernels do it, so x must be the caller's own. */
tensor *engine_rotate(const engine_decoder *d, tensor_scope *s, size_t layer, tensor *x, size_t head_count,
                      const engine_rows *rows);
/* Outputs [begin, begin + count) of a quantised module, as what libtorch's products expand piece by piece; all zero where
 * it is not quantised. It borrows the decoder's weight. */
tensor_packed engine_decoder_packed(const engine_decoder *d, size_t module, size_t begin, size_t count);
/* What a training pass takes for a module's weight or bias, of the decoder's type; NULL: there is none. */
const tensor *engine_training_weight(const engine_decoder *d, tensor_scope *s, const engine_training *how,
                                     size_t module);
const tensor *engine_training_bias(const engine_decoder *d, tensor_scope *s, const engine_training *how,
                                   size_t module);
/* The head without softcap. */
tensor *engine_head_run(const engine_decoder *d, tensor_scope *s, tensor *h, const engine_rows *rows);

#endif
