/* ui/app/chat_store.h: conversations on disk, in state.db under the state folder.
 *
 * A save writes what changed since the last one, in one transaction: a program that is killed loses at most
 * what came after it. An answer that was being written then is read back as UI_ANSWER_CUT. A damaged file is
 * moved aside by base/db.h, never deleted; a copy of a good one is made once a day (state.db.daily).
 * Threads: the thread that opened it. */
#ifndef UI_APP_CHAT_STORE_H
#define UI_APP_CHAT_STORE_H

#include "ui/app/chat.h"

typedef struct ui_chat_store ui_chat_store;

enum { UI_CHAT_STORE_LIST_MAX = 1000 };

/* The folder is made when it is absent. *aside (caller frees): the new name of a damaged file, else NULL. */
err ui_chat_store_open(const char *state_folder, char **aside, ui_chat_store **out);
void ui_chat_store_free(ui_chat_store *store); /* NULL is fine */
/* No other store is open on this folder, in any process. Two that write one conversation would mix their
 * words, so only the first opens the last one by itself. */
bool ui_chat_store_is_alone(const ui_chat_store *store);

/* An empty conversation is not saved until it has a message. Sets chat->id and clears what changed. */
err ui_chat_store_save(ui_chat_store *store, ui_chat *chat);
/* Replaces *chat on success. ERR_NOT_FOUND. */
err ui_chat_store_load(ui_chat_store *store, int64_t id, ui_chat *chat);
/* The conversation that was changed last; none yet: *chat becomes empty. */
err ui_chat_store_load_last(ui_chat_store *store, ui_chat *chat);
err ui_chat_store_delete(ui_chat_store *store, int64_t id); /* with its messages; none of that id is fine */

typedef struct ui_conversation {
    int64_t id;
    char *title;
    int64_t changed; /* seconds since 1970 */
    size_t message_count;
} ui_conversation;

typedef struct ui_conversation_list {
    ui_conversation *rows; /* the last changed first */
    size_t count;
} ui_conversation_list;

/* The one changed last first; ui_conversation_list_free(). */
err ui_chat_store_list(ui_chat_store *store, ui_conversation_list *out);
void ui_conversation_list_free(ui_conversation_list *list); /* a zeroed one is fine */

/* An answer that was marked as good or bad. */
typedef struct ui_rated_answer {
    int64_t conversation;
    size_t position; /* of the message in it */
    char *title;     /* of the conversation */
    char *model;     /* who answered, "demo+01_brief@0.7" */
    ui_rating rating;
    int64_t rated; /* seconds since 1970 */
} ui_rated_answer;

typedef struct ui_rated_list {
    ui_rated_answer *rows; /* by conversation and position */
    size_t count;
} ui_rated_list;

/* All of them; ui_rated_list_free(). */
err ui_chat_store_rated(ui_chat_store *store, ui_rated_list *out);
void ui_rated_list_free(ui_rated_list *list); /* a zeroed one is fine */

/* A word kept under a name: the model used last. *value is the caller's, NULL when there is none. */
err ui_chat_store_mark(ui_chat_store *store, const char *name, const char *value);
/* *value NULL: there is no such mark; free(). */
err ui_chat_store_marked(ui_chat_store *store, const char *name, char **value);

#endif
