/* training/windows.c: rows of an epoch in their order, cut into windows. */
#include "training/windows.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "training/random.h"

struct training_windows {
    const training_sequence *sequences;
    training_windows_options options;
    training_packs packs; /* a pair is a pack of two; without packing each example is one */
};

size_t training_sequence_targets(const training_sequence *s)
{
    size_t count = 0;
    for (size_t i = 1; i < s->count; i++) count += s->labels[i] != ENGINE_TARGET_NONE;
    return count;
}

static err check_options(size_t count, const training_windows_options *o)
{
    if (count == 0) return err_make(ERR_USAGE, "there are no examples to train on");
    if (o->window == 0 || o->room == 0)
        return err_make(ERR_USAGE, "a window of %zu rows of %zu tokens, expected at least 1 of each",
                        o->window, o->room);
    if (o->pairs && (o->packing || count % 2))
        return err_make(ERR_USAGE, "pairs come two by two and are not packed");
    return ERR_OK;
}

/* Packs of `each` examples, in the order of the file. */
static void pack_plainly(size_t count, size_t each, training_packs *out)
{
    out->count = count / each;
    out->items = memory_alloc(count * sizeof *out->items);
    out->begins = memory_alloc((out->count + 1) * sizeof *out->begins);
    for (size_t i = 0; i < count; i++) out->items[i] = i;
    for (size_t i = 0; i <= out->count; i++) out->begins[i] = i * each;
}

static void pack_closely(const training_sequence *sequences, size_t count, size_t room, training_packs *out)
{
    size_t *lengths = memory_alloc(count * sizeof *lengths);
    for (size_t i = 0; i < count; i++) lengths[i] = sequences[i].count;
    training_pack(lengths, count, room, out);
    free(lengths);
}

err training_windows_new(const training_sequence *sequences, size_t count,
                         const training_windows_options *options, training_windows **out)
{
    err e = check_options(count, options);
    if (e.code) return e;
    training_windows *w = memory_alloc(sizeof *w);
    w->sequences = sequences;
    w->options = *options;
    if (options->packing)
        pack_closely(sequences, count, options->room, &w->packs);
    else
        pack_plainly(count, options->pairs ? 2 : 1, &w->packs);
    *out = w;
    return ERR_OK;
}

void training_windows_free(training_windows *w)
{
    if (!w) return;
    training_packs_free(&w->packs);
    free(w);
}

size_t training_windows_row_count(const training_windows *w)
{
    return w->options.pairs ? 2 * w->packs.count : w->packs.count;
}

size_t training_windows_count(const training_windows *w)
{
    return (w->packs.count + w->options.window - 1) / w->options.window;
}

/* -- one window -------------------------------------------------------------------------------------------
 */

/* One row of the examples [first, end) of the plan, laid into the window's memory. */
static void lay_row(const training_windows *w, const size_t *items, size_t item_count, training_window *out,
                    int32_t **ids, size_t **begins)
{
    engine_train_row *row = &out->rows[out->row_count++];
    int32_t *targets;
    size_t total = 0;
    for (size_t i = 0; i < item_count; i++) total += w->sequences[items[i]].count;
    targets = *ids + total;
    *row = (engine_train_row){.ids = *ids,
                              .targets = targets,
                              .count = total,
                              .segment_begins = *begins,
                              .segment_count = item_count};
    size_t at = 0;
    for (size_t i = 0; i < item_count; i++) {
        const training_sequence *s = &w->sequences[items[i]];
        (*begins)[i] = at;
        out->examples[out->example_count++] = items[i];
        memcpy(*ids + at, s->ids, s->count * sizeof *s->ids);
        /* A label is predicted from the token before it; the last position of a segment has no target. */
        memcpy(targets + at, s->labels + 1, (s->count - 1) * sizeof *s->labels);
        targets[at + s->count - 1] = ENGINE_TARGET_NONE;
        out->targets += training_sequence_targets(s);
        at += s->count;
    }
    out->tokens += total;
    *ids = targets + total;
    *begins += item_count;
}

err training_windows_get(const training_windows *w, uint64_t epoch, size_t window, training_window *out)
{
    size_t count = w->packs.count, first = window * w->options.window;
    if (window >= training_windows_count(w))
        return err_make(ERR_USAGE, "window %zu of an epoch of %zu", window, training_windows_count(w));
    size_t pack_count = MIN_OF(w->options.window, count - first), tokens = 0, examples = 0;
    size_t *order = memory_alloc(count * sizeof *order);
    if (w->options.in_order)
        for (size_t i = 0; i < count; i++) order[i] = i;
    else
        training_order(w->options.seed, epoch, order, count);
    for (size_t p = first; p < first + pack_count; p++)
        for (size_t i = w->packs.begins[order[p]]; i < w->packs.begins[order[p] + 1]; i++, examples++)
            tokens += w->sequences[w->packs.items[i]].count;
    *out = (training_window){.rows = memory_alloc(examples * sizeof *out->rows),
                             .examples = memory_alloc(2 * examples * sizeof *out->examples),
                             .memory = memory_alloc(2 * tokens * sizeof(int32_t))};
    int32_t *ids = out->memory;
    size_t *begins = out->examples + examples;
    for (size_t p = first; p < first + pack_count; p++) {
        size_t begin = w->packs.begins[order[p]], item_count = w->packs.begins[order[p] + 1] - begin;
        size_t each = w->options.pairs ? 1 : item_count;
        for (size_t i = 0; i < item_count; i += each)
            lay_row(w, w->packs.items + begin + i, each, out, &ids, &begins);
    }
    free(order);
    return ERR_OK;
}

void training_window_free(training_window *window)
{
    free(window->rows);
    free(window->examples);
    free(window->memory);
    *window = (training_window){0};
}
