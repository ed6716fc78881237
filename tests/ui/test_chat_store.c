#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/db.h"
#include "base/file.h"
#include "tests/support/check.h"
#include "ui/app/chat_store.h"

static char *fresh_folder(const char *name)
{
    char *folder = file_join(check_folder(), name);
    check_ok(file_make_folders(folder));
    return folder;
}

static ui_chat_store *open_store(const char *folder)
{
    ui_chat_store *store = NULL;
    char *aside = NULL;
    check_ok(ui_chat_store_open(folder, &aside, &store));
    check_true(aside == NULL);
    return store;
}

static ui_chat given_a_chat(void)
{
    ui_chat chat = {0};
    ui_chat_add(&chat, "user", VIEW("what is a git?"));
    ui_chat_message *m = ui_chat_add(&chat, "assistant", VIEW("A \x1b[31mtool\0and more"));
    bytes_append_text(&m->reasoning, "hm");
    m->model = strdup("demo");
    m->state = UI_ANSWER_DONE;
    m->reason = ENGINE_FINISH_LENGTH;
    m->usage =
        (engine_usage){.prompt_tokens = 3, .completion_tokens = 4, .decode_seconds = 0.5, .seed = 1ULL << 53};
    return chat;
}

TEST(a_conversation_comes_back_as_it_was_saved)
{
    char *folder = fresh_folder("whole");
    ui_chat_store *store = open_store(folder);
    ui_chat chat = given_a_chat(), again = {0};

    check_ok(ui_chat_store_save(store, &chat));
    check_true(chat.id != 0);
    ui_chat_store_free(store);
    store = open_store(folder);
    check_ok(ui_chat_store_load_last(store, &again));
    check_int(again.id, chat.id);
    check_int(again.count, 2);
    const ui_chat_message *m = &again.messages[1];
    check_true(bytes_view_equal(bytes_borrow(&m->content), bytes_borrow(&chat.messages[1].content)));
    check_text(bytes_text(&m->reasoning), "hm");
    check_text(m->model, "demo");
    check_int(m->state, UI_ANSWER_DONE);
    check_int(m->reason, ENGINE_FINISH_LENGTH);
    check_true(m->usage.seed == 1ULL << 53);
    check_true(m->usage.decode_seconds == 0.5);
    ui_chat_free(&chat);
    ui_chat_free(&again);
    ui_chat_store_free(store);
    free(folder);
}

TEST(a_mark_is_kept_and_taken_back)
{
    char *folder = fresh_folder("marks");
    ui_chat_store *store = open_store(folder);
    ui_chat chat = given_a_chat(), again = {0};

    check_ok(ui_chat_rate_last(&chat, UI_RATING_GOOD));
    check_ok(ui_chat_store_save(store, &chat));
    check_ok(ui_chat_store_load(store, chat.id, &again));
    check_int(again.messages[0].rating, UI_RATING_NONE);
    check_int(again.messages[1].rating, UI_RATING_GOOD);
    check_true(again.messages[1].rated > 1700000000);
    check_ok(ui_chat_rate_last(&again, UI_RATING_BAD)); /* the other one replaces it */
    check_ok(ui_chat_store_save(store, &again));
    check_ok(ui_chat_store_load(store, chat.id, &again));
    check_int(again.messages[1].rating, UI_RATING_BAD);
    check_ok(ui_chat_rate_last(&again, UI_RATING_BAD)); /* the same one takes it back */
    check_ok(ui_chat_store_save(store, &again));
    check_ok(ui_chat_store_load(store, chat.id, &again));
    check_int(again.messages[1].rating, UI_RATING_NONE);
    check_int(again.messages[1].rated, 0);
    ui_chat_free(&chat);
    ui_chat_free(&again);
    ui_chat_store_free(store);
    free(folder);
}

/* The tables of conversations as the first version made them. */
static const char *const old_schema[] = {
    "CREATE TABLE conversation(id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,"
    " created INTEGER NOT NULL, changed INTEGER NOT NULL);"
    "CREATE TABLE message(conversation INTEGER NOT NULL REFERENCES conversation(id) ON DELETE CASCADE,"
    " position INTEGER NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, reasoning TEXT NOT NULL,"
    " model TEXT, state INTEGER NOT NULL, reason INTEGER NOT NULL, problem TEXT,"
    " prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,"
    " wait_seconds REAL NOT NULL, prefill_seconds REAL NOT NULL, first_token_seconds REAL NOT NULL,"
    " decode_seconds REAL NOT NULL, seed INTEGER NOT NULL, thinking_seconds REAL NOT NULL,"
    " PRIMARY KEY(conversation, position)) WITHOUT ROWID;"
    "CREATE TABLE mark(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;",
    "CREATE TABLE runs(run INTEGER PRIMARY KEY);", /* the second version brought the tables of runs */
};

static void write_old(const char *folder, int version)
{
    char *path = file_join(folder, "state.db");
    db *d = NULL;
    check_ok(db_open(path, old_schema, version, NULL, &d));
    check_ok(db_run(d, "INSERT INTO conversation VALUES(5, 'hello', 100, 200)", ""));
    check_ok(db_run(
        d,
        "INSERT INTO message VALUES(5, 0, 'user', 'hello', '', NULL, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
        ""));
    check_ok(db_run(
        d,
        "INSERT INTO message VALUES(5, 1, 'assistant', 'hi', 'hm', 'demo', 3, 0, NULL, 9, 0, 5, 0, 0.5,"
        " 0.1, 0.4, 7, 1.5)",
        ""));
    db_close(d);
    free(path);
}

TEST(a_file_of_each_older_version_is_brought_up_and_can_be_marked)
{
    for (int version = 1; version <= (int)COUNT_OF(old_schema); version++) {
        char name[16];
        snprintf(name, sizeof name, "old%d", version);
        char *folder = fresh_folder(name);
        write_old(folder, version);
        ui_chat_store *store = open_store(folder);
        ui_chat chat = {0};
        check_ok(ui_chat_store_load_last(store, &chat));
        check_int(chat.id, 5);
        check_int(chat.count, 2);
        check_text(bytes_text(&chat.messages[1].content), "hi");
        check_int(chat.messages[1].usage.seed, 7);
        check_true(chat.messages[1].thinking_seconds == 1.5);
        check_int(chat.messages[1].rating, UI_RATING_NONE);
        check_ok(ui_chat_rate_last(&chat, UI_RATING_GOOD));
        check_ok(ui_chat_store_save(store, &chat));
        ui_chat_store_free(store);
        store = open_store(folder);
        check_ok(ui_chat_store_load(store, 5, &chat));
        check_int(chat.messages[1].rating, UI_RATING_GOOD);
        ui_chat_free(&chat);
        ui_chat_store_free(store);
        free(folder);
    }
}

TEST(a_copy_taken_while_an_answer_is_written_holds_its_words_so_far)
{
    char *folder = fresh_folder("live"), *other = fresh_folder("copy");
    ui_chat_store *store = open_store(folder);
    ui_chat chat = {0}, again = {0};

    ui_chat_add(&chat, "user", VIEW("tell me a story"));
    ui_chat_message *m = ui_chat_add(&chat, "assistant", VIEW("Once upon"));
    m->state = UI_ANSWER_WRITING;
    check_ok(ui_chat_store_save(store, &chat));
    bytes_append_text(&m->content, " a time");
    m->changed = true;
    check_ok(ui_chat_store_save(store, &chat));
    /* What a kill leaves behind: the files as they are, the writer still open. */
    static const char *const names[] = {"state.db", "state.db-wal"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *from = file_join(folder, names[i]), *to = file_join(other, names[i]);
        check_ok(file_copy(from, to));
        free(from);
        free(to);
    }
    ui_chat_store *copy = open_store(other);
    check_ok(ui_chat_store_load_last(copy, &again));
    check_text(bytes_text(&again.messages[1].content), "Once upon a time");
    check_int(again.messages[1].state, UI_ANSWER_CUT);
    ui_chat_store_free(copy);
    ui_chat_store_free(store);
    ui_chat_free(&chat);
    ui_chat_free(&again);
    free(folder);
    free(other);
}

TEST(messages_that_were_taken_back_are_gone_after_the_next_save)
{
    char *folder = fresh_folder("cut");
    ui_chat_store *store = open_store(folder);
    ui_chat chat = given_a_chat(), again = {0};

    check_ok(ui_chat_store_save(store, &chat));
    ui_chat_cut(&chat, 1);
    check_ok(ui_chat_store_save(store, &chat));
    check_ok(ui_chat_store_load(store, chat.id, &again));
    check_int(again.count, 1);
    ui_chat_free(&chat);
    ui_chat_free(&again);
    ui_chat_store_free(store);
    free(folder);
}

TEST(conversations_are_listed_the_last_changed_first_and_can_be_deleted)
{
    char *folder = fresh_folder("list");
    ui_chat_store *store = open_store(folder);
    ui_chat first = given_a_chat(), second = {0};
    ui_conversation_list list = {0};

    ui_chat_add(&second, "user", VIEW("and you?"));
    check_ok(ui_chat_store_save(store, &first));
    check_ok(ui_chat_store_save(store, &second));
    check_ok(ui_chat_store_list(store, &list));
    check_int(list.count, 2);
    check_text(list.rows[0].title, "and you?");
    check_int(list.rows[1].message_count, 2);
    check_ok(ui_chat_store_delete(store, first.id));
    check_fails(ui_chat_store_load(store, first.id, &first), ERR_NOT_FOUND, "there is no conversation");
    ui_conversation_list_free(&list);
    ui_chat_free(&first);
    ui_chat_free(&second);
    ui_chat_store_free(store);
    free(folder);
}

TEST(an_empty_conversation_leaves_nothing_behind)
{
    char *folder = fresh_folder("empty");
    ui_chat_store *store = open_store(folder);
    ui_chat chat = {0};

    check_ok(ui_chat_store_save(store, &chat));
    check_int(chat.id, 0);
    check_ok(ui_chat_store_load_last(store, &chat));
    check_int(chat.count, 0);
    ui_chat_store_free(store);
    free(folder);
}

TEST(a_damaged_file_is_kept_aside_and_named)
{
    char *folder = fresh_folder("damaged"), *path = file_join(folder, "state.db"), *aside = NULL;
    ui_chat_store *store = NULL;
    char noise[8192];

    memset(noise, 'x', sizeof noise);
    check_write(path, noise, sizeof noise);
    check_ok(ui_chat_store_open(folder, &aside, &store));
    check_true(aside != NULL && file_exists(aside));
    free(aside);
    ui_chat_store_free(store);
    free(path);
    free(folder);
}

TEST(the_second_store_on_a_folder_knows_that_it_is_not_alone)
{
    char *folder = fresh_folder("two");
    ui_chat_store *first = open_store(folder), *second = open_store(folder);

    check_true(ui_chat_store_is_alone(first));
    check_true(!ui_chat_store_is_alone(second));
    ui_chat_store_free(second);
    ui_chat_store_free(first);
    first = open_store(folder);
    check_true(ui_chat_store_is_alone(first));
    ui_chat_store_free(first);
    free(folder);
}

TEST(a_mark_is_a_word_under_a_name)
{
    char *folder = fresh_folder("mark"), *value = NULL;
    ui_chat_store *store = open_store(folder);

    check_ok(ui_chat_store_marked(store, "model", &value));
    check_true(value == NULL);
    check_ok(ui_chat_store_mark(store, "model", "demo"));
    check_ok(ui_chat_store_mark(store, "model", "other"));
    check_ok(ui_chat_store_marked(store, "model", &value));
    check_text(value, "other");
    free(value);
    ui_chat_store_free(store);
    free(folder);
}

TESTS(RUN(a_conversation_comes_back_as_it_was_saved), RUN(a_mark_is_kept_and_taken_back),
      RUN(a_file_of_each_older_version_is_brought_up_and_can_be_marked),
      RUN(a_copy_taken_while_an_answer_is_written_holds_its_words_so_far),
      RUN(messages_that_were_taken_back_are_gone_after_the_next_save),
      RUN(conversations_are_listed_the_last_changed_first_and_can_be_deleted),
      RUN(an_empty_conversation_leaves_nothing_behind), RUN(a_damaged_file_is_kept_aside_and_named),
      RUN(the_second_store_on_a_folder_knows_that_it_is_not_alone), RUN(a_mark_is_a_word_under_a_name))
