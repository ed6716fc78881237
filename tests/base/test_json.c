#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"

static arena scratch;

static const json_node *parsed(bytes_view source)
{
    const json_node *root = NULL;
    check_ok(json_parse(source, JSON_DEPTH_MAX, &scratch, &root));
    return root;
}

static void refused(bytes_view source, const char *words)
{
    const json_node *untouched = (const json_node *)&scratch, *root = untouched;
    check_fails(json_parse(source, JSON_DEPTH_MAX, &scratch, &root), ERR_FORMAT, words);
    assert_ptr_equal(root, untouched);
}

static int scratch_free(void **state)
{
    (void)state;
    arena_free(&scratch);
    return 0;
}

TEST(scalars_keep_their_type_and_text)
{
    check_true(json_is(parsed(VIEW("null")), JSON_NULL));
    check_true(json_is(parsed(VIEW(" true\n")), JSON_TRUE));
    check_true(json_is(parsed(VIEW("\tfalse\r")), JSON_FALSE));
    check_true(bytes_view_is(json_text(parsed(VIEW("\"hi\""))), "hi"));
    check_true(bytes_view_is(parsed(VIEW("-12.50e+03"))->text, "-12.50e+03"));
}

TEST(children_keep_their_order_and_keys)
{
    const json_node *root = parsed(VIEW("{\"b\": [1, [], {}, [2]],\n \"a\": {\"k\": \"v\"}}"));
    check_int(json_count(root), 2);
    const json_node *b = json_first(root);
    check_true(bytes_view_is(b->key, "b"));
    check_int(json_count(b), 4);
    check_int(json_int(json_first(b->first->next->next->next), 0), 2);
    check_true(bytes_view_is(b->next->key, "a"));
    check_int(b->next->line, 2);
    check_true(b->next->next == NULL);
    check_true(bytes_view_is(json_text(json_get(json_get(root, "a"), "k")), "v"));
}

TEST(the_text_of_numbers_tells_2_from_2_point_0)
{
    const json_node *root = parsed(VIEW("[2, 2.0, 9007199254740993, 1e3, 1.5, 1e400, 9223372036854775807,"
                                        " 9223372036854775808, -9223372036854775808, -0, 0.1, 1E-2]"));
    const json_node *n[12] = {0};
    size_t count = 0;
    for (const json_node *item = json_first(root); item; item = item->next) n[count++] = item;
    check_int(count, 12);
    check_true(bytes_view_is(n[0]->text, "2") && bytes_view_is(n[1]->text, "2.0"));
    check_true(json_int(n[1], -1) == 2);
    check_true(json_int(n[2], -1) == 9007199254740993);
    check_true(json_int(n[3], -1) == 1000);
    check_true(json_int(n[4], -1) == -1 && json_double(n[4], 0) == 1.5);
    check_true(json_double(n[5], -1) == -1 && json_int(n[5], -1) == -1);
    check_true(json_int(n[6], -1) == INT64_MAX);
    check_true(json_int(n[7], -1) == -1);
    check_true(json_int(n[8], -1) == INT64_MIN);
    check_true(json_int(n[9], -1) == 0 && signbit(json_double(n[9], 1)));
    check_true(json_double(n[10], 0) == 0.1);
    check_true(json_double(n[11], 0) == 0.01);
}

TEST(a_number_of_a_thousand_digits_is_read_and_does_not_fit)
{
    char digits[1001];
    memset(digits, '9', 1000);
    const json_node *root = parsed((bytes_view){digits, 1000});
    check_int(root->text.size, 1000);
    check_true(json_int(root, 7) == 7);
    check_true(json_double(root, 7) == 7);
}

TEST(numbers_that_are_none_are_refused)
{
    refused(VIEW("[01]"), "line 1, column 2: expected a number without leading zeros");
    refused(VIEW("-01"), "leading zeros");
    refused(VIEW("[-]"), "column 3: expected a digit after '-', found ']'");
    refused(VIEW("1."), "after the decimal point, found the end");
    refused(VIEW(".5"), "expected a value, found '.'");
    refused(VIEW("+1"), "expected a value, found '+'");
    refused(VIEW("1e"), "exponent");
    refused(VIEW("1e+"), "exponent");
    refused(VIEW("0x10"), "expected the end of the text after the value, found 'x'");
    refused(VIEW("NaN"), "expected a value");
    refused(VIEW("Infinity"), "expected a value");
}

TEST(escapes_are_decoded)
{
    bytes_view text =
        json_text(parsed(VIEW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\uDE00.\"")));
    check_true(bytes_view_is(text, "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80."));
}

TEST(u0000_stays_inside_its_string)
{
    bytes_view text = json_text(parsed(VIEW("\"a\\u0000b\"")));
    check_true(bytes_view_equal(text, VIEW("a\0b")));
    const json_node *object = parsed(VIEW("{\"k\\u0000x\": 1, \"k\": 2}"));
    check_true(json_int(json_get(object, "k"), 0) == 2);
}

TEST(lone_surrogates_are_refused)
{
    refused(VIEW("\"ab\\ud800\""), "line 1, column 4: expected a pair of surrogates, found \\uD800 alone");
    refused(VIEW("\"\\udc00\""), "\\uDC00 alone");
    refused(VIEW("\"\\ud800\\u0041\""), "\\uD800 alone");
    refused(VIEW("\"\\ud800\\ud800\""), "\\uD800 alone");
    refused(VIEW("\"\\ud83dx\""), "\\uD83D alone");
}

TEST(broken_escapes_are_refused)
{
    refused(VIEW("\"\\x\""), "after '\\', found 'x'");
    refused(VIEW("\"\\u12G4\""), "hexadecimal");
    refused(VIEW("\"\\u12"), "hexadecimal");
    refused(VIEW("\"\\"), "found the end of the text");
    refused(VIEW("\"\\\0\""), "found byte 0x00");
}

TEST(invalid_utf8_is_refused)
{
    static const char *const broken[] = {
        "\"\xC3\x28\"",
        "\"\x80\"",
        "\"\xC0\xAF\"",
        "\"\xE0\x80\xAF\"",
        "\"\xED\xA0\x80\"",
        "\"\xF4\x90\x80\x80\"",
        "\"\xF8\x88\x80\x80\x80\"",
        "\"\xE2\x82\"",
        "\"\xFF\"",
        "\"\\n\xC3\"",
    };
    for (size_t i = 0; i < COUNT_OF(broken); i++) refused(bytes_view_of(broken[i]), "expected valid UTF-8");
    check_true(bytes_view_is(json_text(parsed(VIEW("\"\xF4\x8F\xBF\xBF\xED\x9F\xBF\""))),
                             "\xF4\x8F\xBF\xBF\xED\x9F\xBF"));
}

TEST(control_characters_in_strings_are_refused)
{
    refused(VIEW("\"a\nb\""), "found byte 0x0A");
    refused(VIEW("\"a\tb\""), "found byte 0x09");
    refused(VIEW("\"a\0b\""), "found byte 0x00");
}

TEST(of_duplicate_keys_the_last_counts_and_both_are_kept)
{
    const json_node *root = parsed(VIEW("{\"a\": 1, \"b\": 2, \"a\": 3}"));
    check_int(json_count(root), 3);
    check_true(json_int(json_get(root, "a"), 0) == 3);
    check_true(bytes_view_is(json_duplicate_key(root, &scratch), "a"));
    root = parsed(VIEW("{\"a\": {\"x\": 1, \"x\": 2}, \"b\": 0, \"\": 1}"));
    check_int(json_duplicate_key(root, &scratch).size, 0);
    check_true(json_duplicate_key(root, &scratch).data == NULL);
}

TEST(punctuation_is_strict)
{
    refused(VIEW("[1,]"), "column 4: expected a value, found ']'");
    refused(VIEW("{\"a\":1,}"), "expected a key in quotes, found '}'");
    refused(VIEW("{a:1}"), "expected a key in quotes");
    refused(VIEW("{\"a\" 1}"), "expected ':' after a key, found '1'");
    refused(VIEW("[1 2]"), "expected ',' or ']', found '2'");
    refused(VIEW("{\"a\":1 \"b\":2}"), "expected ',' or '}'");
    refused(VIEW("[1}"), "expected ',' or ']', found '}'");
    refused(VIEW("["), "expected a value, found the end of the text");
    refused(VIEW("{"), "expected a key in quotes, found the end");
    refused(VIEW("[1"), "expected ',' or ']', found the end");
    refused(VIEW("\"abc"), "end of a string");
    refused(VIEW("'a'"), "expected a value");
    refused(VIEW("[1] // no"), "expected the end of the text after the value, found '/'");
    refused(VIEW("\f1"), "found byte 0x0C");
    refused(VIEW("tru"), "expected a value");
    refused(VIEW("nulll"), "expected the end");
}

TEST(one_value_and_nothing_else)
{
    refused(VIEW(""), "line 1, column 1: expected a value, found the end of the text");
    refused(VIEW("  \n "), "line 2, column 2");
    refused(VIEW("1 2"), "column 3: expected the end of the text after the value, found '2'");
    refused(VIEW("{}\n{}"), "line 2, column 1");
    refused(VIEW("1\0"), "found byte 0x00");
    refused(VIEW("\xEF\xBB\xBF{}"), "line 1, column 1: expected a value, found a byte order mark");
}

TEST(columns_count_characters)
{
    refused(VIEW("[\n \"\xC3\xA9\xC3\xA9\" x"), "line 2, column 7: expected ',' or ']', found 'x'");
}

TEST(nesting_has_a_limit)
{
    char text[2 * (JSON_DEPTH_MAX + 1)];
    size_t deep = JSON_DEPTH_MAX;
    memset(text, '[', deep), memset(text + deep, ']', deep);
    (void)parsed((bytes_view){text, 2 * deep});
    deep++;
    memset(text, '[', deep), memset(text + deep, ']', deep);
    const json_node *root = NULL;
    check_fails(json_parse((bytes_view){text, 2 * deep}, JSON_DEPTH_MAX, &scratch, &root), ERR_LIMIT,
                "limit of 128");
    check_fails(json_parse(VIEW("[[]]"), 1, &scratch, &root), ERR_LIMIT,
                "column 2: nested deeper than the limit of 1");
    check_ok(json_parse(VIEW("[]"), 1, &scratch, &root));
    check_ok(json_parse(VIEW("7"), 0, &scratch, &root));
    check_fails(json_parse(VIEW("[]"), 0, &scratch, &root), ERR_LIMIT, "limit of 0");
}

TEST(every_cut_of_a_document_is_refused)
{
    static const char whole[] =
        "{\"a\": [1, -2.5e3, \"x\\u00e9\xC3\xA9\"], \"b\": {\"c\": null, \"d\": true}}";
    (void)parsed(VIEW(whole));
    for (size_t size = 0; size + 1 < sizeof whole; size++) {
        /* an exact copy, so that the address sanitizer sees a read past its end */
        char *cut = memory_text_n(whole, size);
        cut = memory_resize(cut, size);
        refused((bytes_view){cut, size}, "line 1, column ");
        free(cut);
    }
}

TEST(absent_nodes_read_as_their_fallbacks)
{
    check_true(json_get(NULL, "a") == NULL && json_first(NULL) == NULL && json_count(NULL) == 0);
    check_true(json_is_null(NULL) && !json_is(NULL, JSON_NULL));
    check_true(json_bool(NULL, true) && json_int(NULL, 5) == 5 && json_double(NULL, 2.5) == 2.5);
    check_int(json_text(NULL).size, 0);
    const json_node *text = parsed(VIEW("\"x\""));
    check_true(json_get(text, "a") == NULL && json_int(text, 5) == 5 && !json_bool(text, false));
    check_true(!json_bool(parsed(VIEW("false")), true));
    check_text(json_type_name(JSON_OBJECT), "an object");
}

TEST(the_locale_does_not_move_the_decimal_point)
{
    const char *locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "C"};
    for (size_t i = 0; i < COUNT_OF(locales) && !setlocale(LC_NUMERIC, locales[i]); i++) continue;
    check_true(json_double(parsed(VIEW("0.5")), 0) == 0.5);
    setlocale(LC_NUMERIC, "C");
}

#define SCRATCH(name) cmocka_unit_test_teardown(name, scratch_free)
TESTS(SCRATCH(scalars_keep_their_type_and_text), SCRATCH(children_keep_their_order_and_keys),
      SCRATCH(the_text_of_numbers_tells_2_from_2_point_0),
      SCRATCH(a_number_of_a_thousand_digits_is_read_and_does_not_fit),
      SCRATCH(numbers_that_are_none_are_refused), SCRATCH(escapes_are_decoded),
      SCRATCH(u0000_stays_inside_its_string), SCRATCH(lone_surrogates_are_refused),
      SCRATCH(broken_escapes_are_refused), SCRATCH(invalid_utf8_is_refused),
      SCRATCH(control_characters_in_strings_are_refused),
      SCRATCH(of_duplicate_keys_the_last_counts_and_both_are_kept), SCRATCH(punctuation_is_strict),
      SCRATCH(one_value_and_nothing_else), SCRATCH(columns_count_characters), SCRATCH(nesting_has_a_limit),
      SCRATCH(every_cut_of_a_document_is_refused), SCRATCH(absent_nodes_read_as_their_fallbacks),
      SCRATCH(the_locale_does_not_move_the_decimal_point))
