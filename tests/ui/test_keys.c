#include "ui/term/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "tests/support/check.h"
#include "ui/app/action.h"

/* Names of all keys in these bytes, a blank between them; pasted text in brackets. */
static const char *names_of(bytes_view data, size_t step)
{
    static char out[512];
    ui_keys *k = ui_keys_new();
    ui_key key;
    out[0] = 0;
    for (size_t at = 0; at <= data.size; at += step) {
        size_t size = MIN_OF(step, data.size - at);
        if (size) ui_keys_feed(k, data.data + at, size);
        while (ui_keys_take(k, at + step > data.size, &key)) {
            size_t used = strlen(out);
            if (key.kind == UI_KEY_PASTE)
                snprintf(out + used, sizeof out - used, "%s[%.*s]", used ? " " : "", (int)key.text.size,
                         key.text.data);
            else
                snprintf(out + used, sizeof out - used, "%s%s", used ? " " : "", key.name);
        }
    }
    check_true(!ui_keys_is_pending(k));
    ui_keys_free(k);
    return out;
}

/* The same names however the bytes are cut. */
static void named(bytes_view data, const char *wanted)
{
    for (size_t step = 1; step <= data.size; step++) check_text(names_of(data, step), wanted);
}

TEST(characters_are_themselves)
{
    named(VIEW("aY/ "), "a Y /  ");
    named(VIEW("\xC3\xA9中"), "é 中");
}

TEST(control_keys_have_the_names_of_the_table_of_actions)
{
    named(VIEW("\x10\x0C\x03\x11\x1A"), "Ctrl-P Ctrl-L Ctrl-C Ctrl-Q Ctrl-Z");
    named(VIEW("\r\t\x7F\b"), "Enter Tab Backspace Backspace");
    named(VIEW("\x1F"), "Ctrl-_");
}

TEST(a_new_line_has_three_ways)
{
    named(VIEW("\n"), "Alt-Enter");
    named(VIEW("\x1b\r"), "Alt-Enter");
    named(VIEW("\x1b[13;2u"), "Alt-Enter");
}

TEST(arrows_and_their_neighbours)
{
    named(VIEW("\x1b[A\x1bOB\x1b[C\x1bOD"), "Up Down Right Left");
    named(VIEW("\x1b[H\x1b[F\x1b[1~\x1b[4~\x1bOH"), "Home End Home End Home");
    named(VIEW("\x1b[5~\x1b[6~\x1b[3~\x1b[2~"), "PageUp PageDown Delete Insert");
    named(VIEW("\x1b[Z"), "Shift-Tab");
}

TEST(function_keys_of_all_terminals)
{
    named(VIEW("\x1bOP\x1b[11~\x1b[[A\x1b[1;2P"), "F1 F1 F1 Shift-F1");
    named(VIEW("\x1bOQ\x1bOR\x1b[15~\x1b[17~\x1b[24~"), "F2 F3 F5 F6 F12");
}

TEST(modifiers_stand_before_the_name)
{
    named(VIEW("\x1b[1;5D\x1b[1;3C\x1b[1;6A"), "Ctrl-Left Alt-Right Ctrl-Shift-Up");
    named(VIEW("\x1b"
               "b\x1b\x7F"),
          "Alt-b Alt-Backspace");
    named(VIEW("\x1b\x1b[A"), "Alt-Up");
    named(VIEW("\x1b[97;5u\x1b[27;5;13~"), "Ctrl-A Ctrl-Enter");
}

TEST(a_lone_escape_is_a_key_once_it_has_waited)
{
    ui_keys *k = ui_keys_new();
    ui_key key;
    ui_keys_feed(k, "\x1b", 1);
    check_true(!ui_keys_take(k, false, &key));
    check_true(ui_keys_is_pending(k));
    check_true(ui_keys_take(k, true, &key));
    check_text(key.name, "Esc");
    check_true(!ui_keys_is_pending(k));
    ui_keys_free(k);
}

TEST(what_a_terminal_reports_is_never_typed)
{
    named(VIEW("\x1b]11;rgb:0000/0000/0000\x1b\\x"), "x");
    named(VIEW("\x1b[?1;2cx\x1bP1$r0m\x1b\\y"), "x y");
    named(VIEW("\x1b[<0;10;10Mx"), "x");
    named(VIEW("\xFF\x80x"), "x");
}

TEST(a_paste_is_one_event_with_safe_text)
{
    named(VIEW("a\x1b[200~one\rtwo\x1b[31m\x1b[201~b"), "a [one\ntwo␛[31m] b");
    named(VIEW("\x1b[200~\x1b[201~z"), "[] z");
}

TEST(a_paste_past_the_limit_is_cut_and_says_so)
{
    enum { SIZE = UI_PASTE_BYTES_MAX + 100 };
    CLEANUP(bytes_free) bytes data = {0};
    bytes_append_text(&data, "\x1b[200~");
    for (size_t i = 0; i < SIZE; i++) bytes_append_byte(&data, 'p');
    bytes_append_text(&data, "\x1b[201~");
    ui_keys *k = ui_keys_new();
    ui_key key;
    ui_keys_feed(k, data.data, data.size);
    check_true(ui_keys_take(k, false, &key));
    check_int(key.text.size, UI_PASTE_BYTES_MAX);
    check_true(key.was_cut);
    ui_keys_free(k);
}

TEST(only_characters_are_text)
{
    ui_keys *k = ui_keys_new();
    ui_key key;
    ui_keys_feed(k, "a\x01", 2);
    check_true(ui_keys_take(k, false, &key) && key.is_text);
    check_true(ui_keys_take(k, false, &key) && !key.is_text);
    ui_keys_free(k);
}

/* Every key that an action is bound to can be typed on an ordinary terminal. */
TEST(each_key_of_the_table_of_actions_can_be_typed)
{
    static const bytes_view typed[] = {
        {"\x1b", 1},     {"\r", 1},       {"\n", 1},       {"\t", 1},       {"\x1b[Z", 3},   {"\x1b[A", 3},
        {"\x1b[B", 3},   {"\x1b[C", 3},   {"\x1b[D", 3},   {"\x1b[5~", 4},  {"\x1b[6~", 4},  {"\x1bOP", 3},
        {"\x1bOQ", 3},   {"\x1bOR", 3},   {"\x1bOS", 3},   {"\x1b[15~", 5}, {"\x1b[17~", 5}, {"\x1b[18~", 5},
        {"\x1b[19~", 5}, {"\x1b[20~", 5}, {"\x1b[21~", 5},
    };
    for (const ui_action *a = ui_actions; a->name; a++) {
        if (strcmp(a->key, "Space") == 0) continue; /* typed as " ", known to the table by both */
        bool found =
            !a->key[0] || (strlen(a->key) == 1 && strcmp(names_of(bytes_view_of(a->key), 1), a->key) == 0);
        for (size_t i = 0; i < COUNT_OF(typed) && !found; i++)
            found = strcmp(names_of(typed[i], 8), a->key) == 0;
        for (char control = 1; control < 0x20 && !found; control++)
            found = strcmp(names_of((bytes_view){&control, 1}, 1), a->key) == 0;
        if (!found) fail_msg("%s: no terminal sends %s", a->name, a->key);
    }
}

TESTS(RUN(characters_are_themselves), RUN(control_keys_have_the_names_of_the_table_of_actions),
      RUN(a_new_line_has_three_ways), RUN(arrows_and_their_neighbours), RUN(function_keys_of_all_terminals),
      RUN(modifiers_stand_before_the_name), RUN(a_lone_escape_is_a_key_once_it_has_waited),
      RUN(what_a_terminal_reports_is_never_typed), RUN(a_paste_is_one_event_with_safe_text),
      RUN(a_paste_past_the_limit_is_cut_and_says_so), RUN(only_characters_are_text),
      RUN(each_key_of_the_table_of_actions_can_be_typed))
