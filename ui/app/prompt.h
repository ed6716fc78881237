/* ui/app/prompt.h: a conversation as the tokens that a model is given.
 *
 * With a chat template, what it makes of the messages; without one, their plain text, which the model writes
 * on from. Any thread: a model's texts are immutable. */
#ifndef UI_APP_PROMPT_H
#define UI_APP_PROMPT_H

#include "engine/model.h"
#include "engine/text/reasoning.h"
#include "ui/app/source.h"

/* Appends to *ids. ERR_UNSUPPORTED: no tokenizer; the template's own errors. */
err ui_prompt_encode(const engine_model *model, const ui_ask *ask, engine_ids *ids);

/* The words of all messages, one after the other; a person's message begins a new line unless white space
 * already parts it. Appended to *out. */
void ui_plain_prompt(const ui_message *messages, size_t count, bytes *out);

/* Takes the answer to these tokens apart: whether it begins inside a block of thinking is written at their
 * end. The caller's: engine_reasoning_free. */
engine_reasoning *ui_prompt_reasoning(const engine_model *model, const engine_ids *ids);

#endif
