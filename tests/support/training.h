/* tests/support/training.h: recorded runs of spec training.md, section 21, test 5, read and run again.
 *
 * Included by the tests that train; a failure ends the test. */
#ifndef TESTS_SUPPORT_TRAINING_H
#define TESTS_SUPPORT_TRAINING_H

#include "engine/safetensors.h"
#include "engine/train_pass.h"
#include "engine/trainable.h"
#include "tests/support/model.h"
#include "training/optimizer.h"
#include "training/schedule.h"

enum { TRAINING_ROWS_MAX = 64, TRAINING_TOKENS_MAX = 256 };

/* A row of tokens with its shifted targets. */
typedef struct token_row {
    int32_t ids[TRAINING_TOKENS_MAX], targets[TRAINING_TOKENS_MAX];
    size_t count, target_count;
} token_row;

static inline void token_row_read(const json_node *node, token_row *row)
{
    int32_t labels[TRAINING_TOKENS_MAX];
    size_t label_count = 0;
    *row = (token_row){0};
    for (const json_node *id = json_first(json_get(node, "input_ids")); id; id = id->next) {
        check_true(row->count < TRAINING_TOKENS_MAX);
        row->ids[row->count++] = (int32_t)json_int(id, -1);
    }
    for (const json_node *label = json_first(json_get(node, "labels")); label; label = label->next) {
        check_true(label_count < row->count);
        labels[label_count++] = (int32_t)json_int(label, -1);
    }
    for (size_t i = 0; i < row->count; i++) {
        row->targets[i] = i + 1 < label_count ? labels[i + 1] : ENGINE_TARGET_NONE;
        row->target_count += row->targets[i] != ENGINE_TARGET_NONE;
    }
}

/* The lines of a file, each given to read(). */
static inline size_t lines_read(const char *path, void (*read)(const json_node *, void *, size_t), void *rows)
{
    bytes text = check_read("%s", path);
    size_t count = 0;
    for (char *line = text.data, *end; line && *line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        arena a = {0};
        const json_node *root = NULL;
        size_t size = end ? (size_t)(end - line) : strlen(line);
        check_ok(json_parse((bytes_view){line, size}, JSON_DEPTH_MAX, &a, &root));
        check_true(count < TRAINING_ROWS_MAX);
        read(root, rows, count++);
        arena_free(&a);
    }
    bytes_free(&text);
    return count;
}

/* The L2 norm of a - b over that of b; b's own norm when it is 0. */
static inline double relative_difference(const float *a, const float *b, size_t count)
{
    double apart = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        apart += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 ? sqrt(apart / size) : sqrt(apart);
}

/* The values of a leaf, or its gradient (zeros when it has none). The caller's: free(). */
static inline float *leaf_values(const engine_trainable *t, size_t i, bool gradient)
{
    const tensor *leaf = engine_trainable_borrow(t, i);
    size_t count = (size_t)tensor_count(leaf);
    float *values = memory_alloc((count + 1) * sizeof *values);
    if (!gradient) {
        check_ok(tensor_read_f32(leaf, values, count));
        return values;
    }
    tensor_scope *s = tensor_scope_new(false);
    tensor *g = tensor_grad(s, leaf);
    if (g) check_ok(tensor_read_f32(g, values, count));
    check_ok(tensor_scope_close(s));
    return values;
}

#endif
