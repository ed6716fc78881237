/* engine/text/tokenizer_table.c: two open-addressing tables, made once and then only read. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer_internal.h"

/* Half full at most. */
static size_t capacity_for(size_t count)
{
    size_t capacity = 16;
    while (capacity < count * 2) capacity *= 2;
    return capacity;
}

static uint64_t mix(uint64_t value)
{
    value *= 0x9E3779B97F4A7C15u;
    return value ^ value >> 32;
}

/* ---- strings ---- */

struct token_entry {
    const char *data; /* NULL: free */
    uint32_t size;
    int32_t id;
};

static uint64_t text_hash(bytes_view text)
{
    uint64_t hash = text.size, word;
    size_t at = 0;
    for (; text.size - at >= 8; at += 8) {
        memcpy(&word, text.data + at, 8);
        hash = mix(hash ^ word);
    }
    if (at < text.size) {
        word = 0;
        memcpy(&word, text.data + at, text.size - at);
        hash = mix(hash ^ word);
    }
    return mix(hash);
}

static struct token_entry *token_slot(const token_table *t, bytes_view token)
{
    size_t at = text_hash(token) & t->mask;
    for (;; at = (at + 1) & t->mask) {
        struct token_entry *entry = &t->entries[at];
        if (!entry->data) return entry;
        if (entry->size == token.size && memcmp(entry->data, token.data, token.size) == 0) return entry;
    }
}

void token_table_reserve(token_table *t, size_t count)
{
    size_t capacity = capacity_for(count);
    token_table_free(t);
    t->entries = calloc(capacity, sizeof *t->entries);
    if (!t->entries) memory_exhausted(capacity * sizeof *t->entries);
    t->mask = capacity - 1;
}

bool token_table_add(token_table *t, bytes_view token, int32_t id)
{
    struct token_entry *entry = token_slot(t, token);
    if (entry->data) return false;
    *entry = (struct token_entry){token.data, (uint32_t)token.size, id};
    t->count++;
    return true;
}

int32_t token_table_find(const token_table *t, bytes_view token)
{
    if (!t->count || !token.size) return -1;
    const struct token_entry *entry = token_slot(t, token);
    return entry->data ? entry->id : -1;
}

void token_table_free(token_table *t)
{
    free(t->entries);
    *t = (token_table){0};
}

/* ---- pairs ---- */

struct merge_entry {
    int32_t left, right; /* left -1: free */
    merge merge;
};

static struct merge_entry *merge_slot(const merge_table *t, int32_t left, int32_t right)
{
    size_t at = mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right) & t->mask;
    for (;; at = (at + 1) & t->mask) {
        struct merge_entry *entry = &t->entries[at];
        if (entry->left == -1 || (entry->left == left && entry->right == right)) return entry;
    }
}

void merge_table_reserve(merge_table *t, size_t count)
{
    size_t capacity = capacity_for(count);
    merge_table_free(t);
    t->entries = memory_resize_array(NULL, capacity, sizeof *t->entries);
    memset(t->entries, 0xFF, capacity * sizeof *t->entries);
    t->mask = capacity - 1;
}

void merge_table_set(merge_table *t, int32_t left, int32_t right, merge m)
{
    struct merge_entry *entry = merge_slot(t, left, right);
    t->count += entry->left == -1;
    *entry = (struct merge_entry){left, right, m};
}

merge merge_table_find(const merge_table *t, int32_t left, int32_t right)
{
    const struct merge_entry *entry = merge_slot(t, left, right);
    return entry->left == -1 ? (merge){MERGE_NONE, -1} : entry->merge;
}

void merge_table_free(merge_table *t)
{
    free(t->entries);
    *t = (merge_table){0};
}
