#include "ui/app/chat_export.h"

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/text.h"

static void add_text(cJSON *object, const char *key, const bytes *text)
{
    CLEANUP(bytes_free) bytes valid = {0};
    text_append_valid_utf8(&valid, bytes_borrow(text));
    cJSON_AddStringToObject(object, key, bytes_text(&valid));
}

static void add_message(cJSON *list, const ui_chat_message *m)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "role", m->role);
    if (m->reasoning.size) add_text(o, "reasoning_content", &m->reasoning);
    add_text(o, "content", &m->content);
    cJSON_AddItemToArray(list, o);
}

void ui_chat_export_line(const ui_chat *chat, size_t position, bytes *out)
{
    cJSON *line = cJSON_CreateObject();
    cJSON *prompt = cJSON_AddArrayToObject(line, "prompt");
    for (size_t i = 0; i < position; i++) add_message(prompt, &chat->messages[i]);
    add_message(cJSON_AddArrayToObject(line, "completion"), &chat->messages[position]);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    if (!text) memory_exhausted(0);
    bytes_append_text(out, text);
    bytes_append_byte(out, '\n');
    cJSON_free(text);
}

bool ui_chat_answer_ended(const ui_chat_message *m)
{
    return m->state == UI_ANSWER_DONE && m->reason != ENGINE_FINISH_LENGTH &&
           m->reason != ENGINE_FINISH_CANCELLED;
}
