/* tests/support/check.h: cmocka with fewer letters, and the places tests read from.
 *
 * A test file: TEST(a_name_that_is_a_sentence) { ... } for each, then TESTS(first_name, second_name, ...). */
#ifndef TESTS_SUPPORT_CHECK_H
#define TESTS_SUPPORT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/err.h"

#define TEST(name) static void name(void **check_state __attribute__((unused)))

#define check_ok(call)                                                                  \
    do {                                                                                \
        err check_result = (call);                                                      \
        if (check_result.code) fail_msg("%s: %s", #call, check_result.text);            \
    } while (0)

/* The call fails with this code and its sentence holds `words`. */
#define check_fails(call, wanted, words)                                                      \
    do {                                                                                      \
        err check_result = (call);                                                            \
        if (check_result.code != (wanted) || !check_text_holds(check_result.text, (words)))   \
            fail_msg("%s: code %d, \"%s\"", #call, (int)check_result.code, check_result.text); \
    } while (0)

#define check_text(got, wanted) assert_string_equal((got), (wanted))
#define check_int(got, wanted) assert_int_equal((got), (wanted))
#define check_true(condition) assert_true(condition)

bool check_text_holds(const char *text, const char *words);

/* Run with TESTS_MAIN(list of names). */
#define TESTS(...)                                                                  \
    int main(void)                                                                  \
    {                                                                               \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                            \
        return cmocka_run_group_tests(tests, NULL, NULL);                           \
    }
#define RUN(name) cmocka_unit_test(name)

/* The larger reference data beside the checkout (../shared/data, or $HYPRSTREAM_TEST_DATA): NULL when it
 * is not there, and tests that want it then skip(). Borrowed. */
const char *check_shared_data(void);

/* A fresh folder that is removed when the test program ends. Borrowed. */
const char *check_folder(void);

/* A whole file, or the test fails. Caller frees with bytes_free. */
bytes check_read(const char *path_format, ...) PRINTF_LIKE(1, 2);
void check_write(const char *path, const void *data, size_t size);

#endif
