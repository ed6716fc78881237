#include <string.h>

#include "engine/stop_strings.h"
#include "tests/support/check.h"

static const char *const stops[] = {"END", "\n\nUser:", "", "eee"};

/* The text that comes out when `text` is pushed in pieces of `size` bytes; *met: a stop string was found. */
static const char *streamed(const char *text, size_t size, bool *met)
{
    static bytes out; /* kept for the next call */
    engine_stop_strings *s = engine_stop_strings_new(stops, COUNT_OF(stops));

    bytes_clear(&out);
    *met = false;
    for (size_t at = 0; at < strlen(text) && !*met; at += size) {
        size_t left = strlen(text) - at;
        *met = engine_stop_strings_push(s, (bytes_view){text + at, left < size ? left : size}, &out);
    }
    if (!*met) engine_stop_strings_finish(s, &out);
    engine_stop_strings_free(s);
    return bytes_text(&out);
}

static void check_streamed(const char *text, const char *wanted, bool wanted_met)
{
    for (size_t size = 1; size <= strlen(text); size++) {
        bool met = false;
        check_text(streamed(text, size, &met), wanted);
        check_int(met, wanted_met);
    }
}

TEST(a_stop_string_is_found_wherever_it_is_cut)
{
    check_streamed("one two END three", "one two ", true);
    check_streamed("a\n\nUser: b", "a", true);
    check_streamed("sheeep", "sh", true);
    check_streamed("END", "", true);
}

TEST(what_only_looks_like_one_comes_out)
{
    check_streamed("EN EN\nEND", "EN EN\n", true);
    check_streamed("the EN", "the EN", false);
    check_streamed("a\n\nUse it", "a\n\nUse it", false);
    check_streamed("ee", "ee", false);
}

TEST(text_comes_out_as_soon_as_it_is_certain)
{
    bytes out = {0};
    engine_stop_strings *s = engine_stop_strings_new(stops, COUNT_OF(stops));

    check_true(!engine_stop_strings_push(s, VIEW("abcE"), &out));
    check_text(bytes_text(&out), "abc");
    check_true(!engine_stop_strings_push(s, VIEW("x"), &out));
    check_text(bytes_text(&out), "abcEx");
    engine_stop_strings_free(s);
    bytes_free(&out);
}

TESTS(RUN(a_stop_string_is_found_wherever_it_is_cut), RUN(what_only_looks_like_one_comes_out),
      RUN(text_comes_out_as_soon_as_it_is_certain))
