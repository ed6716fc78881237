#include "ui/term/markdown.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

/* Lines joined by newlines; with styles, a span that is not plain stands as {name|text}. */
static char *rendered(bytes_view text, int cells, bool ascii, bool styles)
{
    arena a = {0};
    bytes out = {0};
    ui_markdown_options how = {.cells = cells, .ascii = ascii, .base = UI_STYLE_TEXT};
    ui_lines lines = ui_markdown_lines(text, &how, &a);
    for (size_t i = 0; i < lines.count; i++) {
        check_true(lines.items[i].cells <= cells);
        for (size_t s = 0; s < lines.items[i].span_count; s++) {
            ui_span span = lines.items[i].spans[s];
            bool marked = styles && span.style != UI_STYLE_TEXT;
            if (marked) bytes_printf(&out, "{%s|", ui_styles[span.style].name);
            bytes_append_view(&out, span.text);
            if (marked) bytes_append_text(&out, "}");
        }
        bytes_append_text(&out, "\n");
    }
    arena_free(&a);
    return bytes_take(&out);
}

static void shows(const char *text, int cells, const char *wanted)
{
    char *got = rendered(bytes_view_of(text), cells, false, false);
    check_text(got, wanted);
    free(got);
}

static void styled(const char *text, const char *wanted)
{
    char *got = rendered(bytes_view_of(text), 60, false, true);
    check_text(got, wanted);
    free(got);
}

TEST(words_have_their_styles)
{
    styled("a **b** *c* ***d*** `e` ~~f~~",
           "a {strong|b} {emphasis|c} {strong-emphasis|d} {code|e} {struck|f}\n");
    styled("# Title", "{heading|Title}\n");
    styled("**bold `code` bold**", "{strong|bold }{code|code}{strong| bold}\n");
}

TEST(paragraphs_are_apart_and_wrapped)
{
    shows("one two three\n\nfour", 8, "one two\nthree\n\nfour\n");
    shows("a line\nand the next", 20, "a line\nand the next\n");
}

TEST(lists_have_marks_and_hang)
{
    shows("- one two three\n- four\n  - five\n\nend", 9, "• one two\n  three\n• four\n  • five\n\nend\n");
    shows("9. nine\n10. ten", 20, "9. nine\n10. ten\n");
    shows("- [ ] open\n- [x] done", 20, "[ ] open\n[x] done\n");
}

TEST(code_keeps_its_blanks_between_two_edges)
{
    shows("```python\nif x:\n\tprint(1)\n\n```\nend", 16,
          "── python ──────\nif x:\n    print(1)\n\n────────────────\n\nend\n");
}

TEST(a_long_line_of_code_is_broken_at_the_edge)
{
    shows("```\nabcdefghij\n```", 6, "──────\nabcdef\nghij\n──────\n");
}

TEST(an_unfinished_block_of_code_is_one_already)
{
    shows("```c\nint x", 8, "── c ───\nint x\n────────\n");
    shows("**not yet", 20, "**not yet\n");
}

TEST(quotes_have_a_bar_on_each_line) { shows("> one two\n>\n> three", 7, "│ one\n│ two\n│ \n│ three\n"); }

TEST(tables_are_aligned_and_fit)
{
    shows("| a | bbb |\n|---|---|\n| 中文 | x |", 20, "a    │ bbb\n─────┼────\n中文 │ x\n");
    shows("| name | words |\n|---|---|\n| a | one two three |", 16,
          "name │ words\n─────┼──────────\na    │ one two\n     │ three\n");
    shows("|a|b|c|\n|---|---|---|\n|1|2|3|", 6, "a\nb\nc\n──────\n1\n2\n3\n");
}

TEST(links_show_where_they_lead)
{
    styled("[here](http://a.b)", "{link|here}{dim| (http://a.b)}\n");
    styled("http://a.b/c", "{link|http://a.b/c}\n");
}

TEST(html_and_entities_are_words)
{
    shows("<b>x</b> &lt;&amp;&#65;&#27;&unknown;", 40, "<b>x</b> <&A␛&unknown;\n");
}

TEST(hostile_text_does_nothing)
{
    shows("a \x1b[2J b", 40, "a ␛[2J b\n");
    shows("```\x1b]0;x\a\nc\n```", 20, "── ␛]0;x␇ ──────────\nc\n────────────────────\n");
}

TEST(ascii_needs_no_other_characters)
{
    char *got = rendered(VIEW("- caf\xC3\xA9\n\n> q\n\n---\n\n|a|b|\n|---|---|\n|1|2|\n"), 8, true, false);
    check_text(got, "* cafe\n\n| q\n\n--------\n\na | b\n--+--\n1 | 2\n");
    free(got);
}

TEST(any_width_will_do)
{
    static const char text[] =
        "# T\n\n1. a\n   - b\n     > c **d** `e`\n\n|x|y|\n|---|---|\n|1|2|\n\n```\n\t中\n```\n";
    for (int cells = 2; cells < 40; cells++) free(rendered(VIEW(text), cells, false, false));
}

TEST(deep_nesting_is_cut_off_and_not_followed)
{
    bytes text = {0};
    for (int i = 0; i < 5000; i++) bytes_append_text(&text, "> ");
    bytes_append_text(&text, "deep");
    char *got = rendered(bytes_borrow(&text), 40, false, false);
    check_true(check_text_holds(got, "deep"));
    free(got);
    bytes_free(&text);
}

TEST(the_last_code_block_is_found_as_written)
{
    CLEANUP(bytes_free) bytes code = {0};
    /* a list takes part of the indentation of a block inside it */
    check_true(ui_markdown_last_code(VIEW("- x\n\n  ```make\n  all:\n  \tcc\n  ```\n"), &code));
    check_text(bytes_text(&code), "all:\n\tcc\n");
    check_true(ui_markdown_last_code(VIEW("```\none\n```\n\n```c\n\tint two;\n```\n"), &code));
    check_text(bytes_text(&code), "\tint two;\n");
    check_true(!ui_markdown_last_code(VIEW("no `code` block"), &code));
}

TEST(plain_lines_keep_every_mark)
{
    arena a = {0};
    ui_markdown_options how = {.cells = 20, .base = UI_STYLE_USER};
    ui_lines lines = ui_plain_lines(VIEW("**a**\n\n# b"), &how, &a);
    check_int(lines.count, 3);
    check_true(bytes_view_is(lines.items[0].spans[0].text, "**a**"));
    check_int(lines.items[0].spans[0].style, UI_STYLE_USER);
    check_int(lines.items[1].span_count, 0);
    arena_free(&a);
}

TESTS(RUN(words_have_their_styles), RUN(paragraphs_are_apart_and_wrapped), RUN(lists_have_marks_and_hang),
      RUN(code_keeps_its_blanks_between_two_edges), RUN(a_long_line_of_code_is_broken_at_the_edge),
      RUN(an_unfinished_block_of_code_is_one_already), RUN(quotes_have_a_bar_on_each_line),
      RUN(tables_are_aligned_and_fit), RUN(links_show_where_they_lead), RUN(html_and_entities_are_words),
      RUN(hostile_text_does_nothing), RUN(ascii_needs_no_other_characters), RUN(any_width_will_do),
      RUN(deep_nesting_is_cut_off_and_not_followed), RUN(the_last_code_block_is_found_as_written),
      RUN(plain_lines_keep_every_mark))
