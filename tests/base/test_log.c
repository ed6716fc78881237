#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "tests/support/check.h"

enum { WRITERS = 4, LINES_EACH = 600 };

TEST(lines_are_kept_in_order_and_the_quiet_ones_are_left_out)
{
    log_book *l = NULL;
    log_line line;
    check_ok(log_open(NULL, LOG_INFO, &l));
    log_write(l, LOG_INFO, "loaded %s", "stories");
    log_write(l, LOG_DEBUG, "not kept");
    log_write(l, LOG_ERROR, "lost\x1b[2J\nline");
    check_int(log_count(l), 2);
    check_true(log_copy(l, 0, &line));
    check_text(line.text, "loaded stories");
    check_int(line.level, LOG_INFO);
    check_true(log_copy(l, 1, &line));
    check_text(line.text, "lost [2J line");
    check_true(!log_copy(l, 2, &line));
    log_free(l);
    log_write(NULL, LOG_ERROR, "nobody listens");
}

TEST(the_ring_forgets_the_oldest_lines)
{
    log_book *l = NULL;
    log_line line;
    check_ok(log_open(NULL, LOG_INFO, &l));
    for (int i = 0; i < LOG_LINES_MAX + 5; i++) log_write(l, LOG_INFO, "line %d", i);
    check_int(log_count(l), LOG_LINES_MAX + 5);
    check_true(!log_copy(l, 4, &line));
    check_true(log_copy(l, 5, &line));
    check_text(line.text, "line 5");
    log_free(l);
}

TEST(a_full_file_becomes_the_older_one)
{
    CLEANUP(bytes_free) bytes path = {0};
    CLEANUP(bytes_free) bytes older = {0};
    char long_text[LOG_LINE_BYTES_MAX];
    log_book *l = NULL;
    uint64_t size = 0;

    bytes_printf(&path, "%s/new/log", check_folder());
    bytes_printf(&older, "%s.1", path.data);
    check_ok(log_open(path.data, LOG_INFO, &l));
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    for (int i = 0; i < 2100; i++) log_write(l, LOG_INFO, "%s", long_text);
    check_true(file_exists(older.data));
    check_ok(file_size(older.data, &size));
    check_true(size >= LOG_FILE_BYTES_MAX && size < LOG_FILE_BYTES_MAX + 1000);
    check_ok(file_size(path.data, &size));
    check_true(size > 0 && size < LOG_FILE_BYTES_MAX);
    log_free(l);

    check_ok(log_open(path.data, LOG_INFO, &l)); /* and goes on where it was */
    log_write(l, LOG_WARNING, "again");
    log_free(l);
    bytes all = check_read("%s", path.data);
    check_true(strstr(all.data, "Z warning: again\n") != NULL);
    bytes_free(&all);
}

TEST(a_folder_that_cannot_be_made_is_an_error)
{
    CLEANUP(bytes_free) bytes path = {0};
    log_book *l = NULL;
    bytes_printf(&path, "%s/plain", check_folder());
    check_write(path.data, "x", 1);
    bytes_append_text(&path, "/log");
    check_fails(log_open(path.data, LOG_INFO, &l), ERR_IO, "plain");
}

static void *writer_run(void *l)
{
    log_line line;
    for (int i = 0; i < LINES_EACH; i++) {
        log_write(l, LOG_INFO, "line %d", i);
        (void)log_copy(l, log_count(l) - 1, &line);
    }
    return NULL;
}

TEST(many_threads_write_and_read_at_once)
{
    pthread_t writers[WRITERS];
    log_book *l = NULL;
    check_ok(log_open(NULL, LOG_INFO, &l));
    for (int i = 0; i < WRITERS; i++) check_int(pthread_create(&writers[i], NULL, writer_run, l), 0);
    for (int i = 0; i < WRITERS; i++) pthread_join(writers[i], NULL);
    check_int(log_count(l), WRITERS * LINES_EACH);
    log_free(l);
}

TESTS(RUN(lines_are_kept_in_order_and_the_quiet_ones_are_left_out), RUN(the_ring_forgets_the_oldest_lines),
      RUN(a_full_file_becomes_the_older_one), RUN(a_folder_that_cannot_be_made_is_an_error),
      RUN(many_threads_write_and_read_at_once))
