/* engine/text/tokenizer_added.c: tokens that are found in the text before any model sees it.
 *
 * Leftmost, then longest, none overlapping, as the Aho-Corasick automaton of the library finds them. A trie
 * walked from each place that a token can begin at does the same, since tokens are short. Source: spec,
 * section 2. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer_internal.h"

struct trie_node {
    int32_t sibling, child; /* -1: none */
    int32_t token;          /* index of the token that ends here, -1: none */
    unsigned char byte;
};

static int32_t trie_node_new(added_trie *trie, unsigned char byte, int32_t sibling)
{
    if (trie->count == trie->capacity) {
        trie->capacity = trie->capacity ? trie->capacity * 2 : 64;
        trie->nodes = memory_resize_array(trie->nodes, trie->capacity, sizeof *trie->nodes);
    }
    trie->nodes[trie->count] = (struct trie_node){.sibling = sibling, .child = -1, .token = -1, .byte = byte};
    return (int32_t)trie->count++;
}

static int32_t trie_child(const added_trie *trie, int32_t node, unsigned char byte)
{
    int32_t at = trie->nodes[node].child;
    while (at >= 0 && trie->nodes[at].byte != byte) at = trie->nodes[at].sibling;
    return at;
}

/* The first of two equal texts counts. */
static void trie_add(added_trie *trie, bytes_view text, int32_t token)
{
    if (!text.size) return;
    unsigned char byte = (unsigned char)text.data[0];
    if (trie->first[byte] < 0) trie->first[byte] = trie_node_new(trie, byte, -1);
    int32_t node = trie->first[byte];
    for (size_t i = 1; i < text.size; i++) {
        byte = (unsigned char)text.data[i];
        int32_t next = trie_child(trie, node, byte);
        if (next < 0) {
            next = trie_node_new(trie, byte, trie->nodes[node].child);
            trie->nodes[node].child = next;
        }
        node = next;
    }
    if (trie->nodes[node].token < 0) trie->nodes[node].token = token;
}

/* The longest token at `at`, its end in *end; -1: none. */
static int32_t trie_longest(const added_trie *trie, bytes_view text, size_t at, size_t *end)
{
    int32_t found = -1, node = trie->first[(unsigned char)text.data[at]];
    while (node >= 0) {
        at++;
        if (trie->nodes[node].token >= 0) {
            found = trie->nodes[node].token;
            *end = at;
        }
        if (at == text.size) break;
        node = trie_child(trie, node, (unsigned char)text.data[at]);
    }
    return found;
}

/* ---- reading ---- */

static err token_read(const json_node *node, arena *a, const token_table *vocab, added_token *out)
{
    err e = tokenizer_text_read(node, "content", a, &out->content);
    if (e.code) return err_note(e, "line %u: added token", node->line);
    if (out->content.size > TOKENIZER_TOKEN_BYTES_MAX)
        return err_make(ERR_LIMIT, "line %u: added token longer than %d bytes", node->line,
                        TOKENIZER_TOKEN_BYTES_MAX);
    int64_t id = json_int(json_get(node, "id"), -1);
    int32_t known = token_table_find(vocab, out->content);
    if (known >= 0) id = known;
    if (id < 0 || id > TOKENIZER_ID_MAX)
        return err_make(ERR_FORMAT, "line %u: added token: expected \"id\" from 0 to %d", node->line,
                        TOKENIZER_ID_MAX);
    out->id = (int32_t)id;
    out->single_word = json_bool(json_get(node, "single_word"), false);
    out->lstrip = json_bool(json_get(node, "lstrip"), false);
    out->rstrip = json_bool(json_get(node, "rstrip"), false);
    out->normalized = json_bool(json_get(node, "normalized"), true);
    out->special = json_bool(json_get(node, "special"), false);
    return ERR_OK;
}

err added_tokens_read(const json_node *node, arena *a, const token_table *vocab, added_tokens *out)
{
    if (!json_is_null(node) && !json_is(node, JSON_ARRAY))
        return err_make(ERR_FORMAT, "\"added_tokens\": expected an array");
    out->items = arena_array(a, added_token, json_count(node));
    token_table_reserve(&out->ids, json_count(node));
    for (const json_node *item = json_first(node); item; item = item->next) {
        added_token *token = &out->items[out->count];
        err e = token_read(item, a, vocab, token);
        if (e.code) return e;
        if (!token->content.size) continue;
        token_table_add(&out->ids, token->content, token->id);
        out->count++;
    }
    return ERR_OK;
}

/* Where the normalizer changes a token, the library searches and decodes the changed text. */
err added_tokens_index(added_tokens *t, const tokenizer_normalizer *n, arena *a)
{
    CLEANUP(tokenizer_matcher_free) tokenizer_matcher matcher = {0};
    bytes buffers[2] = {{0}, {0}};
    bool fits = true;
    memset(t->raw.first, 0xFF, sizeof t->raw.first);
    memset(t->normalized.first, 0xFF, sizeof t->normalized.first);
    for (size_t i = 0; i < t->count && fits; i++) {
        added_token *token = &t->items[i];
        bytes_view text = token->content;
        if (token->normalized) fits = tokenizer_normalize(n, &matcher, text, buffers, &text);
        fits = fits && text.size <= TOKENIZER_TOKEN_BYTES_MAX;
        if (!fits) break;
        token->text = bytes_view_equal(text, token->content) ? token->content : tokenizer_text_keep(a, text);
        trie_add(token->normalized ? &t->normalized : &t->raw, token->text, (int32_t)i);
        fits = t->raw.count + t->normalized.count <= TOKENIZER_GROWN_BYTES_MAX / sizeof(struct trie_node);
    }
    bytes_free(&buffers[0]);
    bytes_free(&buffers[1]);
    return fits ? ERR_OK : tokenizer_limit_error();
}

void added_tokens_free(added_tokens *t)
{
    free(t->raw.nodes);
    free(t->normalized.nodes);
    token_table_free(&t->ids);
    *t = (added_tokens){0};
}

/* ---- finding ---- */

static bool is_whole_word(bytes_view text, size_t begin, size_t end)
{
    uint32_t code;
    if (character_before(text.data, text.data + begin, &code) && character_is_word(code)) return false;
    if (end == text.size) return true;
    character_read(text.data + end, &code);
    return !character_is_word(code);
}

static void match_strip(const added_walk *walk, const added_token *token, added_match *out)
{
    const char *at = walk->text.data;
    uint32_t code;
    size_t size;
    while (token->lstrip && (size = character_before(at, at + out->begin, &code)) && character_is_space(code))
        out->begin -= size;
    if (token->lstrip) out->begin = MAX_OF(out->begin, walk->previous);
    while (token->rstrip && out->end < walk->text.size) {
        size = character_read(at + out->end, &code);
        if (!character_is_space(code)) break;
        out->end += size;
    }
}

bool added_walk_next(added_walk *walk, added_match *out)
{
    if (!walk->trie->count) return false;
    while (walk->at < walk->text.size) {
        size_t begin = walk->at, end = begin;
        int32_t index = trie_longest(walk->trie, walk->text, begin, &end);
        if (index < 0) {
            walk->at++;
            continue;
        }
        const added_token *token = &walk->tokens->items[index];
        if (walk->allow && token->special && !walk->allow(walk->context, begin, end)) {
            walk->at++; /* it may hide one that begins inside it */
            continue;
        }
        walk->at = end;
        if (token->single_word && !is_whole_word(walk->text, begin, end)) continue;
        *out = (added_match){begin, end, token};
        match_strip(walk, token, out);
        walk->previous = out->end;
        return true;
    }
    return false;
}
