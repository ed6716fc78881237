/* engine/text/tokenizer_table.c: two open-addressing tables, made once and then only read. */
#include <stddef.h>
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

enum { SHORT_BYTES_MAX = 11, LONG_MARK = 0xFF };

/* Most tokens are short: they lie in the entry itself, so that a look-up touches one cache line. */
struct token_entry {
    unsigned char text[SHORT_BYTES_MAX]; /* of a short token; of a long one, the pointer to it and the low */
    unsigned char size;                  /* bytes of its size. 0: free; LONG_MARK: a long one */
    int32_t id;
};

static struct token_entry entry_of(bytes_view token, int32_t id)
{
    struct token_entry entry = {.id = id};
    if (token.size <= SHORT_BYTES_MAX) {
        memcpy(entry.text, token.data, token.size);
        entry.size = (unsigned char)token.size;
        return entry;
    }
    memcpy(entry.text, &token.data, sizeof token.data);
    for (size_t i = sizeof token.data; i < SHORT_BYTES_MAX; i++)
        entry.text[i] = (unsigned char)(token.size >> 8 * (i - sizeof token.data));
    entry.size = LONG_MARK;
    return entry;
}

/* `key` is the entry that the token would have. */
static bool entry_holds(const struct token_entry *entry, const struct token_entry *key, bytes_view token)
{
    if (key->size != LONG_MARK) return memcmp(entry, key, offsetof(struct token_entry, id)) == 0;
    const size_t pointer = sizeof(char *);
    if (entry->size != LONG_MARK ||
        memcmp(entry->text + pointer, key->text + pointer, SHORT_BYTES_MAX - pointer))
        return false;
    const char *data;
    memcpy(&data, entry->text, sizeof data);
    return memcmp(data, token.data, token.size) == 0;
}

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

/* The token must not be empty. */
static struct token_entry *token_slot(const token_table *t, bytes_view token)
{
    struct token_entry key = entry_of(token, 0);
    size_t at = text_hash(token) & t->mask;
    while (t->entries[at].size && !entry_holds(&t->entries[at], &key, token)) at = (at + 1) & t->mask;
    return &t->entries[at];
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
    if (!token.size) return true; /* nothing is ever cut into it */
    struct token_entry *entry = token_slot(t, token);
    if (entry->size) return false;
    *entry = entry_of(token, id);
    t->count++;
    return true;
}

int32_t token_table_find(const token_table *t, bytes_view token)
{
    if (!t->count || !token.size) return -1;
    const struct token_entry *entry = token_slot(t, token);
    return entry->size ? entry->id : -1;
}

void token_table_prefetch(const token_table *t, bytes_view token)
{
    __builtin_prefetch(&t->entries[text_hash(token) & t->mask]);
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

static void merge_table_grow(merge_table *t)
{
    merge_table grown = {0};
    merge_table_reserve(&grown, t->mask + 1);
    for (size_t i = 0; i <= t->mask; i++) {
        const struct merge_entry *entry = &t->entries[i];
        if (entry->left != -1) merge_table_set(&grown, entry->left, entry->right, entry->merge);
    }
    merge_table_free(t);
    *t = grown;
}

void merge_table_set(merge_table *t, int32_t left, int32_t right, merge m)
{
    struct merge_entry *entry = merge_slot(t, left, right);
    bool is_new = entry->left == -1;
    *entry = (struct merge_entry){left, right, m};
    t->count += is_new;
    if (is_new && t->count > t->mask / 2) merge_table_grow(t);
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
