/* What is done to messages before the template sees them. Source: spec, "Chat templates", section 5. */
#include <string.h>

#include "base/utf8.h"
#include "engine/text/chat_template_internal.h"

/* Roles that are no one's words: templates make tokens like <|user|> of them. */
static bool role_is_usual(bytes_view role)
{
    static const char *const usual[] = {"system", "developer", "user",  "assistant", "tool",    "function",
                                        "model",  "ipython",   "tools", "context",   "document"};
    for (size_t i = 0; i < COUNT_OF(usual); i++)
        if (bytes_view_is(role, usual[i])) return true;
    return false;
}

static bool is_text_part(const json_node *part)
{
    return bytes_view_is(json_text(json_get(part, "type")), "text") &&
           json_is(json_get(part, "text"), JSON_STRING);
}

/* All parts as one text; absent when one of them is no text. */
static jinja_value parts_joined(jinja_render *r, const json_node *content)
{
    jinja_buffer *b = jinja_buffer_new(r);
    for (const json_node *part = json_first(content); part; part = part->next) {
        if (!is_text_part(part)) return jinja_absent;
        jinja_buffer_append(r, b, json_text(json_get(part, "text")), JINJA_DATA);
    }
    return jinja_taken(r, b);
}

/* ---- tool calls ---- */

static const jinja_value *member(jinja_render *r, jinja_value v, const char *key, jinja_type type)
{
    const jinja_value *found =
        v.type == JINJA_DICT ? jinja_dict_get_text(r, v.dict, bytes_view_of(key)) : NULL;
    return found && found->type == type ? found : NULL;
}

/* JSON text of an object becomes that object; other text stays. */
static void arguments_parse(jinja_render *r, jinja_value call)
{
    const jinja_value *function = member(r, call, "function", JINJA_DICT);
    const jinja_value *arguments = function ? member(r, *function, "arguments", JINJA_STRING) : NULL;
    if (!arguments) return;
    const json_node *root = NULL;
    err e = json_parse(jinja_string_view(arguments->string), JSON_DEPTH_MAX, &r->values, &root);
    if (!e.code && json_is(root, JSON_OBJECT))
        jinja_dict_set_text(r, function->dict, "arguments", jinja_of_json(r, root, JINJA_DATA));
}

static jinja_value tool_calls_value(jinja_render *r, const json_node *node,
                                    const engine_chat_preparation *how)
{
    jinja_value calls = jinja_of_json(r, node, JINJA_DATA);
    if (calls.type != JINJA_LIST || how->form != ENGINE_CHAT_FORM_OPENAI || how->arguments_are_text)
        return calls;
    for (size_t i = 0; i < calls.list->count; i++) arguments_parse(r, jinja_list_at(calls.list, i));
    return calls;
}

/* ---- one message ---- */

static jinja_value member_value(jinja_render *r, const json_node *node, const engine_chat_preparation *how)
{
    if (bytes_view_is(node->key, "role") && role_is_usual(json_text(node))) return jinja_of_json(r, node, 0);
    if (bytes_view_is(node->key, "tool_calls")) return tool_calls_value(r, node, how);
    if (bytes_view_is(node->key, "content") && how->join_parts && json_is(node, JSON_ARRAY)) {
        jinja_value joined = parts_joined(r, node);
        if (joined.type != JINJA_ABSENT) return joined;
    }
    return jinja_of_json(r, node, JINJA_DATA);
}

/* The first of the names that is there goes by two of them: templates ask for either. */
static void reasoning_name(jinja_render *r, jinja_dict *message)
{
    static const char *const names[] = {"reasoning_content", "thinking", "reasoning"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const jinja_value *found = jinja_dict_get_text(r, message, bytes_view_of(names[i]));
        if (!found || found->type == JINJA_NONE) continue;
        jinja_value reasoning = *found;
        jinja_dict_set_text(r, message, "reasoning_content", reasoning);
        if (!jinja_dict_get_text(r, message, VIEW("thinking")))
            jinja_dict_set_text(r, message, "thinking", reasoning);
        return;
    }
}

static jinja_dict *message_value(jinja_render *r, const json_node *message,
                                 const engine_chat_preparation *how)
{
    jinja_dict *d = jinja_dict_new(r);
    bool given = how->form == ENGINE_CHAT_FORM_GIVEN;
    for (const json_node *n = json_first(message); n; n = n->next)
        if (given || !json_is_null(n))
            jinja_dict_set(r, d, jinja_text(r, n->key, JINJA_DATA), member_value(r, n, how));
    if (given) return d;
    reasoning_name(r, d);
    bool assistant = bytes_view_is(json_text(json_get(message, "role")), "assistant");
    if (how->form == ENGINE_CHAT_FORM_OPENAI && assistant && !jinja_dict_get_text(r, d, VIEW("content")))
        jinja_dict_set_text(r, d, "content", jinja_text(r, VIEW(""), 0));
    return d;
}

/* ---- a final message that is continued ---- */

/* Its content, or the last of its parts that has text; NULL: none. */
static const json_node *final_node(const json_node *messages)
{
    const json_node *last = NULL, *found = NULL;
    for (const json_node *n = json_first(messages); n; n = n->next) last = n;
    const json_node *content = json_get(last, "content");
    if (json_is(content, JSON_STRING)) return content;
    for (const json_node *part = json_first(content); part; part = part->next)
        if (json_is(json_get(part, "text"), JSON_STRING)) found = json_get(part, "text");
    return found;
}

static size_t space_at(const char *data, size_t size)
{
    uint32_t code = 0;
    size_t count = utf8_decode(data, size, &code);
    return count && jinja_is_space(code) ? count : 0;
}

bytes_view engine_chat_final_text(const json_node *messages)
{
    const json_node *node = final_node(messages);
    if (!node) return (bytes_view){NULL, 0};
    bytes_view text = node->text;
    size_t kept = 0;
    for (size_t size; (size = space_at(text.data, text.size)) > 0; text.size -= size) text.data += size;
    for (size_t i = 0, size; i < text.size; i += size ? size : 1)
        if (!(size = space_at(text.data + i, text.size - i))) kept = i + 1;
    return (bytes_view){text.data, kept};
}

static jinja_value marked(jinja_render *r, jinja_value text)
{
    return jinja_joined(r, text.string, jinja_text(r, VIEW(ENGINE_CHAT_CONTINUE_MARK), 0).string);
}

static void final_mark(jinja_render *r, jinja_dict *message)
{
    const jinja_value *found = jinja_dict_get_text(r, message, VIEW("content"));
    jinja_value content = found ? *found : jinja_none;
    if (content.type == JINJA_STRING) jinja_dict_set_text(r, message, "content", marked(r, content));
    for (size_t i = content.type == JINJA_LIST ? content.list->count : 0; i > 0; i--) {
        jinja_value part = jinja_list_at(content.list, i - 1);
        const jinja_value *text = member(r, part, "text", JINJA_STRING);
        if (!text) continue;
        jinja_dict_set_text(r, part.dict, "text", marked(r, *text));
        return;
    }
}

jinja_value engine_chat_messages(jinja_render *r, const json_node *messages,
                                 const engine_chat_preparation *how)
{
    jinja_list *l = jinja_list_new(r);
    for (const json_node *n = json_first(messages); n; n = n->next) {
        jinja_dict *message = message_value(r, n, how);
        if (how->mark_final && !n->next) final_mark(r, message);
        jinja_list_push(r, l, (jinja_value){JINJA_DICT, {.dict = message}});
    }
    return jinja_list_value(l);
}
