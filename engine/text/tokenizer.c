/* engine/text/tokenizer.c: the whole: a file read into its machines, a text led through them. */
#include "engine/text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text/tokenizer_internal.h"

enum { REMEMBER_BYTES_MIN = 2048 }; /* of a text that is worth a memory of its pieces */

err tokenizer_limit_error(void)
{
    return err_make(ERR_LIMIT,
                    "a text grows past %d MiB in the tokenizer, or a regular expression past its limit",
                    TOKENIZER_GROWN_BYTES_MAX >> 20);
}

/* ---- reading a file ---- */

bytes_view tokenizer_text_keep(arena *a, bytes_view text)
{
    return (bytes_view){arena_text_n(a, text.data, text.size), text.size};
}

err tokenizer_text_read(const json_node *object, const char *key, arena *a, bytes_view *out)
{
    const json_node *node = json_get(object, key);
    if (!json_is(node, JSON_STRING))
        return err_make(ERR_FORMAT, "line %u: expected \"%s\" to be a string", object->line, key);
    *out = tokenizer_text_keep(a, node->text);
    return ERR_OK;
}

err tokenizer_parts_read(const json_node *node, const char *what, const char *key,
                         tokenizer_part_reader *read, void *context)
{
    if (json_is_null(node)) return ERR_OK;
    bytes_view given = json_text(json_get(node, "type"));
    char type[64] = "";
    if (!given.size || given.size >= sizeof type || memchr(given.data, 0, given.size))
        return err_make(ERR_FORMAT, "line %u: %s: expected an object with a \"type\"", node->line, what);
    memcpy(type, given.data, given.size);
    if (strcmp(type, "Sequence") != 0) return read(context, node, type);
    const json_node *parts = json_get(node, key);
    if (!json_is(parts, JSON_ARRAY))
        return err_make(ERR_FORMAT, "line %u: %s: expected \"%s\" to be an array", node->line, what, key);
    for (const json_node *part = json_first(parts); part; part = part->next) {
        if (json_is_null(part))
            return err_make(ERR_FORMAT, "line %u: %s: expected an object", part->line, what);
        err e = tokenizer_parts_read(part, what, key, read, context);
        if (e.code) return e;
    }
    return ERR_OK;
}

/* ---- post-processor: ids around the text (spec, section 7) ---- */

static err around_push(engine_ids *ids, const json_node *id)
{
    int64_t value = json_int(id, -1);
    if (value < 0 || value > TOKENIZER_ID_MAX || ids->count == TOKENIZER_TEMPLATE_IDS_MAX)
        return err_make(ERR_FORMAT, "post_processor: expected at most %d ids from 0 to %d",
                        TOKENIZER_TEMPLATE_IDS_MAX, TOKENIZER_ID_MAX);
    engine_ids_push(ids, (int32_t)value);
    return ERR_OK;
}

static err template_read(const json_node *node, engine_ids *before, engine_ids *after)
{
    const json_node *special = json_get(node, "special_tokens");
    bool seen = false;
    for (const json_node *item = json_first(json_get(node, "single")); item; item = item->next) {
        if (json_get(item, "Sequence")) {
            if (seen)
                return err_make(ERR_UNSUPPORTED,
                                "post_processor: a template with the text twice is not supported");
            seen = true;
            continue;
        }
        bytes_view name = json_text(json_get(json_get(item, "SpecialToken"), "id"));
        const json_node *found = NULL;
        for (const json_node *token = json_first(special); token; token = token->next)
            if (bytes_view_equal(token->key, name)) found = token;
        if (!found)
            return err_make(ERR_FORMAT, "line %u: post_processor: a token that \"special_tokens\" lacks",
                            item->line);
        for (const json_node *id = json_first(json_get(found, "ids")); id; id = id->next) {
            err e = around_push(seen ? after : before, id);
            if (e.code) return e;
        }
    }
    return seen ? ERR_OK
                : err_make(ERR_UNSUPPORTED, "post_processor: a template without the text is not supported");
}

/* "cls": ["<s>", 0] and "sep". */
static err pair_read(const json_node *node, engine_ids *before, engine_ids *after)
{
    const json_node *first = json_first(json_get(node, "cls")), *last = json_first(json_get(node, "sep"));
    err e = around_push(before, first ? first->next : NULL);
    return e.code ? e : around_push(after, last ? last->next : NULL);
}

/* A later processor goes around what the earlier ones made. */
static err processor_read(void *context, const json_node *node, const char *type)
{
    engine_tokenizer *t = context;
    engine_ids before = {0}, after = {0};
    err e = ERR_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        e = template_read(node, &before, &after);
    else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0)
        e = pair_read(node, &before, &after);
    else if (strcmp(type, "ByteLevel") != 0) /* which only moves offsets */
        e = err_make(ERR_UNSUPPORTED, "post_processor: type \"%s\" is not supported", type);
    for (size_t i = 0; i < t->before.count; i++) engine_ids_push(&before, t->before.data[i]);
    for (size_t i = 0; i < after.count; i++) engine_ids_push(&t->after, after.data[i]);
    engine_ids_free(&t->before);
    engine_ids_free(&after);
    t->before = before;
    if (!e.code && t->before.count + t->after.count > TOKENIZER_TEMPLATE_IDS_MAX)
        e = err_make(ERR_LIMIT, "post_processor: adds more than %d ids", TOKENIZER_TEMPLATE_IDS_MAX);
    return e;
}

/* ---- the tables by id ---- */

static void tokens_list(engine_tokenizer *t)
{
    size_t count;
    const bytes_view *tokens = tokenizer_bpe_tokens(t->model, &count);
    t->token_count = count;
    for (size_t i = 0; i < t->added.count; i++)
        t->token_count = MAX_OF(t->token_count, (size_t)t->added.items[i].id + 1);
    t->tokens = arena_array(&t->memory, bytes_view, t->token_count);
    t->special = arena_array(&t->memory, bool, t->token_count);
    if (count) memcpy(t->tokens, tokens, count * sizeof *tokens);
    for (size_t i = 0; i < t->added.count; i++) {
        t->tokens[t->added.items[i].id] = t->added.items[i].content;
        t->special[t->added.items[i].id] |= t->added.items[i].special;
    }
    t->texts = t->tokens;
    for (size_t i = 0; i < t->added.count; i++) {
        const added_token *token = &t->added.items[i];
        if (bytes_view_equal(token->text, token->content)) continue;
        if (t->texts == t->tokens) {
            t->texts = arena_array(&t->memory, bytes_view, t->token_count);
            memcpy(t->texts, t->tokens, t->token_count * sizeof *t->texts);
        }
        t->texts[token->id] = token->text;
    }
}

static err tokenizer_read(const json_node *root, engine_tokenizer *t)
{
    arena *a = &t->memory;
    if (!json_is(root, JSON_OBJECT)) return err_make(ERR_FORMAT, "expected an object");
    err e = tokenizer_bpe_read(json_get(root, "model"), a, &t->model);
    if (!e.code) e = tokenizer_normalizer_read(json_get(root, "normalizer"), a, &t->normalizer);
    if (!e.code) e = tokenizer_pretokenizer_read(json_get(root, "pre_tokenizer"), a, &t->pretokenizer);
    if (!e.code) e = tokenizer_decoder_read(json_get(root, "decoder"), a, &t->decoder);
    if (!e.code)
        e = tokenizer_parts_read(json_get(root, "post_processor"), "post_processor", "processors",
                                 processor_read, t);
    if (!e.code)
        e = added_tokens_read(json_get(root, "added_tokens"), a, tokenizer_bpe_vocab(t->model), &t->added);
    if (!e.code) e = added_tokens_index(&t->added, &t->normalizer, a);
    if (!e.code) tokens_list(t);
    return e;
}

err engine_tokenizer_parse(bytes_view json, engine_tokenizer **out)
{
    CLEANUP(arena_free) arena scratch = {0};
    const json_node *root = NULL;
    err e = json_parse(json, JSON_DEPTH_MAX, &scratch, &root);
    if (e.code) return e;
    engine_tokenizer *t = memory_alloc(sizeof *t);
    e = tokenizer_read(root, t);
    if (e.code)
        engine_tokenizer_free(t);
    else
        *out = t;
    return e;
}

void engine_tokenizer_free(engine_tokenizer *t)
{
    if (!t) return;
    added_tokens_free(&t->added);
    tokenizer_normalizer_free(&t->normalizer);
    tokenizer_pretokenizer_free(&t->pretokenizer);
    tokenizer_bpe_free(t->model);
    tokenizer_decoder_free(&t->decoder);
    engine_ids_free(&t->before);
    engine_ids_free(&t->after);
    arena_free(&t->memory);
    free(t);
}

/* ---- looking up ---- */

size_t engine_tokenizer_vocab_count(const engine_tokenizer *t) { return t->token_count; }

int32_t engine_tokenizer_find(const engine_tokenizer *t, bytes_view token)
{
    int32_t id = token_table_find(&t->added.ids, token);
    return id >= 0 ? id : token_table_find(tokenizer_bpe_vocab(t->model), token);
}

bytes_view engine_tokenizer_borrow_token(const engine_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->token_count ? t->tokens[id] : (bytes_view){0};
}

bool engine_tokenizer_is_special(const engine_tokenizer *t, int32_t id)
{
    return id >= 0 && (size_t)id < t->token_count && t->special[id];
}

bool tokenizer_id_text(const engine_tokenizer *t, int32_t id, bool skip_special, bytes_view *out)
{
    if (id < 0 || (size_t)id >= t->token_count || (skip_special && t->special[id])) return false;
    *out = t->texts[id];
    return out->data != NULL;
}

/* ---- encoding ---- */

typedef struct guards {
    const engine_text_span *spans;
    size_t count;
} guards;

typedef struct encoding {
    const engine_tokenizer *tokenizer;
    bytes_view text;
    guards guarded; /* in text */
    tokenizer_matcher matcher;
    bytes normal[2], prefix[2];
    pretokenize_work pieces;
    bpe_work *model;
    engine_ids *out;
    /* Of the section between two added tokens: */
    size_t begin, end;
    bytes_view normalized;
    engine_text_span *moved; /* its guarded spans in `normalized`, made when first asked for */
    size_t moved_count;
    bool moved_known;
} encoding;

/* True when no guarded byte lies in [begin, end). */
static bool is_free(guards guarded, size_t begin, size_t end)
{
    size_t low = 0, high = guarded.count; /* the first span that ends past begin */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (guarded.spans[middle].end > begin)
            high = middle;
        else
            low = middle + 1;
    }
    while (low < guarded.count && guarded.spans[low].begin == guarded.spans[low].end) low++;
    return low == guarded.count || guarded.spans[low].begin >= end;
}

static bool allow_raw(void *context, size_t begin, size_t end)
{
    const encoding *e = context;
    return is_free(e->guarded, begin, end);
}

/* The nearest edge of a character in the section, from `at` by steps of 1 or -1. */
static size_t character_edge(const encoding *e, size_t at, int step)
{
    while (at > e->begin && at < e->end && (e->text.data[at] & 0xC0) == 0x80) at += (size_t)step;
    return at;
}

/* Where an offset of the section, an edge of a character, lies after the normalizer: as far as the text
 * before it reaches. `otherwise` when that text alone goes past a limit, so that more is guarded rather than
 * less. */
static size_t normalized_offset(encoding *e, size_t raw, size_t otherwise)
{
    bytes_view result = {0}, before = {e->text.data + e->begin, raw - e->begin};
    bool fits = tokenizer_normalize(&e->tokenizer->normalizer, &e->matcher, before, e->prefix, &result);
    return fits ? result.size : otherwise;
}

static void guards_move(encoding *e)
{
    e->moved_known = true;
    e->moved_count = 0;
    e->moved = memory_resize_array(e->moved, e->guarded.count, sizeof *e->moved);
    for (size_t i = 0; i < e->guarded.count; i++) {
        size_t begin = MAX_OF(e->guarded.spans[i].begin, e->begin);
        size_t end = MIN_OF(e->guarded.spans[i].end, e->end);
        if (begin >= end) continue;
        begin = character_edge(e, begin, -1);
        end = character_edge(e, end, 1);
        e->moved[e->moved_count++] =
            (engine_text_span){normalized_offset(e, begin, 0), normalized_offset(e, end, SIZE_MAX)};
    }
}

static bool allow_normalized(void *context, size_t begin, size_t end)
{
    encoding *e = context;
    if (is_free(e->guarded, e->begin, e->end)) return true;
    if (!e->moved_known) guards_move(e);
    return is_free((guards){e->moved, e->moved_count}, begin, end);
}

/* [begin, end) of the normalized section. */
static err piece_encode(encoding *e, size_t begin, size_t end)
{
    if (begin >= end) return ERR_OK;
    const engine_tokenizer *t = e->tokenizer;
    bytes_view text = {e->normalized.data + begin, end - begin};
    if (!tokenizer_pretokenize(&t->pretokenizer, &e->matcher, text, e->begin + begin == 0, &e->pieces))
        return tokenizer_limit_error();
    const pretokenize_work *p = &e->pieces;
    for (size_t i = 0; i < p->ranges.count; i++) {
        bytes_view piece = {p->text.data + p->ranges.data[i].begin,
                            p->ranges.data[i].end - p->ranges.data[i].begin};
        if (!tokenizer_bpe_encode(e->model, piece, e->out))
            return err_make(ERR_FORMAT,
                            "a character has no token, and the file's unk_token is not in its vocabulary");
    }
    return ERR_OK;
}

/* The text between two added tokens: normalized, cut at further added tokens, encoded. */
static err section_encode(encoding *e, size_t begin, size_t end)
{
    if (begin >= end) return ERR_OK;
    const engine_tokenizer *t = e->tokenizer;
    e->begin = begin;
    e->end = end;
    e->moved_known = false;
    bytes_view raw = {e->text.data + begin, end - begin};
    if (!tokenizer_normalize(&t->normalizer, &e->matcher, raw, e->normal, &e->normalized))
        return tokenizer_limit_error();
    added_walk walk = {&t->added, &t->added.normalized, .text = e->normalized, .context = e};
    if (e->guarded.count) walk.allow = allow_normalized;
    added_match match;
    size_t done = 0;
    while (added_walk_next(&walk, &match)) {
        err failed = piece_encode(e, done, match.begin);
        if (failed.code) return failed;
        engine_ids_push(e->out, match.token->id);
        done = match.end;
    }
    return piece_encode(e, done, e->normalized.size);
}

static err text_encode(encoding *e)
{
    const engine_tokenizer *t = e->tokenizer;
    added_walk walk = {&t->added, &t->added.raw, .text = e->text, .context = e};
    if (e->guarded.count) walk.allow = allow_raw;
    added_match match;
    size_t done = 0;
    while (added_walk_next(&walk, &match)) {
        err failed = section_encode(e, done, match.begin);
        if (failed.code) return failed;
        engine_ids_push(e->out, match.token->id);
        done = match.end;
    }
    return section_encode(e, done, e->text.size);
}

/* Each broken byte becomes U+FFFD; edges of spans are moved along. */
static void text_repair(bytes_view text, engine_text_span *spans, size_t span_count, bytes *out)
{
    size_t edge = 0; /* begins and ends alternate: edge 2i is the begin of span i */
    for (size_t at = 0; at <= text.size;) {
        uint32_t code;
        size_t size = utf8_decode(text.data + at, text.size - at, &code);
        for (; edge < 2 * span_count; edge++) {
            bool is_end = edge & 1; /* a span that cuts a character has all of it */
            size_t *offset = is_end ? &spans[edge / 2].end : &spans[edge / 2].begin;
            if (*offset > at && (is_end || *offset >= at + size)) break;
            *offset = out->size;
        }
        if (at == text.size) break;
        if (size)
            bytes_append(out, text.data + at, size);
        else
            bytes_append_text(out, "\xEF\xBF\xBD");
        at += size ? size : 1;
    }
}

static err encode_valid(const engine_tokenizer *t, bytes_view text, guards guarded, engine_ids *out)
{
    encoding e = {.tokenizer = t, .text = text, .guarded = guarded, .out = out};
    e.model = bpe_work_new(t->model, t->pretokenizer.byte_level, text.size >= REMEMBER_BYTES_MIN);
    err result = text_encode(&e);
    bpe_work_free(e.model);
    pretokenize_work_free(&e.pieces);
    tokenizer_matcher_free(&e.matcher);
    for (int i = 0; i < 2; i++) bytes_free(&e.normal[i]), bytes_free(&e.prefix[i]);
    free(e.moved);
    return result;
}

err engine_tokenizer_encode_guarded(const engine_tokenizer *t, bytes_view text,
                                    const engine_text_span *guarded, size_t guarded_count, bool add_special,
                                    engine_ids *out)
{
    if (text.size > TOKENIZER_TEXT_BYTES_MAX)
        return err_make(ERR_LIMIT, "a text to encode is longer than %d MiB", TOKENIZER_TEXT_BYTES_MAX >> 20);
    size_t count = out->count;
    CLEANUP(bytes_free) bytes repaired = {0};
    engine_text_span *spans = NULL;
    if (!utf8_is_valid(text)) {
        if (guarded_count) {
            spans = memory_resize_array(NULL, guarded_count, sizeof *spans);
            memcpy(spans, guarded, guarded_count * sizeof *spans);
            guarded = spans;
        }
        text_repair(text, spans, guarded_count, &repaired);
        text = bytes_borrow(&repaired);
    }
    for (size_t i = 0; add_special && i < t->before.count; i++) engine_ids_push(out, t->before.data[i]);
    err e = encode_valid(t, text, (guards){guarded, guarded_count}, out);
    for (size_t i = 0; add_special && i < t->after.count; i++) engine_ids_push(out, t->after.data[i]);
    free(spans);
    if (e.code) out->count = count;
    return e;
}

err engine_tokenizer_encode(const engine_tokenizer *t, bytes_view text, bool add_special, engine_ids *out)
{
    return engine_tokenizer_encode_guarded(t, text, NULL, 0, add_special, out);
}

/* ---- decoding ---- */

err engine_tokenizer_decode(const engine_tokenizer *t, const int32_t *ids, size_t count, bool skip_special,
                            bytes *out)
{
    decode_stream *stream = decode_stream_new(&t->decoder);
    size_t begin = out->size;
    bool fits = true;
    for (size_t i = 0; i < count && fits; i++) {
        bytes_view token;
        if (tokenizer_id_text(t, ids[i], skip_special, &token)) fits = decode_stream_push(stream, token, out);
    }
    fits = fits && decode_stream_finish(stream, out);
    decode_stream_free(stream);
    if (fits) return ERR_OK;
    bytes_remove(out, begin, out->size - begin);
    return tokenizer_limit_error();
}
