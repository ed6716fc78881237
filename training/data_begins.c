/* training/data_begins.c: where tokens begin in the text they were made of. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/macros.h"
#include "training/data_internal.h"

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The decoded text with the offset at which each token's own begins. */
static void decode_all(const engine_tokenizer *t, const engine_ids *ids, bytes *decoded, size_t *begins)
{
    engine_detokenizer *d = engine_detokenizer_new(t, false);
    for (size_t i = 0; i < ids->count; i++) {
        begins[i] = decoded->size;
        engine_detokenizer_push(d, ids->data[i], decoded);
    }
    engine_detokenizer_finish(d, decoded);
    engine_detokenizer_free(d);
}

/* Moves offsets of `decoded` to `text`: both are the same but for white space that a tokenizer puts before a
 * word or swallows beside a special token. False: they differ otherwise. */
static bool move_begins(bytes_view decoded, bytes_view text, size_t *begins, size_t count)
{
    size_t i = 0, from = 0, to = 0;
    while (from < decoded.size || to < text.size) {
        for (; i < count && begins[i] <= from; i++) begins[i] = to;
        if (from < decoded.size && to < text.size && decoded.data[from] == text.data[to])
            from++, to++;
        else if (to < text.size && is_blank(text.data[to]))
            to++;
        else if (from < decoded.size && is_blank(decoded.data[from]))
            from++;
        else
            return false;
    }
    for (; i < count; i++) begins[i] = text.size;
    return true;
}

bool token_begins(const engine_tokenizer *t, bytes_view text, const engine_ids *ids, size_t *begins)
{
    bytes decoded = {0};
    decode_all(t, ids, &decoded, begins);
    bool known = bytes_view_equal(bytes_borrow(&decoded), text) ||
                 move_begins(bytes_borrow(&decoded), text, begins, ids->count);
    bytes_free(&decoded);
    return known;
}

err token_boundary(const engine_tokenizer *t, bytes_view text, const engine_text_span *guarded,
                   size_t guarded_count, const engine_ids *ids, size_t offset, size_t *out)
{
    engine_ids before = {0};
    engine_text_span *spans = memory_alloc((guarded_count + 1) * sizeof *spans);
    size_t span_count = 0, same = 0;
    for (size_t i = 0; i < guarded_count && guarded[i].begin < offset; i++)
        spans[span_count++] = (engine_text_span){guarded[i].begin, MIN_OF(guarded[i].end, offset)};
    err e = engine_tokenizer_encode_guarded(t, (bytes_view){text.data, offset}, spans, span_count, false,
                                            &before);
    while (same < before.count && same < ids->count && before.data[same] == ids->data[same]) same++;
    /* One that straddles the offset begins before it. */
    *out = same + (same < before.count && same < ids->count);
    free(spans);
    engine_ids_free(&before);
    return e;
}
