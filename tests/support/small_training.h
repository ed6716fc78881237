/* tests/support/small_training.h: the small model with something to train and rows to train on. */
#ifndef TESTS_SUPPORT_SMALL_TRAINING_H
#define TESTS_SUPPORT_SMALL_TRAINING_H

#include "base/file.h"
#include "engine/derived_random.h"
#include "engine/trainable_internal.h"
#include "tests/support/small_model.h"
#include "tests/support/training.h"

enum { SMALL_ROWS = 3 };

typedef struct small_training {
    model m;
    engine_trainable *t;
    token_row rows[SMALL_ROWS];
    engine_train_row list[SMALL_ROWS];
    size_t targets;
} small_training;

/* Rows of 9, 14 and 6 tokens that follow from the seed; about every third position has no target. */
static inline void small_rows_fill(small_training *st, uint64_t seed)
{
    static const size_t counts[SMALL_ROWS] = {9, 14, 6};
    st->targets = 0;
    for (size_t i = 0; i < SMALL_ROWS; i++) {
        token_row *row = &st->rows[i];
        *row = (token_row){.count = counts[i]};
        for (size_t k = 0; k < counts[i]; k++)
            row->ids[k] = (int32_t)(derived_random_next(&seed) % SMALL_MODEL_VOCAB);
        for (size_t k = 0; k < counts[i]; k++) {
            bool none = k + 1 == counts[i] || derived_random_next(&seed) % 3 == 0;
            row->targets[k] = none ? ENGINE_TARGET_NONE : row->ids[k + 1];
            row->target_count += !none;
        }
        st->targets += row->target_count;
        st->list[i] = (engine_train_row){.ids = row->ids,
                                         .targets = row->targets,
                                         .count = row->count,
                                         .dropout_key = derived_random(seed + i)};
    }
}

static inline engine_trainable_options small_options(void)
{
    engine_trainable_options options = engine_trainable_defaults();
    options.rank = 4;
    options.alpha = 8;
    return options;
}

/* Every leaf moved a little from where it began, so that no gradient is 0 by design. */
static inline void small_leaves_move(engine_trainable *t, uint64_t seed)
{
    for (size_t i = 0; i < engine_trainable_count(t); i++) {
        float *values = tensor_borrow_data_mutable(engine_trainable_borrow(t, i));
        for (int64_t v = 0; v < tensor_count(engine_trainable_borrow(t, i)); v++)
            values[v] += ((float)(derived_random_next(&seed) >> 40) * 0x1p-24f - 0.5f) * 0.2f;
    }
}

/* The rows point into *st, which stays where it is. */
static inline void small_training_open_quantised(small_training *st, const engine_trainable_options *options,
                                                 engine_quantised_kind kind)
{
    *st = (small_training){0};
    char *folder = file_join(check_folder(), "model");
    small_model_write(folder, false);
    st->m = model_open_quantised(folder, kind);
    free(folder);
    check_ok(engine_trainable_new(st->m.decoder, options, &st->t));
    small_leaves_move(st->t, 5);
    small_rows_fill(st, 1);
}

/* Likewise. `shape` NULL: the smallest. */
static inline void small_training_open_as(small_training *st, const engine_trainable_options *options,
                                          bool moved, const small_model_shape *shape)
{
    *st = (small_training){0};
    char *folder = file_join(check_folder(), "model");
    if (shape)
        small_model_write_as(folder, false, shape);
    else
        small_model_write(folder, false);
    st->m = model_open(folder, TENSOR_F32);
    free(folder);
    check_ok(engine_trainable_new(st->m.decoder, options, &st->t));
    if (moved) small_leaves_move(st->t, 5);
    small_rows_fill(st, 1);
}

static inline void small_training_open(small_training *st, const engine_trainable_options *options,
                                       bool moved)
{
    small_training_open_as(st, options, moved, NULL);
}

static inline void small_training_close(small_training *st)
{
    engine_trainable_free(st->t);
    model_close(&st->m);
}

/* The loss over N of these rows, in one micro-batch. */
static inline double small_loss(small_training *st, const engine_train_row *rows, size_t count,
                                double dropout, size_t layers, bool backward)
{
    engine_train_result result;
    engine_train_request request = {.rows = rows,
                                    .row_count = count,
                                    .scale = 1 / (double)st->targets,
                                    .backward = backward,
                                    .dropout = dropout,
                                    .checkpoint_layers = layers};
    check_ok(engine_train_pass(st->m.decoder, st->t, &request, &result));
    return result.loss_sum / (double)st->targets;
}

/* All gradients, one leaf after another. The caller's: free(). */
static inline float *small_gradients(const small_training *st)
{
    float *all = memory_alloc((engine_trainable_parameters(st->t) + 1) * sizeof *all), *at = all;
    for (size_t i = 0; i < engine_trainable_count(st->t); i++) {
        size_t count = (size_t)tensor_count(engine_trainable_borrow(st->t, i));
        float *one = leaf_values(st->t, i, true);
        memcpy(at, one, count * sizeof *one);
        free(one);
        at += count;
    }
    return all;
}

static inline float *small_gradients_of(small_training *st, double dropout, size_t layers)
{
    engine_trainable_clear(st->t);
    small_loss(st, st->list, SMALL_ROWS, dropout, layers, true);
    return small_gradients(st);
}

#endif
