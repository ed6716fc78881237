/* training/windows.h: the plan of an epoch: which examples, packed how, in which window.
 *
 * A plan is a function of the examples, the room of a row, packing, the window's size, the seed and the
 * epoch, and of nothing else: neither of the micro-batch nor of the number of processes. So a place in the
 * data is (epoch, window), and resuming computes the plan again and jumps. Nothing is padded, so rows are not
 * sorted by length. Threads: immutable once made. Source: spec training.md, sections 5, 10, 11, 22 (golden
 * packing). */
#ifndef TRAINING_WINDOWS_H
#define TRAINING_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/train_pass.h"

/* One example as tokens. labels[i] is ids[i] where that token is to be learned, else ENGINE_TARGET_NONE; of
 * labels[0] nothing can be predicted. */
typedef struct training_sequence {
    int32_t *ids, *labels; /* [count] */
    size_t count;
} training_sequence;

/* Labels after the first: what the loss will count. */
size_t training_sequence_targets(const training_sequence *s);

/* -- packing ----------------------------------------------------------------------------------------------
 */

/* Examples that share a row: a list in `items`, one pack after another. */
typedef struct training_packs {
    size_t *items;  /* [item count]: examples, in the order in which they lie in their rows */
    size_t *begins; /* [count + 1], into items */
    size_t count;
} training_packs;

/* Best fit decreasing: by length, the longest first; each into the open row with the least room that takes it
 * (the oldest on a tie), else into a new one. A length over `room` gets a row of its own. O(n log n). */
void training_pack(const size_t *lengths, size_t count, size_t room, training_packs *out);
void training_packs_free(training_packs *packs); /* a zeroed one is fine */

/* -- windows ----------------------------------------------------------------------------------------------
 */

typedef struct training_windows training_windows;

typedef struct training_windows_options {
    size_t room;   /* tokens of a packed row */
    size_t window; /* rows (pairs, of preferences) that feed one step */
    bool packing;  /* not with pairs */
    bool pairs;    /* examples 2k and 2k + 1 are what was chosen and what was rejected: never apart */
    bool in_order; /* of the file; else shuffled anew in each epoch */
    uint64_t seed;
} training_windows_options;

/* `sequences` are borrowed and must outlive it. ERR_USAGE: no examples, a window or room of 0, pairs that are
 * odd or packed. */
err training_windows_new(const training_sequence *sequences, size_t count,
                         const training_windows_options *options, training_windows **out);
void training_windows_free(training_windows *w); /* NULL is fine */
/* Of an epoch; the last one may be short. */
size_t training_windows_count(const training_windows *w);
/* Rows of an epoch: packed sequences, or examples. */
size_t training_windows_row_count(const training_windows *w);

/* What feeds one step. */
typedef struct training_window {
    engine_train_row *rows; /* [row_count]; dropout_key and factors are the caller's to set */
    size_t row_count;       /* of pairs: 2k was chosen, 2k + 1 rejected */
    uint64_t targets, tokens;
    size_t *examples; /* [example_count]: which examples are in it, row after row, for messages */
    size_t example_count;
    void *memory;
} training_window;

/* ERR_USAGE: no such window. The caller frees *out. */
err training_windows_get(const training_windows *w, uint64_t epoch, size_t window, training_window *out);
void training_window_free(training_window *window); /* a zeroed one is fine */

#endif
