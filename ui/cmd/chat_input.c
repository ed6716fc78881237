#include "ui/cmd/chat_input.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "ui/cmd/json_out.h"

static err message_check(const json_node *message, const char *file)
{
    if (!json_is(message, JSON_OBJECT))
        return err_make(ERR_FORMAT, "%s, line %u: a message is %s, expected an object", file, message->line,
                        json_type_name(message->type));
    if (!json_is(json_get(message, "role"), JSON_STRING))
        return err_make(ERR_FORMAT, "%s, line %u: a message has no \"role\"", file, message->line);
    return ERR_OK;
}

err ui_chat_input_read(bytes_view source, const char *file, arena *a, engine_chat_input *out)
{
    const json_node *root = NULL;

    err e = json_parse(source, JSON_DEPTH_MAX, a, &root);
    if (e.code) return err_note(e, "%s", file);
    bool wrapped = json_is(root, JSON_OBJECT);
    const json_node *messages = wrapped ? json_get(root, "messages") : root;
    if (!json_is(messages, JSON_ARRAY))
        return err_make(ERR_FORMAT, "%s: expected a list of messages, or an object with \"messages\"", file);
    for (const json_node *m = json_first(messages); m; m = m->next) {
        e = message_check(m, file);
        if (e.code) return e;
    }
    *out = (engine_chat_input){.messages = messages, .add_generation_prompt = true};
    if (!wrapped) return ERR_OK;
    out->tools = json_get(root, "tools");
    out->documents = json_get(root, "documents");
    out->extra = root;
    out->continue_final_message = json_bool(json_get(root, "continue_final_message"), false);
    out->add_generation_prompt =
        json_bool(json_get(root, "add_generation_prompt"), !out->continue_final_message);
    return ERR_OK;
}

void ui_turns_add(ui_turns *turns, const char *role, bytes_view content, bytes_view reasoning)
{
    turns->list = memory_resize_array(turns->list, turns->count + 1, sizeof *turns->list);
    ui_turn *turn = &turns->list[turns->count++];
    *turn = (ui_turn){.role = role};
    bytes_append_view(&turn->content, content);
    bytes_append_view(&turn->reasoning, reasoning);
}

void ui_turns_drop(ui_turns *turns, size_t count_left)
{
    while (turns->count > count_left) {
        ui_turn *turn = &turns->list[--turns->count];
        bytes_free(&turn->content);
        bytes_free(&turn->reasoning);
    }
}

void ui_turns_free(ui_turns *turns)
{
    ui_turns_drop(turns, 0);
    free(turns->list);
    turns->list = NULL;
}

err ui_turns_input(const ui_turns *turns, arena *a, engine_chat_input *out)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < turns->count; i++) {
        const ui_turn *turn = &turns->list[i];
        cJSON *message = cJSON_CreateObject();
        cJSON_AddStringToObject(message, "role", turn->role);
        ui_json_add_text(message, "content", bytes_borrow(&turn->content));
        if (turn->reasoning.size)
            ui_json_add_text(message, "reasoning_content", bytes_borrow(&turn->reasoning));
        cJSON_AddItemToArray(list, message);
    }
    char *printed = cJSON_PrintUnformatted(list);
    cJSON_Delete(list);
    if (!printed) memory_exhausted(0);
    /* The tree may point into its source, which therefore lives in the arena too. */
    const char *source = arena_text(a, printed);
    cJSON_free(printed);
    return ui_chat_input_read(bytes_view_of(source), "the conversation", a, out);
}

err ui_chat_check(const engine_model *model)
{
    if (!engine_model_borrow_tokenizer(model))
        return err_make(ERR_NOT_FOUND, "%s has no tokenizer.json", engine_model_borrow_place(model));
    if (!engine_model_borrow_chat_template(model, NULL)) {
        return err_make(ERR_UNSUPPORTED,
                        "%s has no chat template: hyprstream infer --raw lets it write on from a text",
                        engine_model_borrow_name(model));
    }
    return ERR_OK;
}

err ui_chat_encode(const engine_model *model, engine_chat_input *input, engine_ids *out)
{
    err e = ui_chat_check(model);

    if (e.code) return e;
    input->now = clock_unix_seconds();
    input->form = ENGINE_CHAT_FORM_OPENAI;
    return engine_model_encode_chat(model, input, out);
}
