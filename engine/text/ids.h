/* engine/text/ids.h: token ids and stretches of text, as tokenizer and chat template hand them to each other.
 */
#ifndef ENGINE_TEXT_IDS_H
#define ENGINE_TEXT_IDS_H

#include <stddef.h>
#include <stdint.h>

/* Growing list of ids. A zeroed one is empty and usable. */
typedef struct engine_ids {
    int32_t *data;
    size_t count, capacity;
} engine_ids;

void engine_ids_push(engine_ids *ids, int32_t id); /* at the end */
void engine_ids_free(engine_ids *ids);             /* a zeroed one is fine */

/* Bytes [begin, end) of a text. Lists of spans are sorted and do not overlap. */
typedef struct engine_text_span {
    size_t begin, end;
} engine_text_span;

#endif
