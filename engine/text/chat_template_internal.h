/* engine/text/chat_template_internal.h: what the files of the chat template share. */
#ifndef ENGINE_TEXT_CHAT_TEMPLATE_INTERNAL_H
#define ENGINE_TEXT_CHAT_TEMPLATE_INTERNAL_H

#include "engine/text/chat_template.h"
#include "engine/text/jinja/tree.h"

struct engine_chat_template {
    arena memory; /* source, file name and tree */
    bytes_view source;
    const char *file_name;
    const jinja_node *first;
};

#define ENGINE_CHAT_CONTINUE_MARK "CONTINUE_FINAL_MESSAGE_TAG "

/* How the messages of one render are prepared. */
typedef struct engine_chat_preparation {
    engine_chat_form form;
    bool join_parts;         /* content of text parts becomes one text */
    bool arguments_are_text; /* leave the arguments of tool calls as they came */
    bool mark_final;         /* ENGINE_CHAT_CONTINUE_MARK is put at the end of the last message */
} engine_chat_preparation;

/* The messages as the template sees them; their text is marked as data, but for usual roles. */
jinja_value engine_chat_messages(jinja_render *r, const json_node *messages,
                                 const engine_chat_preparation *how);

/* Text of the last message without white space around, before it was marked: what must be in the output. */
bytes_view engine_chat_final_text(const json_node *messages);

/* engine_chat_template_render with a step limit of the caller's, at most ENGINE_CHAT_STEPS_MAX. */
err engine_chat_template_render_within(const engine_chat_template *t, const engine_chat_input *input,
                                       uint64_t steps_max, engine_chat_text *out);

/* Renders a small conversation: does the template read content that is a list of text parts? */
bool engine_chat_reads_parts(const engine_chat_template *t);

#endif
