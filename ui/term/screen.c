#define _GNU_SOURCE
#include "ui/term/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "ui/term/clipboard.h"
#include "ui/term/rescue.h"
#include "ui/term/sanitise.h"
#include "ui/term/screen_internal.h"
#include "ui/term/terminfo.h"

static const char paste_on[] = "\x1b[?2004h", paste_off[] = "\x1b[?2004l", sync_off[] = "\x1b[?2026l";
static const char title_keep[] = "\x1b[22;2t", title_back[] = "\x1b[23;2t";

static ui_screen *open_screen; /* for atexit */

/* Past ncurses, whose own buffer is empty between frames. */
static void send(const ui_screen *s, const char *data, size_t size)
{
    while (size) {
        ssize_t written = write(s->out, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        data += written, size -= (size_t)written;
    }
}

static void send_text(const ui_screen *s, const char *text) { send(s, text, strlen(text)); }

/* ---- what the terminal can do ---- */

/* Direct colours need a description of their own ("xterm-direct" for "xterm-256color"); without one it
 * is 256. */
static void choose_terminal(const ui_screen_options *how, const env *e, int *colors, ui_screen *s, char *name,
                            size_t size)
{
    s->colors = ui_colors_choose(how->color, env_get(e, "NO_COLOR"), env_get(e, "COLORTERM"), *colors);
    if (s->colors != UI_COLORS_ALL) return;
    char direct[64];
    int direct_colors;
    snprintf(direct, sizeof direct, "%.*s-direct", (int)MIN_OF(strcspn(name, "-"), (size_t)48), name);
    if (!ui_terminfo_find(direct, &direct_colors)) return;
    *colors = direct_colors;
    snprintf(name, size, "%s", direct);
}

static ui_colors colors_within(ui_colors wanted, int terminal_colors)
{
    ui_colors most = terminal_colors > 256    ? UI_COLORS_ALL
                     : terminal_colors == 256 ? UI_COLORS_256
                     : terminal_colors >= 16  ? UI_COLORS_16
                     : terminal_colors >= 8   ? UI_COLORS_8
                                              : UI_COLORS_NONE;
    return MIN_OF(wanted, most);
}

static attr_t curses_attributes(unsigned attributes)
{
    return (attributes & UI_BOLD ? A_BOLD : 0) | (attributes & UI_FAINT ? A_DIM : 0) |
           (attributes & UI_ITALIC ? A_ITALIC : 0) | (attributes & UI_UNDERLINE ? A_UNDERLINE : 0) |
           (attributes & UI_REVERSE ? A_REVERSE : 0);
}

static void looks_make(ui_screen *s, int terminal_colors)
{
    s->colors = colors_within(s->colors, terminal_colors);
    if (s->colors != UI_COLORS_NONE && (start_color() == ERR || use_default_colors() == ERR))
        s->colors = UI_COLORS_NONE;
    for (int i = 0; i < UI_STYLE_COUNT; i++) {
        const ui_style_row *row = &ui_styles[i];
        if (s->colors == UI_COLORS_NONE) {
            s->looks[i] = (ui_look){curses_attributes(row->plain), 0};
            continue;
        }
        const ui_style_colors of[] = {[UI_COLORS_8] = row->of_8,
                                      [UI_COLORS_16] = row->of_16,
                                      [UI_COLORS_256] = row->of_256,
                                      [UI_COLORS_ALL] = row->of_all};
        init_extended_pair(i + 1, of[s->colors].front, of[s->colors].back);
        s->looks[i] = (ui_look){curses_attributes(row->colored), (short)(i + 1)};
    }
}

/* A locale that names another character set means that the terminal shows no UTF-8. None at all (containers)
 * says nothing about the terminal, and today's show UTF-8; one that this system lacks (ssh brings the other
 * machine's) still tells of it. Only LC_CTYPE is set: numbers keep their point. */
static bool locale_has_utf8(const env *e)
{
    if (setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return true;
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *named = NULL;
    for (size_t i = 0; i < COUNT_OF(names) && !named; i++) named = env_get(e, names[i]);
    if (named && !strcasestr(named, "utf-8") && !strcasestr(named, "utf8")) return false;
    return setlocale(LC_CTYPE, "C.UTF-8") != NULL;
}

/* ---- open and close ---- */

/* What gives the terminal back, in the order in which it must be written. */
static void rescue_prepare(ui_screen *s)
{
    CLEANUP(bytes_free) bytes restore = {0};
    bytes_append_text(&restore, paste_off);
    if (s->is_emulator) bytes_append_text(&restore, sync_off), bytes_append_text(&restore, title_back);
    ui_terminfo_restore(&restore);
    ui_rescue_arm(s->out, &s->modes_before, bytes_borrow(&restore));
}

static void modes_set(ui_screen *s)
{
    raw();
    noecho();
    nonl();
    send_text(s, paste_on);
}

/* The size that the terminal has now. */
static void size_follow(ui_screen *s)
{
    struct winsize size = {0};
    if (ioctl(s->out, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col &&
        (size.ws_row != LINES || size.ws_col != COLS))
        resizeterm(size.ws_row, size.ws_col);
    s->rows = LINES, s->columns = COLS;
}

static void close_at_exit(void) { ui_screen_close(open_screen); }

static void screen_start(ui_screen *s, int terminal_colors)
{
    set_escdelay(UI_ESCAPE_MS);
    looks_make(s, terminal_colors);
    rescue_prepare(s);
    modes_set(s);
    if (s->is_emulator) send_text(s, title_keep);
    leaveok(stdscr, FALSE);
    scrollok(stdscr, FALSE);
    size_follow(s);
    s->keys = ui_keys_new();
    s->cursor_row = -1;
    open_screen = s;
    static bool is_registered;
    if (!is_registered) atexit(close_at_exit);
    is_registered = true;
}

err ui_screen_open(const ui_screen_options *how, ui_screen **out)
{
    env process = env_of_process();
    const env *e = how->env ? how->env : &process;
    char name[128];
    int colors = -1;
    if (open_screen) return err_make(ERR_STATE, "the terminal is open already");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_make(ERR_UNSUPPORTED, "standard input and output are not a terminal");
    snprintf(name, sizeof name, "%s", env_get(e, "TERM") ? env_get(e, "TERM") : "");
    if (!ui_terminfo_find(name, &colors))
        return err_make(ERR_UNSUPPORTED,
                        "TERM is '%s', which terminfo does not know: set it to what the terminal is, such as "
                        "xterm-256color",
                        name);

    ui_screen *s = memory_alloc(sizeof *s);
    s->in = STDIN_FILENO, s->out = STDOUT_FILENO;
    s->ascii = !locale_has_utf8(e) || how->ascii;
    s->in_tmux = env_get(e, "TMUX") != NULL;
    s->is_emulator =
        strncmp(name, "linux", 5) != 0 && strncmp(name, "vt1", 3) != 0 && strncmp(name, "vt2", 3) != 0;
    choose_terminal(how, e, &colors, s, name, sizeof name);
    if (tcgetattr(s->in, &s->modes_before) != 0 || pipe2(s->notice_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(s);
        return err_errno("terminal");
    }
    ui_rescue_watch(s->notice_fds[1]);
    fflush(stdout);
    s->terminal = newterm(name, stdout, stdin);
    if (!s->terminal) {
        ui_rescue_end();
        close(s->notice_fds[0]), close(s->notice_fds[1]);
        free(s);
        return err_make(ERR_UNSUPPORTED, "the terminal '%s' cannot place a cursor", name);
    }
    screen_start(s, colors);
    *out = s;
    return ERR_OK;
}

void ui_screen_close(ui_screen *s)
{
    if (!s) return;
    ui_screen_leave(s);
    if (s->is_emulator) send_text(s, title_back);
    ui_rescue_end();
    delscreen(s->terminal);
    close(s->notice_fds[0]), close(s->notice_fds[1]);
    ui_keys_free(s->keys);
    free(s);
    open_screen = NULL;
}

void ui_screen_leave(ui_screen *s)
{
    if (s->is_left) return;
    s->is_left = true;
    send_text(s, paste_off);
    curs_set(1);
    endwin();
    tcsetattr(s->in, TCSADRAIN, &s->modes_before);
    ui_rescue_pause();
}

void ui_screen_enter(ui_screen *s)
{
    if (!s->is_left) return;
    s->is_left = false;
    ui_rescue_resume();
    reset_prog_mode();
    modes_set(s);
    size_follow(s);
    ui_frame_redraw(s);
}

/* The shell sees its job stop as if the terminal had sent Ctrl-Z. */
void ui_screen_suspend(ui_screen *s)
{
    ui_screen_leave(s);
    struct sigaction stop = {.sa_handler = SIG_DFL}, before;
    sigaction(SIGTSTP, &stop, &before);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &before, NULL);
    ui_screen_enter(s);
    s->resize_due = true;
}

/* ---- waiting and keys ---- */

int ui_screen_input_fd(const ui_screen *s) { return s->in; }
int ui_screen_signal_fd(const ui_screen *s) { return s->notice_fds[0]; }

static double waited_ms(const ui_screen *s) { return (clock_seconds() - s->fed_at) * 1000; }

int ui_screen_wait_ms(const ui_screen *s)
{
    if (!ui_keys_is_pending(s->keys)) return -1;
    double left = UI_ESCAPE_MS - waited_ms(s);
    return left > 0 ? (int)left + 1 : 0;
}

static void notices_read(ui_screen *s)
{
    char notices[64];
    ssize_t count = read(s->notice_fds[0], notices, sizeof notices);
    for (ssize_t i = 0; i < count; i++) {
        if (notices[i] == 'z') s->suspend_due = true;
        if (notices[i] == 'w') s->resize_due = true;
        if (notices[i] != 'c') continue;
        reset_prog_mode(); /* stopped from outside: the shell has set its own modes since */
        modes_set(s);
        ui_frame_redraw(s);
        s->resize_due = true;
    }
}

static bool notice_take(ui_screen *s, ui_key *out)
{
    *out = (ui_key){0};
    if (s->suspend_due) {
        s->suspend_due = false;
        out->kind = UI_KEY_SUSPEND;
    } else if (s->resize_due) {
        s->resize_due = false;
        size_follow(s);
        out->kind = UI_KEY_RESIZE;
    }
    return out->kind != UI_KEY_NONE;
}

/* False: nothing is there now. */
static bool bytes_read(ui_screen *s)
{
    char data[4096];
    struct pollfd ready = {s->in, POLLIN, 0};
    if (s->is_closed || poll(&ready, 1, 0) <= 0) return false;
    ssize_t count = read(s->in, data, sizeof data);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (count <= 0) s->is_closed = true;
    if (count <= 0) return false;
    ui_keys_feed(s->keys, data, (size_t)count);
    s->fed_at = clock_seconds();
    return true;
}

bool ui_screen_take_key(ui_screen *s, ui_key *out)
{
    notices_read(s);
    if (notice_take(s, out)) return true;
    do
        if (ui_keys_take(s->keys, false, out)) return true;
    while (bytes_read(s));
    if (ui_keys_is_pending(s->keys) && waited_ms(s) >= UI_ESCAPE_MS) return ui_keys_take(s->keys, true, out);
    if (s->is_closed) out->kind = UI_KEY_CLOSED;
    return s->is_closed;
}

/* ---- the rest of the terminal ---- */

int ui_screen_rows(const ui_screen *s) { return s->rows; }
int ui_screen_columns(const ui_screen *s) { return s->columns; }
bool ui_screen_is_ascii(const ui_screen *s) { return s->ascii; }

err ui_screen_copy(ui_screen *s, bytes_view text)
{
    CLEANUP(bytes_free) bytes sequence = {0};
    err e = ui_clipboard_sequence(text, s->in_tmux, &sequence);
    if (!e.code) send(s, sequence.data, sequence.size);
    return e;
}

void ui_screen_set_title(ui_screen *s, const char *title)
{
    CLEANUP(bytes_free) bytes text = {0};
    bytes_append_text(&text, "\x1b]2;");
    ui_sanitise_line(bytes_view_of(title), s->ascii, &text);
    bytes_append_byte(&text, '\a');
    if (s->is_emulator) send(s, text.data, text.size); /* consoles would show it */
}
