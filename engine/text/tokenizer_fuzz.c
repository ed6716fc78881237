/* A tokenizer.json and, after a NUL, a text: whatever comes in may be refused, but may not crash, hang or
 * leak. Streamed and whole decoding agree. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void both_decoded(const engine_tokenizer *t, const engine_ids *ids, bool skip)
{
    bytes whole = {0}, streamed = {0};
    err e = engine_tokenizer_decode(t, ids->data, ids->count, skip, &whole);
    engine_detokenizer *d = engine_detokenizer_new(t, skip);
    for (size_t i = 0; i < ids->count; i++) engine_detokenizer_push(d, ids->data[i], &streamed);
    engine_detokenizer_finish(d, &streamed);
    if (!e.code && !bytes_view_equal(bytes_borrow(&whole), bytes_borrow(&streamed))) abort();
    engine_detokenizer_free(d);
    bytes_free(&whole);
    bytes_free(&streamed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data, *end = size ? memchr(json, 0, size) : NULL;
    size_t json_size = end ? (size_t)(end - json) : size;
    bytes_view text = {end ? end + 1 : "", end ? size - json_size - 1 : 0};
    engine_tokenizer *t = NULL;
    err e = engine_tokenizer_parse((bytes_view){json, json_size}, &t);
    if ((e.code == ERR_NONE) != (t != NULL)) abort();
    if (e.code) return 0;
    engine_ids ids = {0};
    engine_text_span middle = {text.size / 3, text.size / 2};
    (void)engine_tokenizer_encode(t, text, true, &ids);
    (void)engine_tokenizer_encode_guarded(t, text, &middle, 1, false, &ids);
    for (size_t i = 0; i < text.size; i++) engine_ids_push(&ids, text.data[i]);
    both_decoded(t, &ids, false);
    both_decoded(t, &ids, true);
    engine_ids_free(&ids);
    engine_tokenizer_free(t);
    return 0;
}
