#include "ui/app/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"

static void message_free(ui_chat_message *m)
{
    bytes_free(&m->content);
    bytes_free(&m->reasoning);
    free(m->model);
    free(m->problem);
}

void ui_chat_free(ui_chat *chat)
{
    for (size_t i = 0; i < chat->count; i++) message_free(&chat->messages[i]);
    free(chat->messages);
    *chat = (ui_chat){.touches = chat->touches};
}

bool ui_chat_is_busy(const ui_chat *chat) { return chat->answer != 0; }

const ui_chat_message *ui_chat_last(const ui_chat *chat)
{
    return chat->count ? &chat->messages[chat->count - 1] : NULL;
}

static bool is_role(const ui_chat_message *m, const char *role) { return strcmp(m->role, role) == 0; }

const ui_chat_message *ui_chat_last_answer(const ui_chat *chat)
{
    for (size_t i = chat->count; i > 0; i--) {
        const ui_chat_message *m = &chat->messages[i - 1];
        if (is_role(m, "assistant") && m->content.size + m->reasoning.size > 0) return m;
    }
    return NULL;
}

void ui_chat_title(const ui_chat *chat, bytes *out)
{
    for (size_t i = 0; i < chat->count; i++) {
        const ui_chat_message *m = &chat->messages[i];
        if (!is_role(m, "user")) continue;
        size_t size = MIN_OF(m->content.size, (size_t)UI_CHAT_TITLE_BYTES_MAX);
        while (size > 0 && size < m->content.size && ((unsigned char)m->content.data[size] & 0xc0) == 0x80)
            size--;
        for (size_t b = 0; b < size; b++) {
            char c = m->content.data[b];
            bytes_append_byte(out, (unsigned char)c < ' ' ? ' ' : c);
        }
        return;
    }
    bytes_append_text(out, "new conversation");
}

static void touch(ui_chat *chat, ui_chat_message *m)
{
    m->version = ++chat->touches;
    m->changed = true;
}

ui_chat_message *ui_chat_add(ui_chat *chat, const char *role, bytes_view content)
{
    if (chat->count == chat->capacity) {
        chat->capacity = chat->capacity ? chat->capacity * 2 : 16;
        chat->messages = memory_resize_array(chat->messages, chat->capacity, sizeof *chat->messages);
    }
    ui_chat_message *m = &chat->messages[chat->count++];
    *m = (ui_chat_message){0};
    strncpy(m->role, role, sizeof m->role - 1);
    bytes_append_view(&m->content, content);
    touch(chat, m);
    return m;
}

void ui_chat_cut(ui_chat *chat, size_t count)
{
    while (chat->count > count) {
        message_free(&chat->messages[--chat->count]);
        chat->cut = true;
    }
}

static void rate(ui_chat_message *m, ui_rating rating)
{
    m->rating = rating;
    m->rated = rating ? clock_unix_seconds() : 0;
}

err ui_chat_rate_last(ui_chat *chat, ui_rating rating)
{
    const ui_chat_message *answer = ui_chat_last_answer(chat);
    if (ui_chat_is_busy(chat))
        return err_make(ERR_STATE, "an answer is being written: stop it with Ctrl-C, or wait");
    if (!answer || answer->content.size == 0)
        return err_make(ERR_STATE, "there is no answer with words to mark yet");
    ui_chat_message *m = &chat->messages[answer - chat->messages];
    rate(m, m->rating == rating ? UI_RATING_NONE : rating);
    touch(chat, m);
    return ERR_OK;
}

void ui_chat_set_system(ui_chat *chat, bytes_view text)
{
    bool has = chat->count && is_role(&chat->messages[0], "system");
    if (has && text.size == 0) {
        message_free(&chat->messages[0]);
        memmove(&chat->messages[0], &chat->messages[1], --chat->count * sizeof *chat->messages);
        chat->cut = true;
    } else if (has) {
        bytes_clear(&chat->messages[0].content);
        bytes_append_view(&chat->messages[0].content, text);
    } else if (text.size) {
        ui_chat_add(chat, "system", text);
        ui_chat_message made = chat->messages[chat->count - 1];
        memmove(&chat->messages[1], &chat->messages[0], (chat->count - 1) * sizeof *chat->messages);
        chat->messages[0] = made;
    }
    for (size_t i = 0; i < chat->count; i++) touch(chat, &chat->messages[i]); /* places have moved */
}

bytes_view ui_chat_system(const ui_chat *chat)
{
    bool has = chat->count && is_role(&chat->messages[0], "system");
    return has ? bytes_borrow(&chat->messages[0].content) : (bytes_view){0};
}

/* -- asking ---------------------------------------------------------------------------------------------- */

static err ask(ui_chat *chat, ui_source *source, size_t message_count, bool continue_last,
               const engine_sampling *how, size_t token_count_max)
{
    ui_message *messages = memory_alloc(message_count * sizeof *messages);
    uint64_t answer = 0;

    for (size_t i = 0; i < message_count; i++)
        messages[i] = (ui_message){chat->messages[i].role, bytes_borrow(&chat->messages[i].content),
                                   bytes_borrow(&chat->messages[i].reasoning)};
    ui_ask request = {messages, message_count, continue_last, *how, token_count_max};
    err e = source->kind->ask(source, &request, &answer);
    free(messages);
    if (e.code) return e;
    chat->answer = answer;
    chat->asked_at = clock_seconds();
    chat->first_word_at = 0;
    chat->prompt_tokens = chat->cached_tokens = 0;
    return ERR_OK;
}

static void begin_answer(ui_chat *chat, ui_source *source)
{
    ui_chat_message *m = ui_chat_add(chat, "assistant", (bytes_view){0});
    const char *name = source->kind->facts(source).name;
    m->model = memory_text(name ? name : "");
    m->state = UI_ANSWER_WAITING;
}

static err check_free(const ui_chat *chat)
{
    if (ui_chat_is_busy(chat))
        return err_make(ERR_STATE, "an answer is being written: stop it with Ctrl-C, or wait");
    if (chat->count >= UI_CHAT_MESSAGES_MAX - 2)
        return err_make(ERR_LIMIT, "this conversation has %d messages, the most it can hold: start a new one",
                        UI_CHAT_MESSAGES_MAX);
    return ERR_OK;
}

static err too_long(size_t size)
{
    return err_make(ERR_LIMIT, "the message is %zu bytes long, at most %d are allowed", size,
                    UI_CHAT_MESSAGE_BYTES_MAX);
}

err ui_chat_send(ui_chat *chat, ui_source *source, bytes_view text, const engine_sampling *how,
                 size_t token_count_max)
{
    err e = check_free(chat);
    if (e.code) return e;
    if (text.size > UI_CHAT_MESSAGE_BYTES_MAX) return too_long(text.size);
    ui_chat_add(chat, "user", text);
    e = ask(chat, source, chat->count, false, how, token_count_max);
    if (e.code) {
        ui_chat_cut(chat, chat->count - 1);
        return e;
    }
    begin_answer(chat, source);
    return ERR_OK;
}

err ui_chat_regenerate(ui_chat *chat, ui_source *source, const engine_sampling *how, size_t token_count_max)
{
    const ui_chat_message *last = ui_chat_last(chat);
    err e = check_free(chat);

    if (e.code) return e;
    if (!last || is_role(last, "system")) return err_make(ERR_STATE, "there is no message to answer yet");
    size_t kept = is_role(last, "assistant") ? chat->count - 1 : chat->count;
    e = ask(chat, source, kept, false, how, token_count_max);
    if (e.code) return e;
    ui_chat_cut(chat, kept);
    begin_answer(chat, source);
    return ERR_OK;
}

err ui_chat_continue(ui_chat *chat, ui_source *source, const engine_sampling *how, size_t token_count_max)
{
    err e = check_free(chat);

    if (e.code) return e;
    ui_chat_message *last = chat->count ? &chat->messages[chat->count - 1] : NULL;
    if (!last || !is_role(last, "assistant"))
        return err_make(ERR_STATE, "there is no answer to continue yet");
    if (last->content.size == 0)
        return err_make(ERR_STATE, "the answer has no words to continue from: press r to ask for a new one");
    e = ask(chat, source, chat->count, true, how, token_count_max);
    if (e.code) return e;
    last->state = UI_ANSWER_WAITING;
    rate(last, UI_RATING_NONE);
    free(last->problem);
    last->problem = NULL;
    touch(chat, last);
    return ERR_OK;
}

size_t ui_chat_editable(const ui_chat *chat)
{
    for (size_t i = chat->count; i > 0; i--)
        if (is_role(&chat->messages[i - 1], "user")) return i - 1;
    return SIZE_MAX;
}

err ui_chat_edit(ui_chat *chat, ui_source *source, bytes_view text, const engine_sampling *how,
                 size_t token_count_max)
{
    size_t at = ui_chat_editable(chat);
    bytes edited = {0};

    err e = check_free(chat);
    if (e.code) return e;
    if (at == SIZE_MAX) return err_make(ERR_STATE, "there is no message to edit yet");
    if (text.size > UI_CHAT_MESSAGE_BYTES_MAX) return too_long(text.size);
    ui_chat_message *m = &chat->messages[at];
    bytes_append_view(&edited, text);
    bytes before = m->content;
    m->content = edited;
    e = ask(chat, source, at + 1, false, how, token_count_max);
    if (e.code) {
        bytes_free(&m->content);
        m->content = before;
        return e;
    }
    bytes_free(&before);
    touch(chat, m);
    ui_chat_cut(chat, at + 1);
    begin_answer(chat, source);
    return ERR_OK;
}

void ui_chat_stop(ui_chat *chat, ui_source *source)
{
    if (chat->answer) source->kind->stop(source, chat->answer);
}

/* -- news ------------------------------------------------------------------------------------------------ */

static void apply_text(ui_chat *chat, ui_chat_message *m, const ui_news *news)
{
    if (news->content.size + news->reasoning.size == 0) return;
    double now = clock_seconds();
    if (chat->first_word_at == 0) chat->first_word_at = now;
    if (m->content.size == 0 && news->reasoning.size + m->reasoning.size > 0)
        m->thinking_seconds = now - chat->first_word_at;
    bytes_append_view(&m->reasoning, bytes_borrow(&news->reasoning));
    bytes_append_view(&m->content, bytes_borrow(&news->content));
    m->state = UI_ANSWER_WRITING;
}

static void apply_end(ui_chat *chat, ui_chat_message *m, const ui_news *news)
{
    bool failed = news->kind == UI_NEWS_FAILED;
    m->state = failed ? UI_ANSWER_FAILED : UI_ANSWER_DONE;
    m->reason = news->reason;
    m->usage = news->usage;
    if (failed) m->problem = memory_text(news->error.text);
    if (news->who.size) {
        free(m->model);
        m->model = memory_text_n(news->who.data, news->who.size);
    }
    chat->answer = 0;
}

bool ui_chat_apply(ui_chat *chat, const ui_news *news)
{
    if (news->answer == 0 || news->answer != chat->answer || chat->count == 0) return false;
    ui_chat_message *m = &chat->messages[chat->count - 1];
    if (news->kind == UI_NEWS_STARTED) {
        chat->prompt_tokens = news->usage.prompt_tokens;
        chat->cached_tokens = news->usage.cached_tokens;
        return true;
    }
    apply_text(chat, m, news);
    if (news->kind != UI_NEWS_TEXT) apply_end(chat, m, news);
    touch(chat, m);
    return true;
}
