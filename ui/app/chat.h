/* ui/app/chat.h: one conversation: its messages, and the answer that is being written.
 *
 * A plain value that the UI thread owns. It asks a source (ui/app/source.h) and is told the source's news; it
 * neither draws nor saves (ui/app/chat_store.h does, from what `changed` says). The last message but one is
 * never changed by news: an answer only grows at the end.
 * Threads: the UI thread. */
#ifndef UI_APP_CHAT_H
#define UI_APP_CHAT_H

#include "ui/app/source.h"

enum {
    UI_CHAT_MESSAGES_MAX = 10000,
    UI_CHAT_MESSAGE_BYTES_MAX = 16 << 20,
    UI_CHAT_TITLE_BYTES_MAX = 160, /* of the first message, for the list of conversations */
};

typedef enum ui_answer_state {
    UI_ANSWER_NONE,    /* not an answer: a person's message */
    UI_ANSWER_WAITING, /* asked, no word yet */
    UI_ANSWER_WRITING, /* words come */
    UI_ANSWER_DONE,    /* reason and usage are known */
    UI_ANSWER_FAILED,  /* problem says why */
    UI_ANSWER_CUT,     /* the program ended while it was written; usage is not known */
} ui_answer_state;

/* What the person thinks of an answer. The numbers are kept on disk. */
typedef enum ui_rating { UI_RATING_BAD = -1, UI_RATING_NONE = 0, UI_RATING_GOOD = 1 } ui_rating;

typedef struct ui_chat_message {
    char role[16];   /* "system", "user", "assistant" */
    bytes content;   /* UTF-8 as it came; may hold control characters: never print it raw */
    bytes reasoning; /* of an assistant */
    char *model;     /* who answered; NULL for a person's message */
    ui_answer_state state;
    engine_finish reason;    /* DONE */
    engine_usage usage;      /* DONE */
    char *problem;           /* FAILED */
    double thinking_seconds; /* measured; 0: did not think, or not known */
    ui_rating rating;        /* of an answer, by the person */
    int64_t rated;           /* when, in seconds since 1970; 0: not rated */
    unsigned version;        /* another one with every change, for layouts that are kept */
    bool changed;            /* not saved yet */
} ui_chat_message;

typedef struct ui_chat {
    int64_t id; /* of the store; 0: never saved */
    ui_chat_message *messages;
    size_t count, capacity;
    uint64_t answer;                     /* the ask that is going on; 0: none */
    double asked_at;                     /* clock_seconds of the ask */
    double first_word_at;                /* of its first text, 0 before */
    size_t prompt_tokens, cached_tokens; /* of the answer being written, once it started */
    unsigned touches; /* changes so far, never set back: each gives a message its version */
    bool cut;         /* messages were taken back since it was saved */
} ui_chat;

void ui_chat_free(ui_chat *chat); /* the chat is empty and usable again; a zeroed one is fine */

bool ui_chat_is_busy(const ui_chat *chat);                /* an answer is being made */
const ui_chat_message *ui_chat_last(const ui_chat *chat); /* NULL: empty */
/* The last answer with any text, or NULL. */
const ui_chat_message *ui_chat_last_answer(const ui_chat *chat);
/* Of the last answer; the same again takes it back. Writing on or answering anew takes it back too: the words
 * are no longer those that were judged. ERR_STATE: it is being written, or there are no words to judge. */
err ui_chat_rate_last(ui_chat *chat, ui_rating rating);
/* The first message of a person on one line, cut; appended to *out. "new conversation" when there is none. */
void ui_chat_title(const ui_chat *chat, bytes *out);

/* Append a message; for loading and tests too. */
ui_chat_message *ui_chat_add(ui_chat *chat, const char *role, bytes_view content);
/* Forget all messages from `count` on. */
void ui_chat_cut(ui_chat *chat, size_t count);
/* Replace, make or (when empty) remove the system prompt, which is message 0. */
void ui_chat_set_system(ui_chat *chat, bytes_view text);
bytes_view ui_chat_system(const ui_chat *chat); /* empty: none. Borrowed until the next change */

/* All of these return at once; the answer comes as news. ERR_STATE, with a sentence that says what to do:
 * an answer is being written, nothing to answer, and so on. After a refusal the conversation is as before. */
err ui_chat_send(ui_chat *chat, ui_source *source, bytes_view text, const engine_sampling *how,
                 size_t token_count_max);
/* The last answer is thrown away and asked for again. */
err ui_chat_regenerate(ui_chat *chat, ui_source *source, const engine_sampling *how, size_t token_count_max);
/* The last answer is written on at its end. */
err ui_chat_continue(ui_chat *chat, ui_source *source, const engine_sampling *how, size_t token_count_max);
/* Index of the last message of a person, which an edit replaces; SIZE_MAX: none. */
size_t ui_chat_editable(const ui_chat *chat);
/* The last message of a person becomes `text`; what came after it is thrown away and asked for again. */
err ui_chat_edit(ui_chat *chat, ui_source *source, bytes_view text, const engine_sampling *how,
                 size_t token_count_max);

void ui_chat_stop(ui_chat *chat, ui_source *source); /* no answer: nothing */

/* What a source says. True: the conversation changed. News of another ask is ignored. Texts are copied. */
bool ui_chat_apply(ui_chat *chat, const ui_news *news);

#endif
