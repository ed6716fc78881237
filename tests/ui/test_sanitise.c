#include "ui/term/sanitise.h"

#include <string.h>

#include "base/utf8.h"
#include "tests/support/check.h"

static void becomes(bytes_view text, bool ascii, const char *wanted)
{
    CLEANUP(bytes_free) bytes out = {0};
    ui_sanitise(text, ascii, &out);
    check_text(bytes_text(&out), wanted);
}

TEST(words_tabs_and_newlines_stay)
{
    becomes(VIEW("caf\xC3\xA9\tand\n\xE4\xB8\xAD\xE6\x96\x87"), false,
            "caf\xC3\xA9\tand\n\xE4\xB8\xAD\xE6\x96\x87");
}

TEST(an_escape_sequence_is_seen_and_does_nothing)
{
    becomes(VIEW("\x1b[31mred\x1b]0;title\a"), false, "␛[31mred␛]0;title␇");
    becomes(VIEW("\x1b[2J"), true, "^[[2J");
}

TEST(a_nul_and_a_delete_are_seen)
{
    becomes(VIEW("a\0b\x7F"), false, "a␀b␡");
    becomes(VIEW("a\0b\x7F"), true, "a^@b^?");
}

TEST(controls_of_one_byte_beyond_ascii_are_numbers)
{
    becomes(VIEW("\xC2\x9B"
                 "31m"),
            false, "<U+009B>31m");
}

TEST(characters_that_turn_or_hide_words_are_numbers)
{
    becomes(VIEW("a\xE2\x80\xAE"
                 "b"),
            false, "a<U+202E>b");
    becomes(VIEW("\xEF\xBB\xBFx"), false, "<U+FEFF>x");
    becomes(VIEW("\xF3\xA0\x81\x81"), true, "<U+E0041>");
}

TEST(each_broken_byte_is_a_replacement)
{
    becomes(VIEW("a\x80\xFFz\xC3"), false, "a\uFFFD\uFFFDz\uFFFD");
    becomes(VIEW("a\xED\xA0\x80"), true, "a???");
    becomes(VIEW("\xEF\xBF\xBF"), false, "\uFFFD");
}

TEST(all_ways_to_end_a_line_are_a_newline)
{
    becomes(VIEW("a\r\nb\xE2\x80\xA8"
                 "c"),
            false, "a\nb\nc");
    becomes(VIEW("10%\r20%"), false, "10%␍20%");
}

TEST(ascii_keeps_the_letters_of_accents_and_quotes)
{
    becomes(VIEW("caf\xC3\xA9 \xE2\x80\x9Cna\xC3\xAFve\xE2\x80\x9D \xE2\x80\xA6 e\xCC\x81 \xC3\x9F"), true,
            "cafe \"naive\" ... e ss");
    becomes(VIEW("\xE4\xB8\xAD"), true, "?");
}

TEST(a_line_has_no_newline_and_no_tab)
{
    CLEANUP(bytes_free) bytes out = {0};
    ui_sanitise_line(VIEW("a\nb\tc"), false, &out);
    check_text(bytes_text(&out), "a b c");
}

TEST(parts_give_the_same_as_the_whole)
{
    static const char whole[] = "x\xC3\xA9\r\n\xF0\x9F\x98\x80\x1b[0m\xE2\x82";
    for (size_t step = 1; step < sizeof whole; step++) {
        CLEANUP(bytes_free) bytes rest = {0};
        CLEANUP(bytes_free) bytes out = {0};
        for (size_t at = 0; at < sizeof whole - 1; at += step) {
            bytes_append(&rest, whole + at, MIN_OF(step, sizeof whole - 1 - at));
            bytes_remove(&rest, 0, ui_sanitise_part(bytes_borrow(&rest), false, &out));
            check_true(utf8_is_valid(bytes_borrow(&out)));
        }
        check_int(rest.size, 2); /* the character that was cut off */
        ui_sanitise(bytes_borrow(&rest), false, &out);
        check_text(bytes_text(&out), "x\xC3\xA9\n\xF0\x9F\x98\x80␛[0m\uFFFD\uFFFD");
    }
}

TESTS(RUN(words_tabs_and_newlines_stay), RUN(an_escape_sequence_is_seen_and_does_nothing),
      RUN(a_nul_and_a_delete_are_seen), RUN(controls_of_one_byte_beyond_ascii_are_numbers),
      RUN(characters_that_turn_or_hide_words_are_numbers), RUN(each_broken_byte_is_a_replacement),
      RUN(all_ways_to_end_a_line_are_a_newline), RUN(ascii_keeps_the_letters_of_accents_and_quotes),
      RUN(a_line_has_no_newline_and_no_tab), RUN(parts_give_the_same_as_the_whole))
