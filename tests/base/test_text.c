#include "base/text.h"
#include "tests/support/check.h"

static void check_size(uint64_t size, const char *wanted)
{
    char out[32];
    text_human_size(size, out, sizeof out);
    check_text(out, wanted);
}

static void check_seconds(double seconds, const char *wanted)
{
    char out[32];
    text_human_seconds(seconds, out, sizeof out);
    check_text(out, wanted);
}

TEST(a_size_is_told_in_three_digits_at_most)
{
    check_size(0, "0 B");
    check_size(12, "12 B");
    check_size(999, "999 B");
    check_size(1000, "1.0 kB");
    check_size(9949, "9.9 kB");
    check_size(9950, "10 kB");
    check_size(640000, "640 kB");
    check_size(999499, "999 kB");
    check_size(999500, "1.0 MB");
    check_size(1234567890, "1.2 GB");
    check_size(UINT64_MAX, "18 EB");
}

TEST(a_count_is_told_in_three_digits_at_most)
{
    char out[32];
    text_human_count(64, out, sizeof out);
    check_text(out, "64");
    text_human_count(260032, out, sizeof out);
    check_text(out, "260 k");
    text_human_count(8030261248, out, sizeof out);
    check_text(out, "8.0 B");
}

TEST(seconds_are_told_as_people_say_them)
{
    check_seconds(0, "0.0 s");
    check_seconds(0.84, "0.8 s");
    check_seconds(9.96, "10 s");
    check_seconds(12.3, "12 s");
    check_seconds(59.6, "1 min 00 s");
    check_seconds(185, "3 min 05 s");
    check_seconds(3720, "1 h 02 min");
    check_seconds(-1, "n/a");
    check_seconds(0.0 / 0.0, "n/a");
}

TEST(broken_bytes_and_nul_become_the_replacement_character)
{
    bytes out = {0};
    text_append_valid_utf8(&out, (bytes_view){"a\xFF"
                                              "b\0\xC3\xA9\xE2\x82",
                                              8});
    check_text(bytes_text(&out), "a\xEF\xBF\xBD"
                                 "b\xEF\xBF\xBD"
                                 "\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD");
    bytes_free(&out);
}

TEST(the_nearest_name_is_two_slips_away_at_most)
{
    static const char *const names[] = {"infer", "inspect", "tokenize", "a"};
    check_text(text_nearest("infre", names, 4), "infer");
    check_text(text_nearest("inspct", names, 4), "inspect");
    check_text(text_nearest("tokenise", names, 4), "tokenize");
    check_true(text_nearest("bench", names, 4) == NULL);
    check_true(text_nearest("x", names, 4) == NULL);
    check_true(text_nearest("infer", names, 0) == NULL);
}

TEST(a_text_starts_with_its_beginning)
{
    check_true(text_starts_with("./here", "./"));
    check_true(text_starts_with("here", ""));
    check_true(!text_starts_with(".", "./"));
}

TESTS(RUN(a_size_is_told_in_three_digits_at_most), RUN(a_count_is_told_in_three_digits_at_most),
      RUN(seconds_are_told_as_people_say_them), RUN(broken_bytes_and_nul_become_the_replacement_character),
      RUN(the_nearest_name_is_two_slips_away_at_most), RUN(a_text_starts_with_its_beginning))
