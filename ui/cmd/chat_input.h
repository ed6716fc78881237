/* ui/cmd/chat_input.h: a conversation, from a JSON file or made turn by turn, as a chat template takes it. */
#ifndef UI_CMD_CHAT_INPUT_H
#define UI_CMD_CHAT_INPUT_H

#include "base/arena.h"
#include "engine/model.h"

/* `source` is a list of messages, or an object with "messages" and, if wanted, "tools", "documents",
 * "add_generation_prompt", "continue_final_message" and whatever else the template is to see, such as
 * "enable_thinking". `source` and `a` must outlive *out. ERR_FORMAT names `file`, line and what was expected.
 */
err ui_chat_input_read(bytes_view source, const char *file, arena *a, engine_chat_input *out);

/* A conversation that is made here, turn by turn. A zeroed one is empty. */
typedef struct ui_turn {
    const char *role; /* a literal: "system", "user", "assistant" */
    bytes content, reasoning;
} ui_turn;
typedef struct ui_turns {
    ui_turn *list;
    size_t count;
} ui_turns;

/* All copied; reasoning empty: none. */
void ui_turns_add(ui_turns *turns, const char *role, bytes_view content, bytes_view reasoning);
void ui_turns_drop(ui_turns *turns, size_t count_left); /* forget all but the first */
void ui_turns_free(ui_turns *turns);                    /* a zeroed one is fine */
/* As the template wants it; `a` must outlive *out. */
err ui_turns_input(const ui_turns *turns, arena *a, engine_chat_input *out);

/* ERR_UNSUPPORTED (it names --raw) when the model has no chat template, ERR_NOT_FOUND without a tokenizer. */
err ui_chat_check(const engine_model *model);
/* The prompt that asks for the next answer; checked as above. */
err ui_chat_encode(const engine_model *model, engine_chat_input *input, engine_ids *out);

#endif
