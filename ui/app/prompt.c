#include "ui/app/prompt.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "engine/text/tokenizer.h"

enum { PROMPT_TAIL_IDS = 64 };

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }

void ui_plain_prompt(const ui_message *messages, size_t count, bytes *out)
{
    for (size_t i = 0; i < count; i++) {
        bytes_view text = messages[i].content;
        bool parted =
            out->size == 0 || is_space(out->data[out->size - 1]) || text.size == 0 || is_space(text.data[0]);
        if (strcmp(messages[i].role, "user") == 0 && !parted) bytes_append_byte(out, '\n');
        bytes_append_view(out, text);
    }
}

static json_node *add_member(arena *a, json_node *object, json_node *before, const char *key, bytes_view text)
{
    json_node *member = arena_new(a, json_node);
    *member = (json_node){.type = JSON_STRING, .line = 1, .key = bytes_view_of(key), .text = text};
    if (before)
        before->next = member;
    else
        object->first = member;
    object->count++;
    return member;
}

/* The messages as the list that a template reads. */
static const json_node *messages_as_json(arena *a, const ui_ask *ask)
{
    json_node *list = arena_new(a, json_node), *last = NULL;
    *list = (json_node){.type = JSON_ARRAY, .line = 1};
    for (size_t i = 0; i < ask->message_count; i++) {
        const ui_message *m = &ask->messages[i];
        json_node *object = arena_new(a, json_node);
        *object = (json_node){.type = JSON_OBJECT, .line = 1};
        json_node *member = add_member(a, object, NULL, "role", bytes_view_of(m->role));
        member = add_member(a, object, member, "content", m->content.size ? m->content : VIEW(""));
        if (m->reasoning.size) add_member(a, object, member, "reasoning_content", m->reasoning);
        if (last)
            last->next = object;
        else
            list->first = object;
        last = object;
        list->count++;
    }
    return list;
}

err ui_prompt_encode(const engine_model *model, const ui_ask *ask, engine_ids *ids)
{
    CLEANUP(arena_free) arena a = {0};
    CLEANUP(bytes_free) bytes text = {0};
    const engine_tokenizer *tokenizer = engine_model_borrow_tokenizer(model);

    if (!tokenizer)
        return err_make(ERR_UNSUPPORTED, "%s has no tokenizer.json, so it cannot read a message",
                        engine_model_borrow_name(model));
    if (!engine_model_borrow_chat_template(model, NULL)) {
        ui_plain_prompt(ask->messages, ask->message_count, &text);
        return engine_tokenizer_encode(tokenizer, bytes_borrow(&text), true, ids);
    }
    engine_chat_input input = {
        .messages = messages_as_json(&a, ask),
        .add_generation_prompt = !ask->continue_last,
        .continue_final_message = ask->continue_last,
        .now = clock_unix_seconds(),
    };
    return engine_model_encode_chat(model, &input, ids);
}

/* Whether the answer begins inside a thinking block is written at the end of the prompt. */
engine_reasoning *ui_prompt_reasoning(const engine_model *model, const engine_ids *ids)
{
    CLEANUP(bytes_free) bytes tail = {0};
    size_t count = MIN_OF(ids->count, (size_t)PROMPT_TAIL_IDS);
    engine_tokenizer_decode(engine_model_borrow_tokenizer(model), ids->data + ids->count - count, count,
                            false, &tail);
    return engine_reasoning_new(bytes_borrow(&tail));
}
