/* changes.json: what is written is read again, what cannot be is refused, and which data a step learned from.
 */
#include "ui/app/runs/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tests/support/check.h"

#define ONE "1111111111111111111111111111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222222222222222222222222222"

static err read_changes(const char *text, ui_run_change **out, size_t *count)
{
    CLEANUP(arena_free) arena a = {0};
    const json_node *root = NULL;
    err e = json_parse(bytes_view_of(text), 4, &a, &root);
    return e.code ? e : ui_run_changes_read(root, out, count);
}

TEST(changes_of_rate_length_and_data_read_back)
{
    static const char wanted[] =
        "[{\"lr\":0.001,\"step\":20},{\"step\":40,\"steps\":60},{\"lr\":0.5,\"step\":60,\"steps\":61},"
        "{\"data\":\"" ONE "\",\"epoch\":3,\"step\":60}]";
    CLEANUP(bytes_free) bytes text = {0};
    ui_run_change *changes = NULL;
    size_t count = 0;
    check_ok(read_changes(wanted, &changes, &count));
    check_int(count, 4);
    check_true(changes[0].lr == 0.001 && changes[0].steps == 0 && !*changes[0].data);
    check_true(isnan(changes[1].lr) && changes[1].steps == 60);
    check_true(isnan(changes[3].lr) && changes[3].steps == 0 && changes[3].epoch == 3);
    check_text(changes[3].data, ONE);
    ui_run_changes_write(changes, count, &text);
    check_text(bytes_text(&text), wanted);
    free(changes);
}

TEST(changes_that_change_nothing_or_end_before_they_begin_are_refused)
{
    static const char *const bad[] = {"[{\"step\":20}]",
                                      "[{\"lr\":-1,\"step\":20}]",
                                      "[{\"lr\":1}]",
                                      "[{\"step\":20,\"steps\":20}]",
                                      "[{\"step\":20,\"steps\":-5}]",
                                      "[{\"data\":\"" ONE "\",\"step\":20}]",
                                      "[{\"data\":\"" ONE "\",\"epoch\":-1,\"step\":20}]",
                                      "[{\"data\":\"1111\",\"epoch\":1,\"step\":20}]",
                                      "[{\"data\":7,\"epoch\":1,\"step\":20}]",
                                      "[{\"epoch\":1,\"step\":20}]",
                                      "[7]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ui_run_change *changes = NULL;
        size_t count = 0;
        check_fails(read_changes(bad[i], &changes, &count), ERR_FORMAT,
                    "expected objects of step, and lr, steps, or data");
    }
}

TEST(the_data_of_a_step_are_the_last_that_came_before_it)
{
    ui_run_change *changes = NULL;
    size_t count = 0;
    check_ok(read_changes("[{\"data\":\"" ONE "\",\"epoch\":1,\"step\":5},{\"lr\":0.5,\"step\":8},"
                          "{\"data\":\"" TWO "\",\"epoch\":2,\"step\":9}]",
                          &changes, &count));
    check_true(!ui_run_changes_borrow_data(changes, count, 4));
    check_text(ui_run_changes_borrow_data(changes, count, 5)->data, ONE);
    check_text(ui_run_changes_borrow_data(changes, count, 8)->data, ONE);
    check_text(ui_run_changes_borrow_data(changes, count, 9)->data, TWO);
    count = ui_run_changes_drop_data(changes, count, 9);
    check_int(count, 2);
    count = ui_run_changes_drop_data(changes, count, 0);
    check_int(count, 1);
    check_true(changes[0].lr == 0.5);
    free(changes);
}

TESTS(RUN(changes_of_rate_length_and_data_read_back),
      RUN(changes_that_change_nothing_or_end_before_they_begin_are_refused),
      RUN(the_data_of_a_step_are_the_last_that_came_before_it))
