/* engine/text/reasoning.h: a model's output, taken apart into reasoning and answer while it streams.
 *
 * Knows <think> (Qwen3, DeepSeek, GLM, MiniMax, SmolLM3, Granite with <response>), [THINK] (Magistral),
 * <seed:think>, <|START_THINKING|> with <|START_RESPONSE|> (Command R), <|channel>thought (Gemma 4) and the
 * channels of GPT-OSS. Feed decoded text with special tokens kept. Pieces may cut markers anywhere: what
 * could still become one is held back. Every byte that goes in comes out once, as reasoning or as content,
 * but for markers and the white space beside them. An opening mark counts only where the output begins: a
 * later one is a word of the answer. A block that is never closed is reasoning to the end. Source: spec,
 * "Chat templates", section 6. */
#ifndef ENGINE_TEXT_REASONING_H
#define ENGINE_TEXT_REASONING_H

#include <stdbool.h>

#include "base/bytes.h"

typedef struct engine_reasoning engine_reasoning;

/* `prompt`: the rendered prompt (its tail is enough). When it ends in an open reasoning block, the output
 * begins inside. Not NULL. */
engine_reasoning *engine_reasoning_new(bytes_view prompt);
void engine_reasoning_free(engine_reasoning *r); /* NULL is fine */

/* Both buffers are appended to. */
void engine_reasoning_push(engine_reasoning *r, bytes_view piece, bytes *reasoning, bytes *content);
void engine_reasoning_finish(engine_reasoning *r, bytes *reasoning, bytes *content); /* what was held back */

bool engine_reasoning_is_inside(const engine_reasoning *r); /* the next text will be reasoning */

/* A whole output at once; both outputs are appended to. */
void engine_reasoning_split(bytes_view prompt, bytes_view output, bytes *reasoning, bytes *content);

#endif
