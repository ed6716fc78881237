#define _GNU_SOURCE
#include "ui/app/chat_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "ui/app/state_db.h"

struct ui_chat_store {
    db *db;
    int lock; /* locked: this store came first */
    bool is_alone;
};

/* The system lets go of it when the process ends, however it ends. */
static void lock_take(ui_chat_store *store, const char *state_folder)
{
    char *path = file_join(state_folder, "state.lock");
    store->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    store->is_alone = store->lock < 0 || flock(store->lock, LOCK_EX | LOCK_NB) == 0;
    free(path);
}

bool ui_chat_store_is_alone(const ui_chat_store *store) { return store->is_alone; }

err ui_chat_store_open(const char *state_folder, char **aside, ui_chat_store **out)
{
    db *d = NULL;
    err e = ui_state_db_open(state_folder, aside, &d);
    if (e.code) return err_note(e, "open the conversations");
    ui_chat_store *store = memory_alloc(sizeof *store);
    store->db = d;
    lock_take(store, state_folder);
    *out = store;
    return ERR_OK;
}

void ui_chat_store_free(ui_chat_store *store)
{
    if (!store) return;
    db_close(store->db);
    if (store->lock >= 0) close(store->lock);
    free(store);
}

/* -- save ------------------------------------------------------------------------------------------------ */

static err save_conversation(ui_chat_store *store, const ui_chat *chat, int64_t *id)
{
    CLEANUP(bytes_free) bytes title = {0};
    int64_t now = clock_unix_seconds();

    ui_chat_title(chat, &title);
    if (chat->id)
        return db_run(store->db, "UPDATE conversation SET title = ?, changed = ? WHERE id = ?", "vii",
                      bytes_borrow(&title), now, chat->id);
    err e = db_run(store->db, "INSERT INTO conversation(title, created, changed) VALUES(?, ?, ?)", "vii",
                   bytes_borrow(&title), now, now);
    if (!e.code) *id = db_last_id(store->db);
    return e;
}

static err save_message(ui_chat_store *store, int64_t conversation, size_t position, const ui_chat_message *m)
{
    const engine_usage *u = &m->usage;
    return db_run(
        store->db,
        "INSERT OR REPLACE INTO message VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        "iitvvtiitiiiddddidii", conversation, (int64_t)position, m->role, bytes_borrow(&m->content),
        bytes_borrow(&m->reasoning), m->model, (int64_t)m->state, (int64_t)m->reason, m->problem,
        (int64_t)u->prompt_tokens, (int64_t)u->cached_tokens, (int64_t)u->completion_tokens, u->wait_seconds,
        u->prefill_seconds, u->first_token_seconds, u->decode_seconds, (int64_t)u->seed, m->thinking_seconds,
        (int64_t)m->rating, m->rated);
}

static err save_all(ui_chat_store *store, const ui_chat *chat, int64_t *id)
{
    err e = save_conversation(store, chat, id);
    for (size_t i = 0; !e.code && i < chat->count; i++)
        if (chat->messages[i].changed || !chat->id) e = save_message(store, *id, i, &chat->messages[i]);
    if (!e.code && chat->cut)
        e = db_run(store->db, "DELETE FROM message WHERE conversation = ? AND position >= ?", "ii", *id,
                   (int64_t)chat->count);
    return e;
}

static bool has_changes(const ui_chat *chat)
{
    if (chat->cut) return true;
    for (size_t i = chat->count; i > 0; i--) /* the end changes most */
        if (chat->messages[i - 1].changed) return true;
    return false;
}

err ui_chat_store_save(ui_chat_store *store, ui_chat *chat)
{
    int64_t id = chat->id;

    if (!has_changes(chat) || (id == 0 && chat->count == 0)) return ERR_OK;
    err e = db_begin(store->db);
    if (e.code) return e;
    e = save_all(store, chat, &id);
    if (!e.code) e = db_commit(store->db);
    if (e.code) {
        db_rollback(store->db);
        return err_note(e, "save the conversation");
    }
    chat->id = id;
    chat->cut = false;
    for (size_t i = 0; i < chat->count; i++) chat->messages[i].changed = false;
    return ERR_OK;
}

/* -- load ------------------------------------------------------------------------------------------------ */

static char *column_text_or_null(sqlite3_stmt *row, int column)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL) return NULL;
    bytes_view text = db_column_text(row, column);
    return memory_text_n(text.data, text.size);
}

static bool load_row(void *context, sqlite3_stmt *row)
{
    ui_chat *chat = context;
    CLEANUP(bytes_free) bytes role = {0};
    bytes_append_view(&role, db_column_text(row, 0));
    ui_chat_message *m = ui_chat_add(chat, bytes_text(&role), db_column_text(row, 1));

    bytes_append_view(&m->reasoning, db_column_text(row, 2));
    m->model = column_text_or_null(row, 3);
    int state = sqlite3_column_int(row, 4);
    m->state = state >= UI_ANSWER_NONE && state <= UI_ANSWER_CUT ? (ui_answer_state)state : UI_ANSWER_CUT;
    if (m->state == UI_ANSWER_WAITING || m->state == UI_ANSWER_WRITING) m->state = UI_ANSWER_CUT;
    int reason = sqlite3_column_int(row, 5);
    m->reason =
        reason >= 0 && reason <= ENGINE_FINISH_CANCELLED ? (engine_finish)reason : ENGINE_FINISH_CANCELLED;
    m->problem = column_text_or_null(row, 6);
    m->usage = (engine_usage){
        .prompt_tokens = (size_t)sqlite3_column_int64(row, 7),
        .cached_tokens = (size_t)sqlite3_column_int64(row, 8),
        .completion_tokens = (size_t)sqlite3_column_int64(row, 9),
        .wait_seconds = sqlite3_column_double(row, 10),
        .prefill_seconds = sqlite3_column_double(row, 11),
        .first_token_seconds = sqlite3_column_double(row, 12),
        .decode_seconds = sqlite3_column_double(row, 13),
        .seed = (uint64_t)sqlite3_column_int64(row, 14),
    };
    m->thinking_seconds = sqlite3_column_double(row, 15);
    int rating = sqlite3_column_int(row, 16);
    m->rating = rating > 0 ? UI_RATING_GOOD : rating < 0 ? UI_RATING_BAD : UI_RATING_NONE;
    m->rated = sqlite3_column_int64(row, 17);
    m->changed = false;
    return chat->count < UI_CHAT_MESSAGES_MAX;
}

err ui_chat_store_load(ui_chat_store *store, int64_t id, ui_chat *chat)
{
    ui_chat loaded = {.id = id, .touches = chat->touches};
    err e =
        db_query(store->db,
                 "SELECT role, content, reasoning, model, state, reason, problem, prompt_tokens,"
                 " cached_tokens, completion_tokens, wait_seconds, prefill_seconds, first_token_seconds,"
                 " decode_seconds, seed, thinking_seconds, rating, rated FROM message WHERE conversation = ?"
                 " ORDER BY position",
                 load_row, &loaded, "i", id);
    if (!e.code && loaded.count == 0)
        e = err_make(ERR_NOT_FOUND, "there is no conversation %lld", (long long)id);
    if (e.code) {
        ui_chat_free(&loaded);
        return err_note(e, "read the conversation");
    }
    ui_chat_free(chat);
    *chat = loaded;
    return ERR_OK;
}

static bool take_id(void *context, sqlite3_stmt *row)
{
    *(int64_t *)context = sqlite3_column_int64(row, 0);
    return false;
}

err ui_chat_store_load_last(ui_chat_store *store, ui_chat *chat)
{
    int64_t id = 0;
    err e =
        db_query(store->db,
                 "SELECT id FROM conversation WHERE EXISTS (SELECT 1 FROM message WHERE conversation = id)"
                 " ORDER BY changed DESC, id DESC LIMIT 1",
                 take_id, &id, "");
    if (e.code) return err_note(e, "find the last conversation");
    if (id) return ui_chat_store_load(store, id, chat);
    ui_chat_free(chat);
    return ERR_OK;
}

err ui_chat_store_delete(ui_chat_store *store, int64_t id)
{
    return db_run(store->db, "DELETE FROM conversation WHERE id = ?", "i", id);
}

/* -- list ------------------------------------------------------------------------------------------------ */

static bool list_row(void *context, sqlite3_stmt *row)
{
    ui_conversation_list *list = context;
    bytes_view title = db_column_text(row, 1);
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    list->rows[list->count++] = (ui_conversation){
        .id = sqlite3_column_int64(row, 0),
        .title = memory_text_n(title.data, title.size),
        .changed = sqlite3_column_int64(row, 2),
        .message_count = (size_t)sqlite3_column_int64(row, 3),
    };
    return list->count < UI_CHAT_STORE_LIST_MAX;
}

err ui_chat_store_list(ui_chat_store *store, ui_conversation_list *out)
{
    ui_conversation_list list = {0};
    err e = db_query(store->db,
                     "SELECT id, title, changed, (SELECT count(*) FROM message WHERE conversation = id)"
                     " FROM conversation ORDER BY changed DESC, id DESC",
                     list_row, &list, "");
    if (e.code) {
        ui_conversation_list_free(&list);
        return err_note(e, "list the conversations");
    }
    *out = list;
    return ERR_OK;
}

void ui_conversation_list_free(ui_conversation_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->rows[i].title);
    free(list->rows);
    *list = (ui_conversation_list){0};
}

/* -- answers that were judged -----------------------------------------------------------------------------
 */

static bool rated_row(void *context, sqlite3_stmt *row)
{
    ui_rated_list *list = context;
    bytes_view title = db_column_text(row, 2);
    list->rows = memory_resize_array(list->rows, list->count + 1, sizeof *list->rows);
    ui_rated_answer *r = &list->rows[list->count++];
    *r = (ui_rated_answer){
        .conversation = sqlite3_column_int64(row, 0),
        .position = (size_t)sqlite3_column_int64(row, 1),
        .title = memory_text_n(title.data, title.size),
        .rating = sqlite3_column_int(row, 4) > 0 ? UI_RATING_GOOD : UI_RATING_BAD,
        .rated = sqlite3_column_int64(row, 5),
    };
    r->model = column_text_or_null(row, 3);
    if (!r->model) r->model = memory_text("");
    return true;
}

err ui_chat_store_rated(ui_chat_store *store, ui_rated_list *out)
{
    ui_rated_list list = {0};
    err e =
        db_query(store->db,
                 "SELECT conversation, position, title, model, rating, rated FROM message"
                 " JOIN conversation ON id = conversation WHERE rating != 0 ORDER BY conversation, position",
                 rated_row, &list, "");
    if (e.code) {
        ui_rated_list_free(&list);
        return err_note(e, "list the marked answers");
    }
    *out = list;
    return ERR_OK;
}

void ui_rated_list_free(ui_rated_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->rows[i].title);
        free(list->rows[i].model);
    }
    free(list->rows);
    *list = (ui_rated_list){0};
}

/* -- marks ----------------------------------------------------------------------------------------------- */

err ui_chat_store_mark(ui_chat_store *store, const char *name, const char *value)
{
    return db_run(store->db, "INSERT OR REPLACE INTO mark(name, value) VALUES(?, ?)", "tt", name, value);
}

static bool take_text(void *context, sqlite3_stmt *row)
{
    *(char **)context = column_text_or_null(row, 0);
    return false;
}

err ui_chat_store_marked(ui_chat_store *store, const char *name, char **value)
{
    *value = NULL;
    return db_query(store->db, "SELECT value FROM mark WHERE name = ?", take_text, value, "t", name);
}
