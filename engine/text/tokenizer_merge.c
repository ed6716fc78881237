/* engine/text/tokenizer_merge.c: byte pair encoding proper: the lowest rank first, the leftmost of equal
 * ones.
 *
 * Short pieces: a scan for the lowest rank after each merge. Long ones (files without a pre-tokenizer give
 * whole texts): a linked list of symbols and a heap of (rank, position), whose stale entries are told by
 * their rank. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer_internal.h"

enum { SCAN_COUNT_MAX = 40 }; /* symbols up to which a scan is faster */

static size_t merge_by_scan(const merge_table *merges, int32_t *ids, size_t count)
{
    merge to[SCAN_COUNT_MAX]; /* of each symbol and the next */
    for (size_t i = 0; i + 1 < count; i++) to[i] = merge_table_find(merges, ids[i], ids[i + 1]);
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (to[i].rank < to[best].rank) best = i;
        if (to[best].rank == MERGE_NONE) break;
        ids[best] = to[best].id;
        memmove(&ids[best + 1], &ids[best + 2], (count - best - 2) * sizeof *ids);
        count--;
        if (best + 1 < count) {
            memmove(&to[best + 1], &to[best + 2], (count - best - 2) * sizeof *to);
            to[best] = merge_table_find(merges, ids[best], ids[best + 1]);
        }
        if (best) to[best - 1] = merge_table_find(merges, ids[best - 1], ids[best]);
    }
    return count;
}

/* ---- the heap: the smallest rank << 32 | position on top ---- */

static void heap_push(merge_work *w, uint64_t key)
{
    if (w->heap_count == w->heap_capacity) {
        w->heap_capacity = w->heap_capacity ? w->heap_capacity * 2 : 1024;
        w->heap = memory_resize_array(w->heap, w->heap_capacity, sizeof *w->heap);
    }
    size_t at = w->heap_count++;
    for (size_t parent; at && w->heap[parent = (at - 1) / 2] > key; at = parent)
        w->heap[at] = w->heap[parent];
    w->heap[at] = key;
}

static uint64_t heap_pop(merge_work *w)
{
    uint64_t top = w->heap[0], key = w->heap[--w->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < w->heap_count; at = child) {
        child += child + 1 < w->heap_count && w->heap[child + 1] < w->heap[child];
        if (w->heap[child] >= key) break;
        w->heap[at] = w->heap[child];
    }
    w->heap[at] = key;
    return top;
}

/* Looks up what symbol `at` and its next become. */
static void pair_renew(const merge_table *merges, merge_work *w, int32_t at)
{
    merge_symbol *symbol = &w->symbols[at];
    symbol->to = symbol->next < 0 ? (merge){MERGE_NONE, -1}
                                  : merge_table_find(merges, symbol->id, w->symbols[symbol->next].id);
    if (symbol->to.rank != MERGE_NONE) heap_push(w, (uint64_t)symbol->to.rank << 32 | (uint32_t)at);
}

static void symbols_fill(merge_work *w, const int32_t *ids, size_t count)
{
    if (w->symbol_capacity < count) {
        w->symbol_capacity = count;
        w->symbols = memory_resize_array(w->symbols, count, sizeof *w->symbols);
    }
    for (size_t i = 0; i < count; i++)
        w->symbols[i] = (merge_symbol){.id = ids[i], .next = (int32_t)i + 1, .previous = (int32_t)i - 1};
    w->symbols[count - 1].next = -1;
    w->heap_count = 0;
}

static size_t merge_by_heap(const merge_table *merges, merge_work *w, int32_t *ids, size_t count)
{
    symbols_fill(w, ids, count);
    for (size_t i = 0; i < count; i++) pair_renew(merges, w, (int32_t)i);
    while (w->heap_count) {
        uint64_t key = heap_pop(w);
        int32_t at = (int32_t)(uint32_t)key;
        merge_symbol *symbol = &w->symbols[at];
        if (symbol->to.rank != (uint32_t)(key >> 32)) continue;
        merge_symbol *gone = &w->symbols[symbol->next];
        symbol->id = symbol->to.id;
        symbol->next = gone->next;
        gone->to.rank = MERGE_NONE;
        if (symbol->next >= 0) w->symbols[symbol->next].previous = at;
        pair_renew(merges, w, at);
        if (symbol->previous >= 0) pair_renew(merges, w, symbol->previous);
    }
    size_t left = 0;
    for (int32_t at = 0; at >= 0; at = w->symbols[at].next) ids[left++] = w->symbols[at].id;
    return left;
}

size_t tokenizer_merge(const merge_table *merges, merge_work *w, int32_t *ids, size_t count)
{
    if (count < 2 || !merges->count) return count;
    return count <= SCAN_COUNT_MAX ? merge_by_scan(merges, ids, count) : merge_by_heap(merges, w, ids, count);
}

void merge_work_free(merge_work *w)
{
    free(w->symbols);
    free(w->heap);
    *w = (merge_work){0};
}
