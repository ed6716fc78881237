#define _GNU_SOURCE
#include "tests/support/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <vterm.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "tests/support/check.h"

struct terminal {
    VTerm *vterm;
    VTermScreen *screen;
    pid_t pid;
    int fd, status;
    bool has_ended, is_alternate, has_cursor, wraps_pastes;
    bytes written;
    bytes row, tail; /* tail: the last bytes seen, for modes that libvterm does not tell */
};

static int on_property(VTermProp property, VTermValue *value, void *context)
{
    terminal *t = context;
    if (property == VTERM_PROP_ALTSCREEN) t->is_alternate = value->boolean;
    if (property == VTERM_PROP_CURSORVISIBLE) t->has_cursor = value->boolean;
    return 1;
}

static const VTermScreenCallbacks callbacks = {.settermprop = on_property};

static terminal *terminal_new(int rows, int columns)
{
    terminal *t = memory_alloc(sizeof *t);
    t->has_cursor = true;
    t->vterm = vterm_new(rows, columns);
    vterm_set_utf8(t->vterm, 1);
    t->screen = vterm_obtain_screen(t->vterm);
    vterm_screen_set_callbacks(t->screen, &callbacks, t);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_reset(t->screen, 1);
    return t;
}

/* True in the child. */
static bool fork_in_pty(terminal *t, int rows, int columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    if (t->pid < 0) fail_msg("no pty");
    return t->pid == 0;
}

terminal *terminal_run(int rows, int columns, int (*program)(void *context), void *context)
{
    terminal *t = terminal_new(rows, columns);
    if (fork_in_pty(t, rows, columns)) {
        terminal_free(t);
        exit(program(context));
    }
    return t;
}

terminal *terminal_exec(int rows, int columns, const char *const *argv)
{
    terminal *t = terminal_new(rows, columns);
    char **arguments = memory_alloc(64 * sizeof *arguments);
    for (size_t i = 0; argv[i] && i < 63; i++) arguments[i] = memory_text(argv[i]);
    if (fork_in_pty(t, rows, columns)) {
        execvp(arguments[0], arguments);
        _exit(127);
    }
    for (size_t i = 0; arguments[i]; i++) free(arguments[i]);
    free(arguments);
    return t;
}

void terminal_free(terminal *t)
{
    if (t->pid > 0 && !t->has_ended) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
    }
    if (t->pid > 0) close(t->fd);
    vterm_free(t->vterm);
    bytes_free(&t->row), bytes_free(&t->tail), bytes_free(&t->written);
    free(t);
}

pid_t terminal_pid(const terminal *t) { return t->pid; }

void terminal_type(terminal *t, const char *keys)
{
    if (write(t->fd, keys, strlen(keys)) != (ssize_t)strlen(keys)) fail_msg("cannot type");
}

void terminal_type_named(terminal *t, const char *keys)
{
    static const char names[] = "rnte\\", codes[] = "\r\n\t\x1b\\";
    CLEANUP(bytes_free) bytes typed = {0};
    for (const char *at = keys; *at; at++) {
        const char *name = *at == '\\' && at[1] ? strchr(names, at[1]) : NULL;
        char hex[3] = {0};
        if (name) {
            bytes_append_byte(&typed, codes[name - names]);
            at++;
        } else if (*at == '\\' && at[1] == 'x' && at[2] && at[3]) {
            memcpy(hex, at + 2, 2);
            bytes_append_byte(&typed, (char)strtol(hex, NULL, 16));
            at += 3;
        } else {
            bytes_append_byte(&typed, *at);
        }
    }
    terminal_type(t, bytes_text(&typed));
}

void terminal_resize(terminal *t, int rows, int columns)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    vterm_set_size(t->vterm, rows, columns);
    if (ioctl(t->fd, TIOCSWINSZ, &size) != 0) fail_msg("cannot resize");
}

static void paste_mode_watch(terminal *t, const char *data, size_t size)
{
    bytes_append(&t->tail, data, size);
    const char *on = NULL, *off = NULL;
    for (const char *at = bytes_text(&t->tail);
         (at = memmem(at, t->tail.size - (size_t)(at - t->tail.data), "\x1b[?2004", 7)); at += 7) {
        if (at[7] == 'h') on = at;
        if (at[7] == 'l') off = at;
    }
    if (on || off) t->wraps_pastes = on > off;
    if (t->tail.size > 8) bytes_remove(&t->tail, 0, t->tail.size - 8);
}

bool terminal_read(terminal *t, int wait_ms)
{
    char data[16384];
    struct pollfd ready = {t->fd, POLLIN, 0};
    if (poll(&ready, 1, wait_ms) <= 0) return false;
    ssize_t count = read(t->fd, data, sizeof data);
    if (count <= 0) return false;
    bytes_append(&t->written, data, (size_t)count);
    vterm_input_write(t->vterm, data, (size_t)count);
    vterm_screen_flush_damage(t->screen);
    paste_mode_watch(t, data, (size_t)count);
    return true;
}

uint32_t terminal_cell(terminal *t, int row, int column)
{
    VTermScreenCell cell;
    if (!vterm_screen_get_cell(t->screen, (VTermPos){row, column}, &cell)) return ' ';
    if (cell.chars[0] == (uint32_t)-1) return 0;
    return cell.chars[0] ? cell.chars[0] : ' ';
}

int32_t terminal_cell_color(terminal *t, int row, int column)
{
    VTermScreenCell cell;
    bool found = vterm_screen_get_cell(t->screen, (VTermPos){row, column}, &cell);
    if (!found || VTERM_COLOR_IS_DEFAULT_FG(&cell.fg)) return -1;
    vterm_screen_convert_color_to_rgb(t->screen, &cell.fg);
    return cell.fg.rgb.red << 16 | cell.fg.rgb.green << 8 | cell.fg.rgb.blue;
}

const char *terminal_row(terminal *t, int row)
{
    int rows, columns;
    char text[UTF8_BYTES_MAX];
    vterm_get_size(t->vterm, &rows, &columns);
    bytes_clear(&t->row);
    for (int column = 0; column < columns; column++) {
        VTermScreenCell cell;
        uint32_t base = terminal_cell(t, row, column);
        if (!base) continue;
        bytes_append(&t->row, text, utf8_encode(base, text));
        vterm_screen_get_cell(t->screen, (VTermPos){row, column}, &cell);
        for (int i = 1; i < VTERM_MAX_CHARS_PER_CELL && cell.chars[0] && cell.chars[i]; i++)
            bytes_append(&t->row, text, utf8_encode(cell.chars[i], text));
    }
    while (t->row.size && t->row.data[t->row.size - 1] == ' ') bytes_remove(&t->row, t->row.size - 1, 1);
    return bytes_text(&t->row);
}

bool terminal_shows(terminal *t, const char *words)
{
    int rows, columns;
    vterm_get_size(t->vterm, &rows, &columns);
    for (int row = 0; row < rows; row++)
        if (strstr(terminal_row(t, row), words)) return true;
    return false;
}

static void until(terminal *t, const char *words, bool wanted)
{
    double end = clock_seconds() + TERMINAL_WAIT_MS / 1000.0;
    while (terminal_shows(t, words) != wanted) {
        if (clock_seconds() > end)
            fail_msg("the screen %s '%s'", wanted ? "never showed" : "still shows", words);
        (void)terminal_read(t, 50);
    }
}

void terminal_until(terminal *t, const char *words) { until(t, words, true); }
void terminal_until_gone(terminal *t, const char *words) { until(t, words, false); }

void terminal_settle(terminal *t, int ms)
{
    double end = clock_seconds() + TERMINAL_WAIT_MS / 1000.0;
    while (clock_seconds() < end && terminal_read(t, ms)) {}
}

int terminal_until_exit(terminal *t)
{
    double end = clock_seconds() + TERMINAL_WAIT_MS / 1000.0;
    while (!t->has_ended) {
        if (clock_seconds() > end) fail_msg("the program has not ended");
        (void)terminal_read(t, 20);
        t->has_ended = waitpid(t->pid, &t->status, WNOHANG) == t->pid;
    }
    while (terminal_read(t, 20)) {}
    return t->status;
}

bool terminal_is_alternate(const terminal *t) { return t->is_alternate; }
bool terminal_has_cursor(const terminal *t) { return t->has_cursor; }
void terminal_cursor(const terminal *t, int *row, int *column)
{
    VTermPos at;
    vterm_state_get_cursorpos(vterm_obtain_state(t->vterm), &at);
    *row = at.row, *column = at.col;
}

bool terminal_wraps_pastes(const terminal *t) { return t->wraps_pastes; }

/* Linux answers for the other side of the pty. */
bool terminal_is_cooked(const terminal *t)
{
    struct termios modes;
    tcflag_t wanted = ICANON | ECHO | ISIG;
    return tcgetattr(t->fd, &modes) == 0 && (modes.c_lflag & wanted) == wanted && (modes.c_iflag & ICRNL);
}

size_t terminal_byte_count(const terminal *t) { return t->written.size; }

bool terminal_was_sent(const terminal *t, const char *sequence)
{
    return memmem(bytes_text(&t->written), t->written.size, sequence, strlen(sequence)) != NULL;
}
