#include "base/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/check.h"

static const char *const steps[] = {
    "CREATE TABLE chat (id INTEGER PRIMARY KEY, title TEXT, data BLOB, score REAL)",
    "CREATE TABLE turn (chat INTEGER NOT NULL REFERENCES chat (id) ON DELETE CASCADE, n INTEGER)",
    "CREATE TABLE third (id INTEGER); CREATE TABLE broken (",
};

static char *fresh_path(void)
{
    static int count;
    bytes path = {0};
    bytes_printf(&path, "%s/%d/state.db", check_folder(), count++);
    return bytes_take(&path);
}

static bool first_text(void *context, sqlite3_stmt *statement)
{
    bytes *out = context;
    bytes_clear(out);
    bytes_append_view(out, db_column_text(statement, 0));
    return false;
}

static bool count_rows(void *context, sqlite3_stmt *statement)
{
    (void)statement;
    ++*(int *)context;
    return true;
}

static int rows_of(db *d, const char *sql)
{
    int count = 0;
    check_ok(db_query(d, sql, count_rows, &count, ""));
    return count;
}

TEST(what_was_written_is_there_after_reopening)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    CLEANUP(bytes_free) bytes title = {0};
    db *d = NULL;
    check_ok(db_open(path.data, steps, 1, NULL, &d));
    check_ok(db_run(d, "INSERT INTO chat (title, data, score, id) VALUES (?, ?, ?, ?)", "vbdi", VIEW("a\0b"),
                    VIEW("\x01\x02"), 0.5, (int64_t)7));
    check_int(db_last_id(d), 7);
    check_ok(db_run(d, "INSERT INTO chat (title) VALUES (?)", "t", (const char *)NULL));
    db_close(d);
    check_ok(db_open(path.data, steps, 2, NULL, &d));
    check_ok(db_query(d, "SELECT title FROM chat WHERE score = ?", first_text, &title, "d", 0.5));
    check_true(bytes_view_equal(bytes_borrow(&title), VIEW("a\0b")));
    check_int(rows_of(d, "SELECT 1 FROM chat WHERE title IS NULL"), 1);
    db_close(d);
}

TEST(foreign_keys_count)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    check_ok(db_open(path.data, steps, 2, NULL, &d));
    check_fails(db_run(d, "INSERT INTO turn VALUES (?, 1)", "i", (int64_t)3), ERR_IO, "FOREIGN KEY");
    check_ok(db_run(d, "INSERT INTO chat (id) VALUES (3)", ""));
    check_ok(db_run(d, "INSERT INTO turn VALUES (?, 1)", "i", (int64_t)3));
    check_ok(db_run(d, "DELETE FROM chat", ""));
    check_int(rows_of(d, "SELECT 1 FROM turn"), 0);
    db_close(d);
}

TEST(a_transaction_that_is_rolled_back_never_happened)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    check_ok(db_open(path.data, steps, 1, NULL, &d));
    check_ok(db_begin(d));
    check_ok(db_run(d, "INSERT INTO chat (id) VALUES (1)", ""));
    db_rollback(d);
    db_rollback(d);
    check_int(rows_of(d, "SELECT 1 FROM chat"), 0);
    check_ok(db_begin(d));
    check_ok(db_run(d, "INSERT INTO chat (id) VALUES (1)", ""));
    check_ok(db_commit(d));
    check_int(rows_of(d, "SELECT 1 FROM chat"), 1);
    db_close(d);
}

TEST(a_schema_step_happens_whole_or_not_at_all)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    check_fails(db_open(path.data, steps, 3, NULL, &d), ERR_IO, "schema step 3");
    check_ok(db_open(path.data, steps, 2, NULL, &d));
    check_int(rows_of(d, "SELECT 1 FROM sqlite_master WHERE name = 'third'"), 0);
    check_int(rows_of(d, "SELECT 1 FROM sqlite_master WHERE name = 'turn'"), 1);
    db_close(d);
}

/* A program that opens it as soon as the others do; its status. */
static pid_t opener(const char *path, const int ends[2])
{
    pid_t child = fork();
    if (child != 0) return child;
    db *d = NULL;
    char go;
    close(ends[1]);
    bool told = read(ends[0], &go, 1) == 0; /* the end of the pipe, for all at once */
    err e = db_open(path, steps, 2, NULL, &d);
    if (e.code) fprintf(stderr, "%s\n", e.text);
    db_close(d);
    _exit(!told || e.code);
}

TEST(programs_that_make_the_same_file_at_once_all_have_it)
{
    enum { ROUNDS = 20, PROGRAMS = 5 };
    int refused = 0;

    for (int i = 0; i < ROUNDS; i++) {
        CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
        pid_t children[PROGRAMS];
        int ends[2];
        check_int(pipe(ends), 0);
        for (int k = 0; k < PROGRAMS; k++) {
            children[k] = opener(path.data, ends);
            check_true(children[k] > 0);
        }
        close(ends[0]);
        close(ends[1]);
        for (int k = 0; k < PROGRAMS; k++) {
            int status;
            check_int(waitpid(children[k], &status, 0), children[k]);
            refused += status != 0;
        }
    }
    check_int(refused, 0);
}

TEST(a_newer_schema_is_refused_and_left_alone)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    char *aside = NULL;
    check_ok(db_open(path.data, steps, 2, NULL, &d));
    db_close(d);
    check_fails(db_open(path.data, steps, 1, &aside, &d), ERR_UNSUPPORTED, "newer version");
    check_true(aside == NULL);
}

TEST(a_damaged_file_is_kept_aside_and_a_fresh_one_made)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    CLEANUP(bytes_free) bytes folder = {.data = file_parent(path.data)};
    db *d = NULL;
    char *aside = NULL;
    check_ok(file_make_folders(folder.data));
    check_write(path.data, "this is no database, but it is somebody's file", 46);
    check_ok(db_open(path.data, steps, 1, &aside, &d));
    check_true(aside && strstr(aside, "state.db.damaged-"));
    bytes kept = check_read("%s", aside);
    check_int(kept.size, 46);
    check_int(rows_of(d, "SELECT 1 FROM chat"), 0);
    db_close(d);
    bytes_free(&kept);
    free(aside);
}

TEST(a_page_that_was_overwritten_is_noticed)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    char *aside = NULL;
    check_ok(db_open(path.data, steps, 2, NULL, &d));
    for (int64_t i = 0; i < 2000; i++)
        check_ok(db_run(d, "INSERT INTO chat (id, title) VALUES (?, 'some title')", "i", i));
    db_close(d);
    bytes all = check_read("%s", path.data);
    memset(all.data + 4096, 0xA5, 4096);
    check_write(path.data, all.data, all.size);
    bytes_free(&all);
    check_ok(db_open(path.data, steps, 2, &aside, &d));
    check_true(aside != NULL);
    check_int(rows_of(d, "SELECT 1 FROM chat"), 0);
    db_close(d);
    free(aside);
}

TEST(a_statement_that_cannot_be_prepared_says_why)
{
    CLEANUP(bytes_free) bytes path = {.data = fresh_path()};
    db *d = NULL;
    check_ok(db_open(path.data, steps, 1, NULL, &d));
    check_fails(db_run(d, "SELECT some FROM nowhere", ""), ERR_IO, "nowhere");
    check_true(db_prepare(d, "SELECT 1") == db_prepare(d, "SELECT 1"));
    check_true(db_prepare(d, "broken") == NULL);
    check_fails(db_error(d, "prepare"), ERR_IO, "syntax error");
    db_close(d);
}

TESTS(RUN(what_was_written_is_there_after_reopening), RUN(foreign_keys_count),
      RUN(a_transaction_that_is_rolled_back_never_happened), RUN(a_schema_step_happens_whole_or_not_at_all),
      RUN(programs_that_make_the_same_file_at_once_all_have_it),
      RUN(a_newer_schema_is_refused_and_left_alone), RUN(a_damaged_file_is_kept_aside_and_a_fresh_one_made),
      RUN(a_page_that_was_overwritten_is_noticed), RUN(a_statement_that_cannot_be_prepared_says_why))
