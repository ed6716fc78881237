#include "ui/term/clipboard.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tests/support/check.h"

static void sends(const char *text, bool in_tmux, const char *wanted)
{
    CLEANUP(bytes_free) bytes out = {0};
    check_ok(ui_clipboard_sequence(bytes_view_of(text), in_tmux, &out));
    check_text(bytes_text(&out), wanted);
}

TEST(text_is_sent_in_base64)
{
    sends("", false, "\x1b]52;c;\a");
    sends("f", false, "\x1b]52;c;Zg==\a");
    sends("fo", false, "\x1b]52;c;Zm8=\a");
    sends("foobar", false, "\x1b]52;c;Zm9vYmFy\a");
    sends("\xC3\xBF\x1b", false, "\x1b]52;c;w78b\a");
}

TEST(tmux_is_asked_to_pass_it_on) { sends("f", true, "\x1bPtmux;\x1b\x1b]52;c;Zg==\a\x1b\\"); }

TEST(a_text_past_the_limit_is_refused)
{
    char *large = memory_alloc(UI_CLIPBOARD_BYTES_MAX + 1);
    bytes out = {0};
    check_fails(ui_clipboard_sequence((bytes_view){large, UI_CLIPBOARD_BYTES_MAX + 1}, false, &out),
                ERR_LIMIT, "at most 74994");
    check_int(out.size, 0);
    free(large);
}

TESTS(RUN(text_is_sent_in_base64), RUN(tmux_is_asked_to_pass_it_on), RUN(a_text_past_the_limit_is_refused))
