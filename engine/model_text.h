/* engine/model_text.h: what a model folder says about text: tokenizer, special tokens, chat templates.
 *
 * Immutable once read. Source: spec tokenizer.md, section 13; chat_templates.md, section 1. */
#ifndef ENGINE_MODEL_TEXT_H
#define ENGINE_MODEL_TEXT_H

#include "engine/files.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"

enum { ENGINE_MODEL_TEMPLATES_MAX = 64, ENGINE_MODEL_TEMPLATE_NAME_MAX = 64 };

typedef enum engine_special {
    ENGINE_SPECIAL_BOS,
    ENGINE_SPECIAL_EOS,
    ENGINE_SPECIAL_UNK,
    ENGINE_SPECIAL_PAD,
    ENGINE_SPECIAL_SEP,
    ENGINE_SPECIAL_CLS,
    ENGINE_SPECIAL_MASK,
    ENGINE_SPECIAL_COUNT,
} engine_special;

typedef struct engine_model_text engine_model_text;

/* Every error names the file. A file that is not there is none; a template that cannot be parsed is kept with
 * its error, which engine_model_text_template gives: the model is good for everything else. */
err engine_model_text_read(engine_files *files, engine_model_text **out);
void engine_model_text_free(engine_model_text *text); /* NULL is fine */

const engine_tokenizer *engine_model_text_borrow_tokenizer(const engine_model_text *text); /* NULL: none */
/* "<s>"; data is NULL when the model has no such token. Borrowed. */
bytes_view engine_model_text_borrow_special(const engine_model_text *text, engine_special which);

/* The template of this name; an absent name gives the default, NULL too, unless tools are given and there is
 * a "tool_use". *out is borrowed. ERR_UNSUPPORTED: there is none at all. */
err engine_model_text_template(const engine_model_text *text, const char *name, bool tools_given,
                               const engine_chat_template **out);

#endif
