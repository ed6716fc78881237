/* engine/text/tokenizer_bpe.c: the BPE model: its vocabulary and merges, a piece to ids. Source: spec,
 * section 5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

enum {
    SINGLE_CODE_COUNT = 0x10000, /* characters whose token is found without hashing */
    JOIN_BYTES_MIN = 33,         /* of a piece that is worth cutting */
    MERGES_AHEAD = 12,           /* whose tokens are fetched into the cache while one is read */
    MEMORY_COUNT = 4096,         /* remembered pieces, a power of two */
    MEMORY_TEXT_BYTES = 23,
    MEMORY_IDS = 9,
};

struct tokenizer_bpe {
    token_table vocab;
    merge_table merges;
    /* Pairs of characters that some merge joins: (last of its left part, first of its right part). Between
     * two others no merge can ever reach across, so a piece may be cut there. */
    merge_table joins;
    bytes_view *tokens; /* by id */
    size_t token_count;
    int32_t *singles;      /* by code below SINGLE_CODE_COUNT: id + 1 of its token, 0: none */
    int32_t fallback[256]; /* ids of <0x00> to <0xFF>, -1: absent */
    int32_t alphabet[256]; /* ids of the byte-level characters */
    bool alphabet_whole;   /* all of them are there */
    bytes_view prefix, suffix;
    int32_t unknown;      /* -1: there is none */
    bool unknown_missing; /* named but not in the vocabulary */
    bool fuse_unknown, byte_fallback, ignore_merges;
};

/* ---- reading ---- */

static err vocab_read(const json_node *vocab, arena *a, tokenizer_bpe *b)
{
    if (!json_is(vocab, JSON_OBJECT))
        return err_make(ERR_FORMAT, "model: expected \"vocab\" to be an object");
    size_t bytes_all = 0;
    for (const json_node *item = json_first(vocab); item; item = item->next) {
        int64_t id = json_int(item, -1);
        if (id < 0 || id > TOKENIZER_ID_MAX)
            return err_make(ERR_FORMAT, "line %u: vocab: expected an id from 0 to %d", item->line,
                            TOKENIZER_ID_MAX);
        if (item->key.size > TOKENIZER_TOKEN_BYTES_MAX)
            return err_make(ERR_LIMIT, "line %u: vocab: a token is longer than %d bytes", item->line,
                            TOKENIZER_TOKEN_BYTES_MAX);
        b->token_count = MAX_OF(b->token_count, (size_t)id + 1);
        bytes_all += item->key.size + 1;
    }
    char *text = arena_alloc(a, bytes_all);
    b->tokens = arena_array(a, bytes_view, b->token_count);
    token_table_reserve(&b->vocab, json_count(vocab));
    for (const json_node *item = json_first(vocab); item; item = item->next) {
        bytes_view token = {memcpy(text, item->key.data, item->key.size), item->key.size};
        text += token.size + 1;
        int32_t id = (int32_t)json_int(item, -1);
        if (b->tokens[id].data)
            return err_make(ERR_FORMAT, "line %u: vocab: id %d is there twice", item->line, id);
        b->tokens[id] = token;
        if (!token_table_add(&b->vocab, token, id))
            return err_make(ERR_FORMAT, "line %u: vocab: a token is there twice", item->line);
    }
    return ERR_OK;
}

/* The parts of one merge: ["a", "b"] or "a b". */
static bool merge_parts(const json_node *item, bytes_view *left, bytes_view *right)
{
    if (item->type == JSON_ARRAY) {
        const json_node *first = json_first(item);
        if (item->count != 2 || !json_is(first, JSON_STRING) || !json_is(first->next, JSON_STRING))
            return false;
        *left = first->text;
        *right = first->next->text;
        return true;
    }
    bytes_view line = json_text(item);
    const char *space = memchr(line.data, ' ', line.size);
    if (!space || memchr(space + 1, ' ', (size_t)(line.data + line.size - space - 1))) return false;
    *left = (bytes_view){line.data, (size_t)(space - line.data)};
    *right = (bytes_view){space + 1, line.size - left->size - 1};
    return true;
}

static void join_add(tokenizer_bpe *b, bytes_view left, bytes_view right)
{
    uint32_t last, first;
    character_before(left.data, left.data + left.size, &last);
    character_read(right.data, &first);
    merge_table_set(&b->joins, (int32_t)last, (int32_t)first, (merge){0, 0});
}

/* Files list what merges make in the order of its ids: the last id or the one after it is a good guess. */
static int32_t joined_find(const tokenizer_bpe *b, bytes_view joined, int32_t last)
{
    for (int32_t id = last; id <= last + 1 && (size_t)id < b->token_count; id++)
        if (bytes_view_equal(b->tokens[id], joined)) return id;
    return token_table_find(&b->vocab, joined);
}

/* *last: what the merge before made. */
static err merge_read(const json_node *item, uint32_t rank, bytes *joined, int32_t *last, tokenizer_bpe *b)
{
    bytes_view left, right;
    if (!merge_parts(item, &left, &right))
        return err_make(ERR_FORMAT, "line %u: merge %u: expected \"left right\" or [\"left\", \"right\"]",
                        item->line, rank);
    int32_t left_id = token_table_find(&b->vocab, left), right_id = token_table_find(&b->vocab, right);
    if (left_id < 0 || right_id < 0 || right.size < b->prefix.size)
        return err_make(ERR_FORMAT, "line %u: merge %u: a part of it is not in the vocabulary", item->line,
                        rank);
    bytes_clear(joined);
    bytes_append_view(joined, left);
    bytes_append(joined, right.data + b->prefix.size, right.size - b->prefix.size);
    int32_t id = *last = joined_find(b, bytes_borrow(joined), *last);
    if (id < 0)
        return err_make(ERR_FORMAT, "line %u: merge %u: its result is not in the vocabulary", item->line,
                        rank);
    merge_table_set(&b->merges, left_id, right_id, (merge){rank, id});
    join_add(b, left, right);
    return ERR_OK;
}

static err merges_read(const json_node *merges, tokenizer_bpe *b)
{
    if (!json_is(merges, JSON_ARRAY))
        return err_make(ERR_FORMAT, "model: expected \"merges\" to be an array");
    merge_table_reserve(&b->merges, json_count(merges));
    merge_table_reserve(&b->joins, 0); /* far fewer than merges: it grows as needed */
    CLEANUP(bytes_free) bytes joined = {0};
    uint32_t rank = 0;
    int32_t last = 0;
    const json_node *ahead = json_first(merges);
    for (int i = 0; ahead && i < MERGES_AHEAD; i++) ahead = ahead->next;
    for (const json_node *item = json_first(merges); item; item = item->next) {
        bytes_view text = json_text(item), left, right;
        if (ahead && merge_parts(ahead, &left, &right)) {
            token_table_prefetch(&b->vocab, left);
            token_table_prefetch(&b->vocab, right);
        }
        if (ahead) ahead = ahead->next;
        if (item == json_first(merges) && text.size > 8 && memcmp(text.data, "#version", 8) == 0) continue;
        err e = merge_read(item, rank++, &joined, &last, b);
        if (e.code) return e;
    }
    return ERR_OK;
}

static err flags_read(const json_node *node, arena *a, tokenizer_bpe *b)
{
    if (json_double(json_get(node, "dropout"), 0) != 0)
        return err_make(ERR_UNSUPPORTED, "model: \"dropout\" other than 0 is not supported");
    b->fuse_unknown = json_bool(json_get(node, "fuse_unk"), false);
    b->byte_fallback = json_bool(json_get(node, "byte_fallback"), false);
    b->ignore_merges = json_bool(json_get(node, "ignore_merges"), false);
    b->prefix = tokenizer_text_keep(a, json_text(json_get(node, "continuing_subword_prefix")));
    b->suffix = tokenizer_text_keep(a, json_text(json_get(node, "end_of_word_suffix")));
    if (b->prefix.size + b->suffix.size > TOKENIZER_TOKEN_BYTES_MAX)
        return err_make(ERR_LIMIT,
                        "model: \"continuing_subword_prefix\" or \"end_of_word_suffix\" is too long");
    return ERR_OK;
}

/* What is looked up for every character or byte of a text, once for all. */
static void singles_fill(tokenizer_bpe *b, arena *a)
{
    b->singles = arena_array(a, int32_t, SINGLE_CODE_COUNT);
    for (size_t id = 0; id < b->token_count; id++) {
        bytes_view token = b->tokens[id];
        uint32_t code;
        if (token.size && character_read(token.data, &code) == token.size && code < SINGLE_CODE_COUNT)
            b->singles[code] = token_table_find(&b->vocab, token) + 1;
    }
    b->alphabet_whole = !b->prefix.size && !b->suffix.size;
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        b->fallback[byte] = token_table_find(&b->vocab, bytes_view_of(name));
        b->alphabet[byte] = b->singles[alphabet_character((unsigned char)byte)] - 1;
        b->alphabet_whole &= b->alphabet[byte] >= 0;
    }
}

static err model_read(const json_node *node, arena *a, tokenizer_bpe *b)
{
    err e = flags_read(node, a, b);
    if (!e.code) e = vocab_read(json_get(node, "vocab"), a, b);
    if (!e.code) e = merges_read(json_get(node, "merges"), b);
    if (e.code) return e;
    bytes_view unknown = json_text(json_get(node, "unk_token"));
    b->unknown = token_table_find(&b->vocab, unknown);
    b->unknown_missing = unknown.size && b->unknown < 0;
    singles_fill(b, a);
    return ERR_OK;
}

err tokenizer_bpe_read(const json_node *node, arena *a, tokenizer_bpe **out)
{
    const json_node *type = json_get(node, "type");
    if (!json_is(node, JSON_OBJECT)) return err_make(ERR_FORMAT, "expected \"model\" to be an object");
    if (type && !bytes_view_is(json_text(type), "BPE"))
        return err_make(ERR_UNSUPPORTED, "model: type \"%.*s\" is not supported, only BPE is",
                        (int)MIN_OF(json_text(type).size, (size_t)64), json_text(type).data);
    tokenizer_bpe *b = memory_alloc(sizeof *b);
    err e = model_read(node, a, b);
    if (e.code)
        tokenizer_bpe_free(b);
    else
        *out = b;
    return e;
}

void tokenizer_bpe_free(tokenizer_bpe *b)
{
    if (!b) return;
    token_table_free(&b->vocab);
    merge_table_free(&b->merges);
    merge_table_free(&b->joins);
    free(b);
}

const token_table *tokenizer_bpe_vocab(const tokenizer_bpe *b) { return &b->vocab; }

const bytes_view *tokenizer_bpe_tokens(const tokenizer_bpe *b, size_t *count)
{
    *count = b->token_count;
    return b->tokens;
}

/* ---- a piece to symbols ---- */

typedef struct memory_slot {
    char text[MEMORY_TEXT_BYTES + 1]; /* its size in the last byte; 0: free */
    int32_t count, ids[MEMORY_IDS];
} memory_slot;

struct bpe_work {
    const tokenizer_bpe *model;
    bool byte_level; /* pieces are bytes, and every byte has its token */
    bool map_bytes;  /* pieces are bytes, to be written in the alphabet first */
    engine_ids symbols;
    merge_work merging;
    bytes mapped, token;
    memory_slot *memory; /* of short pieces and their ids; NULL: none */
};

bpe_work *bpe_work_new(const tokenizer_bpe *b, bool byte_level, bool remember)
{
    bpe_work *w = memory_alloc(sizeof *w);
    w->model = b;
    w->byte_level = byte_level && b->alphabet_whole;
    w->map_bytes = byte_level && !b->alphabet_whole;
    if (remember) w->memory = memory_alloc(MEMORY_COUNT * sizeof *w->memory);
    return w;
}

void bpe_work_free(bpe_work *w)
{
    if (!w) return;
    engine_ids_free(&w->symbols);
    merge_work_free(&w->merging);
    bytes_free(&w->mapped);
    bytes_free(&w->token);
    free(w->memory);
    free(w);
}

/* The token of one character, with what the file wants around it inside and at the end of a piece. */
static int32_t character_token(bpe_work *w, bytes_view character, uint32_t code, bool first, bool last)
{
    const tokenizer_bpe *b = w->model;
    bool decorated = (!first && b->prefix.size) || (last && b->suffix.size);
    if (!decorated)
        return code < SINGLE_CODE_COUNT ? b->singles[code] - 1 : token_table_find(&b->vocab, character);
    bytes_clear(&w->token);
    if (!first) bytes_append_view(&w->token, b->prefix);
    bytes_append_view(&w->token, character);
    if (last) bytes_append_view(&w->token, b->suffix);
    return token_table_find(&b->vocab, bytes_borrow(&w->token));
}

/* The byte tokens of a character that has no token of its own, if there is one for each of its bytes. */
static bool fallback_push(bpe_work *w, bytes_view character, bool decorated)
{
    const tokenizer_bpe *b = w->model;
    if (!b->byte_fallback) return false;
    if (decorated) character = bytes_borrow(&w->token);
    for (size_t i = 0; i < character.size; i++)
        if (b->fallback[(unsigned char)character.data[i]] < 0) return false;
    for (size_t i = 0; i < character.size; i++)
        engine_ids_push(&w->symbols, b->fallback[(unsigned char)character.data[i]]);
    return true;
}

/* An unknown character waits, so that those after it can fuse with it. Byte tokens overtake it: the library
 * does the same. */
static bool symbols_fill(bpe_work *w, bytes_view piece)
{
    const tokenizer_bpe *b = w->model;
    bool waiting = false;
    for (size_t at = 0, size; at < piece.size; at += size) {
        uint32_t code;
        size = character_read(piece.data + at, &code);
        bool first = at == 0, last = at + size == piece.size;
        bytes_view character = {piece.data + at, size};
        int32_t id = character_token(w, character, code, first, last);
        if (id >= 0) {
            if (waiting) engine_ids_push(&w->symbols, b->unknown);
            waiting = false;
            engine_ids_push(&w->symbols, id);
            continue;
        }
        if (fallback_push(w, character, (!first && b->prefix.size) || (last && b->suffix.size))) continue;
        if (b->unknown_missing) return false;
        if (waiting && !b->fuse_unknown) engine_ids_push(&w->symbols, b->unknown);
        waiting = b->unknown >= 0;
    }
    if (waiting) engine_ids_push(&w->symbols, b->unknown);
    return true;
}

/* ---- a piece to ids ---- */

/* A piece that no merge can be cut out of any more, as ids. */
static bool part_encode(bpe_work *w, bytes_view part, engine_ids *out)
{
    const tokenizer_bpe *b = w->model;
    w->symbols.count = 0;
    if (w->byte_level) {
        for (size_t i = 0; i < part.size; i++)
            engine_ids_push(&w->symbols, b->alphabet[(unsigned char)part.data[i]]);
    } else if (!symbols_fill(w, part)) {
        return false;
    }
    size_t count = tokenizer_merge(&b->merges, &w->merging, w->symbols.data, w->symbols.count);
    for (size_t i = 0; i < count; i++) engine_ids_push(out, w->symbols.data[i]);
    return true;
}

static memory_slot *memory_find(bpe_work *w, bytes_view part, char key[MEMORY_TEXT_BYTES + 1])
{
    uint64_t words[3], hash = 0;
    memset(key, 0, MEMORY_TEXT_BYTES + 1);
    memcpy(key, part.data, part.size);
    key[MEMORY_TEXT_BYTES] = (char)part.size;
    memcpy(words, key, sizeof words);
    for (int i = 0; i < 3; i++) hash = (hash ^ words[i]) * 0x9E3779B97F4A7C15u, hash ^= hash >> 32;
    return &w->memory[hash & (MEMORY_COUNT - 1)];
}

static bool part_encode_remembered(bpe_work *w, bytes_view part, engine_ids *out)
{
    if (!w->memory || part.size > MEMORY_TEXT_BYTES || !part.size) return part_encode(w, part, out);
    char key[MEMORY_TEXT_BYTES + 1];
    memory_slot *slot = memory_find(w, part, key);
    if (memcmp(slot->text, key, sizeof key) == 0) {
        for (int32_t i = 0; i < slot->count; i++) engine_ids_push(out, slot->ids[i]);
        return true;
    }
    size_t begin = out->count;
    if (!part_encode(w, part, out)) return false;
    if (out->count - begin > MEMORY_IDS) return true;
    memcpy(slot->text, key, sizeof key);
    slot->count = (int32_t)(out->count - begin);
    memcpy(slot->ids, out->data + begin, (size_t)slot->count * sizeof *slot->ids);
    return true;
}

/* True when a character has a token of its own, so that it becomes just that symbol. */
static bool is_known(const tokenizer_bpe *b, const char *at, size_t size, uint32_t code)
{
    if (code < SINGLE_CODE_COUNT) return b->singles[code] > 0;
    return token_table_find(&b->vocab, (bytes_view){at, size}) >= 0;
}

/* Where the first part of a long piece ends: between two characters that no merge joins. */
static size_t part_end(const tokenizer_bpe *b, bytes_view piece)
{
    uint32_t code, before;
    size_t at = character_read(piece.data, &before), size;
    bool known_before = is_known(b, piece.data, at, before);
    for (; at < piece.size; at += size) {
        size = character_read(piece.data + at, &code);
        bool known = is_known(b, piece.data + at, size, code);
        if (known && known_before &&
            merge_table_find(&b->joins, (int32_t)before, (int32_t)code).rank == MERGE_NONE)
            return at;
        before = code;
        known_before = known;
    }
    return at;
}

bool tokenizer_bpe_encode(bpe_work *w, bytes_view piece, engine_ids *out)
{
    const tokenizer_bpe *b = w->model;
    if (w->map_bytes || (w->byte_level && b->ignore_merges)) {
        bytes_clear(&w->mapped);
        alphabet_append(&w->mapped, piece);
    }
    if (w->map_bytes) piece = bytes_borrow(&w->mapped);
    if (b->ignore_merges) {
        int32_t id = token_table_find(&b->vocab, w->byte_level ? bytes_borrow(&w->mapped) : piece);
        if (id >= 0) return engine_ids_push(out, id), true;
    }
    bool whole = w->byte_level || piece.size < JOIN_BYTES_MIN || b->prefix.size || b->suffix.size;
    while (piece.size) {
        size_t size = whole ? piece.size : part_end(b, piece);
        if (!part_encode_remembered(w, (bytes_view){piece.data, size}, out)) return false;
        piece = (bytes_view){piece.data + size, piece.size - size};
    }
    return true;
}
