/* training/pack.c: best fit decreasing, with the open rows kept by their room. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "training/windows.h"

/* Open rows of one room: a heap with the oldest on top. */
typedef struct room_heap {
    size_t *rows;
    size_t count, capacity;
} room_heap;

/* All open rows, by room; `used` has a bit for each room that somebody has. */
typedef struct open_rows {
    room_heap *heaps; /* [room + 1] */
    uint64_t *used;
    size_t word_count;
} open_rows;

static void heap_push(room_heap *h, size_t row)
{
    if (h->count == h->capacity) {
        h->capacity = h->capacity ? 2 * h->capacity : 4;
        h->rows = memory_resize_array(h->rows, h->capacity, sizeof *h->rows);
    }
    size_t at = h->count++;
    for (; at > 0 && h->rows[(at - 1) / 2] > row; at = (at - 1) / 2) h->rows[at] = h->rows[(at - 1) / 2];
    h->rows[at] = row;
}

static size_t heap_pop(room_heap *h)
{
    size_t top = h->rows[0], last = h->rows[--h->count], at = 0;
    for (size_t child; (child = 2 * at + 1) < h->count; at = child) {
        if (child + 1 < h->count && h->rows[child + 1] < h->rows[child]) child++;
        if (h->rows[child] >= last) break;
        h->rows[at] = h->rows[child];
    }
    h->rows[at] = last;
    return top;
}

static void open_put(open_rows *open, size_t room, size_t row)
{
    heap_push(&open->heaps[room], row);
    open->used[room / 64] |= (uint64_t)1 << (room % 64);
}

/* The oldest row of the least room that takes `length`; *room tells it. False: none does. */
static bool open_take(open_rows *open, size_t length, size_t *room, size_t *row)
{
    for (size_t word = length / 64; word < open->word_count; word++) {
        uint64_t bits = open->used[word];
        if (word == length / 64) bits &= ~(uint64_t)0 << (length % 64);
        if (!bits) continue;
        *room = word * 64 + (size_t)__builtin_ctzll(bits);
        *row = heap_pop(&open->heaps[*room]);
        if (open->heaps[*room].count == 0) open->used[word] &= ~((uint64_t)1 << (*room % 64));
        return true;
    }
    return false;
}

typedef struct sized {
    size_t length, index;
} sized;

static int longer_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

/* The row of each example; gives how many rows there are. */
static size_t choose_rows(const sized *order, size_t count, size_t room, size_t *row_of)
{
    open_rows open = {.word_count = room / 64 + 1};
    open.heaps = memory_alloc((room + 1) * sizeof *open.heaps);
    open.used = memory_alloc(open.word_count * sizeof *open.used);
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = order[i].length, left = room, row = 0;
        if (length > room || !open_take(&open, length, &left, &row)) row = rows++;
        row_of[order[i].index] = row;
        if (length < left) open_put(&open, left - length, row);
    }
    for (size_t i = 0; i <= room; i++) free(open.heaps[i].rows);
    free(open.heaps);
    free(open.used);
    return rows;
}

void training_pack(const size_t *lengths, size_t count, size_t room, training_packs *out)
{
    sized *order = memory_alloc((count + 1) * sizeof *order);
    size_t *row_of = memory_alloc((count + 1) * sizeof *row_of);
    for (size_t i = 0; i < count; i++) order[i] = (sized){lengths[i], i};
    if (count) qsort(order, count, sizeof *order, longer_first);
    out->count = choose_rows(order, count, room, row_of);
    out->items = memory_alloc((count + 1) * sizeof *out->items);
    out->begins = memory_alloc((out->count + 2) * sizeof *out->begins);
    /* Counted, summed, then laid in the order in which they were put. */
    for (size_t i = 0; i < count; i++) out->begins[row_of[i] + 2]++;
    for (size_t row = 2; row <= out->count; row++) out->begins[row] += out->begins[row - 1];
    for (size_t i = 0; i < count; i++) out->items[out->begins[row_of[order[i].index] + 1]++] = order[i].index;
    free(order);
    free(row_of);
}

void training_packs_free(training_packs *packs)
{
    free(packs->items);
    free(packs->begins);
    *packs = (training_packs){0};
}
