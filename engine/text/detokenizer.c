/* engine/text/detokenizer.c: ids to text, one at a time: the decoder's stream with ids in front.
 *
 * A push can only fail where a step of the file makes a single string larger than TOKENIZER_GROWN_BYTES_MAX;
 * that string is then left out. */
#include <stdlib.h>

#include "engine/text/tokenizer_internal.h"

struct engine_detokenizer {
    const engine_tokenizer *tokenizer;
    bool skip_special;
    decode_stream *stream;
};

engine_detokenizer *engine_detokenizer_new(const engine_tokenizer *t, bool skip_special)
{
    engine_detokenizer *d = memory_alloc(sizeof *d);
    *d = (engine_detokenizer){t, skip_special, decode_stream_new(&t->decoder)};
    return d;
}

void engine_detokenizer_free(engine_detokenizer *d)
{
    if (!d) return;
    decode_stream_free(d->stream);
    free(d);
}

void engine_detokenizer_prime(engine_detokenizer *d, const int32_t *ids, size_t count)
{
    CLEANUP(bytes_free) bytes unsaid = {0};
    for (size_t i = 0; i < count; i++) {
        engine_detokenizer_push(d, ids[i], &unsaid);
        bytes_clear(&unsaid);
    }
    (void)decode_stream_settle(d->stream, &unsaid);
}

void engine_detokenizer_push(engine_detokenizer *d, int32_t id, bytes *out)
{
    bytes_view token;
    if (tokenizer_id_text(d->tokenizer, id, d->skip_special, &token))
        (void)decode_stream_push(d->stream, token, out);
}

void engine_detokenizer_finish(engine_detokenizer *d, bytes *out)
{
    (void)decode_stream_finish(d->stream, out);
}
