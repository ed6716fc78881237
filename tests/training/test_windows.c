/* Packing's golden plan, and what every plan promises. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "tests/support/check.h"
#include "training/windows.h"

static void check_pack(const training_packs *p, size_t i, const size_t *wanted, size_t count)
{
    check_int(p->begins[i + 1] - p->begins[i], count);
    for (size_t k = 0; k < count; k++) check_int(p->items[p->begins[i] + k], wanted[k]);
}

TEST(packing_gives_the_golden_plan)
{
    const size_t lengths[] = {5, 2, 3, 1, 7, 4, 4, 2, 6};
    training_packs p;
    training_pack(lengths, COUNT_OF(lengths), 8, &p);
    check_int(p.count, 5);
    check_pack(&p, 0, (const size_t[]){4, 3}, 2);
    check_pack(&p, 1, (const size_t[]){8, 1}, 2);
    check_pack(&p, 2, (const size_t[]){0, 2}, 2);
    check_pack(&p, 3, (const size_t[]){5, 6}, 2);
    check_pack(&p, 4, (const size_t[]){7}, 1);
    training_packs_free(&p);
}

/* The definition itself: every open row looked at for each example. */
static size_t pack_slowly(const size_t *lengths, size_t count, size_t room, size_t *row_of)
{
    size_t rows = 0, *left = memory_alloc((count + 1) * sizeof *left);
    bool *done = memory_alloc(count + 1);
    for (size_t n = 0; n < count; n++) {
        size_t next = count, best = count;
        for (size_t i = 0; i < count; i++)
            if (!done[i] && (next == count || lengths[i] > lengths[next])) next = i;
        done[next] = true;
        for (size_t r = 0; r < rows; r++)
            if (left[r] >= lengths[next] && (best == count || left[r] < left[best])) best = r;
        if (best == count) left[best = rows++] = room;
        left[best] -= lengths[next];
        row_of[next] = best;
    }
    free(left);
    free(done);
    return rows;
}

TEST(packing_is_best_fit_decreasing_on_any_lengths)
{
    enum { COUNT = 400, ROOM = 150 };
    size_t lengths[COUNT], row_of[COUNT];
    unsigned state = 7;
    for (size_t i = 0; i < COUNT; i++) lengths[i] = 1 + (state = state * 1103515245u + 12345u) / 65536 % ROOM;
    training_packs p;
    training_pack(lengths, COUNT, ROOM, &p);
    check_int(p.count, pack_slowly(lengths, COUNT, ROOM, row_of));
    for (size_t row = 0; row < p.count; row++)
        for (size_t i = p.begins[row]; i < p.begins[row + 1]; i++) check_int(row_of[p.items[i]], row);
    training_packs_free(&p);
}

/* -- windows ------------------------------------------------------------------------------------------- */

enum { EXAMPLES = 23 };

typedef struct examples {
    training_sequence list[EXAMPLES];
    int32_t ids[EXAMPLES][16], labels[EXAMPLES][16];
} examples;

/* Example i has 2 + i % 9 tokens 100 i + k; the first two are not learned. */
static void examples_make(examples *e)
{
    for (size_t i = 0; i < EXAMPLES; i++) {
        size_t count = 2 + i % 9;
        for (size_t k = 0; k < count; k++) {
            e->ids[i][k] = (int32_t)(100 * i + k);
            e->labels[i][k] = k < 2 ? ENGINE_TARGET_NONE : e->ids[i][k];
        }
        e->list[i] = (training_sequence){e->ids[i], e->labels[i], count};
    }
}

static training_windows *windows_make(const examples *e, size_t count, training_windows_options options)
{
    training_windows *w = NULL;
    check_ok(training_windows_new(e->list, count, &options, &w));
    return w;
}

/* Every example is in the epoch once, whole, its targets what its labels say, segments apart. */
static void check_epoch(const examples *e, const training_windows *w, size_t count, uint64_t epoch)
{
    bool seen[EXAMPLES] = {false};
    size_t rows = 0;
    for (size_t i = 0; i < training_windows_count(w); i++) {
        training_window window;
        check_ok(training_windows_get(w, epoch, i, &window));
        rows += window.row_count;
        size_t example = 0;
        uint64_t targets = 0, tokens = 0;
        for (size_t r = 0; r < window.row_count; r++) {
            const engine_train_row *row = &window.rows[r];
            tokens += row->count;
            for (size_t k = 0; k < row->segment_count; k++, example++) {
                const training_sequence *s = &e->list[window.examples[example]];
                size_t begin = row->segment_begins[k];
                check_true(!seen[window.examples[example]]);
                seen[window.examples[example]] = true;
                check_int(k + 1 < row->segment_count ? row->segment_begins[k + 1] : row->count,
                          begin + s->count);
                check_true(memcmp(row->ids + begin, s->ids, s->count * sizeof *s->ids) == 0);
                for (size_t t = 0; t < s->count; t++) {
                    int32_t wanted = t + 1 < s->count ? s->labels[t + 1] : ENGINE_TARGET_NONE;
                    check_int(row->targets[begin + t], wanted);
                    targets += wanted != ENGINE_TARGET_NONE;
                }
            }
        }
        check_int(example, window.example_count);
        check_int(targets, window.targets);
        check_int(tokens, window.tokens);
        training_window_free(&window);
    }
    check_int(rows, training_windows_row_count(w));
    for (size_t i = 0; i < count; i++) check_true(seen[i]);
}

TEST(an_epoch_holds_every_example_once)
{
    examples e;
    examples_make(&e);
    for (int packing = 0; packing < 2; packing++) {
        training_windows *w = windows_make(
            &e, EXAMPLES, (training_windows_options){.room = 12, .window = 4, .packing = packing, .seed = 3});
        check_epoch(&e, w, EXAMPLES, 0);
        check_epoch(&e, w, EXAMPLES, 5);
        training_windows_free(w);
    }
    training_windows *w =
        windows_make(&e, 22, (training_windows_options){.room = 12, .window = 4, .pairs = true});
    check_epoch(&e, w, 22, 1);
    training_windows_free(w);
}

TEST(the_order_of_the_file_is_kept_where_it_is_asked_for)
{
    examples e;
    examples_make(&e);
    training_windows *w =
        windows_make(&e, 10, (training_windows_options){.room = 12, .window = 4, .in_order = true});
    check_int(training_windows_count(w), 3);
    for (size_t i = 0, at = 0; i < 3; i++) {
        training_window window;
        check_ok(training_windows_get(w, i, i, &window));
        check_int(window.row_count, i < 2 ? 4 : 2);
        for (size_t k = 0; k < window.example_count; k++) check_int(window.examples[k], at++);
        training_window_free(&window);
    }
    training_windows_free(w);
}

TEST(epochs_differ_and_each_is_the_same_again)
{
    examples e;
    examples_make(&e);
    training_windows *w =
        windows_make(&e, EXAMPLES, (training_windows_options){.room = 12, .window = 23, .seed = 42});
    training_window a, b, c;
    check_ok(training_windows_get(w, 0, 0, &a));
    check_ok(training_windows_get(w, 0, 0, &b));
    check_ok(training_windows_get(w, 1, 0, &c));
    check_true(memcmp(a.examples, b.examples, EXAMPLES * sizeof *a.examples) == 0);
    check_true(memcmp(a.examples, c.examples, EXAMPLES * sizeof *a.examples) != 0);
    training_window_free(&a);
    training_window_free(&b);
    training_window_free(&c);
    training_windows_free(w);
}

TEST(plans_that_cannot_be_are_refused)
{
    examples e;
    examples_make(&e);
    training_windows *w = NULL;
    check_fails(training_windows_new(e.list, 0, &(training_windows_options){.room = 8, .window = 1}, &w),
                ERR_USAGE, "no examples");
    check_fails(training_windows_new(e.list, 4, &(training_windows_options){.room = 8}, &w), ERR_USAGE,
                "a window of 0");
    check_fails(training_windows_new(e.list, 3,
                                     &(training_windows_options){.room = 8, .window = 1, .pairs = true}, &w),
                ERR_USAGE, "two by two");
    w = windows_make(&e, 4, (training_windows_options){.room = 8, .window = 4});
    training_window window;
    check_fails(training_windows_get(w, 0, 1, &window), ERR_USAGE, "window 1 of an epoch of 1");
    training_windows_free(w);
}

TESTS(RUN(packing_gives_the_golden_plan), RUN(packing_is_best_fit_decreasing_on_any_lengths),
      RUN(an_epoch_holds_every_example_once), RUN(the_order_of_the_file_is_kept_where_it_is_asked_for),
      RUN(epochs_differ_and_each_is_the_same_again), RUN(plans_that_cannot_be_are_refused))
