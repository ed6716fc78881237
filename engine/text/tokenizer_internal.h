/* engine/text/tokenizer_internal.h: what the rooms of the tokenizer share; no other folder includes it.
 *
 * A parsed tokenizer is a row of small machines: added tokens, normalizer, pre-tokenizer, model,
 * post-processor, decoder. Each reads its own part of the file, is immutable afterwards, and takes what it
 * needs to work from the caller, so that threads share the one and not the other. Strings of the file live in
 * the tokenizer's arena. Functions of the inner loops answer with a bool: false is a regular expression or a
 * grown text past its limit, which tokenizer_limit_error() puts into words. */
#ifndef ENGINE_TEXT_TOKENIZER_INTERNAL_H
#define ENGINE_TEXT_TOKENIZER_INTERNAL_H

#include "base/arena.h"
#include "base/json.h"
#include "engine/text/tokenizer.h"

enum {
    TOKENIZER_TEXT_BYTES_MAX = 64 << 20,   /* of one text to encode */
    TOKENIZER_GROWN_BYTES_MAX = 256 << 20, /* of it after a normalizer or pre-tokenizer */
    TOKENIZER_ID_MAX = (1 << 22) - 1,
    TOKENIZER_STEPS_MAX = 64, /* of a normalizer, a pre-tokenizer, a decoder */
    TOKENIZER_TOKEN_BYTES_MAX = 1 << 16,
    TOKENIZER_PATTERN_BYTES_MAX = 1 << 16, /* of a regular expression */
    TOKENIZER_TEMPLATE_IDS_MAX = 256,      /* that a post-processor adds */
};

/* ---- characters (tokenizer_characters.c) ---- */

typedef bool character_class(uint32_t code);
bool character_is_space(uint32_t code);       /* Unicode White_Space */
bool character_is_word(uint32_t code);        /* \w of Rust's regex */
bool character_is_numeric(uint32_t code);     /* general category N */
bool character_is_punctuation(uint32_t code); /* ASCII punctuation or general category P */
bool character_is_mark(uint32_t code);        /* general category M */

/* One character of text that is known to be valid and not empty. */
static inline size_t character_read(const char *at, uint32_t *code)
{
    const unsigned char *b = (const unsigned char *)at;
    if (b[0] < 0x80) return *code = b[0], (size_t)1;
    if (b[0] < 0xE0) return *code = (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu), (size_t)2;
    if (b[0] < 0xF0) return *code = (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu), (size_t)3;
    *code = (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 | (b[3] & 0x3Fu);
    return 4;
}
size_t character_before(const char *begin, const char *at, uint32_t *code); /* 0 at the begin */

/* The byte-level alphabet (spec, section 10): a printable character for each byte. */
uint32_t alphabet_character(unsigned char byte);
int alphabet_byte(uint32_t code);                  /* -1: not of the alphabet */
void alphabet_append(bytes *out, bytes_view text); /* each byte as its character */

/* ---- patterns (tokenizer_pattern.c, tokenizer_regex.c) ---- */

typedef struct text_range {
    uint32_t begin, end;
} text_range;
typedef struct text_ranges {
    text_range *data;
    size_t count, capacity;
} text_ranges;
void text_ranges_push(text_ranges *ranges, size_t begin, size_t end);

/* A regular expression in Oniguruma's syntax, compiled by PCRE2. */
typedef struct tokenizer_regex tokenizer_regex;
err tokenizer_regex_compile(bytes_view pattern, tokenizer_regex **out);
void tokenizer_regex_free(tokenizer_regex *r);
/* The same expression in PCRE2's syntax, appended to *out. Apart so that it can be tested. */
err tokenizer_regex_translate(bytes_view pattern, bytes *out);

/* What a thread needs to match. A zeroed one is usable. */
typedef struct tokenizer_matcher {
    void *data, *context, *stack;
} tokenizer_matcher;
void tokenizer_matcher_free(tokenizer_matcher *m);
typedef enum match_result { MATCH_NONE, MATCH_FOUND, MATCH_LIMIT } match_result;
match_result tokenizer_regex_find(const tokenizer_regex *r, tokenizer_matcher *m, bytes_view text,
                                  size_t from, text_range *found);

/* A pattern that we know by heart (tokenizer_scan.c). */
typedef struct scan_rules scan_rules;
typedef struct text_scanner {
    const char *pattern;
    /* The end of the match that begins at `at`, which is not the end of the text; `at` when there is none. */
    size_t (*scan)(const scan_rules *rules, bytes_view text, size_t at);
    struct scan_rules {
        unsigned digit_count_max; /* of one match */
        unsigned word;            /* kinds of characters that words are made of */
        bool contractions;        /* belong to the word before them */
    } rules;
} text_scanner;
const text_scanner *text_scanner_find(bytes_view pattern); /* NULL: not one of ours */
const text_scanner *text_scanner_at(size_t index);         /* all of them, for tests; NULL past the last */

/* {"String": ...} or {"Regex": ...} of the file. */
typedef struct text_pattern {
    bytes_view literal;          /* used when there is no regex */
    tokenizer_regex *regex;      /* owned */
    const text_scanner *scanner; /* does what the regex would; or NULL */
} text_pattern;
err text_pattern_read(const json_node *node, arena *a, text_pattern *out);
err text_pattern_of_regex(bytes_view regex, text_pattern *out);
void text_pattern_free(text_pattern *p);

/* All matches of a pattern from left to right, none overlapping. An empty match right after a match does not
 * count. Start with {.pattern, .matcher, .text}. */
typedef struct pattern_walk {
    const text_pattern *pattern;
    tokenizer_matcher *matcher;
    bytes_view text;
    size_t at, last_end;
    bool has_last;
} pattern_walk;
match_result pattern_walk_next(pattern_walk *walk, text_range *found);
/* Append `text` with every match replaced. */
bool text_pattern_replace(const text_pattern *p, tokenizer_matcher *m, bytes_view text, bytes_view content,
                          bytes *out);

/* ---- strings to ids (tokenizer_table.c) ---- */

typedef struct token_table {
    struct token_entry *entries;
    size_t count, mask; /* capacity - 1, a power of two */
} token_table;
void token_table_reserve(token_table *t, size_t count);
/* False when the token is there already (its id stays). Its bytes must outlive the table; they are of at most
 * TOKENIZER_TOKEN_BYTES_MAX. */
bool token_table_add(token_table *t, bytes_view token, int32_t id);
int32_t token_table_find(const token_table *t, bytes_view token);  /* -1: absent */
void token_table_prefetch(const token_table *t, bytes_view token); /* it will be looked up soon */
void token_table_free(token_table *t);

#define MERGE_NONE UINT32_MAX
typedef struct merge {
    uint32_t rank; /* MERGE_NONE: this pair does not merge */
    int32_t id;    /* what the pair becomes */
} merge;
typedef struct merge_table {
    struct merge_entry *entries;
    size_t count, mask;
} merge_table;
void merge_table_reserve(merge_table *t, size_t count);
void merge_table_set(merge_table *t, int32_t left, int32_t right, merge m); /* the last one counts */
merge merge_table_find(const merge_table *t, int32_t left, int32_t right);
void merge_table_free(merge_table *t);

/* ---- normalizer (tokenizer_normalize.c) ---- */

typedef struct tokenizer_normalizer {
    struct normalize_step *steps;
    size_t count;
} tokenizer_normalizer;
err tokenizer_normalizer_read(const json_node *node, arena *a, tokenizer_normalizer *out);
void tokenizer_normalizer_free(tokenizer_normalizer *n);
/* *result is `text` itself or lies in one of the two buffers. */
bool tokenizer_normalize(const tokenizer_normalizer *n, tokenizer_matcher *m, bytes_view text,
                         bytes buffers[2], bytes_view *result);

/* ---- added tokens (tokenizer_added.c) ---- */

typedef struct added_token {
    bytes_view content;
    bytes_view text; /* what it is searched as and decoded to: through the normalizer if `normalized` */
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} added_token;

/* A trie over the tokens that are searched in one kind of text. */
typedef struct added_trie {
    struct trie_node *nodes;
    size_t count, capacity;
    int32_t first[256]; /* nodes by first byte, -1: none */
} added_trie;

typedef struct added_tokens {
    added_token *items;
    size_t count;
    added_trie raw, normalized; /* matched before and after the normalizer */
    token_table ids;
} added_tokens;
/* Takes the ids of contents that `vocab` has already. */
err added_tokens_read(const json_node *node, arena *a, const token_table *vocab, added_tokens *out);
err added_tokens_index(added_tokens *t, const tokenizer_normalizer *n, arena *a);
void added_tokens_free(added_tokens *t);

/* [begin, end) takes in the white space that the token swallows. A token that is white space itself may then
 * begin before the end of the match before it: the library counts those blanks twice, and so do we. */
typedef struct added_match {
    size_t begin, end;
    const added_token *token;
} added_match;
/* Says whether a special token may stand at [begin, end). */
typedef bool added_allow(void *context, size_t begin, size_t end);
typedef struct added_walk {
    const added_tokens *tokens;
    const added_trie *trie;
    bytes_view text;
    size_t at;          /* where the search goes on */
    size_t previous;    /* end of the last match */
    added_allow *allow; /* NULL: everywhere */
    void *context;
} added_walk;
bool added_walk_next(added_walk *walk, added_match *out);

/* ---- pre-tokenizer (tokenizer_pretokenize.c) ---- */

typedef struct tokenizer_pretokenizer {
    struct pretokenize_step *steps;
    size_t count;
    bool byte_level; /* the last step maps bytes to the alphabet; it is left to whoever reads the pieces */
} tokenizer_pretokenizer;
err tokenizer_pretokenizer_read(const json_node *node, arena *a, tokenizer_pretokenizer *out);
void tokenizer_pretokenizer_free(tokenizer_pretokenizer *p);

typedef struct pretokenize_work {
    bytes_view text; /* what the ranges point into: the text given, or one of the buffers */
    text_ranges ranges, spare;
    bytes buffers[2];
    bool at_start; /* the text given begins where the whole text begins */
} pretokenize_work;
/* Cuts `text` into w->ranges over w->text. */
bool tokenizer_pretokenize(const tokenizer_pretokenizer *p, tokenizer_matcher *m, bytes_view text,
                           bool at_start, pretokenize_work *w);
void pretokenize_work_free(pretokenize_work *w);

/* ---- model (tokenizer_bpe.c) ---- */

typedef struct tokenizer_bpe tokenizer_bpe;
/* Strings and tables that live as long as the model go into the arena or are owned by it. */
err tokenizer_bpe_read(const json_node *node, arena *a, tokenizer_bpe **out);
void tokenizer_bpe_free(tokenizer_bpe *b);
const token_table *tokenizer_bpe_vocab(const tokenizer_bpe *b);
/* Tokens by id, a NULL data for a hole; *count is the largest id + 1. */
const bytes_view *tokenizer_bpe_tokens(const tokenizer_bpe *b, size_t *count);

/* What a thread needs to encode: growing arrays, and a memory of short pieces when `remember` is set.
 * byte_level: the pieces given are bytes that stand for their characters of the alphabet. */
typedef struct bpe_work bpe_work;
bpe_work *bpe_work_new(const tokenizer_bpe *b, bool byte_level, bool remember);
void bpe_work_free(bpe_work *w);
/* False when a character has no token and the file's unk_token is not in its vocabulary. */
bool tokenizer_bpe_encode(bpe_work *w, bytes_view piece, engine_ids *out);

/* The merges of one piece, done in place on its symbols (tokenizer_merge.c). */
typedef struct merge_symbol {
    int32_t id, next, previous; /* -1: none */
    merge to;                   /* of this symbol and the next */
} merge_symbol;
typedef struct merge_work {
    merge_symbol *symbols;
    uint64_t *heap;
    size_t symbol_capacity, heap_count, heap_capacity;
} merge_work;
/* Leaves the ids of the merged piece in ids[0..result). */
size_t tokenizer_merge(const merge_table *merges, merge_work *w, int32_t *ids, size_t count);
void merge_work_free(merge_work *w);

/* ---- decoder (tokenizer_decode.c) ---- */

typedef struct tokenizer_decoder {
    struct decode_step *steps;
    size_t count;
} tokenizer_decoder;
err tokenizer_decoder_read(const json_node *node, arena *a, tokenizer_decoder *out);
void tokenizer_decoder_free(tokenizer_decoder *d);

/* A decoder at work: tokens go in, text comes out as soon as it is certain. */
typedef struct decode_stream decode_stream;
decode_stream *decode_stream_new(const tokenizer_decoder *d);
void decode_stream_free(decode_stream *s);
bool decode_stream_push(decode_stream *s, bytes_view token, bytes *out);
bool decode_stream_finish(decode_stream *s, bytes *out);
/* Cut here: what is held back comes out now or never, and what follows is no beginning. */
bool decode_stream_settle(decode_stream *s, bytes *out);

/* ---- the whole (tokenizer.c) ---- */

struct engine_tokenizer {
    arena memory;
    added_tokens added;
    tokenizer_normalizer normalizer;
    tokenizer_pretokenizer pretokenizer;
    tokenizer_bpe *model;
    tokenizer_decoder decoder;
    engine_ids before, after; /* of the post-processor */
    bytes_view *tokens;       /* by id; a NULL data is a hole */
    bytes_view *texts;        /* by id, what the decoder is given: tokens itself, or with some normalized */
    bool *special;            /* by id */
    size_t token_count;       /* largest id + 1 */
};

err tokenizer_limit_error(void);
/* False for an id that says nothing: unknown, or special when these are skipped. */
bool tokenizer_id_text(const engine_tokenizer *t, int32_t id, bool skip_special, bytes_view *out);
/* Member of `object` that must be a string: copied into the arena. */
err tokenizer_text_read(const json_node *object, const char *key, arena *a, bytes_view *out);
bytes_view tokenizer_text_keep(arena *a, bytes_view text);
/* Calls `read` for a node, or for each of its parts when its type is "Sequence" (list under `key`). */
typedef err tokenizer_part_reader(void *context, const json_node *node, const char *type);
err tokenizer_parts_read(const json_node *node, const char *what, const char *key,
                         tokenizer_part_reader *read, void *context);

#endif
