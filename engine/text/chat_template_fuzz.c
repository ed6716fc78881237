/* A template and, after a NUL, the JSON of a conversation. Whatever comes in may be refused, but may not
 * crash, hang or leak; spans of what is rendered are sorted and lie in the text. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/chat_template_internal.h"

enum { STEPS_MAX = 200000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void spans_check(const engine_text_span *spans, size_t count, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < count; at = spans[i++].end)
        if (spans[i].begin < at || spans[i].end <= spans[i].begin || spans[i].end > size) abort();
}

static void render(const engine_chat_template *t, const json_node *messages, const json_node *tools,
                   engine_chat_form form)
{
    engine_chat_input input = {.messages = messages,
                               .tools = tools,
                               .add_generation_prompt = true,
                               .form = form,
                               .bos = VIEW("<s>"),
                               .eos = VIEW("</s>"),
                               .now = 1753533296};
    engine_chat_text text = {0};
    err e = engine_chat_template_render_within(t, &input, STEPS_MAX, &text);
    if (!e.code) {
        spans_check(text.data, text.data_count, text.text.size);
        spans_check(text.generation, text.generation_count, text.text.size);
    }
    engine_chat_text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char usual[] =
        "[{\"role\":\"system\",\"content\":\" "
        "s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"h\\u00e9\"}]},"
        "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"r\",\"tool_calls\":[{\"type\":"
        "\"function\",\"function\":"
        "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": "
        "1.5}\"}}]},{\"role\":\"tool\",\"content\":\"<|x|>'\\\"\"}]";
    arena a = {0};
    const char *separator = size ? memchr(data, 0, size) : NULL;
    bytes_view source = {(const char *)data, separator ? (size_t)(separator - (const char *)data) : size};
    bytes_view text = {separator ? separator + 1 : usual,
                       separator ? size - source.size - 1 : sizeof usual - 1};
    const json_node *messages = NULL;
    engine_chat_template *t = NULL;
    if (!json_parse(text, JSON_DEPTH_MAX, &a, &messages).code &&
        !engine_chat_template_parse(source, "fuzz", &t).code) {
        render(t, messages, NULL, ENGINE_CHAT_FORM_GIVEN);
        render(t, messages, messages, ENGINE_CHAT_FORM_OPENAI);
    }
    engine_chat_template_free(t);
    arena_free(&a);
    return 0;
}
