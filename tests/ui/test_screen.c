/* The screen as a person sees it: a small program in a pty, read by libvterm. */
#define _GNU_SOURCE
#include "ui/term/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"
#include "tests/support/terminal.h"

/* ---- the program ---- */

typedef struct sample {
    const char *term, *locale, *no_color, *colorterm;
} sample;

static const char *const hard_words[] = {
    "plain",   "中文字",       "e\xCC\x81 o\xCC\x88", "👨‍👩‍👧 family",
    "🇩🇪 flag", "❤️ heart", "👍🏽 skin",       "नमस्ते",
    "한국어",  "\x1b[31m raw", "\xFF\xFE broken",     "a\tb\tc",
};

static void frame_draw(ui_screen *s, const char *last, int count)
{
    ui_frame_begin(s);
    ui_rect all = ui_screen_rect(s), inside = ui_draw_box(s, all, "Sample 中", true);
    for (size_t i = 0; i < COUNT_OF(hard_words); i++) {
        ui_draw_words(s, inside, (int)i + 1, 1, UI_STYLE_TEXT, hard_words[i]);
        for (int column = 20; column < inside.columns + 4;
             column += 2) /* wide ones up to the edge and past it */
            ui_draw_words(s, inside, (int)i + 1, column + (int)(i % 2), UI_STYLE_TEXT, "宽");
    }
    ui_draw_format(s, inside, 0, 1, UI_STYLE_OK, "%d: %s, %d x %d", count, last, s ? ui_screen_rows(s) : 0,
                   ui_screen_columns(s));
    ui_rect popup = {4, 31, 5, 20}; /* its edges cut wide characters in half */
    ui_draw_fill(s, popup, UI_STYLE_TEXT);
    ui_draw_box(s, popup, "Popup", false);
    ui_draw_gauge(s, ui_rect_inside(popup, 1), 0, 0, 10, 0.5);
    ui_draw_scrollbar(s, inside, 10, 200);
    ui_draw_cursor(s, inside, 0, 3);
    ui_frame_end(s);
}

static int events(ui_screen *s)
{
    char last[64] = "ready";
    for (int count = 0;;) {
        frame_draw(s, last, count);
        struct pollfd ready[] = {{ui_screen_input_fd(s), POLLIN, 0}, {ui_screen_signal_fd(s), POLLIN, 0}};
        poll(ready, 2, ui_screen_wait_ms(s));
        for (ui_key key; ui_screen_take_key(s, &key); count++) {
            if (key.kind == UI_KEY_TYPED) snprintf(last, sizeof last, "key %s", key.name);
            if (key.kind == UI_KEY_PASTE)
                snprintf(last, sizeof last, "paste %.*s", (int)key.text.size, key.text.data);
            if (key.kind == UI_KEY_RESIZE) snprintf(last, sizeof last, "resized");
            if (key.kind == UI_KEY_CLOSED) return 9;
            if (key.kind == UI_KEY_SUSPEND || strcmp(key.name, "Ctrl-Z") == 0) ui_screen_suspend(s);
            if (strcmp(key.name, "q") == 0) return 0;
            if (strcmp(key.name, "x") == 0) exit(3);
            if (strcmp(key.name, "c") == 0) raise(SIGSEGV);
            if (strcmp(key.name, "n") == 0)
                count--, snprintf(last, sizeof last, "ready"); /* the same frame */
            if (strcmp(key.name, "y") == 0) check_ok(ui_screen_copy(s, VIEW("hi")));
        }
    }
}

static int sample_run(void *context)
{
    const sample *how = context;
    ui_screen *s = NULL;
    signal(SIGSEGV, SIG_DFL); /* the test library's own would go on with the next test */
    setenv("TERM", how->term ? how->term : "xterm-256color", 1);
    setenv("LC_ALL", how->locale ? how->locale : "C.UTF-8", 1);
    unsetenv("COLORTERM"), unsetenv("TMUX"), unsetenv("NO_COLOR");
    if (how->no_color) setenv("NO_COLOR", how->no_color, 1);
    if (how->colorterm) setenv("COLORTERM", how->colorterm, 1);
    err e = ui_screen_open(&(ui_screen_options){0}, &s);
    if (e.code) {
        printf("refused: %s\n", e.text);
        return 1;
    }
    int status = events(s);
    ui_screen_close(s);
    return status;
}

static terminal *given(const sample *how)
{
    static sample copy;
    copy = how ? *how : (sample){0};
    terminal *t = terminal_run(24, 80, sample_run, &copy);
    terminal_until(t, "ready");
    terminal_settle(t, 100);
    return t;
}

/* ---- what must hold ---- */

static void borders_stand(terminal *t, int rows, int columns)
{
    for (int row = 1; row < rows - 1; row++) {
        check_int(terminal_cell(t, row, 0), 0x2502);
        check_int(terminal_cell(t, row, columns - 1), 0x2502);
    }
    check_int(terminal_cell(t, 0, columns - 1), 0x2510);
    check_int(terminal_cell(t, rows - 1, columns - 1), 0x2518);
    for (int row = 5; row < 8; row++) {
        check_int(terminal_cell(t, row, 31), 0x2502);
        check_int(terminal_cell(t, row, 50), 0x2502);
    }
}

static void is_given_back(terminal *t)
{
    check_true(!terminal_is_alternate(t));
    check_true(terminal_has_cursor(t));
    check_true(!terminal_wraps_pastes(t));
    check_true(terminal_is_cooked(t));
}

TEST(a_frame_is_drawn_in_the_alternate_screen)
{
    terminal *t = given(NULL);
    check_true(terminal_is_alternate(t) && terminal_wraps_pastes(t) && !terminal_is_cooked(t));
    check_true(terminal_shows(t, "┌ Sample 中 ─"));
    check_true(terminal_shows(t, "0: ready, 24 x 80"));
    check_true(terminal_shows(t, "█████░░░░░"));
    terminal_free(t);
}

TEST(no_character_shifts_a_border)
{
    terminal *t = given(NULL);
    borders_stand(t, 24, 80);
    check_true(terminal_shows(t, "中文字"));
    check_true(terminal_shows(t, "e\xCC\x81 o\xCC\x88"));
    check_true(terminal_shows(t, "👨 family"));
    check_true(terminal_shows(t, "DE flag"));
    check_true(terminal_shows(t, "\uFFFD[31m raw"));
    terminal_free(t);
}

TEST(keys_and_pastes_arrive)
{
    terminal *t = given(NULL);
    terminal_type(t, "\x1b[1;5C");
    terminal_until(t, "key Ctrl-Right");
    terminal_type(t, "\x03");
    terminal_until(t, "key Ctrl-C");
    terminal_type(t, "\x1b");
    terminal_until(t, "key Esc");
    terminal_type(t, "\x1b[200~two words\x1b[201~");
    terminal_until(t, "paste two words");
    terminal_free(t);
}

TEST(a_frame_follows_the_size)
{
    terminal *t = given(NULL);
    terminal_resize(t, 30, 101);
    terminal_until(t, "resized, 30 x 101");
    terminal_settle(t, 100);
    borders_stand(t, 30, 101);
    terminal_resize(t, 20, 60);
    terminal_until(t, "resized, 20 x 60");
    terminal_settle(t, 100);
    borders_stand(t, 20, 60);
    terminal_resize(t, 1, 1);
    terminal_settle(t, 100);
    terminal_type(t, "q");
    check_int(terminal_until_exit(t), 0);
    terminal_free(t);
}

TEST(the_same_frame_sends_nothing)
{
    terminal *t = given(NULL);
    size_t before = terminal_byte_count(t);
    terminal_type(t, "nnn");
    terminal_settle(t, 100);
    check_int(terminal_byte_count(t), before);
    terminal_free(t);
}

TEST(the_terminal_is_given_back_at_the_end)
{
    terminal *t = given(NULL);
    terminal_type(t, "q");
    check_int(terminal_until_exit(t), 0);
    is_given_back(t);
    terminal_free(t);
}

TEST(the_terminal_is_given_back_by_exit)
{
    terminal *t = given(NULL);
    terminal_type(t, "x");
    check_int(WEXITSTATUS(terminal_until_exit(t)), 3);
    is_given_back(t);
    terminal_free(t);
}

TEST(the_terminal_is_given_back_by_signals)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGINT};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        terminal *t = given(NULL);
        kill(terminal_pid(t), signals[i]);
        int status = terminal_until_exit(t);
        check_true(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        is_given_back(t);
        terminal_free(t);
    }
}

TEST(the_terminal_is_given_back_by_a_crash)
{
    terminal *t = given(NULL);
    terminal_type(t, "c");
    check_true(terminal_until_exit(t) != 0); /* SIGSEGV, or a sanitizer's own status */
    is_given_back(t);
    terminal_free(t);
}

/* A shell of one job: it runs the sample in the foreground, says when it stops, and continues it on a key. */
static int shell_run(void *context)
{
    int status;
    pid_t job = fork();
    signal(SIGTTOU, SIG_IGN);
    setpgid(job, job);
    if (!job) {
        tcsetpgrp(0, getpid());
        exit(sample_run(context));
    }
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
        tcsetpgrp(0, getpgrp());
        char line[8];
        if (write(1, "job has stopped\r\n", 17) < 0 || read(0, line, sizeof line) < 0) break;
        tcsetpgrp(0, job);
        kill(-job, SIGCONT);
    }
    return WEXITSTATUS(status);
}

TEST(suspended_it_gives_the_terminal_back_and_continues)
{
    static sample how;
    terminal *t = terminal_run(24, 80, shell_run, &how);
    terminal_until(t, "ready");
    terminal_type(t, "\x1A");
    terminal_until(t, "job has stopped");
    is_given_back(t);
    terminal_type(t, "fg\n");
    terminal_until(t, "resized");
    terminal_settle(t, 100);
    check_true(terminal_is_alternate(t) && terminal_wraps_pastes(t) && !terminal_is_cooked(t));
    borders_stand(t, 24, 80);
    terminal_type(t, "q");
    check_int(WEXITSTATUS(terminal_until_exit(t)), 0);
    is_given_back(t);
    terminal_free(t);
}

TEST(a_locale_without_utf8_gets_ascii)
{
    /* "linux", because libvterm wraps too early after xterm's sequence for repeated characters */
    terminal *t = given(&(sample){.term = "linux", .locale = "C"});
    check_int(terminal_cell(t, 0, 0), '+');
    check_int(terminal_cell(t, 10, 79), '|');
    check_true(terminal_shows(t, "#####....."));
    for (int row = 0; row < 24; row++)
        for (int column = 0; column < 80; column++) check_true(terminal_cell(t, row, column) < 0x7F);
    terminal_free(t);
}

TEST(a_locale_that_is_not_installed_still_names_its_characters)
{
    terminal *t = given(&(sample){.locale = "xx_YY.UTF-8"});
    borders_stand(t, 24, 80);
    terminal_free(t);
}

TEST(colors_are_used_unless_refused)
{
    terminal *t = given(NULL);
    check_true(terminal_cell_color(t, 0, 0) >= 0);
    terminal_free(t);
    t = given(&(sample){.no_color = "1"});
    check_int(terminal_cell_color(t, 0, 0), -1);
    terminal_free(t);
}

/* A description with direct colours beside the ordinary one, as the fuller terminfo packages have it. */
TEST(all_colors_are_used_where_the_terminal_has_a_description_for_them)
{
    static const char source[] =
        "xterm-direct|direct colours,\n\tRGB, colors#0x1000000, pairs#0x7FFF,\n"
        "\tsetab=\\E[%?%p1%{8}%<%t4%p1%d%e48;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%d%;m,\n"
        "\tsetaf=\\E[%?%p1%{8}%<%t3%p1%d%e38;2;%p1%{65536}%/%d;%p1%{256}%/%{255}%&%d;%p1%{255}%&%d%;m,\n"
        "\tsetb@, setf@, initc@, ccc@, use=xterm-256color,\n";
    char path[128], command[512];
    snprintf(path, sizeof path, "%s/direct.ti", check_folder());
    check_write(path, source, sizeof source - 1);
    snprintf(command, sizeof command, "tic -x -o %s/terminfo %s 2>/dev/null", check_folder(), path);
    if (system(command) != 0) skip();
    snprintf(command, sizeof command, "%s/terminfo:", check_folder());
    setenv("TERMINFO_DIRS", command, 1);
    terminal *t = given(&(sample){.colorterm = "truecolor"});
    unsetenv("TERMINFO_DIRS");
    check_int(terminal_cell_color(t, 0, 0), ui_styles[UI_STYLE_BORDER_FOCUSED].of_all.front);
    borders_stand(t, 24, 80);
    terminal_free(t);
}

TEST(a_linux_console_will_do)
{
    terminal *t = given(&(sample){.term = "linux"});
    borders_stand(t, 24, 80);
    terminal_type(t, "\x1b[[A");
    terminal_until(t, "key F1");
    terminal_free(t);
}

TEST(an_unknown_terminal_is_refused_with_its_name)
{
    static sample how = {.term = "no-such-terminal"};
    terminal *t = terminal_run(24, 80, sample_run, &how);
    terminal_until(t, "refused: TERM is 'no-such-terminal'");
    check_int(WEXITSTATUS(terminal_until_exit(t)), 1);
    terminal_free(t);
}

TEST(a_pipe_is_no_terminal)
{
    ui_screen *s = NULL;
    int kept = dup(0), ends[2];
    check_int(pipe(ends), 0);
    dup2(ends[0], 0);
    check_fails(ui_screen_open(&(ui_screen_options){0}, &s), ERR_UNSUPPORTED, "not a terminal");
    dup2(kept, 0);
    close(kept), close(ends[0]), close(ends[1]);
}

TEST(colors_are_chosen_by_setting_then_environment_then_terminal)
{
    check_int(ui_colors_choose("auto", NULL, NULL, 256), UI_COLORS_256);
    check_int(ui_colors_choose(NULL, NULL, "truecolor", 256), UI_COLORS_ALL);
    check_int(ui_colors_choose("auto", "1", "truecolor", 256), UI_COLORS_NONE);
    check_int(ui_colors_choose("auto", "", NULL, 8), UI_COLORS_8);
    check_int(ui_colors_choose("16", "1", NULL, 256), UI_COLORS_16);
    check_int(ui_colors_choose("never", NULL, "truecolor", 256), UI_COLORS_NONE);
    check_int(ui_colors_choose("auto", NULL, NULL, -1), UI_COLORS_NONE);
}

TESTS(RUN(a_frame_is_drawn_in_the_alternate_screen), RUN(no_character_shifts_a_border),
      RUN(keys_and_pastes_arrive), RUN(a_frame_follows_the_size), RUN(the_same_frame_sends_nothing),
      RUN(the_terminal_is_given_back_at_the_end), RUN(the_terminal_is_given_back_by_exit),
      RUN(the_terminal_is_given_back_by_signals), RUN(the_terminal_is_given_back_by_a_crash),
      RUN(suspended_it_gives_the_terminal_back_and_continues), RUN(a_locale_without_utf8_gets_ascii),
      RUN(a_locale_that_is_not_installed_still_names_its_characters), RUN(colors_are_used_unless_refused),
      RUN(all_colors_are_used_where_the_terminal_has_a_description_for_them), RUN(a_linux_console_will_do),
      RUN(an_unknown_terminal_is_refused_with_its_name), RUN(a_pipe_is_no_terminal),
      RUN(colors_are_chosen_by_setting_then_environment_then_terminal))
