/* What a template can do, found by giving it small conversations and looking for their words in the output.
 */
#include <string.h>

#include "engine/text/chat_template_internal.h"

enum { PROBE_STEPS_MAX = 2000000 }; /* a probe has a few short messages */

#define WORD     "zq7Probe"
#define ARGUMENT "zq8Probe"
#define USER     "{\"role\":\"user\",\"content\":\"hello\"}"
#define CALL_OF(arguments)                                                                                   \
    "[" USER                                                                                                 \
    ",{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call00001\",\"type\":\"function\"," \
    "\"function\":{\"name\":\"" WORD "\",\"arguments\":" arguments                                           \
    "}}]},{\"role\":\"tool\",\"tool_call_id\":"                                                              \
    "\"call00001\",\"name\":\"" WORD "\",\"content\":\"1\"}]"
#define TOOLS                                                                                                \
    "[{\"type\":\"function\",\"function\":{\"name\":\"" WORD "\",\"description\":\"d\",\"parameters\":"      \
    "{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\",\"description\":\"d\"}},\"required\":[" \
    "]}}}]"

/* The output for a conversation; false: the template refuses it. */
static bool probe(const engine_chat_template *t, const char *messages, const char *tools, const char *extra,
                  bytes *out)
{
    arena a = {0};
    engine_chat_input input = {.add_generation_prompt = true,
                               .form = ENGINE_CHAT_FORM_TRANSFORMERS,
                               .bos = VIEW("<bos>"),
                               .eos = VIEW("<eos>")};
    engine_chat_text text = {0};
    err e = json_parse(bytes_view_of(messages), JSON_DEPTH_MAX, &a, &input.messages);
    if (!e.code && tools) e = json_parse(bytes_view_of(tools), JSON_DEPTH_MAX, &a, &input.tools);
    if (!e.code && extra) e = json_parse(bytes_view_of(extra), JSON_DEPTH_MAX, &a, &input.extra);
    if (!e.code) e = engine_chat_template_render_within(t, &input, PROBE_STEPS_MAX, &text);
    if (!e.code) bytes_append_view(out, bytes_borrow(&text.text));
    engine_chat_text_free(&text);
    arena_free(&a);
    return !e.code;
}

static bool shows(const engine_chat_template *t, const char *messages, const char *tools, const char *word)
{
    CLEANUP(bytes_free) bytes out = {0};
    return probe(t, messages, tools, NULL, &out) && strstr(bytes_text(&out), word) != NULL;
}

/* Some templates want the arguments as text, some show calls only when there are tools. */
static bool shows_calls(const engine_chat_template *t)
{
    static const char *const messages[] = {CALL_OF("{\"k\":\"" ARGUMENT "\"}"),
                                           CALL_OF("\"{\\\"k\\\":\\\"" ARGUMENT "\\\"}\"")};
    bool shown = false;
    for (size_t i = 0; i < COUNT_OF(messages); i++)
        shown = shown || shows(t, messages[i], NULL, ARGUMENT) || shows(t, messages[i], TOOLS, ARGUMENT);
    return shown;
}

/* Shown as text, not as a printed list. */
bool engine_chat_reads_parts(const engine_chat_template *t)
{
    CLEANUP(bytes_free) bytes out = {0};
    bool rendered = probe(t, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"" WORD "\"}]}]",
                          NULL, NULL, &out);
    const char *text = bytes_text(&out);
    return rendered && strstr(text, WORD) && !strstr(text, "'text': ") && !strstr(text, "\"text\": ");
}

static bool has_thinking_switch(const engine_chat_template *t)
{
    CLEANUP(bytes_free) bytes on = {0};
    CLEANUP(bytes_free) bytes off = {0};
    bool both = probe(t, "[" USER "]", NULL, "{\"enable_thinking\":true,\"thinking\":true}", &on) &&
                probe(t, "[" USER "]", NULL, "{\"enable_thinking\":false,\"thinking\":false}", &off);
    return both && !bytes_view_equal(bytes_borrow(&on), bytes_borrow(&off));
}

engine_chat_abilities engine_chat_template_abilities(const engine_chat_template *t)
{
    engine_chat_abilities a = {0};
    a.system = shows(t, "[{\"role\":\"system\",\"content\":\"" WORD "\"}," USER "]", NULL, WORD);
    a.tools = shows(t, "[" USER "]", TOOLS, WORD) ||
              shows(t, "[{\"role\":\"system\",\"content\":\"s\"}," USER "]", TOOLS, WORD);
    a.tool_calls = shows_calls(t);
    a.parts = engine_chat_reads_parts(t);
    a.reasoning =
        shows(t, "[" USER ",{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"" WORD "\"}]",
              NULL, WORD);
    a.same_role_twice = shows(t, "[" USER ",{\"role\":\"user\",\"content\":\"" WORD "\"}]", NULL, WORD);
    a.thinking_switch = has_thinking_switch(t);
    return a;
}
