#include "ui/term/editor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tests/support/check.h"

/* Keys by their names, a blank between them; a word in quotes is typed letter by letter. */
static void type(ui_editor *e, const char *keys)
{
    char copy[512], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", keys);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        ui_key key = {.kind = UI_KEY_TYPED};
        bool letters = word[0] == '\'';
        for (char *at = letters ? word + 1 : word; *at; at += letters ? 1 : strlen(at)) {
            snprintf(key.name, sizeof key.name, "%.*s", letters ? 1 : 40, *at == '_' && letters ? " " : at);
            key.is_text = letters;
            (void)ui_editor_key(e, &key);
        }
    }
}

static bool takes(ui_editor *e, const char *name)
{
    ui_key key = {.kind = UI_KEY_TYPED};
    snprintf(key.name, sizeof key.name, "%s", name);
    return ui_editor_key(e, &key);
}

static void holds(ui_editor *e, const char *wanted)
{
    bytes_view text = ui_editor_text(e);
    if (!bytes_view_is(text, wanted)) fail_msg("'%.*s', not '%s'", (int)text.size, text.data, wanted);
}

static void cursor_at(const ui_editor *e, size_t row, int column)
{
    size_t got_row;
    int got_column;
    ui_editor_cursor(e, &got_row, &got_column);
    check_int(got_row, row);
    check_int(got_column, column);
}

static ui_editor *given(const char *text)
{
    ui_editor *e = ui_editor_new();
    ui_editor_set_cells(e, 10);
    if (*text) check_true(ui_editor_insert(e, bytes_view_of(text)));
    return e;
}

TEST(letters_go_where_the_cursor_is)
{
    ui_editor *e = given("");
    type(e, "'ac Left 'b Home '> End '!");
    holds(e, ">abc!");
    cursor_at(e, 0, 5);
    ui_editor_free(e);
}

TEST(deleting_takes_whole_glyphs)
{
    ui_editor *e = given("a👨‍👩‍👧e\xCC\x81");
    type(e, "Backspace");
    holds(e, "a👨‍👩‍👧");
    type(e, "Backspace");
    holds(e, "a");
    type(e, "Home Delete Delete");
    holds(e, "");
    ui_editor_free(e);
}

TEST(words_are_jumped_over_and_deleted)
{
    ui_editor *e = given("one two-three");
    type(e, "Ctrl-Left '_ Ctrl-Left '+");
    holds(e, "one +two- three");
    type(e, "End Ctrl-W");
    holds(e, "one +two- ");
    type(e, "Alt-Backspace");
    holds(e, "one +");
    type(e, "Home Alt-d");
    holds(e, " +");
    ui_editor_free(e);
}

TEST(what_is_cut_comes_back)
{
    ui_editor *e = given("first\nsecond");
    type(e, "Ctrl-U");
    holds(e, "first\n");
    type(e, "Up Ctrl-Y");
    holds(e, "secondfirst\n");
    type(e, "Ctrl-A Ctrl-K");
    holds(e, "\n");
    type(e, "Ctrl-K");
    holds(e, "");
    ui_editor_free(e);
}

TEST(rows_wrap_and_the_cursor_follows)
{
    ui_editor *e = given("hello wide world\nend");
    check_int(ui_editor_row_count(e), 3);
    check_true(bytes_view_is(ui_editor_row(e, 0), "hello wide"));
    check_true(bytes_view_is(ui_editor_row(e, 1), "world"));
    cursor_at(e, 2, 3);
    type(e, "Up");
    cursor_at(e, 1, 3);
    type(e, "End Up");
    cursor_at(e, 0, 5);
    ui_editor_free(e);
}

TEST(up_and_down_keep_the_column_over_short_rows)
{
    ui_editor *e = given("12345678\n12\n12345678");
    type(e, "Left Up");
    cursor_at(e, 1, 2);
    type(e, "Up");
    cursor_at(e, 0, 7);
    type(e, "Down Down");
    cursor_at(e, 2, 7);
    ui_editor_free(e);
}

TEST(up_and_down_keep_to_glyphs)
{
    ui_editor *e = given("中文字\nabc");
    type(e, "Up 'x");
    holds(e, "中x文字\nabc");
    ui_editor_free(e);
}

TEST(an_empty_last_line_is_a_row)
{
    ui_editor *e = given("a\n");
    check_int(ui_editor_row_count(e), 2);
    cursor_at(e, 1, 0);
    ui_editor_clear(e);
    check_int(ui_editor_row_count(e), 1);
    cursor_at(e, 0, 0);
    ui_editor_free(e);
}

TEST(undo_takes_back_words_and_redo_repeats_them)
{
    ui_editor *e = given("");
    type(e, "'one '_ 'two Ctrl-W");
    holds(e, "one ");
    type(e, "Ctrl-_");
    holds(e, "one two");
    type(e, "Ctrl-_");
    holds(e, "one");
    type(e, "Ctrl-_ Ctrl-_");
    holds(e, "");
    type(e, "Alt-_ Alt-_ Alt-_");
    holds(e, "one ");
    type(e, "'x Alt-_");
    holds(e, "one x");
    ui_editor_free(e);
}

TEST(undo_reaches_back_a_bounded_way)
{
    ui_editor *e = given("");
    for (int i = 0; i < 2 * UI_EDITOR_UNDO_MAX; i++) type(e, "Alt-Enter");
    for (int i = 0; i < 2 * UI_EDITOR_UNDO_MAX; i++) type(e, "Ctrl-_");
    check_int(ui_editor_text(e).size, UI_EDITOR_UNDO_MAX);
    ui_editor_free(e);
}

TEST(history_keeps_the_draft)
{
    ui_editor *e = given("");
    check_true(!takes(e, "Up"));
    ui_editor_remember(e, VIEW("first"));
    ui_editor_remember(e, VIEW("second"));
    ui_editor_remember(e, VIEW("second"));
    type(e, "'draft Up");
    holds(e, "second");
    type(e, "Up Up");
    holds(e, "first");
    type(e, "Down Down");
    holds(e, "draft");
    check_true(!takes(e, "Down"));
    ui_editor_free(e);
}

TEST(a_paste_is_inserted_whole_and_undone_at_once)
{
    ui_editor *e = given("ab");
    ui_key paste = {.kind = UI_KEY_PASTE, .text = VIEW("one\ntwo")};
    type(e, "Left");
    check_true(ui_editor_key(e, &paste));
    holds(e, "aone\ntwob");
    cursor_at(e, 1, 3);
    type(e, "Ctrl-_");
    holds(e, "ab");
    ui_editor_free(e);
}

TEST(what_is_inserted_is_safe)
{
    ui_editor *e = given("a\x1b[1m");
    holds(e, "a␛[1m");
    ui_key turner = {.kind = UI_KEY_TYPED, .name = "\xE2\x80\xAE", .is_text = true};
    check_true(ui_editor_key(e, &turner));
    holds(e, "a␛[1m<U+202E>");
    ui_editor_free(e);
}

TEST(a_text_past_the_limit_is_refused_and_nothing_changes)
{
    ui_editor *e = given("kept");
    char *large = memory_alloc(UI_EDITOR_BYTES_MAX);
    memset(large, 'x', UI_EDITOR_BYTES_MAX);
    check_true(!ui_editor_insert(e, (bytes_view){large, UI_EDITOR_BYTES_MAX}));
    ui_key paste = {.kind = UI_KEY_PASTE, .text = {large, UI_EDITOR_BYTES_MAX}};
    check_true(!ui_editor_key(e, &paste));
    holds(e, "kept");
    free(large);
    ui_editor_free(e);
}

TEST(enter_escape_and_other_keys_are_not_the_editors)
{
    ui_editor *e = given("");
    check_true(!takes(e, "Enter") && !takes(e, "Esc") && !takes(e, "Tab") && !takes(e, "Ctrl-P"));
    check_true(!takes(e, "Ctrl-D"));
    check_true(takes(e, "Alt-Enter"));
    ui_editor_free(e);
}

TESTS(RUN(letters_go_where_the_cursor_is), RUN(deleting_takes_whole_glyphs),
      RUN(words_are_jumped_over_and_deleted), RUN(what_is_cut_comes_back),
      RUN(rows_wrap_and_the_cursor_follows), RUN(up_and_down_keep_the_column_over_short_rows),
      RUN(up_and_down_keep_to_glyphs), RUN(an_empty_last_line_is_a_row),
      RUN(undo_takes_back_words_and_redo_repeats_them), RUN(undo_reaches_back_a_bounded_way),
      RUN(history_keeps_the_draft), RUN(a_paste_is_inserted_whole_and_undone_at_once),
      RUN(what_is_inserted_is_safe), RUN(a_text_past_the_limit_is_refused_and_nothing_changes),
      RUN(enter_escape_and_other_keys_are_not_the_editors))
