#include "ui/term/cells.h"

#include <string.h>

#include "tests/support/check.h"

#define FAMILY "👨‍👩‍👧"
#define FLAG   "🇩🇪"

static void wraps_to(const char *text, int cells, const char *const *lines, size_t count)
{
    bytes_view all = bytes_view_of(text), line;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        at = ui_cells_wrap(all, at, cells, &line);
        if (!bytes_view_is(line, lines[i])) fail_msg("line %zu: '%.*s'", i, (int)line.size, line.data);
    }
    check_int(at, all.size);
    check_int(ui_cells_wrap_count(all, cells), count);
}

#define WRAPS(text, cells, ...)                                                                              \
    do {                                                                                                     \
        static const char *const wanted[] = {__VA_ARGS__};                                                   \
        wraps_to(text, cells, wanted, COUNT_OF(wanted));                                                     \
    } while (0)

TEST(wide_and_combining_characters_are_counted_as_they_are_shown)
{
    check_int(ui_cells(VIEW("abc")), 3);
    check_int(ui_cells(VIEW("caf\xC3\xA9")), 4);
    check_int(ui_cells(VIEW("e\xCC\x81")), 1);
    check_int(ui_cells(VIEW("中文")), 4);
    check_int(ui_cells(VIEW("한국")), 4);
    check_int(ui_cells(VIEW("")), 0);
}

TEST(joined_pictures_take_the_cells_of_their_first)
{
    ui_glyph family = ui_glyph_first(VIEW(FAMILY "x"), 0);
    check_int(family.size, sizeof FAMILY - 1);
    check_int(family.cells, 2);
    check_int(family.shown[0], 0x1F468);
    check_int(family.shown[1], 0);
    ui_glyph flag = ui_glyph_first(VIEW(FLAG), 0);
    check_int(flag.cells, 2);
    check_int(flag.shown[0], 'D');
    check_int(flag.shown[1], 'E');
    check_int(ui_cells(VIEW("❤️")), 1); /* with a variation selector, which is not sent */
}

TEST(what_is_unsafe_counts_as_one_cell)
{
    check_int(ui_cells(VIEW("\x1b\xFF\x01")), 3);
    check_int(ui_glyph_first(VIEW("\x1b"), 0).shown[0], 0xFFFD);
}

TEST(a_tab_reaches_to_the_next_stop)
{
    check_int(ui_cells(VIEW("a\tb")), UI_TAB_CELLS + 1);
    check_int(ui_glyph_first(VIEW("\t"), 3).cells, 1);
}

TEST(cutting_never_splits_a_wide_character)
{
    check_int(ui_cells_cut(VIEW("a中b"), 2).size, 1);
    check_int(ui_cells_cut(VIEW("a中b"), 3).size, 4);
    check_int(ui_cells_cut(VIEW("e\xCC\x81x"), 1).size, 3);
    check_int(ui_cells_cut(VIEW("abc"), 0).size, 0);
}

TEST(fitting_pads_or_cuts_to_exactly_the_room)
{
    CLEANUP(bytes_free) bytes out = {0};
    ui_cells_fit(VIEW("ab"), 4, false, &out);
    check_text(bytes_text(&out), "ab  ");
    bytes_clear(&out);
    ui_cells_fit(VIEW("中文字"), 4, false, &out); /* the second one has no room beside the ellipsis */
    check_text(bytes_text(&out), "中… ");
    bytes_clear(&out);
    ui_cells_fit(VIEW("abcdef"), 5, true, &out);
    check_text(bytes_text(&out), "ab...");
}

TEST(steps_go_from_glyph_to_glyph_both_ways)
{
    static const char text[] = "a" FAMILY "e\xCC\x81\n中" FLAG FLAG "z";
    bytes_view all = VIEW(text);
    size_t places[16], count = 0;
    for (size_t at = 0; at < all.size; at = ui_glyph_after(all, at)) places[count++] = at;
    check_int(count, 8);
    size_t at = all.size;
    while (count) {
        at = ui_glyph_before(all, at);
        check_int(at, places[--count]);
    }
    check_int(ui_glyph_before(all, 0), 0);
}

TEST(words_wrap_at_blanks_and_long_ones_break)
{
    WRAPS("the quick brown fox", 10, "the quick", "brown fox");
    WRAPS("exactly ten", 7, "exactly", "ten");
    WRAPS("abcdefghij", 4, "abcd", "efgh", "ij");
    WRAPS("a\n\nb", 4, "a", "", "b");
    WRAPS("ab   \ncd", 2, "ab", "cd");
    WRAPS("    indented", 6, "    in", "dented");
}

TEST(chinese_wraps_between_characters)
{
    WRAPS("中文字", 4, "中文", "字");
    WRAPS("a中文", 4, "a中", "文");
    WRAPS("中", 1, "中"); /* wider than the line: alone */
}

TESTS(RUN(wide_and_combining_characters_are_counted_as_they_are_shown),
      RUN(joined_pictures_take_the_cells_of_their_first), RUN(what_is_unsafe_counts_as_one_cell),
      RUN(a_tab_reaches_to_the_next_stop), RUN(cutting_never_splits_a_wide_character),
      RUN(fitting_pads_or_cuts_to_exactly_the_room), RUN(steps_go_from_glyph_to_glyph_both_ways),
      RUN(words_wrap_at_blanks_and_long_ones_break), RUN(chinese_wraps_between_characters))
