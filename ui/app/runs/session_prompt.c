/* ui/app/runs/session_prompt.c: what a question gives to answer to, and how tokens are to be chosen. */
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "ui/app/prompt.h"
#include "ui/app/runs/session_internal.h"

engine_sampling run_sampling_read(const json_node *request)
{
    const json_node *said = json_get(request, "sampling");
    engine_sampling how = engine_sampling_neutral();
    how.temperature = json_double(json_get(said, "temperature"), 0);
    how.top_k = (int)json_int(json_get(said, "top_k"), how.top_k);
    how.top_p = json_double(json_get(said, "top_p"), how.top_p);
    how.min_p = json_double(json_get(said, "min_p"), how.min_p);
    how.repetition_penalty = json_double(json_get(said, "repetition_penalty"), how.repetition_penalty);
    how.repeat_last_n = (int)json_int(json_get(said, "repeat_last_n"), how.repeat_last_n);
    how.seed = (uint64_t)json_int(json_get(said, "seed"), 0);
    return how;
}

err run_prompt_of_text(const run_session *s, bytes_view text, engine_ids *out)
{
    ui_message message = {.role = "user", .content = text};
    ui_ask ask = {.messages = &message, .message_count = 1};
    return ui_prompt_encode(s->model, &ask, out);
}

/* A list of messages, as a chat has them. */
static err prompt_of_messages(const run_session *s, const json_node *request, engine_ids *out)
{
    CLEANUP(arena_free) arena memory = {0};
    const json_node *list = json_get(request, "messages");
    size_t count = json_count(list), i = 0;
    ui_message *messages = arena_array(&memory, ui_message, count + 1);
    for (const json_node *m = json_first(list); m; m = m->next, i++) {
        bytes_view role = json_text(json_get(m, "role"));
        if (!role.size) return err_make(ERR_FORMAT, "message %zu has no role", i + 1);
        char *word = arena_alloc(&memory, role.size + 1);
        memcpy(word, role.data, role.size);
        word[role.size] = 0;
        messages[i] = (ui_message){.role = word,
                                   .content = json_text(json_get(m, "content")),
                                   .reasoning = json_text(json_get(m, "reasoning_content"))};
    }
    ui_ask ask = {.messages = messages,
                  .message_count = count,
                  .continue_last = json_bool(json_get(request, "continue"), false)};
    return ui_prompt_encode(s->model, &ask, out);
}

err run_prompt_read(const run_session *s, const json_node *request, engine_ids *out)
{
    if (json_get(request, "messages")) return prompt_of_messages(s, request, out);
    return run_prompt_of_text(s, json_text(json_get(request, "prompt")), out);
}
