/* engine/text/tokenizer.h: tokenizer.json, whole: text to token ids and back.
 *
 * Equal to the Hugging Face tokenizers library on every text. What a file asks for and we do not do is
 * refused by name when it is parsed, never skipped. Text that is no UTF-8 is read with U+FFFD for each broken
 * byte. Threads: immutable once parsed; any number of threads may use one. Source: spec, "Tokenizer". */
#ifndef ENGINE_TEXT_TOKENIZER_H
#define ENGINE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "engine/text/ids.h"

typedef struct engine_tokenizer engine_tokenizer;

/* ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED; the sentence does not name the file. `json` is not kept. */
err engine_tokenizer_parse(bytes_view json, engine_tokenizer **out);
void engine_tokenizer_free(engine_tokenizer *t); /* NULL is fine */

size_t engine_tokenizer_vocab_count(const engine_tokenizer *t); /* largest id + 1, added tokens included */
int32_t engine_tokenizer_find(const engine_tokenizer *t, bytes_view token); /* -1: no such token */
/* As the vocabulary writes it ("Ġthe"); empty for an id without a token. Borrowed from t. */
bytes_view engine_tokenizer_borrow_token(const engine_tokenizer *t, int32_t id);
bool engine_tokenizer_is_special(const engine_tokenizer *t,
                                 int32_t id); /* of an added token that is marked so */

/* Append the ids of `text`. add_special: what the post-processor adds (bos, ...). Special tokens written in
 * the text become themselves. Errors: ERR_LIMIT (text past 64 MiB, a regular expression past its limit),
 * ERR_FORMAT (a character without a token in a file whose unk_token has none either). On an error nothing is
 * appended. */
err engine_tokenizer_encode(const engine_tokenizer *t, bytes_view text, bool add_special, engine_ids *out);
/* The same, but inside the spans (byte ranges, sorted; one that cuts a character has all of it) no special
 * token is recognised: text of other people. */
err engine_tokenizer_encode_guarded(const engine_tokenizer *t, bytes_view text,
                                    const engine_text_span *guarded, size_t guarded_count, bool add_special,
                                    engine_ids *out);

/* Append the text of the ids, as the file's decoder gives it. Unknown ids are left out. */
err engine_tokenizer_decode(const engine_tokenizer *t, const int32_t *ids, size_t count, bool skip_special,
                            bytes *out);

/* -- one id at a time ------------------------------------------------------------------------------------ */

/* Gives the same text as decoding all ids at once, in pieces that never end inside a character. */
typedef struct engine_detokenizer engine_detokenizer;

/* `t` is borrowed. Not NULL. */
engine_detokenizer *engine_detokenizer_new(const engine_tokenizer *t, bool skip_special);
void engine_detokenizer_free(engine_detokenizer *d); /* NULL is fine */
/* Ids that stand before the first pushed one (the end of a prompt): they give no text but decide whether the
 * first word keeps its space. */
void engine_detokenizer_prime(engine_detokenizer *d, const int32_t *ids, size_t count);
/* Append the text that is certain now; may append nothing. */
void engine_detokenizer_push(engine_detokenizer *d, int32_t id, bytes *out);
void engine_detokenizer_finish(engine_detokenizer *d,
                               bytes *out); /* what was held back; broken bytes as U+FFFD */

#endif
