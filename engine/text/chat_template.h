/* engine/text/chat_template.h: a model's chat template, from messages to the text that is tokenised.
 *
 * The Jinja that transformers runs (sandboxed, trim_blocks, lstrip_blocks, loop controls, the generation
 * tag), equal to it byte for byte; what it leaves out (include, import, extends, block, call, with,
 * autoescape) is refused by name when the template is parsed. Every error says "FILE, line L: ...".
 * More is allowed in two places: methods that change a list or dict (append, pop, update, ...) work, on what
 * the render owns, and there is a filter from_json. Generators are made whole at once, not step by step.
 *
 * The rendered text knows where each of its characters came from. `data` spans are characters of the caller's
 * strings (messages, tools, documents, extra), followed through concatenation, slices, filters, methods and
 * tojson: tokenise them guarded, so that nobody's words become control tokens. What the template itself wrote
 * is in no span, nor is a role that is one of the usual words (templates build tokens like <|user|> of it).
 *
 * A parsed template is immutable: threads may share it. Rendering is a function of its arguments (the clock
 * is one of them), bounded by the limits below. Source: spec, "Chat templates"; the renderer of
 * transformers 5. */
#ifndef ENGINE_TEXT_CHAT_TEMPLATE_H
#define ENGINE_TEXT_CHAT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "engine/text/ids.h"

enum {
    ENGINE_CHAT_SOURCE_BYTES_MAX = 1 << 20,   /* of a template */
    ENGINE_CHAT_OUTPUT_BYTES_MAX = 64 << 20,  /* of a rendered text */
    ENGINE_CHAT_MEMORY_BYTES_MAX = 512 << 20, /* of all values of one render together */
    ENGINE_CHAT_STEPS_MAX = 100000000,        /* evaluated nodes and touched elements of one render */
    ENGINE_CHAT_DEPTH_MAX = 1000,             /* nesting of expressions, statements and macro calls */
    ENGINE_CHAT_RANGE_MAX = 100000,           /* range(), as the sandbox of jinja2 */
};

typedef struct engine_chat_template engine_chat_template;

/* The source is copied. `file_name` is what errors call it. ERR_FORMAT, ERR_LIMIT, ERR_UNSUPPORTED. */
err engine_chat_template_parse(bytes_view source, const char *file_name, engine_chat_template **out);
void engine_chat_template_free(engine_chat_template *t); /* NULL is fine */
bytes_view
engine_chat_template_borrow_source(const engine_chat_template *t); /* as it was given; valid as long as t */

/* What is done to the messages before the template sees them. */
typedef enum engine_chat_form {
    ENGINE_CHAT_FORM_TRANSFORMERS, /* as apply_chat_template: keys of a message whose value is null are
                                      dropped; the first of reasoning_content, thinking, reasoning is given
                                      under both of the first two names */
    ENGINE_CHAT_FORM_OPENAI, /* that, and: an assistant's null content is ""; tool call arguments given as
                                JSON text become objects (text again when the template fails on objects);
                                text parts are joined when the template cannot read parts */
    ENGINE_CHAT_FORM_GIVEN,  /* nothing */
} engine_chat_form;

/* All borrowed for the call. A view whose data is NULL: the model has no such token, the name is undefined.
 */
typedef struct engine_chat_input {
    const json_node *messages;  /* array of objects, not NULL */
    const json_node *tools;     /* array; NULL or null: none */
    const json_node *documents; /* likewise */
    const json_node *extra; /* object of further variables: enable_thinking, reasoning_effort, ...; or NULL */
    bool add_generation_prompt;
    bool continue_final_message; /* the text ends inside the last message; excludes add_generation_prompt */
    engine_chat_form form;
    bytes_view bos, eos, unk, pad, sep, cls, mask; /* bos_token and so on */
    int64_t now;                                   /* seconds since 1970, for strftime_now (local time) */
} engine_chat_input;

typedef struct engine_chat_text {
    bytes text;
    engine_text_span
        *generation; /* inside {% generation %}, in bytes, sorted; one per block that is not empty */
    size_t generation_count;
    engine_text_span *data; /* came from the caller's strings, in bytes, sorted */
    size_t data_count;
} engine_chat_text;

/* The caller frees *out. ERR_UNSUPPORTED with the template's own words when it calls raise_exception,
 * ERR_FORMAT when its code fails, ERR_LIMIT, ERR_USAGE for messages that are no array of objects. */
err engine_chat_template_render(const engine_chat_template *t, const engine_chat_input *input,
                                engine_chat_text *out);
void engine_chat_text_free(engine_chat_text *text); /* a zeroed one is fine */

/* What a template does with a conversation, found by rendering small ones. */
typedef struct engine_chat_abilities {
    bool system;          /* shows a system message */
    bool tools;           /* shows the tools */
    bool tool_calls;      /* shows an assistant's tool calls */
    bool parts;           /* reads content given as a list of text parts */
    bool reasoning;       /* shows reasoning_content of the last assistant turn */
    bool same_role_twice; /* takes two user messages in a row */
    bool thinking_switch; /* reads enable_thinking or thinking */
} engine_chat_abilities;
/* By rendering; a template that fails on one of them lacks it. */
engine_chat_abilities engine_chat_template_abilities(const engine_chat_template *t);

/* Where a model folder keeps its templates; absent ones are empty views. */
typedef struct engine_chat_named_source {
    const char *name; /* NAME of additional_chat_templates/NAME.jinja */
    bytes_view source;
} engine_chat_named_source;
typedef struct engine_chat_sources {
    bytes_view chat_template_jinja;   /* chat_template.jinja */
    bytes_view chat_template_json;    /* chat_template.json: {"chat_template": ...} */
    bytes_view tokenizer_config_json; /* key chat_template: a string, or a list of {"name", "template"} */
    const engine_chat_named_source *additional;
    size_t additional_count;
} engine_chat_sources;

/* The source to parse, in the order of the fields above. name: the one asked for, or NULL for "tool_use" when
 * tools are given and there is one, else "default". ERR_NOT_FOUND says that the model has no chat template
 * (or none of that name, listing those it has). The caller frees *source. */
err engine_chat_template_find(const engine_chat_sources *sources, const char *name, bool tools_given,
                              bytes *source);

#endif
