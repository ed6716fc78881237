#include "ui/term/menu.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/check.h"

static ui_menu *given(void)
{
    ui_menu *m = ui_menu_new();
    ui_menu_add(m, "palette", "Choose any action by its name", 0);
    ui_menu_add(m, "next-pane", "Go to the next pane", 1);
    ui_menu_add(m, "new-conversation", "Start a new conversation", 2);
    ui_menu_add(m, "copy-code", "Copy the last code block", 3);
    return m;
}

static bool press(ui_menu *m, const char *name)
{
    ui_key key = {.kind = UI_KEY_TYPED, .is_text = strlen(name) == 1};
    snprintf(key.name, sizeof key.name, "%s", name);
    return ui_menu_key(m, &key, 2);
}

static void finds(ui_menu *m, const char *pattern, const char *first)
{
    (void)press(m, "Ctrl-U");
    for (char letter[2] = {0}; (letter[0] = *pattern); pattern++) check_true(press(m, letter));
    check_text(ui_menu_at(m, 0).name, first);
}

TEST(without_a_pattern_all_are_shown_in_order)
{
    ui_menu *m = given();
    check_int(ui_menu_count(m), 4);
    check_text(ui_menu_at(m, 1).name, "next-pane");
    check_int(ui_menu_at(m, 3).tag, 3);
    ui_menu_free(m);
}

TEST(the_best_match_comes_first)
{
    ui_menu *m = given();
    finds(m, "np", "next-pane");
    finds(m, "ncon", "new-conversation");
    finds(m, "COPY", "copy-code");
    finds(m, "pa", "palette");
    finds(m, "block", "copy-code"); /* only in what it does */
    check_int(ui_menu_count(m), 1);
    finds(m, "zzz", "");
    check_int(ui_menu_count(m), 0);
    ui_menu_free(m);
}

TEST(beginnings_words_and_neighbours_count_more)
{
    check_true(ui_menu_score("co", "copy") > ui_menu_score("co", "tcpo co"));
    check_true(ui_menu_score("nc", "new-conversation") > ui_menu_score("nc", "unicode"));
    check_int(ui_menu_score("ba", "ab"), 0);
}

TEST(keys_move_and_take_letters_back)
{
    ui_menu *m = given();
    check_true(press(m, "Down") && press(m, "Ctrl-N"));
    check_int(ui_menu_chosen(m), 2);
    check_true(press(m, "PageDown") && press(m, "Down"));
    check_int(ui_menu_chosen(m), 3);
    check_true(press(m, "Home"));
    check_int(ui_menu_chosen(m), 0);
    check_true(press(m, "z") && press(m, "Backspace"));
    check_int(ui_menu_count(m), 4);
    check_true(!press(m, "Enter") && !press(m, "Esc"));
    ui_menu_free(m);
}

TEST(a_long_pattern_is_cut_between_characters)
{
    ui_menu *m = given();
    char text[301] = {0};
    for (size_t i = 0; i + 3 < sizeof text; i += 3) memcpy(text + i, "中", 3);
    ui_key paste = {.kind = UI_KEY_PASTE, .text = bytes_view_of(text)};
    check_true(ui_menu_key(m, &paste, 1));
    check_int(strlen(ui_menu_pattern(m)), UI_MENU_PATTERN_BYTES_MAX / 3 * 3);
    ui_menu_free(m);
}

TESTS(RUN(without_a_pattern_all_are_shown_in_order), RUN(the_best_match_comes_first),
      RUN(beginnings_words_and_neighbours_count_more), RUN(keys_move_and_take_letters_back),
      RUN(a_long_pattern_is_cut_between_characters))
